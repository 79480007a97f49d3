/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stochastic gradient descent with momentum, as torch.optim.SGD of PyTorch 2.11:
 *
 *   g += wd w; b = g at the first step, then mu b + (1 - dampening) g; w -= lr (nesterov ? g + mu b : b)
 */
#include "optim/kind_impl.h"

#include <math.h>

typedef struct sgd_conf {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize, differentiable;
    int foreach, fused; /* PyTorch's choice among its own loops: read and ignored */
} sgd_conf;

#define AT(field) offsetof(sgd_conf, field)
static const spk_opt options[] = {
    {"lr", SPK_OPT_FLOAT, AT(lr), "0.1", 0, INFINITY, NULL, "learning rate, where no schedule sets it", 0},
    {"momentum", SPK_OPT_FLOAT, AT(momentum), "0", 0, INFINITY, NULL, "share of the last step's direction that is kept",
     0},
    {"dampening", SPK_OPT_FLOAT, AT(dampening), "0", 0, 0, NULL, "share of the gradient kept out of the momentum", 0},
    {"weight_decay", SPK_OPT_FLOAT, AT(weight_decay), "0", 0, INFINITY, NULL, "L2 penalty", 0},
    {"nesterov", SPK_OPT_BOOL, AT(nesterov), "false", 0, 0, NULL, "Nesterov momentum", 0},
    {"maximize", SPK_OPT_BOOL, AT(maximize), "false", 0, 0, NULL, "climb instead of descend", 0},
    {"foreach", SPK_OPT_CHOICE, AT(foreach), "none", 0, 0, "false|true", "ignored", SPK_OPT_NULLABLE},
    {"differentiable", SPK_OPT_BOOL, AT(differentiable), "false", 0, 0, NULL, "must be false", 0},
    {"fused", SPK_OPT_CHOICE, AT(fused), "none", 0, 0, "false|true", "ignored", SPK_OPT_NULLABLE},
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const sgd_conf *c = conf;
    char at[512];
    if (c->nesterov && !(c->momentum > 0 && c->dampening == 0))
        return spk_fail(SPK_E_CONFIG, "%soptim_conf: nesterov needs a momentum above 0 and dampening 0",
                        spk_optim_where(map, "nesterov", at));
    if (c->differentiable)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%soptim_conf: differentiable is not available in this release; set it to false",
                        spk_optim_where(map, "differentiable", at));
    return SPK_OK;
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    names[0] = "momentum_buffer";
    return ((const sgd_conf *)conf)->momentum != 0;
}

/* The scalars of one step: w -= direct * g + through * b, with b = keep * b + add * g. */
typedef struct sgd_step {
    float scale, decay, keep, add, direct, through;
} sgd_step;

static void update_plain(const sgd_step *step, int64_t n, float *restrict w, const float *restrict g)
{
    const sgd_step s = *step;
#pragma omp parallel for simd schedule(static) if (n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        w[i] -= s.direct * (s.scale * g[i] + s.decay * w[i]);
}

static void update_momentum(const sgd_step *step, int64_t n, float *restrict w, const float *restrict g,
                            float *restrict b)
{
    const sgd_step s = *step;
#pragma omp parallel for simd schedule(static) if (n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++) {
        const float gi = s.scale * g[i] + s.decay * w[i];
        b[i] = s.keep * b[i] + s.add * gi;
        w[i] -= s.direct * gi + s.through * b[i];
    }
}

static void step(spk_optim *o, float *w, const float *g, double lr, double scale)
{
    const sgd_conf *c = o->conf;
    const bool first = o->steps == 1;
    sgd_step s = {
        .scale = (float)(c->maximize ? -scale : scale),
        .decay = (float)c->weight_decay,
        .keep = (float)(first ? 0 : c->momentum),
        .add = (float)(first ? 1 : 1 - c->dampening),
        .direct = (float)(c->nesterov || o->n_blocks == 0 ? lr : 0),
        .through = (float)(c->nesterov ? lr * c->momentum : lr),
    };
    if (o->n_blocks == 0)
        update_plain(&s, o->n, w, g);
    else
        update_momentum(&s, o->n, w, g, o->block[0].v);
}

const spk_optim_kind spk_optim_sgd = {
    "sgd", options, SPK_COUNT(options), sizeof(sgd_conf), AT(lr), check, blocks, step,
};
