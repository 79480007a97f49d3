/* SPDX-License-Identifier: Apache-2.0 */
/* What all ranks do together: sums, messages to all, gathering, agreement; and sums in the background. */
#include <string.h>

#include "comm/comm_inside_impl.h"

/* Elements of one operation: MPI counts in int, and other ranks' time-outs want to see something move. */
enum { MOST = 1 << 26 };

static size_t bytes_of(spk_comm_type type)
{
    return type == SPK_COMM_F32 ? 4 : type == SPK_COMM_BYTE ? 1 : 8;
}

static spk_status finish(spk_comm *c, const char *error, spk_comm_request *request)
{
    if (error) return spk__comm_break(c, "%s", error);
    return spk__comm_wait(c, request, false);
}

spk_status spk_comm_reduce(spk_comm *c, void *data, int64_t n, spk_comm_type type, spk_comm_op op)
{
    if (!c) return SPK_OK;
    SPK_TRY(spk__comm_check(c));
    for (int64_t at = 0; at < n; at += MOST) {
        spk_comm_request request = {0};
        void *part = (char *)data + (size_t)at * bytes_of(type);
        SPK_TRY(
            finish(c, c->table->reduce(c->self, part, n - at < MOST ? n - at : MOST, type, op, &request), &request));
    }
    return SPK_OK;
}

static spk_status broadcast_from(spk_comm *c, void *data, int64_t n, spk_comm_type type, int root)
{
    if (!c) return SPK_OK;
    SPK_TRY(spk__comm_check(c));
    for (int64_t at = 0; at < n; at += MOST) {
        spk_comm_request request = {0};
        void *part = (char *)data + (size_t)at * bytes_of(type);
        const int64_t m = n - at < MOST ? n - at : MOST;
        SPK_TRY(finish(c, c->table->broadcast(c->self, part, m, type, root, &request), &request));
    }
    return SPK_OK;
}

spk_status spk_comm_broadcast(spk_comm *c, void *data, int64_t n, spk_comm_type type)
{
    return broadcast_from(c, data, n, type, 0);
}

spk_status spk_comm_broadcast_text(spk_comm *c, const char *text, int root, char **out)
{
    int64_t n = text ? (int64_t)strlen(text) : 0;
    *out = NULL;
    SPK_TRY(broadcast_from(c, &n, 1, SPK_COMM_I64, root));
    char *copy = spk_new((size_t)n + 1);
    if (text && spk_comm_rank(c) == root) memcpy(copy, text, (size_t)n);
    const spk_status status = broadcast_from(c, copy, n, SPK_COMM_BYTE, root);
    if (status == SPK_OK)
        *out = copy;
    else
        spk_free(copy);
    return status;
}

spk_status spk_comm_gather(spk_comm *c, const void *data, const int64_t *counts, size_t row_bytes, void *all, int root)
{
    spk_comm_request request = {0};
    if (!c) return spk_comm_alone.gather(NULL, data, counts, row_bytes, all, root, &request) ? SPK_E_PEER : SPK_OK;
    SPK_TRY(spk__comm_check(c));
    return finish(c, c->table->gather(c->self, data, counts, row_bytes, all, root, &request), &request);
}

spk_status spk_comm_rest(spk_comm *c)
{
    int64_t nothing = 0;
    spk_comm_request request = {0};
    if (!c) return SPK_OK;
    SPK_TRY(spk__comm_check(c));
    const char *error = c->table->reduce(c->self, &nothing, 1, SPK_COMM_I64, SPK_COMM_SUM, &request);
    if (error) return spk__comm_break(c, "%s", error);
    return spk__comm_wait(c, &request, true);
}

/* ---- agreement ---- */

/* The status and message of rank `root`, on all. */
static spk_status take_over(spk_comm *c, spk_status status, int root, bool alike)
{
    int64_t code = status;
    char *own = NULL, *told = NULL;
    if (c->place.rank == root && status != SPK_OK) {
        char *self = spk_comm_self(c);
        own = alike ? spk_strdup(spk_errmsg()) : spk_strf("%s: %s", self, spk_errmsg());
        spk_free(self);
    }
    spk_status result = broadcast_from(c, &code, 1, SPK_COMM_I64, root);
    if (result == SPK_OK) result = spk_comm_broadcast_text(c, own, root, &told);
    if (result == SPK_OK) {
        c->agreed = true;
        result = spk_fail((spk_status)code, "%s", told);
    }
    spk_free(own);
    spk_free(told);
    return result;
}

