/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rectified Adam (Liu et al., 2020), as torch.optim.RAdam:
 *
 *   g += wd w                          (decoupled: w *= 1 - lr wd instead)
 *   m, v as Adam; R = 2 / (1 - b2) - 1; r = R - 2 t b2^t / (1 - b2^t)
 *   r > 5: w -= lr m / (1 - b1^t) sqrt((r-4) (r-2) R / ((R-4) r)) sqrt(1 - b2^t) / (sqrt(v) + eps)
 *   else:  w -= lr m / (1 - b1^t)
 */
#include "optim/kind_impl.h"

typedef struct radam_conf {
    double lr, betas[2], eps, weight_decay;
    bool decoupled_weight_decay, maximize, capturable, differentiable;
    int foreach;
} radam_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(radam_conf, "0.001"),
    SPK_OPTIM_ROW_BETAS(radam_conf),
    SPK_OPTIM_ROW_FLOAT(radam_conf, eps, "1e-08", "added to the root of the second moment"),
    SPK_OPTIM_ROW_DECAY(radam_conf, "0"),
    SPK_OPTIM_ROW_BOOL(radam_conf, decoupled_weight_decay,
                       "shrink the weights by lr * weight_decay instead of adding it to the gradients"),
    SPK_OPTIM_ROWS_TORCH(radam_conf),
    SPK_OPTIM_ROW_BOOL(radam_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const radam_conf *c = conf;
    SPK_TRY(spk__optim_check_betas(c->betas, map));
    return spk__optim_check_differentiable(c->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "exp_avg";
    names[1] = "exp_avg_sq";
    return 2;
}

enum { SCALE, DECAY, SHRINK, C1, B2, C2, RATE, EPS, ADAPTS };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const radam_conf *c = conf;
    const double b2 = c->betas[1], b2_t = pow(b2, now->t), rate = now->lr / (1 - pow(c->betas[0], now->t));
    const double most = 2 / (1 - b2) - 1, r = most - 2 * now->t * b2_t / (1 - b2_t);
    const double rest = 1 - b2_t, decay = c->weight_decay * now->decay;
    const bool adapts = r > 5;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->decoupled_weight_decay ? 0 : decay;
    out->v[SHRINK] = c->decoupled_weight_decay ? 1 - now->lr * decay : 1;
    out->v[C1] = 1 - c->betas[0];
    out->v[B2] = b2;
    out->v[C2] = 1 - b2;
    out->v[RATE] = rate;
    if (adapts) out->v[RATE] = rate * sqrt((r - 4) * (r - 2) * most / ((most - 4) * (most - 2) * r) * rest);
    out->v[EPS] = c->eps;
    out->v[ADAPTS] = adapts ? 1 : 0;
}

#define SPK_STEP "optim/step_radam.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_radam = {.name = "radam",
                                         .options = options,
                                         .n_options = SPK_COUNT(options),
                                         .conf_size = sizeof(radam_conf),
                                         .lr_offset = offsetof(radam_conf, lr),
                                         .momentum_offset = offsetof(radam_conf, betas),
                                         .check = check,
                                         .blocks = blocks,
                                         .prepare = prepare,
                                         .update = {update_f32, update_f64}};
