/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the losses share. A loss with a margin begins its conf with spk_loss_margin and names spk_loss_set_margin, or one
 * of its own, as the part's set_margin: a schedule may then change the margin between steps. The ops read it from there,
 * so it is in no weight file.
 */
#ifndef SPK_MODEL_LOSS_IMPL_H
#define SPK_MODEL_LOSS_IMPL_H

#include "model/build_impl.h"

#define SPK_LOSS_WIDEST 3.141592653589793 /* angular margins go up to pi */

typedef struct spk_loss_margin {
    double given;  /* the option */
    double now[2]; /* what the ops read: m, and the angle of a penalty or 0 */
} spk_loss_margin;

/* m = margin, no penalty. */
void spk_loss_set_margin(void *conf, double margin);

/* "loss.weight" (rows, size) with Xavier's initial values, normal or uniform; of the own classes where they are divided. */
const spk_param *spk_loss_weight(spk_build *b, int64_t rows, int64_t size, bool uniform);

/* The rows of each speaker in a batch, or an error that says how to get such batches. With n_classes 0 there is no loss,
 * and nothing is asked. */
spk_status spk_loss_per_speaker(const spk_part_in *in, const char *loss, int64_t *per_speaker);
/* "loss.w" = 10 and "loss.b" = -5, and the op over them. */
spk_tensor *spk_loss_proto(spk_build *b, spk_tensor *embedding, spk_proto_attr attr);

#endif
