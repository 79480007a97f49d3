/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run leaves for machines to read: metrics.jsonl, and TensorBoard's files in tensorboard/{train,valid}.
 *
 * metrics.jsonl has an object a line, in the order of the training:
 *   {"kind": "window", "epoch": 1, "batch": 100, "step": 50, "total_count": 100, "n": 100, "train": {"loss": ...}}
 *   {"kind": "valid", "epoch": 1, "batch": 200, "step": 100, "total_count": 200, "valid": {"eer": ...}}   within an epoch
 *   {"kind": "epoch", "epoch": 1, "step": 2000, "train": {...}, "valid": {...}}
 * Values read back to the same bits; what is not finite is null. A checkpoint keeps the file's length, and resuming cuts
 * off what came after, so the lines are those of a run that was never stopped (times aside).
 *
 * TensorBoard: `train` has the windows' values by total_count (batches) and the epochs' as NAME_epoch; `valid` has the
 * epochs' by the training's total_count, as ESPnet.
 *
 * A disk that is full is told once and stops no training.
 */
#ifndef SPK_TRAIN_TRACKS_IMPL_H
#define SPK_TRAIN_TRACKS_IMPL_H

#include "spk/trainer.h"

typedef struct spk_tracks spk_tracks;

/* Begin, or (resumed_at >= 0: the length that the checkpoint kept) go on. */
spk_tracks *spk_tracks_open(const spk_training *t, int64_t resumed_at);
void spk_tracks_close(spk_tracks *k); /* NULL is allowed, here and below */
void spk_tracks_window(const spk_training *t, int64_t n);
void spk_tracks_epoch(const spk_training *t);
/* A validation within an epoch, whose figures `r` holds as those of the running epoch. */
void spk_tracks_valid(const spk_training *t, const spk_reporter *r);
/* Bytes of metrics.jsonl that stand for the training up to now. */
int64_t spk_tracks_length(spk_tracks *k);

#endif
