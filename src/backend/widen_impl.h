/* SPDX-License-Identifier: Apache-2.0 */
/* The last entry of every bfloat16 table: the best float kernel on float copies of the bfloat16 views. */
#ifndef SPK_BACKEND_WIDEN_IMPL_H
#define SPK_BACKEND_WIDEN_IMPL_H

#include "backend/backend_impl.h"

extern const spk_kernel spk__widened;

#endif
