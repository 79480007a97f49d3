/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Averaged stochastic gradient descent (Polyak and Juditsky, 1992), as torch.optim.ASGD:
 *
 *   g += wd w; w = (1 - lambd eta) w - eta g; ax += mu (w - ax)
 *   eta = lr / (1 + lambd lr (t - 1))^alpha, mu = 1 / max(1, t - 1 - t0)
 *
 * Where parameters are double, eta is rounded to float32, the type in which PyTorch keeps it whatever theirs is.
 *
 * As there, the average `ax` is kept and never used. The rate in eta is the one in force; PyTorch takes that of the step
 * before, which makes a difference only where a schedule moves it.
 */
#include "optim/kind_impl.h"

typedef struct asgd_conf {
    double lr, lambd, alpha, t0, weight_decay;
    bool maximize, capturable, differentiable;
    int foreach;
} asgd_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(asgd_conf, "0.01"),
    SPK_OPTIM_ROW_FLOAT(asgd_conf, lambd, "0.0001", "decay of the weights and of the rate"),
    SPK_OPTIM_ROW_FLOAT(asgd_conf, alpha, "0.75", "power by which the rate falls"),
    SPK_OPTIM_ROW_FLOAT(asgd_conf, t0, "1e+06", "step at which averaging begins"),
    SPK_OPTIM_ROW_DECAY(asgd_conf, "0"),
    SPK_OPTIM_ROWS_TORCH(asgd_conf),
    SPK_OPTIM_ROW_BOOL(asgd_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    return spk__optim_check_differentiable(((const asgd_conf *)conf)->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "ax";
    return 1;
}

enum { SCALE, DECAY, SHRINK, ETA, MU };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const asgd_conf *c = conf;
    const double exact = now->lr / pow(1 + c->lambd * now->lr * (now->t - 1), c->alpha);
    const double eta = now->real == SPK_F64 ? (double)(float)exact : exact;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = c->weight_decay * now->decay;
    out->v[SHRINK] = 1 - c->lambd * eta;
    out->v[ETA] = eta;
    out->v[MU] = 1 / fmax(1, now->t - 1 - c->t0);
}

#define SPK_STEP "optim/step_asgd.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_asgd = {.name = "asgd",
                                        .options = options,
                                        .n_options = SPK_COUNT(options),
                                        .conf_size = sizeof(asgd_conf),
                                        .lr_offset = offsetof(asgd_conf, lr),
                                        .momentum_offset = SPK_OPTIM_NO_MOMENTUM,
                                        .check = check,
                                        .blocks = blocks,
                                        .prepare = prepare,
                                        .update = {update_f32, update_f64}};
