/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a recording at another sample rate, made from the part of the recording that it depends on. */
#ifndef SPK_DATA_RESAMPLE_IMPL_H
#define SPK_DATA_RESAMPLE_IMPL_H

#include "base/base_impl.h"

typedef struct spk_resampler spk_resampler; /* of one thread; keeps its memory and filters */
spk_resampler *spk_resampler_new(void);
void spk_resampler_free(spk_resampler *s);

typedef struct spk_resample_source {
    void *self;
    spk_status (*read)(void *self, int64_t first, int64_t n, float *dst); /* samples at in_hz */
    const char *path;                                                     /* for messages */
    int64_t n;                                                            /* samples there are */
    int64_t in_hz, out_hz;
} spk_resample_source;

/* Length of n samples at in_hz when they are taken to out_hz: rounded, at least 1. */
int64_t spk_resampled_length(int64_t n, int64_t in_hz, int64_t out_hz);
/* Samples [start, start + count) of the converted recording; they must lie within its length. */
spk_status spk_resample_part(spk_resampler *s, const spk_resample_source *source, int64_t start, int64_t count,
                             float *dst) SPK_NODISCARD;

#endif
