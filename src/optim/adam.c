/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adam (Kingma and Ba, 2015), with AMSGrad and decoupled weight decay, as torch.optim.Adam of PyTorch 2.11:
 *
 *   g += wd w                          (decoupled: w *= 1 - lr wd instead)
 *   m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, amsgrad: u = max(u, v), else u = v
 *   w -= lr / (1 - b1^t) * m / (sqrt(u) / sqrt(1 - b2^t) + eps)
 */
#include "optim/kind_impl.h"

#include <math.h>

typedef struct adam_conf {
    double lr, betas[2], eps, weight_decay;
    bool amsgrad, decoupled_weight_decay, maximize, capturable, differentiable;
    int foreach, fused; /* PyTorch's choice among its own loops: read and ignored */
} adam_conf;

#define AT(field) offsetof(adam_conf, field)
static const spk_opt options[] = {
    {"lr", SPK_OPT_FLOAT, AT(lr), "0.001", 0, INFINITY, NULL, "learning rate, where no schedule sets it", 0},
    {"betas", SPK_OPT_FLOATS2, AT(betas), "[0.9, 0.999]", 0, 0, NULL, "decay of the two moments", 0},
    {"eps", SPK_OPT_FLOAT, AT(eps), "1e-08", 0, INFINITY, NULL, "added to the root of the second moment", 0},
    {"weight_decay", SPK_OPT_FLOAT, AT(weight_decay), "0", 0, INFINITY, NULL, "L2 penalty", 0},
    {"amsgrad", SPK_OPT_BOOL, AT(amsgrad), "false", 0, 0, NULL, "divide by the largest second moment so far", 0},
    {"foreach", SPK_OPT_CHOICE, AT(foreach), "none", 0, 0, "false|true", "ignored", SPK_OPT_NULLABLE},
    {"maximize", SPK_OPT_BOOL, AT(maximize), "false", 0, 0, NULL, "climb instead of descend", 0},
    {"capturable", SPK_OPT_BOOL, AT(capturable), "false", 0, 0, NULL, "ignored", 0},
    {"differentiable", SPK_OPT_BOOL, AT(differentiable), "false", 0, 0, NULL, "must be false", 0},
    {"fused", SPK_OPT_CHOICE, AT(fused), "none", 0, 0, "false|true", "ignored", SPK_OPT_NULLABLE},
    {"decoupled_weight_decay", SPK_OPT_BOOL, AT(decoupled_weight_decay), "false", 0, 0, NULL,
     "shrink the weights by lr * weight_decay instead of adding it to the gradients", 0},
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const adam_conf *c = conf;
    char at[512];
    for (int i = 0; i < 2; i++)
        if (!(c->betas[i] >= 0 && c->betas[i] < 1))
            return spk_fail(SPK_E_CONFIG, "%soptim_conf: betas: %g is not in [0, 1)", spk_optim_where(map, "betas", at),
                            c->betas[i]);
    if (c->differentiable)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%soptim_conf: differentiable is not available in this release; set it to false",
                        spk_optim_where(map, "differentiable", at));
    return SPK_OK;
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    names[0] = "exp_avg";
    names[1] = "exp_avg_sq";
    names[2] = "max_exp_avg_sq";
    return ((const adam_conf *)conf)->amsgrad ? 3 : 2;
}

/* The scalars of one step. */
typedef struct adam_step {
    float scale, decay, shrink, c1, b2, c2, rate, root, eps;
} adam_step;

static inline float moved(const adam_step *s, float w, float m, float second)
{
    return w - s->rate * m / (sqrtf(second) * s->root + s->eps);
}

/* restrict: the blocks are separate allocations. */
static void update(const adam_step *step, int64_t n, float *restrict w, const float *restrict g, float *restrict m,
                   float *restrict v)
{
    const adam_step s = *step;
#pragma omp parallel for simd schedule(static) if (n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) {
        const float gi = s.scale * g[i] + s.decay * w[i];
        m[i] += s.c1 * (gi - m[i]);
        v[i] = s.b2 * v[i] + s.c2 * (gi * gi);
        w[i] = moved(&s, s.shrink * w[i], m[i], v[i]);
    }
}

static void update_amsgrad(const adam_step *step, int64_t n, float *restrict w, const float *restrict g,
                           float *restrict m, float *restrict v, float *restrict largest)
{
    const adam_step s = *step;
#pragma omp parallel for simd schedule(static) if (n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) {
        const float gi = s.scale * g[i] + s.decay * w[i];
        m[i] += s.c1 * (gi - m[i]);
        v[i] = s.b2 * v[i] + s.c2 * (gi * gi);
        largest[i] = largest[i] > v[i] ? largest[i] : v[i];
        w[i] = moved(&s, s.shrink * w[i], m[i], largest[i]);
    }
}

static void step(spk_optim *o, float *w, const float *g, double lr, double scale)
{
    const adam_conf *c = o->conf;
    const double t = (double)o->steps;
    const adam_step s = {
        .scale = (float)(c->maximize ? -scale : scale),
        .decay = (float)(c->decoupled_weight_decay ? 0 : c->weight_decay),
        .shrink = (float)(c->decoupled_weight_decay ? 1 - lr * c->weight_decay : 1),
        .c1 = (float)(1 - c->betas[0]),
        .b2 = (float)c->betas[1],
        .c2 = (float)(1 - c->betas[1]),
        .rate = (float)(lr / (1 - pow(c->betas[0], t))),
        .root = (float)(1 / sqrt(1 - pow(c->betas[1], t))),
        .eps = (float)c->eps,
    };
    if (c->amsgrad)
        update_amsgrad(&s, o->n, w, g, o->block[0].v, o->block[1].v, o->block[2].v);
    else
        update(&s, o->n, w, g, o->block[0].v, o->block[1].v);
}

const spk_optim_kind spk_optim_adam = {
    "adam", options, SPK_COUNT(options), sizeof(adam_conf), AT(lr), check, blocks, step,
};
