/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optimisers, parameter groups, gradient clipping and noise, and learning-rate schedules, on flat blocks of
 * parameters: float, or double where the optimiser was made so. docs/optim.md is the guide.
 *
 * The updates are PyTorch's (torch.optim of 2.11). The rate and the factor on the gradients are inputs of a step.
 * Results do not depend on the number of threads: elements are independent, and the norm is summed over fixed pieces
 * in their order. A step allocates nothing.
 */
#ifndef SPK_OPTIM_IMPL_H
#define SPK_OPTIM_IMPL_H

#include "base/base_impl.h"
#include "formats/yaml_impl.h"

/* ---- optimisers ---- */

typedef struct spk_optim spk_optim;

/* One block of an optimiser's state, as a checkpoint keeps it: PyTorch's name ("exp_avg"), n values (the block's
 * length) of the optimiser's type, owned by the optimiser; write into it to restore. */
typedef struct spk_optim_block {
    const char *name;
    void *v;
    int64_t n;
} spk_optim_block;
enum { SPK_OPTIM_MAX_BLOCKS = 4 };

/*
 * An optimiser for n parameters: `name` as ESPnet's `optim` (any case), `conf` its `optim_conf` (NULL: defaults).
 * SPK_E_CONFIG: unknown name or key, value out of range; SPK_E_UNSUPPORTED: an optimiser of ESPnet's that is not here;
 * SPK_E_NOMEM. *out is NULL on failure. Free with spk_optim_free (NULL is allowed).
 */
spk_status spk_optim_new(const char *name, const spk_yaml *conf, int64_t n, spk_optim **out);
/* The same for parameters, gradients and state of type `real`: SPK_F32 (as above) or SPK_F64. */
spk_status spk_optim_new_of(const char *name, const spk_yaml *conf, spk_dtype real, int64_t n, spk_optim **out);
void spk_optim_free(spk_optim *o);
/* Check `name` and `conf` as spk_optim_new does, without memory for state. */
spk_status spk_optim_check(const char *name, const spk_yaml *conf);

const char *spk_optim_name(const spk_optim *o); /* "adam" */
spk_dtype spk_optim_real(const spk_optim *o);
double spk_optim_lr(const spk_optim *o); /* the rate of optim_conf: the schedule's lr0 */

/* One step: parameters (n) are updated from grad_scale * gradients (n) at rate lr (each group's: times its factor);
 * gradients are not written. Both are of the optimiser's type. */
void spk_optim_step(spk_optim *o, void *parameters, const void *gradients, double lr, double grad_scale);

/*
 * Keep the state of one part of the parameters only, the share of process `rank` of `size`: a step then updates these
 * alone, and blocks are as long as the part. Before the first step and before blocks are read into. *at, *n: the part, whole
 * pieces of the blocks; the parts of all ranks lie one behind the other and are the whole.
 */
spk_status spk_optim_keep_part(spk_optim *o, int rank, int size);
void spk_optim_part(const spk_optim *o, int rank, int size, int64_t *at, int64_t *n);
/* Where the state's blocks begin: 0, or the place of the part; and how long the whole is. */
int64_t spk_optim_part_at(const spk_optim *o);
int64_t spk_optim_count(const spk_optim *o);

/* Steps done so far, which bias corrections and first-step rules depend on. */
int64_t spk_optim_steps(const spk_optim *o);
void spk_optim_set_steps(spk_optim *o, int64_t steps);
/* The state's blocks (borrowed); returns how many. */
int spk_optim_blocks(spk_optim *o, spk_optim_block out[SPK_OPTIM_MAX_BLOCKS]);

/*
 * The momentum (of optimisers with `betas`: the first) from the next step on; for schedules that cycle it. Before the
 * first step this may add a block of state. SPK_E_CONFIG: the optimiser has no momentum; SPK_E_NOMEM.
 */
spk_status spk_optim_set_momentum(spk_optim *o, double momentum);
double spk_optim_momentum(const spk_optim *o); /* NAN: it has none */

/* ---- on a device (there.c) ---- */

struct spk_device; /* backend/device_impl.h */

/* Can its steps be done on a device? Those of sgd, adam and adamw in float can, where no group is frozen at first and the state is
 * not divided. Ask it when the groups are made. */
bool spk_optim_fits_device(const spk_optim *o);
/*
 * From now on the state is kept on `device`, which must outlive the optimiser; parameters and gradients of
 * spk_optim_step, and gradients of spk_optim_grad_norm, are addresses there. A step does not wait for the device, a norm
 * does. Noise, and norms that are shared with other processes, are for gradients here. SPK_E_NOMEM: then all is as before.
 */
spk_status spk_optim_use_device(spk_optim *o, const struct spk_device *device);
/* The blocks of spk_optim_blocks are copies then: pull before they are read, push when they were written into. Without
 * a device they do nothing. */
void spk_optim_pull(spk_optim *o);
void spk_optim_push(spk_optim *o);

/* ---- parameter groups (groups.c) ---- */

/* Where a parameter lies in the blocks. Parameters are in the order of their places; gaps between them are padding. */
typedef struct spk_optim_param {
    const char *name; /* "encoder.conv.weight" */
    int64_t at, n;
    int n_dims;
} spk_optim_param;

