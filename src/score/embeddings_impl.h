/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings of utterances, read from what extraction programs write. */
#ifndef SPK_SCORE_EMBEDDINGS_IMPL_H
#define SPK_SCORE_EMBEDDINGS_IMPL_H

#include "base/base_impl.h"

typedef struct spk_embeddings {
    char *path;
    int64_t n, D;
    char **id;
    int64_t *first; /* n + 1: rows first[i] to first[i+1] - 1 are the segments of utterance i */
    float *row;     /* (first[n], D), as they stand in the file */
    spk_map index;
} spk_embeddings;

/*
 * FILE.npz (ESPnet's), FILE.ark, FILE.scp (Kaldi's vectors or matrices, or a list of .npy files), or a folder of .npy
 * files whose names below it are the ids. Arrays are (D) or (segments, D), float32 or float64. SPK_E_FORMAT,
 * SPK_E_SHAPE, SPK_E_VALUE name file and utterance: other shapes, unequal D, no segments, values that are not finite,
 * an id twice, no utterance at all.
 */
spk_status spk_embeddings_read(const char *path, spk_embeddings *out);
void spk_embeddings_clear(spk_embeddings *e);
/* The utterance of that id; where it is not there and ends like a recording (.wav, .flac, ...), without that ending; or
 * with '@' in place of '/', as NeMo has it. -1: not there. */
int64_t spk_embeddings_find(const spk_embeddings *e, const char *id);

#endif
