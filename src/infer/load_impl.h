/* SPDX-License-Identifier: Apache-2.0 */
/* A recording as the waves that are embedded: whole, its speech, or segments of either. */
#ifndef SPK_INFER_LOAD_IMPL_H
#define SPK_INFER_LOAD_IMPL_H

#include "data/speech_impl.h"
#include "infer/embedder_impl.h"

typedef struct spk__load_options {
    int64_t K, T; /* K segments of T samples; K 0: whole */
    const spk_speech *speech;
    double min_speech; /* seconds */
} spk__load_options;

typedef struct spk__loaded {
    float *wave;       /* n_waves waves of `samples` samples each; spk_free */
    int64_t samples;   /* of one wave */
    int64_t n_waves;   /* segments; 1 for a whole recording */
    int64_t recording; /* samples of the recording itself */
} spk__loaded;

/* Called by loader threads. On failure nothing is to be freed. */
spk_status spk__load(const spk_embedder *e, spk_audio_reader *r, const spk_embed_item *item, const spk__load_options *o,
                     spk__loaded *out) SPK_NODISCARD;
/* The speech of the recording of n samples that is open in r, or all of it where `speech` is NULL. SPK_E_VALUE where that is less than min_speech
 * seconds, or nothing. */
spk_status spk__load_speech(const spk_embedder *e, const spk_speech *speech, double min_speech, spk_audio_reader *r,
                            const spk_embed_item *item, int64_t n, spk_spans *out) SPK_NODISCARD;

#endif
