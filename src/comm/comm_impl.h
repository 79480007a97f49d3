/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks: sums, messages to all, agreement on failures, and waiting that ends. A NULL comm is one process: nothing is
 * sent and everything succeeds.
 *
 * A failure here (another rank is gone or silent) is SPK_E_PEER and sticks: every later call returns it at once, so a
 * caller that cannot stop in the middle, such as a kernel, goes on and asks afterwards.
 */
#ifndef SPK_COMM_IMPL_H
#define SPK_COMM_IMPL_H

#include "base/base_impl.h"
#include "comm/comm_table_impl.h"
#include "spk/comm.h"

/* ---- who is there ---- */

/* What the environment says of how this process was started. */
typedef struct spk_launch {
    const char *by;  /* "mpirun of Open MPI"; NULL: by itself */
    const char *mpi; /* "openmpi", "mpich": whose plugin is tried first; NULL: the launcher speaks no MPI */
    int rank, size;
} spk_launch;
spk_launch spk_comm_launch(void);

/* The table of the plugin for that launch; *library is to be closed with dlclose. */
spk_status spk_comm_load(const spk_launch *launch, const spk_comm_table **table, void **library);

/* Rank 0, or alone: writes and logs. */
bool spk_comm_is_first(const spk_comm *c);
/* Threads that this rank should compute with: its machine's processors that the ranks there may use, over these ranks,
 * and no more than this one may; the smallest over all ranks, so that all round alike. */
spk_status spk_comm_threads(spk_comm *c, int *threads) SPK_NODISCARD;
/* Which GPU of its machine this process has, from 1, where `ngpu` of them are asked for (0: none, and 0 comes out): that of its
 * place among the machine's ranks. With 1 each process has one, however many there are; with more there must be as many processes
 * on the machine. `where`: of the option, for the message. */
spk_status spk_comm_gpu(const spk_comm *c, int64_t ngpu, const char *where, int *gpu) SPK_NODISCARD;
/* "rank 1 on node7 (processors 0-3)" of every rank, one a line. On rank 0; elsewhere nothing is added. */
spk_status spk_comm_describe(spk_comm *c, spk_text *out) SPK_NODISCARD;

/* For messages: what this rank is at ("epoch 3, batch 17"). */
void spk_comm_where(spk_comm *c, const char *fmt, ...) SPK_PRINTF(2, 3);
/* And, should one be missed, what any rank has to do there ("its share of the batch begins with utterance 'a'"): a new
 * string, "" where that is not known. Returns what held before, to be put back; no `of`: nobody knows. */
typedef struct spk_comm_work {
    char *(*of)(void *user, int rank);
    void *user;
} spk_comm_work;
spk_comm_work spk_comm_working(spk_comm *c, spk_comm_work work);

/* ---- all together: each returns when it is done everywhere that matters ---- */

spk_status spk_comm_reduce(spk_comm *c, void *data, int64_t n, spk_comm_type type, spk_comm_op op) SPK_NODISCARD;
spk_status spk_comm_broadcast(spk_comm *c, void *data, int64_t n, spk_comm_type type) SPK_NODISCARD; /* of rank 0 */
/* A new string on all ranks: rank `root`'s. */
spk_status spk_comm_broadcast_text(spk_comm *c, const char *text, int root, char **out) SPK_NODISCARD;
/* counts[size], the same everywhere; `all` on `root`, or everywhere with SPK_COMM_TO_ALL. */
spk_status spk_comm_gather(spk_comm *c, const void *data, const int64_t *counts, size_t row_bytes, void *all,
                           int root) SPK_NODISCARD;
/* Wait for all ranks, however long rank 0 works on alone. */
spk_status spk_comm_rest(spk_comm *c) SPK_NODISCARD;

/*
 * All ranks learn whether one of them failed: every one gets the status of the lowest that did, with its message, which
 * then names rank, host and place, unless all failed with the same words. For failures that leave the ranks in step.
 */
spk_status spk_comm_agree(spk_comm *c, spk_status status) SPK_NODISCARD;
/* The last failure of this process is known to all ranks: one of them may tell it, and all end by themselves. */
bool spk_comm_agreed(const spk_comm *c);
/* "rank 1 on node7, epoch 3, batch 17": new string; of NULL "". */
char *spk_comm_self(const spk_comm *c);
/* SPK_E_MISMATCH on all ranks where `value` is not rank 0's; `what` and its text go into the message. */
spk_status spk_comm_same(spk_comm *c, const char *what, const char *value) SPK_NODISCARD;

/* ---- sums that run while something else is computed ---- */

typedef struct spk_comm_flow spk_comm_flow;
/* Numbers travel and are summed as F32, or, at half the bytes, as BF16 (8 bits of each) or F16 (11 bits, and infinite
 * beyond 65,504). */
spk_comm_flow *spk_comm_flow_new(spk_comm *c, spk_comm_type travel);
void spk_comm_flow_free(spk_comm_flow *f); /* NULL is allowed; nothing may be under way */
/* Begin the sum of data (n floats) over the ranks; data must not be touched until _wait. */
void spk_comm_flow_start(spk_comm_flow *f, float *data, int64_t n);
/* Move what is under way on; cheap. */
void spk_comm_flow_poll(spk_comm_flow *f);
spk_status spk_comm_flow_wait(spk_comm_flow *f) SPK_NODISCARD;

#endif
