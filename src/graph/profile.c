/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of plans, gathered by op and geometry (profile_impl.h). */
#include <math.h>
#include <string.h>

#include "graph/plan_inside_impl.h"
#include "graph/profile_impl.h"

void spk_plan_profile(spk_plan *p, bool on)
{
    p->profile = on;
    memset(p->runs, 0, sizeof p->runs);
    for (int i = 0; i < p->n_steps; i++)
        memset(p->steps[i].seconds, 0, sizeof p->steps[i].seconds);
}

int64_t spk_plan_runs(const spk_plan *p)
{
    return p->runs[0];
}

static int64_t taps_of(const spk_node *node)
{
    switch (node->op) {
    case SPK_OP_CONV1D:
        return node->attr.conv1d.k;
    case SPK_OP_CONV2D:
        return node->attr.conv2d.kt * node->attr.conv2d.kf;
    case SPK_OP_DEPTHWISE:
        return node->attr.depthwise.k;
    default:
        return 1;
    }
}

/* The row of one step. */
static spk_profile_row row_of(const spk_plan *p, const spk_step *s)
{
    const spk_tensor *y = s->node->out[0], *x = s->node->in[0];
    spk_profile_row row = {.op = s->node->op,
                           .kernel = s->kernel->name,
                           .n = y->n,
                           .h = y->h,
                           .w = y->w,
                           .c = y->c,
                           .c_in = x->c,
                           .taps = taps_of(s->node),
                           .n_ops = 1};
    const double runs[2] = {(double)p->runs[0], s->backward ? (double)p->runs[1] : 0};
    row.seconds[0] = s->seconds[0];
    row.seconds[1] = s->seconds[1];
    row.flops[0] = runs[0] * spk_node_flops(s->node);
    row.flops[1] = runs[1] * spk_node_flops_backward(s->node);
    row.bytes[0] = runs[0] * spk__step_bytes_forward(p, s);
    row.bytes[1] = runs[1] > 0 ? runs[1] * spk__step_bytes_backward(p, s) : 0;
    return row;
}

static bool same(const spk_profile_row *a, const spk_profile_row *b)
{
    return a->op == b->op && strcmp(a->kernel, b->kernel) == 0 && a->n == b->n && a->h == b->h && a->w == b->w &&
           a->c == b->c && a->c_in == b->c_in && a->taps == b->taps;
}

void spk__profile_add_sums(spk_profile_row *to, const spk_profile_row *from)
{
    for (int d = 0; d < 2; d++) {
        to->seconds[d] += from->seconds[d];
        to->flops[d] += from->flops[d];
        to->bytes[d] += from->bytes[d];
    }
}

static spk_profile_row *find(const spk_profile *p, const spk_profile_row *row)
{
    for (int i = 0; i < p->n; i++)
        if (same(&p->row[i], row)) return &p->row[i];
    return NULL;
}

void spk_plan_profile_take(spk_plan *p, spk_profile *into)
{
    spk_profile own = {0};
    for (int i = 0; i < p->n_steps; i++) {
        const spk_profile_row row = row_of(p, &p->steps[i]);
        spk_profile_row *there = find(&own, &row);
        if (!there) {
            SPK_PUSH(own.row, own.n) = row;
            continue;
        }
        spk__profile_add_sums(there, &row);
        there->n_ops++;
    }
    spk_profile_add(&own, into);
    spk_plan_profile(p, p->profile);
}

/* Rows that are there already: the same ops of a plan that was made anew, so their number stays. */
void spk_profile_add(spk_profile *from, spk_profile *into)
{
    for (int i = 0; i < from->n; i++) {
        spk_profile_row *there = find(into, &from->row[i]);
        if (!there) {
            SPK_PUSH(into->row, into->n) = from->row[i];
            continue;
        }
        spk__profile_add_sums(there, &from->row[i]);
        if (from->row[i].n_ops > there->n_ops) there->n_ops = from->row[i].n_ops;
    }
    into->planning += from->planning;
    spk_profile_clear(from);
}

void spk_profile_clear(spk_profile *p)
{
    spk_free(p->row);
    memset(p, 0, sizeof *p);
}

double spk_profile_least(const spk_profile_row *row, int direction, const spk_roofline *roof)
{
    return fmax(row->flops[direction] / (1e9 * roof->gflops), row->bytes[direction] / (1e9 * roof->gbytes));
}
