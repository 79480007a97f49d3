/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adagrad (Duchi, Hazan and Singer, 2011), as torch.optim.Adagrad:
 *
 *   g += wd w; s += g^2, from initial_accumulator_value on; w -= lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)
 */
#include "optim/kind_impl.h"

typedef struct adagrad_conf {
    double lr, lr_decay, weight_decay, initial_accumulator_value, eps;
    bool maximize, differentiable;
    int foreach, fused;
} adagrad_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(adagrad_conf, "0.01"),
    SPK_OPTIM_ROW_FLOAT(adagrad_conf, lr_decay, "0", "how fast the rate falls with the steps"),
    SPK_OPTIM_ROW_DECAY(adagrad_conf, "0"),
    SPK_OPTIM_ROW_FLOAT(adagrad_conf, initial_accumulator_value, "0", "what the sum of squares begins with"),
    SPK_OPTIM_ROW_FLOAT(adagrad_conf, eps, "1e-10", "added to the root of the sum"),
    SPK_OPTIM_ROWS_TORCH(adagrad_conf),
    SPK_OPTIM_ROW_LOOP(adagrad_conf, fused),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__optim_check_differentiable(((const adagrad_conf *)conf)->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "sum";
    return 1;
}

static double start(const void *conf, int block, double lr)
{
    (void)block;
    (void)lr;
    return ((const adagrad_conf *)conf)->initial_accumulator_value;
}

enum { SCALE, DECAY, RATE, EPS };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const adagrad_conf *c = conf;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[RATE] = now->lr / (1 + (now->t - 1) * c->lr_decay);
    out->v[EPS] = c->eps;
}

#define SPK_STEP "optim/step_adagrad.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_adagrad = {.name = "adagrad",
                                           .options = options,
                                           .n_options = SPK_COUNT(options),
                                           .conf_size = sizeof(adagrad_conf),
                                           .lr_offset = offsetof(adagrad_conf, lr),
                                           .momentum_offset = SPK_OPTIM_NO_MOMENTUM,
                                           .check = check,
                                           .blocks = blocks,
                                           .start = start,
                                           .prepare = prepare,
                                           .update = {update_f32, update_f64}};
