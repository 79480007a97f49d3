/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of an utterance that training and validation see (espnet2.train.preprocessor.SpkPreprocessor).
 * Differences, on purpose: a training crop may begin at every position 0..L-T, the last one too, and a short file is
 * repeated to exactly T samples, not to T + 1.
 */
#include "data/audio_impl.h"

#include <string.h>

/* The open file's n < T samples, repeated to T. */
static spk_status wrap(spk_audio_reader *r, int64_t n, int64_t T, float *dst)
{
    const int64_t width = spk_audio_width(r);
    SPK_TRY(spk_audio_part(r, 0, n, dst));
    for (int64_t i = n * width; i < T * width; i++)
        dst[i] = dst[i - n * width];
    return SPK_OK;
}

spk_status spk_crop_train(spk_audio_reader *r, const char *path, int64_t speed, int64_t T, spk_rng *draw, float *dst)
{
    int64_t L = 0;
    spk_status status;
    SPK_GO(spk_audio_open_speed(r, path, speed, &L));
    if (L < T)
        SPK_GO(wrap(r, L, T, dst));
    else
        SPK_GO(spk_audio_part(r, spk_rng_below(draw, L - T + 1), T, dst));
done:
    spk_audio_shut(r);
    return status;
}

/* numpy.linspace(0, L - T, K) rounds as this does; the last one is exact. */
int64_t spk_segment_start(int64_t L, int64_t T, int64_t K, int64_t k)
{
    if (K <= 1 || L <= T) return 0;
    if (k == K - 1) return L - T;
    const double step = (double)(L - T) / (double)(K - 1);
    return (int64_t)((double)k * step);
}

spk_status spk_crop_segments(spk_audio_reader *r, const char *path, int64_t T, int64_t K, float *dst)
{
    const int64_t width = spk_audio_width(r), size = T * width;
    int64_t L = 0;
    spk_status status;
    SPK_GO(spk_audio_open(r, path, &L));
    if (L <= T) {
        SPK_GO(L == T ? spk_audio_part(r, 0, T, dst) : wrap(r, L, T, dst));
        for (int64_t k = 1; k < K; k++)
            memcpy(dst + k * size, dst, sizeof *dst * (size_t)size);
    } else if (L <= K * T) {
        /* Decode once: to the end of dst, then move each segment forward to its place (it never lies before it). */
        float *all = dst + (K * T - L) * width;
        SPK_GO(spk_audio_part(r, 0, L, all));
        for (int64_t k = 0; k < K; k++)
            memmove(dst + k * size, all + spk_segment_start(L, T, K, k) * width, sizeof *dst * (size_t)size);
    } else {
        for (int64_t k = 0; k < K; k++)
            SPK_GO(spk_audio_part(r, spk_segment_start(L, T, K, k), T, dst + k * size));
    }
done:
    spk_audio_shut(r);
    return status;
}
