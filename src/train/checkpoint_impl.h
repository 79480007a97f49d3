/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a run's output folder. checkpoint.safetensors holds all that a training needs to continue to the same bits:
 * the model's state ("model.NAME"), the optimiser's blocks ("optim.NAME"), the values of the running phase ("reporter.*"),
 * and as metadata the epoch and the place in it, the step, the reporter, the configuration, the speakers and what decides
 * the bits (program, backend, instruction set, threads).
 *
 * Order at an epoch's end: Nepoch.pth, checkpoint, links, removals. Each file is written beside its name, synced and
 * renamed; the checkpoint before stays as checkpoint.prev.safetensors, and at any instant a whole one is there. Links
 * and removals follow from the reporter alone, so a run that was killed between them is put right on resuming.
 */
#ifndef SPK_TRAIN_CHECKPOINT_IMPL_H
#define SPK_TRAIN_CHECKPOINT_IMPL_H

#include "base/base_impl.h"
#include "spk/state.h"
#include "spk/trainer.h"

#define SPK_CHECKPOINT_NAME "checkpoint.safetensors"
#define SPK_CHECKPOINT_PREV_NAME "checkpoint.prev.safetensors"

typedef struct spk_checkpoint {
    char *path; /* the file that was read */
    spk_tensors tensors;
    spk_meta meta;
} spk_checkpoint;

/* Is one of the two names there? */
bool spk_checkpoint_exists(const char *folder);
/* Write the state in t->epoch, t->stage and t->batch; `state` is the model's (save_state). */
spk_status spk_checkpoint_write(const char *folder, spk_training *t, const spk_tensors *state);
/* Read the checkpoint. Where a kill left none under its name, the one before it. One that is damaged is refused, with the
 * way to go on from the one before it; with `before` that one is read instead, with a warning. On failure *out is empty. */
spk_status spk_checkpoint_read(const char *folder, bool before, spk_checkpoint *out);
/* Put it into the model, the optimiser, the reporter and t's counters. SPK_E_MISMATCH, with nothing changed but
 * possibly the reporter, for other speakers, other settings (unless setup.resume_changed), another optimiser or another
 * model. Says in the log what differs. */
spk_status spk_checkpoint_apply(const spk_checkpoint *c, spk_training *t);
void spk_checkpoint_clear(spk_checkpoint *c);
/* A checkpoint that was found damaged is moved aside, to checkpoint.damaged.safetensors, so that the next one does not
 * push the good one out. */
void spk_checkpoint_set_aside(const char *folder);

/* Does a setting decide weights or figures of a training (optim_conf), or only where, how fast and how long (output_dir)? */
bool spk_setting_decides(const char *key);
/* What differs between two dumps of a configuration, one sentence: "optim_conf: {lr: 0.001} (was {lr: 0.01}), ...".
 * `deciding`: only settings that decide results, or only those that do not. */
void spk_settings_changed(const char *then, const char *now, bool deciding, spk_text *out);

/* ---- other files of the folder (folder.c) ---- */

/* `path` becomes what `fresh` holds; what `path` held before is kept as `prev` (no such file: nothing to keep). */
spk_status spk_folder_rotate(const char *fresh, const char *path, const char *prev);
/* config.yaml, with another one before it kept as config.prev.yaml. */
spk_status spk_folder_write_config(const char *folder, const char *text);
/* speakers.txt: one name a line, class order. */
spk_status spk_folder_write_speakers(const char *folder, int64_t n, const char *const *names);
/* NAME -> TARGET (both in the folder), replaced in one step. */
spk_status spk_folder_link(const char *folder, const char *name, const char *target);
/* latest.pth, PHASE.KEY.best.pth and removal of the snapshots that no criterion keeps, as the reporter has it up to
 * `epoch`. `updated` (NULL: none) is given the criteria whose best epoch is `epoch`, "valid.eer, train.loss". */
spk_status spk_folder_settle(const char *folder, const spk_training *t, int64_t epoch, spk_text *updated);
/* Remove what an earlier run left: checkpoints first, then snapshots and links. */
spk_status spk_folder_clear(const char *folder);

#endif
