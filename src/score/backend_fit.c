/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning a back-end. Every step is fitted on what the steps before make of the embeddings. Linear steps become one matrix.
 * Covariances have the divisor N, as in Kaldi's ivector-compute-lda.
 */
#include "score/backend_impl.h"

#include <math.h>
#include <string.h>

#include "formats/list_impl.h"
#include "score/dense_impl.h"
#include "score/embeddings_impl.h"

typedef struct training {
    const spk_backend_fit_options *o;
    int64_t N, S, R; /* items, speakers, values of an item as it now is */
    double *x;       /* (N, R) */
    int64_t *speaker;
} training;

static spk_status no_memory(const training *t)
{
    return spk_fail(SPK_E_NOMEM, "not enough memory for %lld embeddings of %lld values", (long long)t->N,
                    (long long)t->R);
}

/* ---- items ---- */

static void copy_segments(const spk_backend_fit_options *o, const spk_embeddings *e, int64_t u, double *x)
{
    const int64_t K = e->first[u + 1] - e->first[u], D = e->D;
    if (!o->each_segment) memset(x, 0, sizeof *x * (size_t)D);
    for (int64_t k = 0; k < K; k++) {
        const float *row = e->row + (e->first[u] + k) * D;
        double squares = 0;
        for (int64_t d = 0; d < D; d++)
            squares += (double)row[d] * (double)row[d];
        const double unit = o->unit_segments && squares > 0 ? 1 / sqrt(squares) : 1;
        for (int64_t d = 0; d < D; d++) {
            if (o->each_segment)
                x[k * D + d] = unit * (double)row[d];
            else
                x[d] += unit * (double)row[d] / (double)K;
        }
    }
}

/* Which utterances count, and whose they are: utterance[list->n] and, in t, so many items. */
static spk_status choose(const spk_list *list, const spk_embeddings *e, training *t, int64_t *utterance, int64_t *of)
{
    spk_map seen = {0};
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < list->n; i++) {
        const spk_list_entry *l = &list->entry[i];
        utterance[i] = spk_embeddings_find(e, l->key);
        if (utterance[i] < 0)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' of speaker '%s' has no embedding in %s",
                            list->path, (long long)l->line, l->key, l->value, e->path));
        if (spk_map_put(&seen, l->value, t->S)) t->S++;
        spk_map_get(&seen, l->value, &of[i]);
        t->N += t->o->each_segment ? e->first[utterance[i] + 1] - e->first[utterance[i]] : 1;
    }
    if (t->S < 2)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: a back-end is learned from at least two speakers, but there is %s",
                        list->path, t->S ? "one" : "none"));
    if (t->N == t->S)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: no speaker has two utterances, so nothing is known of how a voice varies",
                        list->path));
done:
    spk_map_clear(&seen);
    return status;
}

static spk_status read_items(training *t, spk_backend_counts *counts, int64_t *D)
{
    spk_status status;
    spk_embeddings e = {0};
    spk_list list = {0};
    int64_t *utterance = NULL, *of = NULL;
    SPK_GO(spk_list_read(t->o->utt2spk, 0, &list));
    SPK_GO(spk_embeddings_read(t->o->embeddings, &e));
    utterance = spk_new(sizeof *utterance * (size_t)(list.n + 1));
    of = spk_new(sizeof *of * (size_t)(list.n + 1));
    SPK_GO(choose(&list, &e, t, utterance, of));
    t->R = *D = e.D;
    t->x = spk_alloc(sizeof *t->x * (size_t)(t->N * e.D));
    t->speaker = spk_new(sizeof *t->speaker * (size_t)t->N);
    if (!t->x) SPK_GO(no_memory(t));
    for (int64_t i = 0, item = 0; i < list.n; i++) {
        copy_segments(t->o, &e, utterance[i], t->x + item * e.D);
        for (int64_t n = t->o->each_segment ? e.first[utterance[i] + 1] - e.first[utterance[i]] : 1; n > 0; n--)
            t->speaker[item++] = of[i];
    }
    *counts = (spk_backend_counts){t->S, list.n, e.n - list.n};
done:
    spk_free(utterance);
    spk_free(of);
    spk_list_clear(&list);
    spk_embeddings_clear(&e);
    return status;
}

static void center(const training *t, double *mean)
{
    for (int64_t i = 0; i < t->N; i++)
        for (int64_t d = 0; d < t->R; d++)
            mean[d] += t->x[i * t->R + d] / (double)t->N;
    for (int64_t i = 0; i < t->N; i++)
        for (int64_t d = 0; d < t->R; d++)
            t->x[i * t->R + d] -= mean[d];
}

/* ---- covariances ---- */

/* total and between (R, R), of centred items. */
static spk_status covariances(const training *t, double *total, double *between)
{
    const int64_t R = t->R;
    double *sum = spk_alloc_zero(sizeof *sum * (size_t)(t->S * R));
    int64_t *count = spk_new(sizeof *count * (size_t)t->S);
    if (sum) {
        for (int64_t i = 0; i < t->N; i++) {
            count[t->speaker[i]]++;
            for (int64_t d = 0; d < R; d++)
                sum[t->speaker[i] * R + d] += t->x[i * R + d];
        }
        for (int64_t s = 0; s < t->S; s++)
            for (int64_t d = 0; d < R; d++)
                sum[s * R + d] /= sqrt((double)count[s]);
        spk_dense_gram(sum, t->S, R, between);
        spk_dense_gram(t->x, t->N, R, total);
        for (int64_t i = 0; i < R * R; i++) {
            between[i] /= (double)t->N;
            total[i] /= (double)t->N;
        }
    }
    const bool good = sum != NULL;
    spk_free(sum);
    spk_free(count);
    return good ? SPK_OK : no_memory(t);
}

