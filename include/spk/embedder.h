/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trained model, opened to embed: samples in memory, a file, a list of files.
 *
 *   spk_embedder *e = NULL;
 *   if (spk_embedder_open("exp", NULL, &e) != SPK_OK) fail(spk_errmsg());
 *   float *a = malloc(sizeof *a * (size_t)spk_embedder_size(e)), *b = ...;
 *   if (spk_embed_file(e, "a.wav", a) || spk_embed_file(e, "b.wav", b)) fail(spk_errmsg());
 *   printf("%.4f\n", spk_embedding_cosine(a, b, spk_embedder_size(e)));
 *   spk_embedder_close(e);
 *
 * A recording is embedded as a whole, or, where segments are asked for, as ESPnet's validation does it. Embeddings are
 * float32 and not normalised. A recording that is shorter than the model can take is repeated until it is long enough,
 * and the log names it.
 *
 * Thread rule: one call at a time for an embedder (two embedders are independent). Determinism: the same model, audio,
 * options and number of threads give the same bits; the number of loader threads changes nothing.
 */
#ifndef SPK_EMBEDDER_H
#define SPK_EMBEDDER_H

#include <stdbool.h>

#include "spk/speech.h"
#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_embedder spk_embedder;

typedef struct spk_embedder_options {
    int n_threads;          /* of computing; 0: all processors that the process may use */
    int n_loaders;          /* threads that decode ahead in spk_embed_list; 0: two */
    const char *model_file; /* weights (.pth, .safetensors); NULL: the folder's own, see spk_embedder_open */
    bool bf16;              /* frames in bfloat16, where the processor has arithmetic for it */
    bool f64;               /* weights and all that is computed in double: slow, and what is handed out is float */
    int gpu;                /* which GPU of this machine computes, from 1; 0: the processor */
    int channel;            /* SPK_CHANNEL_REFUSE, SPK_CHANNEL_MEAN (spk/data.h), or which one from 0 */
} spk_embedder_options;

/* Defaults: all processors, two loaders, the folder's weights, several channels refused. */
SPK_API void spk_embedder_options_init(spk_embedder_options *o);

/*
 * Open a model. `model` is the output folder of a training (its config.yaml with valid.eer.best.pth, or latest.pth
 * where that is not there), a config.yaml whose folder holds the weights or that goes with options->model_file, a folder
 * that `spk convert` wrote, or a packed model (.zip: spk pack, or ESPnet).
 * The loss and its class weights are not loaded, so the number of training speakers does not matter. options may be
 * NULL. SPK_E_IO, SPK_E_FORMAT, SPK_E_CONFIG, SPK_E_UNSUPPORTED, SPK_E_MISMATCH name file and key; *out is then NULL.
 */
SPK_API spk_status spk_embedder_open(const char *model, const spk_embedder_options *options,
                                     spk_embedder **out) SPK_NODISCARD;
SPK_API void spk_embedder_close(spk_embedder *e); /* NULL is allowed */

SPK_API int64_t spk_embedder_size(const spk_embedder *e); /* E: floats of an embedding */
SPK_API int64_t
spk_embedder_sample_rate(const spk_embedder *e); /* Hz that the model hears; of features: frames a second */
/* Values of a frame where the model takes features; 0: it hears sound. */
SPK_API int64_t spk_embedder_feature_size(const spk_embedder *e);
SPK_API const char *spk_embedder_model_file(const spk_embedder *e);

/* Embed n samples (mono, nominally in [-1, 1]) at sample_rate Hz, converted where the model hears another rate:
 * embedding (E). SPK_E_VALUE: no samples, a sample that is not finite, a rate below 1. */
SPK_API spk_status spk_embed_wave(spk_embedder *e, const float *samples, int64_t n, int64_t sample_rate,
                                  float *embedding) SPK_NODISCARD;
/* The same for a model without a frontend of its own: n frames of `size` values. A model of features refuses
 * spk_embed_wave, and one of sound refuses this. */
SPK_API spk_status spk_embed_features(spk_embedder *e, const float *frames, int64_t n, int64_t size,
                                      float *embedding) SPK_NODISCARD;
/* Embed a whole file (WAV, FLAC, Ogg, MP3; any rate; or the features that the model takes,
 * .npy or FILE.ark:OFFSET): embedding (E). Fails as spk_audio_read_all does. */
