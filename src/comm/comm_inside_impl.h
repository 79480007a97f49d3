/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a comm, for the files of this room. */
#ifndef SPK_COMM_INSIDE_IMPL_H
#define SPK_COMM_INSIDE_IMPL_H

#include "comm/comm_impl.h"

enum { SPK_COMM_HOST_BYTES = 64, SPK_COMM_MASK_WORDS = 16 };

/* What ranks tell each other once. */
typedef struct spk_comm_peer {
    char host[SPK_COMM_HOST_BYTES];
    uint64_t mask[SPK_COMM_MASK_WORDS]; /* processors that it may use: the first 1,024 */
    int32_t node;
} spk_comm_peer;

struct spk_comm {
    const spk_comm_table *table;
    void *self, *library;
    spk_comm_place place;
    spk_comm_peer *peer; /* place.size */
    double timeout;      /* 0: none */
    char at[160];        /* what this rank does */
    spk_comm_work work;  /* what the others have to do meanwhile */
    spk_status broken;   /* sticks */
    char why[1024];
    bool agreed;
    bool *heard; /* place.size: who waits, too */
};

/* Until it is done; patient: for as long as it takes. */
spk_status spk__comm_wait(spk_comm *c, spk_comm_request *request, bool patient) SPK_NODISCARD;
/* c is broken from now on, with that sentence. */
spk_status spk__comm_break(spk_comm *c, const char *fmt, ...) SPK_PRINTF(2, 3);
/* Where c is broken: its failure once more. */
spk_status spk__comm_check(const spk_comm *c) SPK_NODISCARD;

#endif