/* C becomes what whitens it. */
static spk_status whiten(const training *t, double *C, const char *which)
{
    double trace = 0;
    const double s = t->o->shrinkage;
    for (int64_t d = 0; d < t->R; d++)
        trace += C[d * t->R + d];
    for (int64_t i = 0; i < t->R * t->R; i++)
        C[i] = (1 - s) * C[i] + (i % (t->R + 1) == 0 ? s * trace / (double)t->R : 0);
    if (spk_dense_whitener(C, t->R)) return SPK_OK;
    return spk_fail(
        SPK_E_VALUE,
        "%s: the covariance %s is singular: %lld embeddings of %lld speakers do not vary in all %lld dimensions; use "
        "--shrinkage 0.1, or more utterances",
        t->o->embeddings, which, (long long)t->N, (long long)t->S, (long long)t->R);
}

/* The items become (N, rows) by T (rows, R), and so does the back-end's map. */
static spk_status project(training *t, const double *T, int64_t rows, spk_backend *b)
{
    double *x = spk_alloc(sizeof *x * (size_t)(t->N * rows)), *all = spk_alloc(sizeof *all * (size_t)(rows * b->D));
    if (!x || !all) {
        spk_free(x);
        spk_free(all);
        return no_memory(t);
    }
    spk_dense_product(false, true, t->N, rows, t->R, t->x, T, x);
    if (b->transform)
        spk_dense_product(false, false, rows, b->D, t->R, T, b->transform, all);
    else
        memcpy(all, T, sizeof *all * (size_t)(rows * b->D));
    spk_free(t->x);
    spk_free(b->transform);
    t->x = x;
    b->transform = all;
    t->R = b->R = rows;
    return SPK_OK;
}

/* Whiten within speakers, then keep the directions in which speakers differ most. */
static spk_status lda(training *t, spk_backend *b)
{
    const int64_t R = t->R, most = R < t->S ? R : t->S - 1, keep = t->o->lda_dim == SPK_LDA_MOST ? most : t->o->lda_dim;
    const size_t square = (size_t)(R * R);
    if (keep > most)
        return spk_fail(SPK_E_VALUE,
                        "%s: LDA to %lld dimensions, but %lld speakers and embeddings of %lld values give at most %lld",
                        t->o->utt2spk, (long long)keep, (long long)t->S, (long long)R, (long long)most);
    spk_status status;
    double *total = spk_alloc(sizeof *total * (5 * square + (size_t)R));
    if (!total) return no_memory(t);
    double *between = total + square, *within = between + square, *room = within + square, *T = room + square,
           *value = T + square;
    SPK_GO(covariances(t, total, between));
    for (size_t i = 0; i < square; i++)
        within[i] = total[i] - between[i];
    SPK_GO(whiten(t, within, "within speakers"));
    SPK_GO(spk_dense_project(within, R, R, between, room));
    SPK_GO(spk_dense_eigen(room, R, value));
    spk_dense_product(false, false, keep, R, R, room, within, T);
    SPK_GO(project(t, T, keep, b));
done:
    spk_free(total);
    return status;
}

static spk_status whitening(training *t, spk_backend *b)
{
    const size_t square = (size_t)(t->R * t->R);
    const bool within = t->o->whiten == SPK_WHITEN_WITHIN;
    spk_status status;
    double *total = spk_alloc(sizeof *total * 2 * square);
    if (!total) return no_memory(t);
    SPK_GO(covariances(t, total, total + square));
    for (size_t i = 0; i < square && within; i++)
        total[i] -= total[square + i];
    SPK_GO(whiten(t, total, within ? "within speakers" : "of the embeddings"));
    SPK_GO(project(t, total, t->R, b));
done:
    spk_free(total);
    return status;
}

static spk_status plda(training *t, spk_backend *b)
{
    for (int64_t i = 0; i < t->N && b->length_norm; i++) {
        double squares = 0;
        for (int64_t r = 0; r < t->R; r++)
            squares += t->x[i * t->R + r] * t->x[i * t->R + r];
        const double scale = squares > 0 ? sqrt((double)t->R / squares) : 1;
        for (int64_t r = 0; r < t->R; r++)
            t->x[i * t->R + r] *= scale;
    }
    const spk_status status = spk_plda_fit(t->x, t->speaker, t->N, t->S, t->R, t->o->iterations, &b->plda);
    if (status != SPK_OK) return spk_fail_in(status, "%s", t->o->embeddings);
    b->plda.length = t->o->length;
    spk_plda_smooth(&b->plda, t->o->smoothing);
    return SPK_OK;
}

spk_status spk_backend_fit(const spk_backend_fit_options *o, spk_backend *out, spk_backend_counts *counts)
{
    spk_status status;
    training t = {.o = o};
    *out = (spk_backend){.unit_segments = o->unit_segments, .length_norm = o->length_norm};
    SPK_GO(read_items(&t, counts, &out->D));
    out->R = out->D;
    out->mean = spk_new(sizeof *out->mean * (size_t)out->D);
    center(&t, out->mean);
    if (o->lda_dim != 0) SPK_GO(lda(&t, out));
    if (o->whiten != SPK_WHITEN_NONE) SPK_GO(whitening(&t, out));
    if (o->plda) SPK_GO(plda(&t, out));
done:
    spk_free(t.x);
    spk_free(t.speaker);
    if (status != SPK_OK) spk_backend_clear(out);
    return status;
}
