/* SPDX-License-Identifier: Apache-2.0 */
/* Applying a PLDA. In its basis every dimension is a scalar model of its own: variance 1 within, psi between. */
#include "score/plda_impl.h"

#include <math.h>
#include <string.h>

void spk_plda_apply(const spk_plda *p, const double *x, int64_t n, double *u)
{
    double length = 0;
    for (int64_t r = 0; r < p->R; r++) {
        double sum = 0;
        for (int64_t d = 0; d < p->R; d++)
            sum += p->transform[r * p->R + d] * (x[d] - p->mean[d]);
        u[r] = sum;
        length += p->length == SPK_PLDA_LENGTH_KALDI ? sum * sum / (p->psi[r] + 1 / (double)n) : sum * sum;
    }
    const double scale = p->length == SPK_PLDA_LENGTH_NONE || length <= 0 ? 1 : sqrt((double)p->R / length);
    for (int64_t r = 0; r < p->R; r++)
        u[r] *= scale;
}

/* With W' = 1 + factor psi in the old basis, the new one is narrower by sqrt(W'). */
void spk_plda_smooth(spk_plda *p, double factor)
{
    for (int64_t r = 0; r < p->R; r++) {
        const double within = 1 + factor * p->psi[r], scale = 1 / sqrt(within);
        p->psi[r] /= within;
        for (int64_t d = 0; d < p->R; d++)
            p->transform[r * p->R + d] *= scale;
    }
}

void spk_plda_clear(spk_plda *p)
{
    spk_free(p->mean);
    spk_free(p->transform);
    spk_free(p->psi);
    memset(p, 0, sizeof *p);
}

/*
 * Given u of n utterances, the speaker's y is N(m u, psi / (n psi + 1)) with m = n psi / (n psi + 1), so t is N(m u, v) with
 * v = 1 + psi / (n psi + 1); without u it is N(0, 1 + psi).
 */
void spk_plda_terms_make(const spk_plda *p, int64_t n, spk_plda_terms *out)
{
    const size_t bytes = sizeof(double) * (size_t)(p->R + 1);
    *out = (spk_plda_terms){.n = n, .cross = spk_new(bytes), .own = spk_new(bytes), .other = spk_new(bytes)};
    for (int64_t r = 0; r < p->R; r++) {
        const double psi = p->psi[r], shrink = 1 / ((double)n * psi + 1);
        const double m = (double)n * psi * shrink, v = 1 + psi * shrink;
        out->constant += (log1p(psi) - log(v)) / 2;
        out->cross[r] = m / v;
        out->own[r] = m * m / v / 2;
        out->other[r] = (1 / v - 1 / (1 + psi)) / 2;
    }
}

void spk_plda_terms_clear(spk_plda_terms *t)
{
    spk_free(t->cross);
    spk_free(t->own);
    spk_free(t->other);
    memset(t, 0, sizeof *t);
}
