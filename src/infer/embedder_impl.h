/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of an opened model, for this room and for commands that validate and extract with it. */
#ifndef SPK_INFER_EMBEDDER_IMPL_H
#define SPK_INFER_EMBEDDER_IMPL_H

#include "base/base_impl.h"
#include "spk/config.h"
#include "spk/data.h"
#include "spk/embedder.h"
#include "spk/net.h"

struct spk_embedder {
    spk_config config;
    spk_net *net;
    char *config_file, *model_file;
    char *home; /* the folder of config_file, or the packed model */
    bool packed;
    int64_t size;            /* E */
    int64_t min_samples;     /* shortest wave that the model takes */
    spk_audio_options audio; /* of files: the model's rate, or its features */
    int64_t width;           /* floats of a sample: 1, or those of a frame of features */
    int n_loaders;
    float *speech; /* a padded batch; grows */
    size_t speech_room;
    int64_t *lengths;
    int64_t lengths_room;
};

/* Embed n waves in one batch, best of equally many frames: wave[i] has length[i] samples; embedding (n, E). The batch has room
 * for so many samples at least, which decides the plan. SPK_E_VALUE where one comes out not finite. */
spk_status spk__embed_waves(spk_embedder *e, const float *const *wave, const int64_t *length, int64_t n, int64_t room,
                            float *embedding) SPK_NODISCARD;
/* At least so many samples: `wave` (n samples, from spk_alloc) repeated; warns by name. */
spk_status spk__embed_lengthen(const spk_embedder *e, const char *name, float **wave, int64_t *n) SPK_NODISCARD;

/* ---- files that go with a model (companion.c) ---- */

/* The text that lies beside the model's configuration under that name, in its folder or in the packed model: new (n bytes
 * and a NUL), called *where in messages (new); NULL both where there is none. */
spk_status spk__embedder_text(const spk_embedder *e, const char *name, char **text, size_t *n,
                              char **where) SPK_NODISCARD;
/* 16 hexadecimal digits that stand for the weights that embed, whatever file they came from. */
spk_status spk__embedder_fingerprint(const spk_embedder *e, char out[17]) SPK_NODISCARD;

#endif
