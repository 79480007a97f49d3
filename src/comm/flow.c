/* SPDX-License-Identifier: Apache-2.0 */
/* Sums that run while something else is computed. */
#include "comm/comm_inside_impl.h"
#include "comm/narrow_impl.h"

/* Floats of one operation: MPI counts in int. */
enum { MOST = 1 << 26 };

/* One sum. In two bytes its numbers travel in a copy, which is kept for the next one. */
typedef struct sum {
    spk_comm_request request;
    float *data;
    int64_t n;
    uint16_t *copy;
    int64_t room; /* of the copy */
} sum;

struct spk_comm_flow {
    spk_comm *c;
    spk_comm_type travel;
    sum *sum;
    int64_t n, n_made; /* under way; with copies to use again */
    int64_t n_done;    /* those before it are done */
};

spk_comm_flow *spk_comm_flow_new(spk_comm *c, spk_comm_type travel)
{
    spk_comm_flow *f = spk_new(sizeof *f);
    f->c = c;
    f->travel = travel;
    return f;
}

void spk_comm_flow_free(spk_comm_flow *f)
{
    if (!f) return;
    for (int64_t i = 0; i < f->n_made; i++)
        spk_free(f->sum[i].copy);
    spk_free(f->sum);
    spk_free(f);
}

/* ---- two bytes ---- */

static void narrow(const float *from, int64_t n, spk_comm_type type, uint16_t *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = type == SPK_COMM_BF16 ? spk_narrow_bf16(from[i]) : spk_narrow_f16(from[i]);
}

static void widen(const uint16_t *from, int64_t n, spk_comm_type type, float *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = type == SPK_COMM_BF16 ? spk_widen_bf16(from[i]) : spk_widen_f16(from[i]);
}

/* ---- sums ---- */

/* The next sum's place. */
static sum *next(spk_comm_flow *f)
{
    if (f->n == f->n_made) SPK_PUSH(f->sum, f->n_made) = (sum){0};
    return &f->sum[f->n++];
}

static const char *start(spk_comm_flow *f, float *data, int64_t n)
{
    const spk_comm *c = f->c;
    sum *s = next(f);
    s->data = data;
    s->n = n;
    if (f->travel == SPK_COMM_F32) return c->table->reduce(c->self, data, n, SPK_COMM_F32, SPK_COMM_SUM, &s->request);
    if (s->room < n) {
        spk_free(s->copy);
        s->copy = spk_new((size_t)n * sizeof *s->copy);
        s->room = n;
    }
    narrow(data, n, f->travel, s->copy);
    return c->table->reduce(c->self, s->copy, n, f->travel, SPK_COMM_SUM, &s->request);
}

void spk_comm_flow_start(spk_comm_flow *f, float *data, int64_t n)
{
    spk_comm *c = f->c;
    if (!c || c->broken != SPK_OK) return;
    for (int64_t at = 0; at < n; at += MOST) {
        const char *error = start(f, data + at, n - at < MOST ? n - at : MOST);
        if (error) {
            spk__comm_break(c, "%s", error);
            return;
        }
    }
}

void spk_comm_flow_poll(spk_comm_flow *f)
{
    spk_comm *c = f->c;
    if (!c || c->broken != SPK_OK) return;
    for (int64_t i = f->n_done; i < f->n; i++) {
        bool done = false;
        const char *error = f->sum[i].request.open ? c->table->test(c->self, &f->sum[i].request, &done) : NULL;
        if (error) {
            spk__comm_break(c, "%s", error);
            return;
        }
        if (i == f->n_done && !f->sum[i].request.open) f->n_done++;
    }
}

spk_status spk_comm_flow_wait(spk_comm_flow *f)
{
    spk_comm *c = f->c;
    if (!c) return SPK_OK;
    SPK_TRY(spk__comm_check(c));
    for (; f->n_done < f->n; f->n_done++)
        SPK_TRY(spk__comm_wait(c, &f->sum[f->n_done].request, false));
    for (int64_t i = 0; f->travel != SPK_COMM_F32 && i < f->n; i++)
        widen(f->sum[i].copy, f->sum[i].n, f->travel, f->sum[i].data);
    f->n = f->n_done = 0;
    return SPK_OK;
}
