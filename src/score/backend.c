/* SPDX-License-Identifier: Apache-2.0 */
/* Applying a back-end to one vector. */
#include "score/backend_impl.h"

#include <math.h>
#include <string.h>

bool spk_backend_is_plda(const spk_backend *b)
{
    return b->plda.R > 0;
}

/* To the length `want`; a vector of zeros stays. */
static void set_length(double *x, int64_t n, double want)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    const double scale = squares > 0 ? want / sqrt(squares) : 1;
    for (int64_t i = 0; i < n; i++)
        x[i] *= scale;
}

void spk_backend_apply(const spk_backend *b, const double *x, int64_t n, float *out, double *room)
{
    double *centred = room, *y = room + b->D, *u = y + b->R;
    for (int64_t d = 0; d < b->D; d++)
        centred[d] = x[d] - b->mean[d];
    for (int64_t r = 0; r < b->R; r++) {
        double sum = b->offset ? b->offset[r] : 0;
        if (!b->transform) sum += centred[r];
#pragma omp simd reduction(+ : sum)
        for (int64_t d = 0; d < (b->transform ? b->D : 0); d++)
            sum += b->transform[r * b->D + d] * centred[d];
        y[r] = sum;
    }
    if (spk_backend_is_plda(b)) {
        if (b->length_norm) set_length(y, b->R, sqrt((double)b->R));
        spk_plda_apply(&b->plda, y, n, u);
    } else {
        set_length(y, b->R, 1);
        u = y;
    }
    for (int64_t r = 0; r < b->R; r++)
        out[r] = (float)u[r];
}

void spk_backend_clear(spk_backend *b)
{
    spk_free(b->path);
    spk_free(b->mean);
    spk_free(b->transform);
    spk_free(b->offset);
    spk_plda_clear(&b->plda);
    memset(b, 0, sizeof *b);
}
