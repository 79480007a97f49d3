/* SPDX-License-Identifier: Apache-2.0 */
/* The reference kernels for double arrays: the specification, and what makes finite differences sharp. */
#define SPK_REAL double
#define SPK_REAL_EPSILON DBL_EPSILON
#define SPK_REF_TABLE spk__ref_f64
#include "backend/reference/ref_table.inc.h"
