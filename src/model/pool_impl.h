/* SPDX-License-Identifier: Apache-2.0 */
/* What poolings share: statistics over time by the lengths that they are given (specification D1 and 10). */
#ifndef SPK_MODEL_POOL_IMPL_H
#define SPK_MODEL_POOL_IMPL_H

#include "model/build_impl.h"

/* With pool_lengths frontend ESPnet 202611 divides sums over the encoder's frames by the frontend's number of them. */
static inline void spk_pool_divide(const spk_build *b, const spk_tensor *x, spk_time_stats_attr *attr)
{
    if (b->pool_lengths != SPK_POOL_FRONTEND) return;
    attr->divide_len = b->frontend_len;
    attr->divide_by = b->frontend_frames == x->w ? 0 : b->frontend_frames;
}

/* The choices of `context_var`: how a variance over time is divided. Given as none, -1, it follows pool_lengths. */
enum { SPK_POOL_BIASED, SPK_POOL_UNBIASED };
#define SPK_POOL_VAR_CHOICES "biased|unbiased"
#define SPK_POOL_VAR_HELP "divide the variance by T (biased) or T-1; none: unbiased with pool_lengths none only"

/* Divisors of the statistics; whether the variance is the unbiased one of releases before 202611. */
static inline bool spk_pool_var(const spk_build *b, const spk_tensor *x, int context_var, spk_time_stats_attr *attr)
{
    attr->unbiased = context_var == SPK_POOL_UNBIASED || (context_var < 0 && b->pool_lengths == SPK_POOL_NONE);
    if (!attr->unbiased) spk_pool_divide(b, x, attr);
    return attr->unbiased;
}

#endif
