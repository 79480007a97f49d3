/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_). */
#include "optim/kind_impl.h"

enum { PARTS = 256 }; /* sums of a block's parts, whatever the number of threads */

static double part_of_squares(const float *g, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)g[i] * (double)g[i];
    return sum;
}

static double part_of_magnitudes(const float *g, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += fabs((double)g[i]);
    return sum;
}

static double part_of_powers(const float *g, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += pow(fabs((double)g[i]), p);
    return sum;
}

/* A comparison would lose NaN; a sum of 0 * g does not (0 for every finite g). */
static double part_of_largest(const float *g, int64_t n)
{
    float largest = 0, nothing = 0;
#pragma omp simd reduction(max : largest) reduction(+ : nothing)
    for (int64_t i = 0; i < n; i++) {
        const float magnitude = fabsf(g[i]);
        largest = largest > magnitude ? largest : magnitude;
        nothing += 0.0F * g[i];
    }
    return (double)(largest + nothing);
}

static double part(const float *g, int64_t n, double p)
{
    if (p == 2) return part_of_squares(g, n);
    if (p == 1) return part_of_magnitudes(g, n);
    return isinf(p) ? part_of_largest(g, n) : part_of_powers(g, n, p);
}

/* The norm from the parts' sums, in their order. */
static double of_parts(const double *parts, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isinf(p))
            sum += parts[i];
        else if (!(parts[i] <= sum)) /* also NaN, which then stays */
            sum = isnan(sum) ? sum : parts[i];
    }
    if (p == 2) return sqrt(sum);
    return p == 1 || isinf(p) ? sum : pow(sum, 1 / p);
}

double spk_grad_norm(const float *gradients, int64_t n, double p)
{
    double parts[PARTS];
    const int64_t size = (n + PARTS - 1) / PARTS;
    SPK_ASSERT(p > 0);
#pragma omp parallel for schedule(static) if (n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < PARTS; i++) {
        const int64_t from = i * size < n ? i * size : n, to = from + size < n ? from + size : n;
        parts[i] = part(gradients + from, to - from, p);
    }
    return of_parts(parts, PARTS, p);
}

double spk_optim_grad_norm(const spk_optim *o, const float *gradients, double p)
{
    SPK_ASSERT(p > 0);
#pragma omp parallel for schedule(static) if (o->n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < o->n_pieces; i++) {
        const spk_optim_piece *q = &o->piece[i];
        o->part[i] = spk_optim_group_frozen(o, q->group) ? 0 : part(gradients + q->at, q->n, p);
    }
    return of_parts(o->part, o->n_pieces, p);
}

double spk_clip_factor(double norm, double clip)
{
    const double factor = clip / (norm + 1e-6);
    return clip > 0 && factor < 1 ? factor : 1;
}
