/* SPDX-License-Identifier: Apache-2.0 */
/* The reference kernels for float arrays (sums in double): what the fast kernels are checked against. */
#define SPK_REAL float
#define SPK_REAL_EPSILON FLT_EPSILON
#define SPK_REF_TABLE spk__ref_f32
#include "backend/reference/ref_table.inc.h"
