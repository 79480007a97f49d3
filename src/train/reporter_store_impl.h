/* SPDX-License-Identifier: Apache-2.0 */
/* What a reporter holds: the running phase's series, and the records of finished phases by rising epoch. */
#ifndef SPK_TRAIN_REPORTER_STORE_IMPL_H
#define SPK_TRAIN_REPORTER_STORE_IMPL_H

#include "train/reporter_impl.h"

/* One statistic of the running phase: a value and a weight for each step. */
typedef struct spk_series {
    char *name;
    bool weighted, integral;
    int64_t n, room;
    double *value, *weight;
} spk_series;

typedef struct spk_entry {
    char *name;
    double value;
    bool integral;
} spk_entry;

/* The aggregates of one phase of one epoch, in the order of registration. */
typedef struct spk_record {
    int64_t epoch;
    char *phase;
    int64_t n;
    spk_entry *entry;
} spk_record;

typedef struct spk_store {
    int64_t n;
    spk_record *record; /* by rising epoch; within one, as the phases ended */
} spk_store;

struct spk_reporter {
    int64_t epoch;
    char *phase; /* the running one; NULL: none */
    double start_s;
    int64_t steps, n_series;
    bool step_open;
    spk_series *series;
    spk_store store;
};

void spk_store_clear(spk_store *store);
spk_record *spk_store_find(const spk_store *store, int64_t epoch, const char *phase); /* NULL: none */
/* An empty record, in place of the one that may be there. Borrowed until the next call. */
spk_record *spk_store_renew(spk_store *store, int64_t epoch, const char *phase);
void spk_record_add(spk_record *record, const char *name, double value, bool integral);
const spk_entry *spk_record_find(const spk_record *record, const char *name); /* NULL: none */

#endif