SPK_API spk_status spk_embed_file(spk_embedder *e, const char *path, float *embedding) SPK_NODISCARD;

/* ---- many files ---- */

typedef struct spk_embed_item {
    const char *id, *path;
} spk_embed_item;

/* What became of an item; valid during the call. */
typedef struct spk_embed_result {
    int64_t index; /* of the item */
    const char *id;
    spk_status status;      /* not SPK_OK: the file could not be embedded, and the rest goes on */
    const char *message;    /* then: one sentence that names the file; else "" */
    const float *embedding; /* (n_segments, E), or NULL */
    int64_t n_segments;     /* 1 where whole recordings are embedded */
    double seconds;         /* of audio */
} spk_embed_result;

/* Called for each item once, in the order of the items. Any other status than SPK_OK ends spk_embed_list with it. */
typedef spk_status (*spk_embed_fn)(void *user, const spk_embed_result *result);

typedef struct spk_embed_list_options {
    int64_t num_eval; /* 0: whole recordings; K: K segments at int(linspace(0, length - T, K)), as in validation */
    double target_duration; /* seconds of a segment, where num_eval is not 0; 0: the model's own */
    /* Only where somebody speaks: these parts are put together, without gaps, before anything else is done. NULL: all. */
    const spk_speech *speech;
    double min_speech; /* seconds; an item with less speech (without `speech`: audio) fails */
    /* Items done so far, from the calling thread; NULL: silent. */
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
    void *user;
} spk_embed_list_options;

typedef struct spk_embed_summary {
    int64_t n_items, n_failed; /* items seen, and those of them that could not be embedded */
    double audio_s, wall_s;
} spk_embed_summary;

/*
 * Embed n files. Files are decoded by loader threads ahead of computing; those whose audio has equally many frames are
 * computed together. options and summary may be NULL. SPK_E_INTERRUPTED after SIGINT or SIGTERM where the program has
 * asked for these; a file that fails is no failure of the call: its result says so.
 */
SPK_API spk_status spk_embed_list(spk_embedder *e, const spk_embed_item *items, int64_t n,
                                  const spk_embed_list_options *options, spk_embed_fn fn, void *user,
                                  spk_embed_summary *summary) SPK_NODISCARD;

/* ---- windows ---- */

/*
 * Windows of W seconds every H seconds for each of n files: [0, W), [H, H + W), ... as long as they lie in it, and one more that
 * ends where it ends, if 10 ms or more were left. With `speech` that holds in each of its parts. A file or part that is shorter
 * than W is one window. Files are read in blocks, so that memory does not depend on their length.
 */
typedef struct spk_windows_options {
    double window, hop;       /* seconds */
    const spk_speech *speech; /* NULL: all of a file */
    double min_speech;        /* as in spk_embed_list_options */
    double min_window;        /* seconds; shorter parts of speech have no window */
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
    void *user;
} spk_windows_options;

/* A window; or, with another status than SPK_OK, the failure of a file, whose windows up to there have been told.
 * Valid during the call. */
typedef struct spk_window {
    int64_t index; /* of the item */
    const char *id;
    spk_status status;
    const char *message;
    double begin, end;      /* seconds */
    const float *embedding; /* (E) */
} spk_window;
typedef spk_status (*spk_window_fn)(void *user, const spk_window *window);

/* Calls fn for each window in the order of files and times; SPK_E_VALUE where W or H makes no sense. Otherwise as
 * spk_embed_list. */
SPK_API spk_status spk_embed_windows(spk_embedder *e, const spk_embed_item *items, int64_t n,
                                     const spk_windows_options *options, spk_window_fn fn, void *user,
                                     spk_embed_summary *summary) SPK_NODISCARD;

/* ---- two embeddings ---- */

/* Cosine of two embeddings of n floats, in [-1, 1]; 0 where one is all zeros. */
SPK_API double spk_embedding_cosine(const float *a, const float *b, int64_t n);
/* Minus the mean Euclidean distance between the normalised segments of a (n_a, n) and of b (n_b, n), in [-2, 0]:
 * the score of validation. With one segment each it ranks as the cosine does. */
SPK_API double spk_embedding_score(const float *a, int64_t n_a, const float *b, int64_t n_b, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
