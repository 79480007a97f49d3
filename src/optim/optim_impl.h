/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimisers, learning-rate schedules and gradient clipping on flat blocks of float32 parameters.
 *
 * The updates are PyTorch's (torch.optim of 2.11: SGD, Adam), one loop over the block. The rate and the factor on the
 * gradients are inputs of a step. Results do not depend on the number of threads: elements are independent, and the
 * norm is summed in a fixed number of parts in a fixed order. Nothing here allocates after spk_optim_new.
 */
#ifndef SPK_OPTIM_IMPL_H
#define SPK_OPTIM_IMPL_H

#include "base/base_impl.h"
#include "formats/yaml_impl.h"

/* ---- optimisers ---- */

typedef struct spk_optim spk_optim;

/* One block of an optimiser's state, as a checkpoint keeps it: PyTorch's name ("exp_avg"), n values (the block's
 * length), owned by the optimiser; write into it to restore. */
typedef struct spk_optim_block {
    const char *name;
    float *v;
    int64_t n;
} spk_optim_block;
enum { SPK_OPTIM_MAX_BLOCKS = 4 };

/*
 * An optimiser for n parameters: `name` as ESPnet's `optim` (any case), `conf` its `optim_conf` (NULL: defaults).
 * SPK_E_CONFIG: unknown name or key, value out of range; SPK_E_UNSUPPORTED: an optimiser of ESPnet's that is not here
 * yet; SPK_E_NOMEM. *out is NULL on failure. Free with spk_optim_free (NULL is allowed).
 */
spk_status spk_optim_new(const char *name, const spk_yaml *conf, int64_t n, spk_optim **out);
void spk_optim_free(spk_optim *o);
/* Check `name` and `conf` as spk_optim_new does, without memory for state. */
spk_status spk_optim_check(const char *name, const spk_yaml *conf);

const char *spk_optim_name(const spk_optim *o); /* "adam" */
double spk_optim_lr(const spk_optim *o);        /* the rate of optim_conf: the schedule's lr0 */

/* One step: parameters (n) are updated from grad_scale * gradients (n) at rate lr; gradients are not written. */
void spk_optim_step(spk_optim *o, float *parameters, const float *gradients, double lr, double grad_scale);

/* Steps done so far, which bias corrections and first-step rules depend on. */
int64_t spk_optim_steps(const spk_optim *o);
void spk_optim_set_steps(spk_optim *o, int64_t steps);
/* The state's blocks (borrowed); returns how many. */
int spk_optim_blocks(spk_optim *o, spk_optim_block out[SPK_OPTIM_MAX_BLOCKS]);

/* ---- gradient norm and clipping ---- */

/* p-norm (p > 0, INFINITY: largest magnitude) of n gradients, summed in double. Not finite when a gradient is not. */
double spk_grad_norm(const float *gradients, int64_t n, double p);
/* min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where clip <= 0 (no clipping). Give it to
 * spk_optim_step as grad_scale, so that gradients need no pass of their own. */
double spk_clip_factor(double norm, double clip);

/* ---- schedules ---- */

typedef struct spk_scheduler spk_scheduler;

/*
 * A schedule: `name` as ESPnet's `scheduler` (any case; NULL, "none" or "constant": lr0 always), `conf` its
 * `scheduler_conf`. Errors as for spk_optim_new.
 */
spk_status spk_scheduler_new(const char *name, const spk_yaml *conf, double lr0, spk_scheduler **out);
void spk_scheduler_free(spk_scheduler *s);
const char *spk_scheduler_name(const spk_scheduler *s); /* "constant" */
/* The rate after n schedule steps; n = 0 is the rate of the first optimiser step. A pure function of n. */
double spk_scheduler_lr(const spk_scheduler *s, int64_t n);

#endif
