/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution of a crop with a room response, by one Fourier transform of both: the same values as the sum, within
 * 1e-6 of the largest. A convolver belongs to one thread; it keeps its plans and room, so that it allocates nothing
 * once it has seen the lengths there are.
 */
#ifndef SPK_DATA_CONVOLVE_IMPL_H
#define SPK_DATA_CONVOLVE_IMPL_H

#include "base/base_impl.h"

typedef struct spk_convolver spk_convolver;

spk_convolver *spk_convolver_new(void);
void spk_convolver_free(spk_convolver *c); /* NULL is allowed */

/* y[t] = sum over k of h[k] x[t + skip - k], t in 0..T-1, x being 0 outside of 0..T-1; 0 <= skip < R. y may be x.
 * SPK_E_NOMEM. */
spk_status spk_convolve(spk_convolver *c, const float *x, int64_t T, const float *h, int64_t R, int64_t skip,
                        float *y) SPK_NODISCARD;

#endif
