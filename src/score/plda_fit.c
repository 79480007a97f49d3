/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting a PLDA. Each step is done in the basis of the step before, where W = 1 and B = diag(psi): there a speaker of n
 * utterances with the mean m has y ~ N(n psi / (1 + n psi) m, psi / (1 + n psi)), one dimension at a time. The sums over
 * speakers give the new W and B in that basis, whose diagonalisation is the next basis.
 */
#include <math.h>
#include <string.h>

#include "score/dense_impl.h"
#include "score/plda_impl.h"

typedef struct em {
    int64_t N, S, R;
    const int64_t *count;                    /* S: utterances of a speaker */
    double *m, *part, *next;                 /* (S, R): speakers' means in the basis; weighted parts of them; room */
    double *scatter;                         /* (R, R): within speakers, in the basis */
    double *within, *between, *basis, *room; /* (R, R) */
    double *psi;                             /* R */
} em;

/* The sums over speakers of what is left of them within (or is y, between): their Gram matrix, and variances. */
static void add_speakers(const em *e, bool between, double *to)
{
    const int64_t R = e->R;
    for (int64_t s = 0; s < e->S; s++) {
        const double n = (double)e->count[s], weight = between ? 1 : sqrt(n);
        for (int64_t r = 0; r < R; r++) {
            const double share = (between ? n * e->psi[r] : 1) / (1 + n * e->psi[r]);
            e->part[s * R + r] = weight * share * e->m[s * R + r];
        }
    }
    spk_dense_gram(e->part, e->S, R, to);
    for (int64_t r = 0; r < R; r++) {
        double variances = 0;
        for (int64_t s = 0; s < e->S; s++) {
            const double n = (double)e->count[s];
            variances += (between ? 1 : n) * e->psi[r] / (1 + n * e->psi[r]);
        }
        to[r * R + r] += variances;
    }
}

static spk_status singular(const em *e)
{
    return spk_fail(
        SPK_E_VALUE,
        "the covariance within speakers is singular: %lld utterances of %lld speakers do not vary in all %lld "
        "dimensions; take fewer (--lda_dim, with --shrinkage)",
        (long long)e->N, (long long)e->S, (long long)e->R);
}

/* From W and B in the present basis to the basis in which they are 1 and diag(psi): `basis` becomes the step to it. */
static spk_status diagonalize(em *e)
{
    const int64_t R = e->R;
    if (!spk_dense_whitener(e->within, R)) return singular(e);
    SPK_TRY(spk_dense_project(e->within, R, R, e->between, e->room));
    SPK_TRY(spk_dense_eigen(e->room, R, e->psi));
    for (int64_t r = 0; r < R; r++)
        e->psi[r] = fmax(e->psi[r], 0);
    spk_dense_product(false, false, R, R, R, e->room, e->within, e->basis);
    return SPK_OK;
}

static spk_status step(em *e, double *transform)
{
    const int64_t R = e->R;
    add_speakers(e, false, e->within);
    add_speakers(e, true, e->between);
    for (int64_t i = 0; i < R * R; i++) {
        e->within[i] = (e->within[i] + e->scatter[i]) / (double)e->N;
        e->between[i] /= (double)e->S;
    }
    SPK_TRY(diagonalize(e));
    SPK_TRY(spk_dense_project(e->basis, R, R, e->scatter, e->room));
    memcpy(e->scatter, e->room, sizeof *e->scatter * (size_t)(R * R));
    spk_dense_product(false, true, e->S, R, R, e->m, e->basis, e->next);
    memcpy(e->m, e->next, sizeof *e->m * (size_t)(e->S * R));
    spk_dense_product(false, false, R, R, R, e->basis, transform, e->room);
    memcpy(transform, e->room, sizeof *transform * (size_t)(R * R));
    return SPK_OK;
}

/* Means of speakers, what is left of x, its scatter; the means are centred on theirs. */
static void gather(em *e, double *x, const int64_t *speaker, int64_t *count, double *mean)
{
    const int64_t R = e->R;
    for (int64_t i = 0; i < e->N; i++) {
        count[speaker[i]]++;
        for (int64_t r = 0; r < R; r++)
            e->m[speaker[i] * R + r] += x[i * R + r];
    }
    for (int64_t s = 0; s < e->S; s++)
        for (int64_t r = 0; r < R; r++) {
            e->m[s * R + r] /= (double)count[s];
            mean[r] += e->m[s * R + r] / (double)e->S;
        }
    for (int64_t i = 0; i < e->N; i++)
        for (int64_t r = 0; r < R; r++)
            x[i * R + r] -= e->m[speaker[i] * R + r];
    spk_dense_gram(x, e->N, R, e->scatter);
    for (int64_t s = 0; s < e->S; s++)
        for (int64_t r = 0; r < R; r++)
            e->m[s * R + r] -= mean[r];
}

spk_status spk_plda_fit(double *x, const int64_t *speaker, int64_t N, int64_t S, int64_t R, int64_t iterations,
                        spk_plda *out)
{
    spk_status status = SPK_OK;
    const size_t square = (size_t)(R * R), rows = (size_t)(S * R);
    int64_t *count = spk_new(sizeof *count * (size_t)(S + 1));
    double *room = spk_alloc_zero(sizeof *room * (3 * rows + 5 * square));
    *out = (spk_plda){.R = R, .length = SPK_PLDA_LENGTH_KALDI};
    out->mean = spk_new(sizeof(double) * (size_t)R);
    out->psi = spk_new(sizeof(double) * (size_t)R);
    out->transform = spk_alloc_zero(sizeof(double) * square);
    if (!room || !out->transform)
        SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory to fit a PLDA of %lld dimensions", (long long)R));
    double *matrices = room + 3 * rows;
    em e = {.N = N,
            .S = S,
            .R = R,
            .count = count,
            .m = room,
            .part = room + rows,
            .next = room + 2 * rows,
            .scatter = matrices,
            .within = matrices + square,
            .between = matrices + 2 * square,
            .basis = matrices + 3 * square,
            .room = matrices + 4 * square,
            .psi = out->psi};
    for (int64_t r = 0; r < R; r++)
        out->transform[r * R + r] = out->psi[r] = 1;
    gather(&e, x, speaker, count, out->mean);
    memcpy(e.room, e.scatter, sizeof *e.room * square); /* W = 1 would hide it from the first steps */
    if (!spk_dense_whitener(e.room, R)) SPK_GO(singular(&e));
    for (int64_t i = 0; i < iterations; i++)
        SPK_GO(step(&e, out->transform));
done:
    spk_free(room);
    spk_free(count);
    if (status != SPK_OK) spk_plda_clear(out);
    return status;
}