/* What the configuration says of them. Zero-initialised: all alike. */
typedef struct spk_optim_group_conf {
    bool exclude_weight_decay;                 /* no weight decay for biases and normalisations, */
    const spk_yaml *exclude_weight_decay_conf; /* unless it says bias_weight_decay, normalization_weight_decay: true */
    const char *lr_scale;                      /* "loss=10,encoder=0.1": factors on the rate; NULL: none */
    const char *freeze_steps; /* "encoder=1000", "1000" (all but the loss): steps without an update; NULL: none */
} spk_optim_group_conf;

/* Parameters that are treated alike. */
typedef struct spk_optim_group {
    double lr_scale;
    bool decays;          /* weight_decay acts on it */
    int64_t freeze_steps; /* it is updated from the step behind these on, as if that were its first */
    int64_t n_params, n;  /* parameters and values in it */
} spk_optim_group;

/* Divide the parameters into groups; without a call there is one. SPK_E_CONFIG: a text that cannot be read, or names
 * that no parameter begins with (at a dot). Call it before the first step. */
spk_status spk_optim_set_groups(spk_optim *o, const spk_optim_param *params, int64_t n_params,
                                const spk_optim_group_conf *conf);
/* Check the texts alone. */
spk_status spk_optim_check_groups(const spk_optim_group_conf *conf);
int spk_optim_n_groups(const spk_optim *o);
const spk_optim_group *spk_optim_group_at(const spk_optim *o, int i);
/* Is group i left alone in the next step? */
bool spk_optim_group_frozen(const spk_optim *o, int i);

/* ---- gradients: noise, norm, clipping ---- */

/* ESPnet's gradient noise: a normal number of deviation spk_grad_noise_sigma(count) is added to each gradient, count
 * being the batches of the training so far. The numbers are a function of (seed, count, place), and floats also where
 * gradients are double, as there. */
void spk_optim_add_noise(const spk_optim *o, void *gradients, uint64_t seed, int64_t count);
double spk_grad_noise_sigma(int64_t count);

/* p-norm (p > 0, INFINITY: largest magnitude) of n gradients, summed in double. Not finite when a gradient is not. */
double spk_grad_norm(const float *gradients, int64_t n, double p);
/* The same of the optimiser's gradients, without groups that are frozen in the next step. */
double spk_optim_grad_norm(const spk_optim *o, const void *gradients, double p);
/* The same where the gradients in [at, at + n) are this process's alone, and other processes have others there: `total` makes a
 * sum (or a largest one) that over all of them. */
typedef struct spk_optim_own {
    int64_t at, n;
    void (*total)(void *user, double *value, bool largest);
    void *user;
} spk_optim_own;
double spk_optim_grad_norm_shared(const spk_optim *o, const void *gradients, double p, const spk_optim_own *own);
/* min(1, clip / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; 1 where clip <= 0 (no clipping). Give it to
 * spk_optim_step as grad_scale, so that gradients need no pass of their own. */
double spk_clip_factor(double norm, double clip);

/* ---- schedules ---- */

typedef struct spk_scheduler spk_scheduler;

/* What a schedule counts, ESPnet's three families: optimiser steps, epochs, or the values of a criterion. */
typedef enum spk_scheduler_family { SPK_SCHEDULE_BATCH, SPK_SCHEDULE_EPOCH, SPK_SCHEDULE_VALUE } spk_scheduler_family;

/* Where a training stands. */
typedef struct spk_schedule_place {
    int64_t steps;  /* optimiser steps done */
    int64_t epochs; /* epochs finished */
} spk_schedule_place;

/*
 * A schedule: `name` as ESPnet's `scheduler` (any case; NULL, "none" or "constant": lr0 always), `conf` its
 * `scheduler_conf`. Errors as for spk_optim_new.
 */
spk_status spk_scheduler_new(const char *name, const spk_yaml *conf, double lr0, spk_scheduler **out);
void spk_scheduler_free(spk_scheduler *s);
const char *spk_scheduler_name(const spk_scheduler *s); /* "constant" */
spk_scheduler_family spk_scheduler_kind_of(const spk_scheduler *s);

/* The rate of the next optimiser step there. A function of the place and, for the family of values, of what
 * spk_scheduler_take_value was given since the schedule was made: a resumed training gives it the values of all epochs
 * again and needs no other state. */
double spk_scheduler_lr(const spk_scheduler *s, spk_schedule_place at);
/* Does it cycle the momentum as well? Then *momentum is that of the next step. */
bool spk_scheduler_momentum(const spk_scheduler *s, spk_schedule_place at, double *momentum);
/* The criterion's value at an epoch's end. True: the rate is lower from now on. Other families pass it over. */
bool spk_scheduler_take_value(spk_scheduler *s, double value);

/* Before the first step: can this optimiser follow the schedule? As spk_optim_set_momentum. */
spk_status spk_scheduler_bind(const spk_scheduler *s, spk_optim *o);
/* Set the optimiser's momentum where the schedule cycles it; gives the rate. */
double spk_scheduler_apply(const spk_scheduler *s, spk_optim *o, spk_schedule_place at);

/* The cycle that a place lies in, in what the family counts: [*from, *to). False: the schedule has no cycles. */
bool spk_scheduler_cycle(const spk_scheduler *s, spk_schedule_place at, int64_t *from, int64_t *to);

#endif
