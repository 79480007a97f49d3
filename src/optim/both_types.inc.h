/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of the file SPK_STEP for float and for double: SPK_NAME(x) is x_f32 and x_f64, SPK_FIELD the scalars. */
#define SPK_REAL float
#define SPK_NAME(name) name##_f32
#define SPK_FIELD f
#define SPK_SQRT sqrtf
#define SPK_ABS fabsf
#include SPK_STEP
#undef SPK_REAL
#undef SPK_NAME
#undef SPK_FIELD
#undef SPK_SQRT
#undef SPK_ABS
#define SPK_REAL double
#define SPK_NAME(name) name##_f64
#define SPK_FIELD v
#define SPK_SQRT sqrt
#define SPK_ABS fabs
#include SPK_STEP
#undef SPK_REAL
#undef SPK_NAME
#undef SPK_FIELD
#undef SPK_SQRT
#undef SPK_ABS
#undef SPK_STEP
