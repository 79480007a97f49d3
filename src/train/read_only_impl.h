/* SPDX-License-Identifier: Apache-2.0 */
/* no_forward_run: the data are read and nothing is computed, to see how fast that is. */
#ifndef SPK_TRAIN_READ_ONLY_IMPL_H
#define SPK_TRAIN_READ_ONLY_IMPL_H

#include "spk/trainer.h"

/* Read all epochs' training batches, and the trials' utterances, and say for each epoch how many a second. */
spk_status spk_read_only(spk_training *t);

#endif
