/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resilient propagation (Riedmiller and Braun, 1993), as torch.optim.Rprop: each value has a step of its own, from lr on,
 * that grows where the gradient keeps its sign and shrinks where it turns; after a turn it rests once.
 *
 *   g p > 0: d = min(d etas[1], step_sizes[1]); g p < 0: d = max(d etas[0], step_sizes[0]), g = 0
 *   w -= sign(g) d; p = g
 */
#include "optim/kind_impl.h"

typedef struct rprop_conf {
    double lr, etas[2], step_sizes[2];
    bool maximize, capturable, differentiable;
    int foreach;
} rprop_conf;

static const spk_opt options[] = {
    SPK_OPTIM_ROW_LR(rprop_conf, "0.01"),
    {"etas", SPK_OPT_FLOATS2, offsetof(rprop_conf, etas), "[0.5, 1.2]", 0, 0, NULL, "how steps shrink and grow", 0},
    {"step_sizes", SPK_OPT_FLOATS2, offsetof(rprop_conf, step_sizes), "[1e-06, 50]", 0, 0, NULL,
     "smallest and largest step", 0},
    SPK_OPTIM_ROWS_TORCH(rprop_conf),
    SPK_OPTIM_ROW_BOOL(rprop_conf, capturable, "ignored"),
};

static spk_status check(const void *conf, const spk_yaml *map)
{
    const rprop_conf *c = conf;
    if (!(c->etas[0] > 0 && c->etas[0] < 1)) return spk__optim_wrong(map, "etas", c->etas[0], "between 0 and 1");
    if (!(c->etas[1] > 1 && isfinite(c->etas[1]))) return spk__optim_wrong(map, "etas", c->etas[1], "above 1");
    if (!(c->step_sizes[0] >= 0)) return spk__optim_wrong(map, "step_sizes", c->step_sizes[0], "0 or more");
    if (!(c->step_sizes[1] >= c->step_sizes[0]))
        return spk__optim_wrong(map, "step_sizes", c->step_sizes[1], "as large as the smallest step");
    return spk__optim_check_differentiable(c->differentiable, map);
}

static int blocks(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS])
{
    (void)conf;
    names[0] = "prev";
    names[1] = "step_size";
    return 2;
}

static double start(const void *conf, int block, double lr)
{
    (void)conf;
    return block == 1 ? lr : 0;
}

enum { SCALE, SHRINK, GROW, LEAST, MOST };

static void prepare(const void *conf, const spk_optim_now *now, spk_optim_scalars *out)
{
    const rprop_conf *c = conf;
    out->v[SCALE] = c->maximize ? -now->scale : now->scale;
    out->v[SHRINK] = c->etas[0];
    out->v[GROW] = c->etas[1];
    out->v[LEAST] = c->step_sizes[0];
    out->v[MOST] = c->step_sizes[1];
}

#define SPK_STEP "optim/step_rprop.inc.h"
#include "optim/both_types.inc.h"

const spk_optim_kind spk__optim_rprop = {.name = "rprop",
                                         .options = options,
                                         .n_options = SPK_COUNT(options),
                                         .conf_size = sizeof(rprop_conf),
                                         .lr_offset = offsetof(rprop_conf, lr),
                                         .momentum_offset = SPK_OPTIM_NO_MOMENTUM,
                                         .check = check,
                                         .blocks = blocks,
                                         .start = start,
                                         .prepare = prepare,
                                         .update = {update_f32, update_f64}};
