/* SPDX-License-Identifier: Apache-2.0 */
/* The optimiser of a training, its parameter groups and its schedule. */
#ifndef SPK_TRAIN_RATES_IMPL_H
#define SPK_TRAIN_RATES_IMPL_H

#include "spk/trainer.h"

/* Make t->optim and t->scheduler from the set-up. Errors as spk_optim_new, spk_optim_set_groups, spk_scheduler_new. */
spk_status spk_rates_open(spk_training *t);
/* Say, as the first epoch begins, how many steps the training has and where the schedule's cycles end; warn when it ends
 * in the first tenth of one. t->n_batches must be known, or nothing is said. */
void spk_rates_outlook(const spk_training *t);
/* The model's blocks, and the type that their elements have. */
spk_dtype spk_training_blocks(const spk_training *t, void **parameters, void **gradients, int64_t *n);
/* The gradients' norm, behind the noise that the set-up may ask for. */
double spk_rates_norm(spk_training *t, void *gradients);
/* The rate of the next optimiser step. */
double spk_rates_next(spk_training *t);
/* Register the rate of each parameter group of a step: optim0_lr0, optim0_lr1, ... */
spk_status spk_rates_register(spk_training *t, double rate);
/* What the schedule must know of epoch e once it is over: a plateau's criterion. Also for each finished epoch of a
 * training that is resumed. */
void spk_rates_epoch_done(spk_training *t, int64_t epoch, bool again);

#endif