spk_status spk_comm_agree(spk_comm *c, spk_status status)
{
    if (!c) return status;
    if (c->broken != SPK_OK) return spk__comm_check(c);
    const bool failed = status != SPK_OK;
    const int64_t hash = failed ? (int64_t)(spk_hash_str(spk_errmsg()) >> 2) : 0;
    int64_t least[4] = {failed ? c->place.rank : c->place.size, failed, hash, -hash};
    char *message = failed ? spk_strdup(spk_errmsg()) : NULL;
    const spk_status sent = spk_comm_reduce(c, least, 4, SPK_COMM_I64, SPK_COMM_MIN);
    if (failed) spk_fail(status, "%s", message);
    spk_free(message);
    SPK_TRY(sent);
    if (least[0] == c->place.size) return SPK_OK;
    return take_over(c, status, (int)least[0], least[1] == 1 && least[2] == -least[3]);
}

spk_status spk_comm_same(spk_comm *c, const char *what, const char *value)
{
    char *first = NULL;
    spk_status status = SPK_OK;
    if (!c) return SPK_OK;
    SPK_TRY(spk_comm_broadcast_text(c, value, 0, &first));
    if (strcmp(first, value) != 0)
        status = spk_fail(SPK_E_MISMATCH, "its %s is %s, and that of rank 0 on %s is %s: all ranks need the same", what,
                          value, c->peer[0].host, first);
    spk_free(first);
    return spk_comm_agree(c, status);
}

/* ---- processors ---- */

static int count_bits(uint64_t x)
{
    int n = 0;
    for (; x; x &= x - 1)
        n++;
    return n;
}

spk_status spk_comm_gpu(const spk_comm *c, int64_t ngpu, const char *where, int *gpu)
{
    const int here = c ? c->place.local_size : 1;
    *gpu = ngpu > 0 ? (c ? c->place.local_rank : 0) + 1 : 0;
    if (ngpu <= 1 || ngpu == here) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "%s: %lld GPUs are asked for, and %d process%s on this machine, which has one GPU each: start it "
                    "with mpirun -np %lld, or leave ngpu at 1",
                    where, (long long)ngpu, here, here == 1 ? " runs" : "es run", (long long)ngpu);
}

spk_status spk_comm_threads(spk_comm *c, int *threads)
{
    *threads = spk_cpu_count();
    if (!c) return SPK_OK;
    int all = 0, own = 0, ranks = 0;
    for (int w = 0; w < SPK_COMM_MASK_WORDS; w++) {
        uint64_t any = 0;
        for (int r = 0; r < c->place.size; r++)
            if (c->peer[r].node == c->place.node) any |= c->peer[r].mask[w];
        all += count_bits(any);
        own += count_bits(c->peer[c->place.rank].mask[w]);
    }
    for (int r = 0; r < c->place.size; r++)
        ranks += c->peer[r].node == c->place.node;
    if (ranks < 1) ranks = 1; /* each finds itself */
    int64_t n = all / ranks < own ? all / ranks : own;
    if (n < 1) n = 1;
    SPK_TRY(spk_comm_reduce(c, &n, 1, SPK_COMM_I64, SPK_COMM_MIN));
    *threads = (int)n;
    return SPK_OK;
}

/* "0-3, 8" */
static void add_mask(spk_text *out, const uint64_t *mask)
{
    bool any = false;
    for (int i = 0; i < 64 * SPK_COMM_MASK_WORDS; i++) {
        int end = i;
        while (end < 64 * SPK_COMM_MASK_WORDS && (mask[end / 64] >> end % 64 & 1))
            end++;
        if (end == i) continue;
        spk_text_addf(out, "%s%d", any ? ", " : "", i);
        if (end > i + 1) spk_text_addf(out, "-%d", end - 1);
        any = true;
        i = end;
    }
    if (!any) spk_text_add(out, "not known");
}

spk_status spk_comm_describe(spk_comm *c, spk_text *out)
{
    if (!c || c->place.rank != 0) return SPK_OK;
    for (int r = 0; r < c->place.size; r++) {
        spk_text_addf(out, "%srank %d on %s (processors ", r ? "\n" : "", r, c->peer[r].host);
        add_mask(out, c->peer[r].mask);
        spk_text_add(out, ")");
    }
    return SPK_OK;
}
