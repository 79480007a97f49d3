/* SPDX-License-Identifier: Apache-2.0 */
/* The norm of the gradients, and the factor that clips it (torch.nn.utils.clip_grad_norm_). */
#include "optim/kind_impl.h"

enum { PARTS = 256 }; /* sums of a block's parts, whatever the number of threads */

#define SPK_STEP "optim/norm.inc.h"
#include "optim/both_types.inc.h"

/* Another part's sum behind those before. */
static double join(double sum, double part, double p)
{
    if (!isinf(p)) return sum + part;
    return part <= sum || isnan(sum) ? sum : part; /* NaN stays */
}

static double norm_of(double sum, double p)
{
    if (p == 2) return sqrt(sum);
    return p == 1 || isinf(p) ? sum : pow(sum, 1 / p);
}

/* The norm from the parts' sums, in their order. */
static double of_parts(const double *parts, int64_t n, double p)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum = join(sum, parts[i], p);
    return norm_of(sum, p);
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

/* The sum over the gradients in [from, to), by pieces in their order. */
static double sum_between(const spk_optim *o, const void *gradients, double p, int64_t from, int64_t to)
{
    double sum = 0;
    SPK_ASSERT(p > 0);
#pragma omp parallel for schedule(static) if (o->n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < o->n_pieces; i++) {
        const spk_optim_piece *q = &o->piece[i];
        const int64_t begin = q->at > from ? q->at : from, end = q->at + q->n < to ? q->at + q->n : to;
        const bool counts = begin < end && !spk_optim_group_frozen(o, q->group);
        o->part[i] = counts ? part_of(o, spk__optim_at(o, gradients, begin), end - begin, p) : 0;
    }
    for (int64_t i = 0; i < o->n_pieces; i++)
        sum = join(sum, o->part[i], p);
    return sum;
}

double spk_optim_grad_norm(const spk_optim *o, const void *gradients, double p)
{
    if (o->device) return spk__optim_norm_there(o, gradients, p);
    return norm_of(sum_between(o, gradients, p, 0, o->n), p);
}

/* Before the own ones, these, and behind them: what all processes have is summed alike by all. */
double spk_optim_grad_norm_shared(const spk_optim *o, const void *gradients, double p, const spk_optim_own *own)
{
    SPK_ASSERT(!o->device);
    const double before = sum_between(o, gradients, p, 0, own->at);
    const double behind = sum_between(o, gradients, p, own->at + own->n, o->n);
    double here = sum_between(o, gradients, p, own->at, own->at + own->n);
    if (isnan(here)) here = INFINITY; /* which a largest one keeps */
    own->total(own->user, &here, isinf(p));
    return norm_of(join(join(before, here, p), behind, p), p);
}

double spk_clip_factor(double norm, double clip)
{
    const double factor = clip / (norm + 1e-6);
    return clip > 0 && factor < 1 ? factor : 1;
}
