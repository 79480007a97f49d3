/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding many waves in batches of at most a minute: those of equally many frames together, or all. */
#ifndef SPK_INFER_JOBS_IMPL_H
#define SPK_INFER_JOBS_IMPL_H

#include "infer/embedder_impl.h"

/* One wave. The caller fills in all but the last two. */
typedef struct spk__job {
    void *owner;       /* for `failed` */
    const float *wave; /* `samples` samples */
    float *embedding;  /* (E), filled */
    int64_t samples;
    int64_t frames, order;
} spk__job;

typedef struct spk__jobs_options {
    /* 0: only waves of equally many frames share a batch, at no cost. Else waves of any lengths do, in batches of 1, 2, 4, ...
     * with room for a multiple of so many samples: for many short ones, whose lengths would each need a plan. */
    int64_t step;
    /* The wave of that owner could not be embedded; spk_errmsg says why. The others go on. */
    void (*failed)(void *user, void *owner, spk_status status);
    void *user;
    /* NULL: silent. Of `total` items `before` are done, and the jobs are of the next `count`. */
    void (*progress)(void *user, const char *what, int64_t done, int64_t total);
    void *progress_user;
    int64_t before, count, total;
} spk__jobs_options;

enum { SPK_JOBS_BATCH = 32 }; /* waves at once, at most */

/* Sorts the jobs by their frames and embeds them all. SPK_E_INTERRUPTED. */
spk_status spk__jobs_run(spk_embedder *e, spk__job *jobs, int64_t n, const spk__jobs_options *o) SPK_NODISCARD;

#endif
