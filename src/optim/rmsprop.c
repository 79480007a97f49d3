/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RMSprop (Hinton, 2012; centred: Graves, 2013), as torch.optim.RMSprop:
 *
 *   g += wd w; s = al s + (1 - al) g^2; h = sqrt(s), centered: c = al c + (1 - al) g, h = sqrt(s - c^2)
 *   momentum: b = mu b + g / (h + eps), w -= lr b; else w -= lr g / (h + eps)
 *
 * s - c^2 is not taken below zero, where rounding puts it for steady gradients; PyTorch's weight is then NaN.
 */
#include "optim/kind_impl.h"

typedef struct rmsprop_conf {
    double lr, alpha, eps, weight_decay, momentum;
    bool centered, maximize, capturable, differentiable;
    int foreach;
} rmsprop_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(rmsprop_conf, "0.01"),
    {"alpha", SPK_OPT_FLOAT, offsetof(rmsprop_conf, alpha), "0.99", 0, 1, NULL, "decay of the averages", 0},
    SPK_OPTIM_ROW_FLOAT(rmsprop_conf, eps, "1e-08", "added to the root"),
    SPK_OPTIM_ROW_DECAY(rmsprop_conf, "0"),
    SPK_OPTIM_ROW_FLOAT(rmsprop_conf, momentum, "0", "share of the last step's direction that is kept"),
    SPK_OPTIM_ROW_BOOL(rmsprop_conf, centered, "divide by the deviation of the gradient"),
    SPK_OPTIM_ROWS_TORCH(rmsprop_conf),
    SPK_OPTIM_ROW_BOOL(rmsprop_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__optim_check_differentiable(((const rmsprop_conf *)conf)->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    const rmsprop_conf *c = conf;
    int n = 0;
    names[n++] = "square_avg";
    if (c->centered) names[n++] = "grad_avg";
    if (c->momentum > 0) names[n++] = "momentum_buffer";
    return n;
}

enum { SCALE, DECAY, ALPHA, REST, RATE, EPS, MOMENTUM, CENTERED };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const rmsprop_conf *c = conf;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[ALPHA] = c->alpha;
    out->v[REST] = 1 - c->alpha;
    out->v[RATE] = now->lr;
    out->v[EPS] = c->eps;
    out->v[MOMENTUM] = c->momentum;
    out->v[CENTERED] = c->centered ? 1 : 0;
}

#define SPK_STEP "optim/step_rmsprop.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_rmsprop = {.name = "rmsprop",
                                           .options = options,
                                           .n_options = SPK_COUNT(options),
                                           .conf_size = sizeof(rmsprop_conf),
                                           .lr_offset = offsetof(rmsprop_conf, lr),
                                           .momentum_offset = offsetof(rmsprop_conf, momentum),
                                           .check = check,
                                           .blocks = blocks,
                                           .prepare = prepare,
                                           .update = {update_f32, update_f64}};
