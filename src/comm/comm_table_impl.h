/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of functions through which all messages pass. There are two fillings: alone.c, and mpi/mpi.c, which is
 * compiled once against each MPI that is found, into a plugin (MPIs differ in their binary interface, so one object
 * cannot serve two).
 *
 * Every function but close and end_all returns NULL, or a sentence that stays valid until the next call. All begin an
 * operation and return at once; `test` moves things on and says whether a request is done. All ranks must begin the
 * same operations in the same order, but for tell and heard. Memory that is given must stay until the request is done.
 */
#ifndef SPK_COMM_TABLE_IMPL_H
#define SPK_COMM_TABLE_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* BF16, F16: as narrow_impl.h makes them; each sum of two is rounded. Only SUM, only in `reduce`. */
typedef enum spk_comm_type {
    SPK_COMM_F32,
    SPK_COMM_F64,
    SPK_COMM_I64,
    SPK_COMM_BYTE,
    SPK_COMM_BF16,
    SPK_COMM_F16
} spk_comm_type;
typedef enum spk_comm_op { SPK_COMM_SUM, SPK_COMM_MIN, SPK_COMM_MAX } spk_comm_op;

/* Where a rank stands. */
typedef struct spk_comm_place {
    int rank, size;
    int local_rank, local_size; /* among the ranks of its machine */
    int node;                   /* the lowest rank of its machine */
} spk_comm_place;

typedef struct spk_comm_request {
    uint64_t handle; /* the MPI's own */
    void *keep;      /* what is freed when it is done */
    bool open;
} spk_comm_request;

enum { SPK_COMM_TO_ALL = -1 };

typedef struct spk_comm_table {
    const char *name; /* "Open MPI" */
    const char *(*open)(void **self, spk_comm_place *place);
    void (*close)(void *self);
    void (*end_all)(void *self, int code); /* every process of the job, this one too */
    /* data (n) becomes the sum, smallest or largest over the ranks, the same bits on all. n < 2^31. */
    const char *(*reduce)(void *self, void *data, int64_t n, spk_comm_type type, spk_comm_op op,
                          spk_comm_request *request);
    const char *(*broadcast)(void *self, void *data, int64_t n, spk_comm_type type, int root,
                             spk_comm_request *request);
    /* counts[size] rows of row_bytes from each rank, in the order of ranks, into `all` of rank `root`, or of all with
     * SPK_COMM_TO_ALL. Every rank knows all counts; their sum is below 2^31. */
    const char *(*gather)(void *self, const void *data, const int64_t *counts, size_t row_bytes, void *all, int root,
                          spk_comm_request *request);
    const char *(*test)(void *self, spk_comm_request *request, bool *done);
    /* A word to one rank that may or may not look for it; and the ranks of which one has come: sets heard[rank]. */
    const char *(*tell)(void *self, int to);
    const char *(*heard)(void *self, bool *heard);
} spk_comm_table;

extern const spk_comm_table spk_comm_alone;

/* What a plugin shows. */
#define SPK_COMM_PLUGIN_SYMBOL "spk_comm_plugin_1"
typedef const spk_comm_table *(*spk_comm_plugin_fn)(void);

#endif
