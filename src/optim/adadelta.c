/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adadelta (Zeiler, 2012), as torch.optim.Adadelta:
 *
 *   g += wd w; s = rho s + (1 - rho) g^2; d = sqrt(q + eps) / sqrt(s + eps) g; q = rho q + (1 - rho) d^2; w -= lr d
 */
#include "optim/kind_impl.h"

typedef struct adadelta_conf {
    double lr, rho, eps, weight_decay;
    bool maximize, capturable, differentiable;
    int foreach;
} adadelta_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(adadelta_conf, "1.0"),
    {"rho", SPK_OPT_FLOAT, offsetof(adadelta_conf, rho), "0.9", 0, 1, NULL, "decay of the two averages", 0},
    SPK_OPTIM_ROW_FLOAT(adadelta_conf, eps, "1e-06", "added under the roots"),
    SPK_OPTIM_ROW_DECAY(adadelta_conf, "0"),
    SPK_OPTIM_ROWS_TORCH(adadelta_conf),
    SPK_OPTIM_ROW_BOOL(adadelta_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__optim_check_differentiable(((const adadelta_conf *)conf)->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "square_avg";
    names[1] = "acc_delta";
    return 2;
}

enum { SCALE, DECAY, RHO, REST, RATE, EPS };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const adadelta_conf *c = conf;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[RHO] = c->rho;
    out->v[REST] = 1 - c->rho;
    out->v[RATE] = now->lr;
    out->v[EPS] = c->eps;
}

#define SPK_STEP "optim/step_adadelta.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_adadelta = {.name = "adadelta",
                                            .options = options,
                                            .n_options = SPK_COUNT(options),
                                            .conf_size = sizeof(adadelta_conf),
                                            .lr_offset = offsetof(adadelta_conf, lr),
                                            .momentum_offset = SPK_OPTIM_NO_MOMENTUM,
                                            .check = check,
                                            .blocks = blocks,
                                            .prepare = prepare,
                                            .update = {update_f32, update_f64}};
