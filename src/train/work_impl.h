/* SPDX-License-Identifier: Apache-2.0 */
/* What each of several processes has to do, for messages about one that is missed (spk_comm_working). */
#ifndef SPK_TRAIN_WORK_IMPL_H
#define SPK_TRAIN_WORK_IMPL_H

#include "comm/comm_impl.h"
#include "spk/trainer.h"

/* "its share: utterance 'a' and 3 more": a new string. */
char *spk_work_text(const char *first, int64_t n);

/* Of the batch that runs. */
typedef struct spk_work_batch {
    const spk_training *t;
    spk_iterator *iterator;
} spk_work_batch;
char *spk_work_of_batch(void *user, int rank);

/* Of n utterances of which rank r has i, where i mod size = r. */
typedef struct spk_work_list {
    const void *list;
    const char *(*id)(const void *list, int64_t i);
    int64_t n;
    int size;
} spk_work_list;
char *spk_work_of_list(void *user, int rank);

#endif
