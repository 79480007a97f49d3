/* SPDX-License-Identifier: Apache-2.0 */
/* The table over MPI 3: one source, a plugin for each MPI (comm_table_impl.h). It knows nothing of the rest of spk. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm_table_impl.h"
#include "comm/narrow_impl.h"

enum { TAG_HERE = 71 };

typedef struct job {
    MPI_Comm comm; /* a copy of the world: messages of ours cannot meet a host program's */
    int size;
    bool ours; /* MPI was not begun before */
    char word; /* what `tell` sends */
    MPI_Op sum_bf16, sum_f16;
} job;

static char message[MPI_MAX_ERROR_STRING + 64];

/* NULL, or what MPI says of a code. */
static const char *told(int code)
{
    int n = 0;
    char text[MPI_MAX_ERROR_STRING] = "";
    if (code == MPI_SUCCESS) return NULL;
    if (MPI_Error_string(code, text, &n) != MPI_SUCCESS) snprintf(text, sizeof text, "error %d", code);
    snprintf(message, sizeof message, "MPI: %s", text);
    return message;
}

static MPI_Datatype type_of(spk_comm_type type)
{
    switch (type) {
    case SPK_COMM_F32:
        return MPI_FLOAT;
    case SPK_COMM_F64:
        return MPI_DOUBLE;
    case SPK_COMM_I64:
        return MPI_INT64_T;
    case SPK_COMM_BF16:
    case SPK_COMM_F16:
        return MPI_UINT16_T;
    default:
        return MPI_BYTE;
    }
}

static MPI_Op op_of(const job *j, spk_comm_type type, spk_comm_op op)
{
    if (type == SPK_COMM_BF16) return j->sum_bf16;
    if (type == SPK_COMM_F16) return j->sum_f16;
    return op == SPK_COMM_MIN ? MPI_MIN : op == SPK_COMM_MAX ? MPI_MAX : MPI_SUM;
}

/* Handles are pointers in one MPI and ints in the other. */
_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request fits");

static void keep_handle(spk_comm_request *request, MPI_Request handle)
{
    request->handle = 0;
    memcpy(&request->handle, &handle, sizeof handle);
    request->open = true;
}

/* ---- sums of two-byte floats, which MPI does not know ---- */

static void sum_bf16(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const uint16_t *x = in;
    uint16_t *y = inout;
    (void)type;
    for (int i = 0; i < *n; i++)
        y[i] = spk_narrow_bf16(spk_widen_bf16(y[i]) + spk_widen_bf16(x[i]));
}

static void sum_f16(void *in, void *inout, int *n, MPI_Datatype *type)
{
    const uint16_t *x = in;
    uint16_t *y = inout;
    (void)type;
    for (int i = 0; i < *n; i++)
        y[i] = spk_narrow_f16(spk_widen_f16(y[i]) + spk_widen_f16(x[i]));
}

/* ---- the job ---- */

