/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gallery: names of speakers and the embeddings that they were enrolled with, in one small file that fits one model.
 *
 *   spk_gallery *g = NULL;
 *   if (spk_gallery_open("people.gallery", e, true, &g) != SPK_OK) fail(spk_errmsg());
 *   if (spk_gallery_put(g, "anna", SPK_GALLERY_NEW, n, embeddings) || spk_gallery_write(g)) fail(spk_errmsg());
 *
 * The file is safetensors: a float32 tensor (recordings, E) for each name, embeddings as the model made them. Its metadata
 * hold the model's fingerprint, so that embeddings of another model, which mean something else, are refused. It is
 * written whole or not at all, without times: equal content gives equal bytes.
 *
 * Thread rule: one thread at a time for a gallery. From opening for writing until it is closed, no other process that
 * opens a gallery of the same folder for writing gets on; it waits for 20 seconds, and fails then.
 */
#ifndef SPK_GALLERY_H
#define SPK_GALLERY_H

#include <stdbool.h>

#include "spk/embedder.h"
#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_gallery spk_gallery;

/* Read a gallery. `writing`: a file that is not there is an empty gallery, and others that want to write wait. With an
 * embedder the gallery must be of its model (SPK_E_MISMATCH says of which it is); NULL: whatever it is of, to list it or
 * to take names out. SPK_E_IO, SPK_E_FORMAT name the file; *out is then NULL. */
SPK_API spk_status spk_gallery_open(const char *path, const spk_embedder *e, bool writing,
                                    spk_gallery **out) SPK_NODISCARD;
SPK_API void spk_gallery_close(spk_gallery *g); /* NULL is allowed; what was not written is lost */

SPK_API int64_t spk_gallery_n(const spk_gallery *g);
SPK_API const char *spk_gallery_name(const spk_gallery *g, int64_t i);
SPK_API int64_t spk_gallery_recordings(const spk_gallery *g, int64_t i);  /* that name i was enrolled with */
SPK_API const float *spk_gallery_mean(const spk_gallery *g, int64_t i);   /* the mean of their embeddings (E) */
SPK_API const float *spk_gallery_rows(const spk_gallery *g, int64_t i);   /* these themselves (recordings, E) */
SPK_API int64_t spk_gallery_find(const spk_gallery *g, const char *name); /* -1: not there */
SPK_API const char *spk_gallery_model(const spk_gallery *g);              /* weights that made it, for people */

typedef enum spk_gallery_how {
    SPK_GALLERY_NEW,     /* a name that is there is refused */
    SPK_GALLERY_REPLACE, /* its embeddings give way */
    SPK_GALLERY_ADD      /* these are put beside them */
} spk_gallery_how;
/* Enrol a name with the embeddings (n, E) of n recordings. SPK_E_VALUE: the name is there already, or is none: names are 1
 * to 200 bytes without control characters. */
SPK_API spk_status spk_gallery_put(spk_gallery *g, const char *name, spk_gallery_how how, int64_t n,
                                   const float *embeddings) SPK_NODISCARD;
/* SPK_E_VALUE: it is not there. */
SPK_API spk_status spk_gallery_remove(spk_gallery *g, const char *name) SPK_NODISCARD;
SPK_API spk_status spk_gallery_write(spk_gallery *g) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
