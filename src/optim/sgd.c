/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stochastic gradient descent with momentum (Sutskever et al., 2013), as torch.optim.SGD:
 *
 *   g += wd w; b = g at the first step, then mu b + (1 - dampening) g; w -= lr (nesterov ? g + mu b : b)
 */
#include "backend/device_impl.h"
#include "optim/kind_impl.h"

typedef struct sgd_conf {
    double lr, momentum, dampening, weight_decay;
    bool nesterov, maximize, differentiable;
    int foreach, fused;
} sgd_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(sgd_conf, "0.1"),
    SPK_OPTIM_ROW_FLOAT(sgd_conf, momentum, "0", "share of the last step's direction that is kept"),
    {"dampening", SPK_OPT_FLOAT, offsetof(sgd_conf, dampening), "0", 0, 0, NULL,
     "share of the gradient kept out of the momentum", 0},
    SPK_OPTIM_ROW_DECAY(sgd_conf, "0"),
    SPK_OPTIM_ROW_BOOL(sgd_conf, nesterov, "Nesterov momentum"),
    SPK_OPTIM_ROWS_TORCH(sgd_conf),
    SPK_OPTIM_ROW_LOOP(sgd_conf, fused),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const sgd_conf *c = conf;
    char at[512];
    if (c->nesterov && !(c->momentum > 0 && c->dampening == 0))
        return spk_fail(SPK_E_CONFIG, "%soptim_conf: nesterov needs a momentum above 0 and dampening 0",
                        spk_optim_where(map, "nesterov", at));
    return spk__optim_check_differentiable(c->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    names[0] = "momentum_buffer";
    return ((const sgd_conf *)conf)->momentum != 0;
}

/* w -= DIRECT * g + THROUGH * b, with b = KEEP * b + ADD * g; without a buffer b is g. */
enum { SCALE, DECAY, KEEP, ADD, DIRECT, THROUGH, RATE };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const sgd_conf *c = conf;
    const bool first = now->t == 1;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[KEEP] = first ? 0 : c->momentum;
    out->v[ADD] = first ? 1 : 1 - c->dampening;
    out->v[DIRECT] = c->nesterov ? now->lr : 0;
    out->v[THROUGH] = c->nesterov ? now->lr * c->momentum : now->lr;
    out->v[RATE] = now->lr;
}

#define SPK_STEP "optim/step_sgd.inc.h"
#include "optim/both_types.inc.h"

static void update_there(const spk_device *d, const spk_optim_scalars *scalars, int64_t n, float *w, const float *g,
                         void *const *state)
{
    const float *s = scalars->f;
    const spk_device_sgd all = {s[SCALE], s[DECAY], s[KEEP], s[ADD], s[DIRECT], s[THROUGH], s[RATE]};
    d->t->sgd(d->self, &all, n, w, g, state[0]);
}

const spk_optim_kind spk__optim_sgd = {.name = "sgd",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_size = sizeof(sgd_conf),
                                       .lr_offset = offsetof(sgd_conf, lr),
                                       .momentum_offset = offsetof(sgd_conf, momentum),
                                       .check = check,
                                       .blocks = blocks,
                                       .prepare = prepare,
                                       .update = {update_f32, update_f64},
                                       .update_there = update_there};
