/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adamax (Kingma and Ba, 2015, section 7.1), as torch.optim.Adamax:
 *
 *   g += wd w; m = b1 m + (1 - b1) g; u = max(b2 u, |g| + eps); w -= lr / (1 - b1^t) m / u
 */
#include "optim/kind_impl.h"

typedef struct adamax_conf {
    double lr, betas[2], eps, weight_decay;
    bool maximize, capturable, differentiable;
    int foreach;
} adamax_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(adamax_conf, "0.002"),
    SPK_OPTIM_ROW_BETAS(adamax_conf),
    SPK_OPTIM_ROW_FLOAT(adamax_conf, eps, "1e-08", "added to the magnitude of a gradient"),
    SPK_OPTIM_ROW_DECAY(adamax_conf, "0"),
    SPK_OPTIM_ROWS_TORCH(adamax_conf),
    SPK_OPTIM_ROW_BOOL(adamax_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const adamax_conf *c = conf;
    SPK_TRY(spk__optim_check_betas(c->betas, map));
    return spk__optim_check_differentiable(c->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "exp_avg";
    names[1] = "exp_inf";
    return 2;
}

enum { SCALE, DECAY, C1, B2, RATE, EPS };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const adamax_conf *c = conf;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[C1] = 1 - c->betas[0];
    out->v[B2] = c->betas[1];
    out->v[RATE] = now->lr / (1 - pow(c->betas[0], now->t));
    out->v[EPS] = c->eps;
}

#define SPK_STEP "optim/step_adamax.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_adamax = {.name = "adamax",
                                          .options = options,
                                          .n_options = SPK_COUNT(options),
                                          .conf_size = sizeof(adamax_conf),
                                          .lr_offset = offsetof(adamax_conf, lr),
                                          .momentum_offset = offsetof(adamax_conf, betas),
                                          .check = check,
                                          .blocks = blocks,
                                          .prepare = prepare,
                                          .update = {update_f32, update_f64}};