static const char *find_place(const job *j, spk_comm_place *place)
{
    MPI_Comm node;
    int code = MPI_Comm_rank(j->comm, &place->rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(j->comm, &place->size);
    if (code == MPI_SUCCESS)
        code = MPI_Comm_split_type(j->comm, MPI_COMM_TYPE_SHARED, place->rank, MPI_INFO_NULL, &node);
    if (code != MPI_SUCCESS) return told(code);
    MPI_Comm_rank(node, &place->local_rank);
    MPI_Comm_size(node, &place->local_size);
    code = MPI_Allreduce(&place->rank, &place->node, 1, MPI_INT, MPI_MIN, node);
    MPI_Comm_free(&node);
    return told(code);
}

static const char *open_job(void **self, spk_comm_place *place)
{
    int begun = 0, provided = 0;
    MPI_Initialized(&begun);
    int code = begun ? MPI_Query_thread(&provided) : MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (code != MPI_SUCCESS) return told(code);
    if (provided < MPI_THREAD_SERIALIZED) {
        if (!begun) MPI_Finalize();
        return "this MPI may only be called from one thread (less than MPI_THREAD_SERIALIZED)";
    }
    job *j = calloc(1, sizeof *j);
    if (!j) return "no memory for a job";
    j->ours = !begun;
    code = MPI_Comm_dup(MPI_COMM_WORLD, &j->comm);
    const char *error = told(code);
    if (!error) {
        MPI_Comm_set_errhandler(j->comm, MPI_ERRORS_RETURN);
        error = told(MPI_Op_create(sum_bf16, 1, &j->sum_bf16));
        if (!error) error = told(MPI_Op_create(sum_f16, 1, &j->sum_f16));
        if (!error) error = find_place(j, place);
    }
    if (error) {
        free(j);
        return error;
    }
    j->size = place->size;
    *self = j;
    return NULL;
}

static void close_job(void *self)
{
    job *j = self;
    MPI_Op_free(&j->sum_bf16);
    MPI_Op_free(&j->sum_f16);
    MPI_Comm_free(&j->comm);
    if (j->ours) MPI_Finalize();
    free(j);
}

static void end_job(void *self, int code)
{
    const job *j = self;
    MPI_Abort(j->comm, code);
}

/* ---- all together ---- */

/* The checker does not see that `test` ends what is begun here. */
/* NOLINTBEGIN(clang-analyzer-optin.mpi.MPI-Checker) */

static const char *reduce(void *self, void *data, int64_t n, spk_comm_type type, spk_comm_op op,
                          spk_comm_request *request)
{
    const job *j = self;
    MPI_Request handle;
    const int code = MPI_Iallreduce(MPI_IN_PLACE, data, (int)n, type_of(type), op_of(j, type, op), j->comm, &handle);
    if (code == MPI_SUCCESS) keep_handle(request, handle);
    return told(code);
}

static const char *broadcast(void *self, void *data, int64_t n, spk_comm_type type, int root, spk_comm_request *request)
{
    const job *j = self;
    MPI_Request handle;
    const int code = MPI_Ibcast(data, (int)n, type_of(type), root, j->comm, &handle);
    if (code == MPI_SUCCESS) keep_handle(request, handle);
    return told(code);
}

static const char *gather(void *self, const void *data, const int64_t *counts, size_t row_bytes, void *all, int root,
                          spk_comm_request *request)
{
    const job *j = self;
    MPI_Request handle;
    MPI_Datatype row;
    int rank = 0, *n = malloc(2 * (size_t)j->size * sizeof *n); /* counts, then places */
    if (!n) return "no memory for a gathering";
    for (int i = 0, at = 0; i < j->size; i++) {
        n[i] = (int)counts[i];
        n[j->size + i] = at;
        at += n[i];
    }
    MPI_Comm_rank(j->comm, &rank);
    MPI_Type_contiguous((int)row_bytes, MPI_BYTE, &row);
    MPI_Type_commit(&row);
    const int code = root == SPK_COMM_TO_ALL
                         ? MPI_Iallgatherv(data, n[rank], row, all, n, n + j->size, row, j->comm, &handle)
                         : MPI_Igatherv(data, n[rank], row, all, n, n + j->size, row, root, j->comm, &handle);
    MPI_Type_free(&row); /* lives until the request is done */
    if (code != MPI_SUCCESS) {
        free(n);
        return told(code);
    }
    keep_handle(request, handle);
    request->keep = n;
    return NULL;
}

static const char *test(void *self, spk_comm_request *request, bool *done)
{
    MPI_Request handle;
    int flag = 0;
    (void)self;
    memcpy(&handle, &request->handle, sizeof handle);
    const int code = MPI_Test(&handle, &flag, MPI_STATUS_IGNORE);
    memcpy(&request->handle, &handle, sizeof handle);
    if (code != MPI_SUCCESS) return told(code);
    *done = flag != 0;
    if (flag) {
        free(request->keep);
        *request = (spk_comm_request){0};
    }
    return NULL;
}

/* ---- one to one ---- */

static const char *tell(void *self, int to)
{
    job *j = self;
    MPI_Request handle;
    int flag = 0;
    const int code = MPI_Isend(&j->word, 1, MPI_CHAR, to, TAG_HERE, j->comm, &handle);
    if (code != MPI_SUCCESS) return told(code);
    MPI_Test(&handle, &flag, MPI_STATUS_IGNORE);
    if (!flag) MPI_Request_free(&handle);
    return NULL;
}

/* NOLINTEND(clang-analyzer-optin.mpi.MPI-Checker) */

static const char *heard(void *self, bool *from)
{
    const job *j = self;
    for (;;) {
        MPI_Status status;
        int flag = 0;
        char word;
        int code = MPI_Iprobe(MPI_ANY_SOURCE, TAG_HERE, j->comm, &flag, &status);
        if (code != MPI_SUCCESS || !flag) return told(code);
        code = MPI_Recv(&word, 1, MPI_CHAR, status.MPI_SOURCE, TAG_HERE, j->comm, &status);
        if (code != MPI_SUCCESS) return told(code);
        from[status.MPI_SOURCE] = true;
    }
}

static const spk_comm_table table = {
#if defined(OPEN_MPI)
    .name = "Open MPI",
#elif defined(MPICH)
    .name = "MPICH",
#else
    .name = "MPI",
#endif
    .open = open_job,
    .close = close_job,
    .end_all = end_job,
    .reduce = reduce,
    .broadcast = broadcast,
    .gather = gather,
    .test = test,
    .tell = tell,
    .heard = heard};

__attribute__((visibility("default"))) const spk_comm_table *spk_comm_plugin_1(void);
const spk_comm_table *spk_comm_plugin_1(void)
{
    return &table;
}
