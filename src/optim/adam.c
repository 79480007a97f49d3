/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adam (Kingma and Ba, 2015), with AMSGrad (Reddi, Kale and Kumar, 2018) and decoupled weight decay, as
 * torch.optim.Adam; and AdamW (Loshchilov and Hutter, 2019), as torch.optim.AdamW, which always decouples it:
 *
 *   g += wd w                          (decoupled: w *= 1 - lr wd instead)
 *   m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, amsgrad: u = max(u, v), else u = v
 *   w -= lr / (1 - b1^t) * m / (sqrt(u) / sqrt(1 - b2^t) + eps)
 */
#include "backend/device_impl.h"
#include "optim/kind_impl.h"

typedef struct adam_conf {
    double lr, betas[2], eps, weight_decay;
    bool amsgrad, decoupled_weight_decay, maximize, capturable, differentiable;
    int foreach, fused;
} adam_conf;

#define ROWS(decay)                                                                                                    \
    SPK_OPTIM_ROW_LR(adam_conf, "0.001"), SPK_OPTIM_ROW_BETAS(adam_conf),                                              \
        SPK_OPTIM_ROW_FLOAT(adam_conf, eps, "1e-08", "added to the root of the second moment"),                        \
        SPK_OPTIM_ROW_DECAY(adam_conf, decay),                                                                         \
        SPK_OPTIM_ROW_BOOL(adam_conf, amsgrad, "divide by the largest second moment so far"),                          \
        SPK_OPTIM_ROWS_TORCH(adam_conf), SPK_OPTIM_ROW_BOOL(adam_conf, capturable, "ignored"),                         \
        SPK_OPTIM_ROW_LOOP(adam_conf, fused)
static const spk_opt options[] = {ROWS("0"),
                                  SPK_OPTIM_ROW_BOOL(adam_conf, decoupled_weight_decay,
                                                     "shrink the weights by lr * weight_decay instead of adding it to "
                                                     "the gradients")};
static const spk_opt options_w[] = {ROWS("0.01")};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const adam_conf *c = conf;
    SPK_TRY(spk__optim_check_betas(c->betas, map));
    return spk__optim_check_differentiable(c->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    names[0] = "exp_avg";
    names[1] = "exp_avg_sq";
    names[2] = "max_exp_avg_sq";
    return ((const adam_conf *)conf)->amsgrad ? 3 : 2;
}

enum { SCALE, DECAY, SHRINK, C1, B2, C2, RATE, ROOT, EPS };

static void prepare_any(const adam_conf *c, bool decoupled, const spk_optim_now *now, spk_optim_scalars *out)
{
    const double decay = c->weight_decay * now->decay;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[DECAY] = decoupled ? 0 : decay;
    out->v[SHRINK] = decoupled ? 1 - now->lr * decay : 1;
    out->v[C1] = 1 - c->betas[0];
    out->v[B2] = c->betas[1];
    out->v[C2] = 1 - c->betas[1];
    out->v[RATE] = now->lr / (1 - pow(c->betas[0], now->t));
    out->v[ROOT] = 1 / sqrt(1 - pow(c->betas[1], now->t));
    out->v[EPS] = c->eps;
}

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    prepare_any(conf, ((const adam_conf *)conf)->decoupled_weight_decay, now, out);
}

static void prepare_w(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    prepare_any(conf, true, now, out);
}

#define SPK_STEP "optim/step_adam.inc.h"
#include "optim/both_types.inc.h"

static void update_there(const spk_device *d, const spk_optim_scalars *scalars, int64_t n, float *w, const float *g,
                         void *const *state)
{
    const float *s = scalars->f;
    const spk_device_adam all = {s[SCALE], s[DECAY], s[SHRINK], s[C1], s[B2], s[C2], s[RATE], s[ROOT], s[EPS]};
    d->t->adam(d->self, &all, n, w, g, state[0], state[1], state[2]);
}

#define KIND(word, table, how)                                                                                         \
    {                                                                                                                  \
        .name = word, .options = table, .n_options = SPK_COUNT(table), .conf_size = sizeof(adam_conf),                 \
        .lr_offset = offsetof(adam_conf, lr), .momentum_offset = offsetof(adam_conf, betas), .check = check,           \
        .blocks = blocks, .prepare = how, .update_there = update_there, .update = {                                    \
            update_f32,                                                                                                \
            update_f64                                                                                                 \
        }                                                                                                              \
    }
const spk_optim_kind spk__optim_adam = KIND("adam", options, prepare);
const spk_optim_kind spk__optim_adamw = KIND("adamw", options_w, prepare_w);
