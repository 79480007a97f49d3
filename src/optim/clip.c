/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_). */
#include "optim/kind_impl.h"

enum { PARTS = 256 }; /* sums of a block's parts, whatever the number of threads */

#define SPK_STEP "optim/norm.inc.h"
#include "optim/both_types.inc.h"

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
        parts[i] = part_f32(gradients + from, to - from, p);
    }
    return of_parts(parts, PARTS, p);
}

static double part_of(const spk_optim *o, const void *g, int64_t n, double p)
{
    return o->real == SPK_F64 ? part_f64(g, n, p) : part_f32(g, n, p);
}

double spk_optim_grad_norm(const spk_optim *o, const void *gradients, double p)
{
    SPK_ASSERT(p > 0);
#pragma omp parallel for schedule(static) if (o->n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < o->n_pieces; i++) {
        const spk_optim_piece *q = &o->piece[i];
        o->part[i] = spk_optim_group_frozen(o, q->group) ? 0 : part_of(o, spk__optim_at(o, gradients, q->at), q->n, p);
    }
    return of_parts(o->part, o->n_pieces, p);
}

double spk_clip_factor(double norm, double clip)
{
    const double factor = clip / (norm + 1e-6);
    return clip > 0 && factor < 1 ? factor : 1;
}
