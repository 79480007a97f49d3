/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scores of voices to a cohort. All of them at once are products of the voices' rows with the cohort's: of unit rows |a - b|^2 =
 * |a|^2 + |b|^2 - 2 ab. A block of voices at a time, so that memory stays bounded, and each voice once.
 */
#include <math.h>
#include <string.h>

#include "backend/cpu/isa_impl.h"
#include "score/distance_impl.h"
#include "score/scoring_impl.h"

enum { BLOCK_ROWS = 128 };
/* Below this squared distance the products have lost too many digits, and the differences are taken. */
static const double near_distance2 = 0.02;

/* Bring the k largest of n values to the front, in any order (Hoare's selection). */
static void largest_first(double *x, int64_t n, int64_t k)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const double pivot = x[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot)
                i++;
            while (x[j] < pivot)
                j--;
            if (i > j) break;
            const double swap = x[i];
            x[i++] = x[j];
            x[j--] = swap;
        }
        if (k - 1 <= j)
            high = j;
        else if (k - 1 >= i)
            low = i;
        else
            return;
    }
}

typedef struct work {
    float *product; /* (rows of the block, C) */
    double *score;  /* C: of a voice */
    double *part;   /* C: of one vector */
} work;

typedef struct task {
    const spk_voices *v;
    const float *cohort;
    const double *norm2; /* of the cohort's items; of a PLDA, (n_terms, C): the items' own part of the score */
    int64_t C, k, less;
    double *mean, *deviation;
} task;

/* Scores of one vector, whose products with the cohort begin at `product`. */
static void score_vector(const task *t, int64_t vector, const float *product, double *out)
{
    const spk_voices *v = t->v;
    const int64_t n = v->first[vector + 1] - v->first[vector];
    if (v->scorer == SPK_SCORER_PLDA) {
        const double *other = t->norm2 + v->of_terms[vector] * t->C;
        for (int64_t c = 0; c < t->C; c++)
            out[c] = v->bias[vector] + (double)product[c] - other[c];
        return;
    }
    memset(out, 0, sizeof *out * (size_t)t->C);
    for (int64_t r = 0; r < n; r++) {
        const float *row = v->row + (v->first[vector] + r) * v->D, *p = product + r * t->C;
        const double norm2 = spk_dot(row, row, v->D);
        for (int64_t c = 0; c < t->C; c++) {
            double d2 = norm2 + t->norm2[c] - 2 * (double)p[c];
            if (v->scorer == SPK_SCORER_COSINE) {
                out[c] += (double)p[c];
                continue;
            }
            if (d2 < near_distance2) d2 = (double)spk_distance2(row, t->cohort + c * v->D, v->D);
            out[c] -= sqrt(d2);
        }
    }
    for (int64_t c = 0; c < t->C && n > 1; c++)
        out[c] /= (double)n;
}

static void take_voice(const task *t, int64_t i, const float *product, work *w)
{
    const spk_voices *v = t->v;
    const int64_t begin = v->begin[i], n = v->begin[i + 1] - begin;
    double sum = 0, squares = 0;
    for (int64_t k = 0; k < n; k++) {
        double *to = k == 0 ? w->score : w->part;
        score_vector(t, begin + k, product + (v->first[begin + k] - v->first[begin]) * t->C, to);
        for (int64_t c = 0; c < t->C && k > 0; c++)
            w->score[c] = v->take_max ? fmax(w->score[c], to[c]) : w->score[c] + to[c];
    }
    for (int64_t c = 0; c < t->C && n > 1 && !v->take_max; c++)
        w->score[c] /= (double)n;
    if (t->k < t->C) largest_first(w->score, t->C, t->k);
    for (int64_t c = 0; c < t->k; c++)
        sum += w->score[c];
    t->mean[i] = sum / (double)t->k;
    for (int64_t c = 0; c < t->k; c++)
        squares += (w->score[c] - t->mean[i]) * (w->score[c] - t->mean[i]);
    t->deviation[i] = sqrt(squares / (double)(t->k - t->less));
}

/* The voices from `from` on whose rows make a block: one at least. */
static int64_t block_end(const spk_voices *v, int64_t from)
{
    int64_t to = from + 1;
    while (to < v->n && v->first[v->begin[to + 1]] - v->first[v->begin[from]] <= BLOCK_ROWS)
        to++;
    return to;
}

static int64_t block_rows(const spk_voices *v, int64_t from, int64_t to)
{
    return v->first[v->begin[to]] - v->first[v->begin[from]];
}

static bool do_block(const task *t, int64_t from, int64_t to)
{
    const spk_voices *v = t->v;
    const int64_t rows = block_rows(v, from, to), row = v->first[v->begin[from]];
    work w = {.product = spk_alloc(sizeof *w.product * (size_t)(rows * t->C)),
              .score = spk_alloc(sizeof *w.score * (size_t)t->C),
              .part = spk_alloc(sizeof *w.part * (size_t)t->C)};
    const bool good = w.product && w.score && w.part;
    if (good) {
        spk__sgemm(false, true, rows, t->C, v->D, 1, (v->left ? v->left : v->row) + row * v->D, v->D, t->cohort, v->D,
                   0, w.product, t->C);
        for (int64_t i = from; i < to; i++)
            take_voice(t, i, w.product + (v->first[v->begin[i]] - row) * t->C, &w);
    }
    spk_free(w.product);
    spk_free(w.score);
    spk_free(w.part);
    return good;
}

/* Squared norms of the items, or their own part of the score for each kind of enrolment. */
static double *own_parts(const spk_voices *v, const float *cohort, int64_t C)
{
    const int64_t n = v->n_terms > 0 ? v->n_terms : 1, D = v->D;
    double *part = spk_new(sizeof *part * (size_t)(n * C));
    for (int64_t k = 0; k < n; k++)
        for (int64_t c = 0; c < C; c++) {
            double sum = 0;
            for (int64_t d = 0; d < D && v->n_terms > 0; d++)
                sum += v->terms[k].other[d] * (double)cohort[c * D + d] * (double)cohort[c * D + d];
            part[k * C + c] = v->n_terms > 0 ? sum : spk_dot(cohort + c * D, cohort + c * D, D);
        }
    return part;
}

spk_status spk_cohort_statistics(const spk_voices *v, const float *cohort, int64_t C, int64_t top_k,
                                 int64_t divisor_less, double *mean, double *deviation)
{
    int64_t n_blocks = 0, *start = spk_new(sizeof *start * (size_t)(v->n + 1));
    double *norm2 = own_parts(v, cohort, C);
    bool good = true;
    const task t = {v, cohort, norm2, C, top_k, divisor_less, mean, deviation};
    for (int64_t i = 0; i < v->n; i = block_end(v, i))
        start[n_blocks++] = i;
    start[n_blocks] = v->n;
#pragma omp parallel for schedule(dynamic) reduction(&& : good)
    for (int64_t b = 0; b < n_blocks; b++)
        good = do_block(&t, start[b], start[b + 1]) && good;
    spk_free(start);
    spk_free(norm2);
    if (!good) return spk_fail(SPK_E_NOMEM, "not enough memory for scores to %lld items of the cohort", (long long)C);
    for (int64_t i = 0; i < v->n; i++)
        if (!(deviation[i] > 0))
            return spk_fail(SPK_E_VALUE, "'%s' has the same score to all %lld items of the cohort that count",
                            v->name[i], (long long)top_k);
    return SPK_OK;
}
