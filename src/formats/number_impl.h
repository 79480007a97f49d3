/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text. */
#ifndef SPK_FORMATS_NUMBER_IMPL_H
#define SPK_FORMATS_NUMBER_IMPL_H

/* The shortest text that reads back as the same float32, as %g writes it; "nan", "inf" where it is not finite. */
void spk_format_float(float x, char out[32]);

#endif
