/* SPDX-License-Identifier: Apache-2.0 */
/* One process as a job of one rank: every sum is what it was. What the tests hold the other table against. */
#include <string.h>

#include "comm/comm_table_impl.h"

static const char *open_alone(void **self, spk_comm_place *place)
{
    *self = NULL;
    *place = (spk_comm_place){.size = 1, .local_size = 1};
    return NULL;
}

static void close_alone(void *self)
{
    (void)self;
}

static void end_alone(void *self, int code)
{
    (void)self;
    (void)code; /* there is nobody else; the caller ends itself */
}

static const char *reduce(void *self, void *data, int64_t n, spk_comm_type type, spk_comm_op op,
                          spk_comm_request *request)
{
    (void)self;
    (void)data;
    (void)n;
    (void)type;
    (void)op;
    request->open = true;
    return NULL;
}

static const char *broadcast(void *self, void *data, int64_t n, spk_comm_type type, int root, spk_comm_request *request)
{
    (void)self;
    (void)data;
    (void)n;
    (void)type;
    (void)root;
    request->open = true;
    return NULL;
}

static const char *gather(void *self, const void *data, const int64_t *counts, size_t row_bytes, void *all, int root,
                          spk_comm_request *request)
{
    (void)self;
    (void)root;
    if (counts[0] > 0) memcpy(all, data, (size_t)counts[0] * row_bytes);
    request->open = true;
    return NULL;
}

static const char *test(void *self, spk_comm_request *request, bool *done)
{
    (void)self;
    request->open = false;
    *done = true;
    return NULL;
}

static const char *tell(void *self, int to)
{
    (void)self;
    (void)to;
    return NULL;
}

static const char *heard(void *self, bool *from)
{
    (void)self;
    (void)from;
    return NULL;
}

const spk_comm_table spk_comm_alone = {.name = "one process",
                                       .open = open_alone,
                                       .close = close_alone,
                                       .end_all = end_alone,
                                       .reduce = reduce,
                                       .broadcast = broadcast,
                                       .gather = gather,
                                       .test = test,
                                       .tell = tell,
                                       .heard = heard};
