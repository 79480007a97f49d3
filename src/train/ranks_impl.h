/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training that several processes share. All derive the same plan of batches and take their shares of each; the sum of
 * their gradients is the gradient of the whole batch, so all make the same step. Rank 0 writes and logs.
 *
 * A batch: all meet (does everybody have its share, was somebody told to stop?), compute, and sum gradients and figures.
 * Gradients are summed in buckets from the end of the block on, in a fixed order, while the backward pass goes on.
 * Alone, every function does nothing and succeeds.
 */
#ifndef SPK_TRAIN_RANKS_IMPL_H
#define SPK_TRAIN_RANKS_IMPL_H

#include "base/base_impl.h"
#include "spk/trainer.h"

struct spk_optim_block;
struct spk_comm;
typedef struct spk_ranks spk_ranks;
/* NULL: alone. */
struct spk_comm *spk_ranks_comm(const spk_training *t);

/* t->ranks, where the setup's comm has several. */
spk_status spk_ranks_open(spk_training *t);
void spk_ranks_close(spk_training *t);
/* Rank 0, or alone. */
bool spk_ranks_first(const spk_training *t);
/* All or none: the failure of the lowest rank, on all. */
spk_status spk_ranks_agree(const spk_training *t, spk_status status);
/* Program, configuration, weights and place must be rank 0's: SPK_E_MISMATCH on all otherwise. */
spk_status spk_ranks_check(const spk_training *t);
/* Weights must be, still; buffers (running statistics) become rank 0's. Before a validation. */
spk_status spk_ranks_align(const spk_training *t);
/* The same at a training's end, where rank 0 works alone for as long as it takes. */
spk_status spk_ranks_finish(const spk_training *t, spk_status status);

/* After this rank's iterator gave *batch (NULL: no more) or failed with `status`: fails on all where one failed; *batch
 * becomes NULL on all where one has no more. */
spk_status spk_ranks_meet(spk_training *t, spk_status status, const spk_batch **batch);
/* A signal came to one of them before the last meeting. */
bool spk_ranks_stop(const spk_training *t);
/* Items of the batch over all ranks, and the factor of this one's mean loss in that of all, for the scale of its gradient: its
 * part of them, or 1 where the loss is made over all of them. */
int64_t spk_ranks_items(const spk_training *t, const spk_batch *batch);
double spk_ranks_part(const spk_training *t, const spk_batch *batch);
/* This rank has to compute: its share counts, or others need its answers on the way. */
bool spk_ranks_computes(const spk_training *t, const spk_batch *batch);
/* Around forward_backward; `sum`: the batch is the last of a step. stats become those of the whole batch, weighted as ESPnet
 * does (a rank's NaN is left out); *bad: the loss of one of them was not finite. *seconds: waited. */
void spk_ranks_begin(spk_training *t, const spk_batch *batch, bool sum);
spk_status spk_ranks_end(spk_training *t, const spk_batch *batch, bool sum, spk_train_stats *stats, bool *bad,
                         double *seconds);
/* Sum the gradients that wait, where nobody knew that a step's last batch was the last. */
spk_status spk_ranks_sum(spk_training *t);
/*
 * Optimiser state that is divided (shard_optim, or with the classes; otherwise these do nothing): each rank keeps its part; after a step all
 * parameters are handed round; and before a checkpoint all ranks call _collect, which makes rank 0 see the whole state
 * through spk_ranks_blocks, until _dismiss.
 */
spk_status spk_ranks_shard(spk_training *t);
spk_status spk_ranks_hand_round(spk_training *t, float *parameters);
spk_status spk_ranks_collect(spk_training *t);
void spk_ranks_dismiss(spk_training *t);
/* As spk_optim_blocks. */
int spk_ranks_blocks(spk_training *t, struct spk_optim_block *block);

/* What the classes that are divided need (classes_impl.h): seconds that they waited are added to the batch's. */
struct spk_class_team;
const struct spk_class_team *spk_ranks_class_team(const spk_training *t);

/* A checkpoint within the epoch is due; with several processes by rank 0's clock at the last meeting. */
bool spk_ranks_due(const spk_training *t);

/* `text` of the rank that had the first loss that is not finite (else rank 0's), on all: a new string. */
spk_status spk_ranks_tell(const spk_training *t, const char *text, char **out);

#endif
