/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing voices by the scoring of lists (comparer_impl.h). */
#include "infer/comparer_impl.h"

#include <math.h>
#include <string.h>

spk_status spk_comparer_open(const spk_comparer_options *o, spk_comparer *out)
{
    memset(out, 0, sizeof *out);
    out->how = (spk_scoring_options){.scorer = SPK_SCORER_COSINE, .enroll_by = SPK_ENROLL_EMBEDDINGS};
    if (o->backend) {
        SPK_TRY(spk_backend_read(o->backend, &out->backend));
        out->how.backend = &out->backend;
        if (spk_backend_is_plda(&out->backend)) out->how.scorer = SPK_SCORER_PLDA;
    }
    if (o->cohort) {
        out->how.norm = SPK_NORM_AS;
        out->how.cohort = o->cohort;
        out->how.top_k = o->top_k;
    }
    return SPK_OK;
}

void spk_comparer_close(spk_comparer *c)
{
    spk_backend_clear(&c->backend);
    memset(c, 0, sizeof *c);
}

bool spk_comparer_is_plain(const spk_comparer *c)
{
    return !c->how.backend && !c->how.cohort;
}

char *spk_comparer_sentence(const spk_comparer *c)
{
    const char *what = c->how.scorer == SPK_SCORER_PLDA ? "log likelihood ratio of the PLDA" : "cosine";
    char *behind = c->how.backend ? spk_strf(" behind the back-end %s", c->backend.path) : spk_strdup(""), *out;
    if (!c->how.cohort)
        out = spk_strf("score: %s%s", what, behind);
    else if (c->how.top_k > 0)
        out = spk_strf("score: %s%s, normalised by the nearest %lld of %s", what, behind, (long long)c->how.top_k,
                       c->how.cohort);
    else
        out = spk_strf("score: %s%s, normalised by all of %s", what, behind, c->how.cohort);
    spk_free(behind);
    return out;
}

/* The recordings of n voices, one after the other, as embeddings from `at` on. */
static void add(spk_embeddings *e, const spk_voice_rows *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < v[i].n; k++) {
            memcpy(e->row + e->n * e->D, v[i].row + k * e->D, sizeof *e->row * (size_t)e->D);
            e->id[e->n] = spk_strdup(v[i].name);
            e->first[e->n + 1] = e->n + 1;
            e->n++;
        }
}

spk_status spk_compare(const spk_comparer *c, int64_t E, const spk_voice_rows *enrolled, int64_t n_enrolled,
                       const spk_voice_rows *test, int64_t n_tests, float *scores)
{
    int64_t *begin = spk_new(sizeof *begin * (size_t)(n_enrolled + 1));
    for (int64_t i = 0; i < n_enrolled; i++)
        begin[i + 1] = begin[i] + enrolled[i].n;
    const size_t n = (size_t)(begin[n_enrolled] + n_tests);
    spk_embeddings e = {.path = spk_strdup("the model"),
                        .D = E,
                        .id = spk_new(sizeof *e.id * (n + 1)),
                        .first = spk_new(sizeof *e.first * (n + 1)),
                        .row = spk_new(sizeof *e.row * (n * (size_t)E + 1))};
    add(&e, enrolled, n_enrolled);
    add(&e, test, n_tests);
    const spk_status status = spk_score_voices(&e, n_enrolled, begin, n_tests, &c->how, scores);
    const bool cosine = c->how.scorer == SPK_SCORER_COSINE && c->how.norm == SPK_NORM_NONE;
    for (int64_t i = 0; status == SPK_OK && cosine && i < n_enrolled * n_tests; i++)
        scores[i] = fminf(fmaxf(scores[i], -1), 1); /* rounding of the norms */
    spk_embeddings_clear(&e);
    spk_free(begin);
    return status;
}
