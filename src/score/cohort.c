/* SPDX-License-Identifier: Apache-2.0 */
/* What voices are normalised by: the items of a cohort, its utterances or its speakers. */
#include <string.h>

#include "formats/list_impl.h"
#include "score/scoring_impl.h"
#include "spk/score.h"

/* The speaker of each cohort utterance, -1: none; returns how many speakers have one. */
static spk_status assign_speakers(const spk_embeddings *e, const spk_list *list, bool by_speaker, int64_t *speaker,
                                  int64_t *n)
{
    spk_status status = SPK_OK;
    spk_map seen = {0};
    *n = 0;
    for (int64_t i = 0; i < list->n && by_speaker; i++) { /* speaker utt utt ...: those of them that are there */
        char *words = spk_strdup(list->entry[i].value), *rest = NULL;
        bool any = false;
        for (const char *w = strtok_r(words, " \t", &rest); w; w = strtok_r(NULL, " \t", &rest)) {
            const int64_t at = spk_embeddings_find(e, w);
            if (at < 0) continue;
            speaker[at] = *n;
            any = true;
        }
        *n += any;
        spk_free(words);
    }
    for (int64_t i = 0; i < e->n && !by_speaker; i++) {
        const char *name = spk_list_get(list, e->id[i]);
        if (!name)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: utterance '%s' of the cohort %s has no speaker there", list->path,
                            e->id[i], e->path));
        if (spk_map_put(&seen, name, *n)) ++*n;
        spk_map_get(&seen, name, &speaker[i]);
    }
    if (*n == 0)
        SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: none of its utterances is in the cohort %s", list->path, e->path));
done:
    spk_map_clear(&seen);
    return status;
}

/* Means of the speakers' vectors (e->n, D), of n_speakers. */
static spk_status average_speakers(const spk_embeddings *e, int64_t D, const float *row, const int64_t *speaker,
                                   int64_t n_speakers, float **out)
{
    double *sum = spk_alloc_zero(sizeof *sum * (size_t)(n_speakers * D));
    int64_t *count = spk_new(sizeof *count * (size_t)n_speakers);
    float *mean = spk_alloc(sizeof *mean * (size_t)(n_speakers * D));
    if (sum && mean) {
        for (int64_t i = 0; i < e->n; i++) {
            if (speaker[i] < 0) continue;
            count[speaker[i]]++;
            for (int64_t d = 0; d < D; d++)
                sum[speaker[i] * D + d] += (double)row[i * D + d];
        }
        for (int64_t s = 0; s < n_speakers; s++)
            for (int64_t d = 0; d < D; d++)
                mean[s * D + d] = (float)(sum[s * D + d] / (double)count[s]);
    }
    const bool good = sum && mean;
    spk_free(sum);
    spk_free(count);
    if (!good) spk_free(mean);
    *out = good ? mean : NULL;
    return good ? SPK_OK
                : spk_fail(SPK_E_NOMEM, "not enough memory for %lld speakers of the cohort", (long long)n_speakers);
}

static spk_status over_speakers(const spk_scoring_options *o, const spk_embeddings *e, int64_t D, float **row,
                                int64_t *C)
{
    spk_status status;
    spk_list list = {0};
    float *mean = NULL;
    int64_t *speaker = spk_new(sizeof *speaker * (size_t)(e->n + 1));
    for (int64_t i = 0; i < e->n; i++)
        speaker[i] = -1;
    SPK_GO(spk_list_read(o->cohort_spk2utt ? o->cohort_spk2utt : o->cohort_utt2spk, 0, &list));
    SPK_GO(assign_speakers(e, &list, o->cohort_spk2utt != NULL, speaker, C));
    SPK_GO(average_speakers(e, D, *row, speaker, *C, &mean));
    spk_free(*row);
    *row = mean;
done:
    spk_list_clear(&list);
    spk_free(speaker);
    return status;
}

/* Vectors (n, D) of the raw means, by the back-end (R values each) or without the mean and at norm 1: a new block. */
static spk_status make_ready(const spk_scoring_options *o, const float *mean, const float *raw, int64_t n, int64_t D,
                             float **out)
{
    const spk_backend *b = o->backend;
    const int64_t R = b ? b->R : D;
    *out = spk_alloc(sizeof **out * (size_t)(n * R));
    if (!*out) return spk_fail(SPK_E_NOMEM, "not enough memory for the cohort %s", o->cohort);
#pragma omp parallel
    {
        double *room = spk_new(sizeof *room * (size_t)(2 * (D + R)));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < n; i++) {
            for (int64_t d = 0; d < D; d++)
                room[d] = (double)raw[i * D + d] - (!b && mean ? (double)mean[d] : 0);
            for (int64_t d = 0; d < D && !b; d++)
                (*out)[i * R + d] = (float)room[d];
            if (b) spk_backend_apply(b, room, 1, *out + i * R, room + D);
        }
        spk_free(room);
    }
    if (!b) spk_score_normalize_rows(*out, n, R);
    return SPK_OK;
}

/* The raw mean over the segments of each utterance. */
static spk_status raw_means(const spk_scoring_options *o, const spk_embeddings *e, float **out)
{
    const int64_t D = e->D;
    double *x = spk_new(sizeof *x * (size_t)D);
    *out = spk_alloc(sizeof **out * (size_t)(e->n * D));
    for (int64_t i = 0; i < e->n && *out; i++) {
        spk_embeddings_average(e, &i, 1, 1, 0, o->backend && o->backend->unit_segments, x);
        for (int64_t d = 0; d < D; d++)
            (*out)[i * D + d] = (float)x[d];
    }
    spk_free(x);
    return *out ? SPK_OK : spk_fail(SPK_E_NOMEM, "not enough memory for the cohort %s", o->cohort);
}

spk_status spk_cohort_make(const spk_scoring_options *o, const float *mean, int64_t D, float **out, int64_t *C)
{
    spk_status status = SPK_OK;
    spk_embeddings e = {0};
    float *raw = NULL, *ready = NULL;
    const bool speakers = o->cohort_spk2utt || o->cohort_utt2spk, plda = o->scorer == SPK_SCORER_PLDA;
    *out = NULL;
    SPK_GO(spk_embeddings_read(o->cohort, &e));
    if (e.D != D)
        SPK_GO(spk_fail(SPK_E_SHAPE, "%s: embeddings of the cohort have %lld values, those of the trials %lld",
                        o->cohort, (long long)e.D, (long long)D));
    SPK_GO(raw_means(o, &e, &raw));
    *C = e.n;
    /* A PLDA takes a speaker's average as it takes a model's; other scorers average what has norm 1. */
    if (speakers && plda) SPK_GO(over_speakers(o, &e, D, &raw, C));
    SPK_GO(make_ready(o, mean, raw, *C, D, &ready));
    const int64_t R = o->backend ? o->backend->R : D;
    if (speakers && !plda) SPK_GO(over_speakers(o, &e, R, &ready, C));
    if (o->scorer == SPK_SCORER_COSINE) spk_score_normalize_rows(ready, *C, R);
    *out = ready;
    ready = NULL;
done:
    spk_free(raw);
    spk_free(ready);
    spk_embeddings_clear(&e);
    return status;
}
