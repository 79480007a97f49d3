/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of selective kernels. Included by op_rows.h. */

/* A picture of h frames (0: no picture) and t bins, or t frames. */
static case_tensor select_view(const op_row *r, int64_t h, int64_t w, int64_t c)
{
    case_tensor t = activation(r, r->n, w, c);
    t.h = h;
    return t;
}

/* Lengths of items of t frames: full, half, one, none, and longer than all. */
static void select_lengths(op_case *c, const op_row *r, int64_t t)
{
    for (int64_t n = 0; n < r->n && r->ragged; n++)
        c->len[n] = n % 5 == 0 ? t : n % 5 == 1 ? (t + 1) / 2 : n % 5 == 2 ? 1 : n % 5 == 3 ? 0 : t + 3;
}

/* ---- sk_mix: x frames, t bins; flag: over frequency ---- */

static void describe_sk_mix(const op_row *r, op_case *c)
{
    c->attr.sk_mix.over_freq = r->flag;
    for (int i = 0; i < 2; i++)
        c->in[i] = select_view(r, r->x, r->t, r->c);
    c->in[1].gap = 0;
    for (int i = 2; i < 4; i++) {
        c->in[i] = activation(r, r->n, 1, r->flag ? r->t : r->c);
        c->in[i].lo *= r->p > 0 ? r->p : 2;
        c->in[i].hi *= r->p > 0 ? r->p : 2;
    }
    c->in[3].gap = 0;
    for (int i = 0; i < 4; i++)
        c->in[i].read_bwd = true;
    c->out[0] = select_view(r, r->x, r->t, r->c);
    c->tol_f32 = 3e-6;
}

static const op_row rows_sk_mix[] = {{"one", .n = 1, .t = 1, .c = 1},
                                     {"one, over frequency", .n = 1, .x = 1, .t = 1, .c = 1, .flag = true},
                                     {"sound", .n = 3, .t = 7, .c = 37},
                                     {"sound, slice", .n = 3, .t = 7, .c = 17, .gap = 3},
                                     {"picture", .n = 2, .x = 5, .t = 3, .c = 19},
                                     {"over frequency", .n = 2, .x = 5, .t = 3, .c = 19, .flag = true},
                                     {"over frequency, slice", .n = 3, .x = 4, .t = 9, .c = 8, .gap = 2, .flag = true},
                                     {"sure of itself", .n = 2, .x = 5, .t = 6, .c = 9, .p = 150},
                                     {"sure of frequencies", .n = 2, .x = 5, .t = 6, .c = 9, .p = 150, .flag = true},
                                     {"wide", .n = 1, .t = 5, .c = 1100},
                                     {"larger", .n = 3, .x = 21, .t = 10, .c = 72},
                                     {"larger, over frequency", .n = 3, .x = 21, .t = 10, .c = 72, .flag = true},
                                     {.name = NULL}};

/* ---- freq_mean: x frames, t bins ---- */

static void describe_freq_mean(const op_row *r, op_case *c)
{
    c->in[0] = select_view(r, r->x, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->out[0] = activation(r, r->n, 1, r->t);
    c->tol_f32 = 2e-6;
    select_lengths(c, r, r->x);
}

static const op_row rows_freq_mean[] = {{"one", .n = 1, .x = 1, .t = 1, .c = 1},
                                        {"one bin", .n = 2, .x = 7, .t = 1, .c = 5},
                                        {"one frame", .n = 2, .x = 1, .t = 7, .c = 5},
                                        {"odd", .n = 3, .x = 7, .t = 5, .c = 37},
                                        {"slice", .n = 2, .x = 6, .t = 3, .c = 17, .gap = 3},
                                        {"ragged", .n = 5, .x = 9, .t = 4, .c = 11, .gap = 3, .ragged = true},
                                        {"larger", .n = 3, .x = 51, .t = 20, .c = 72},
                                        {.name = NULL}};

/* ---- fold: x frames, t bins ---- */

static void describe_fold(const op_row *r, op_case *c)
{
    c->in[0] = select_view(r, r->x, r->t, r->c);
    c->out[0] = activation(r, r->n, r->x, r->c * r->t);
    c->tol_f32 = 1e-6;
}

static const op_row rows_fold[] = {{"one", .n = 1, .x = 1, .t = 1, .c = 1},
                                   {"one bin", .n = 2, .x = 7, .t = 1, .c = 5},
                                   {"one channel", .n = 2, .x = 3, .t = 7, .c = 1},
                                   {"odd", .n = 3, .x = 7, .t = 5, .c = 37},
                                   {"slices", .n = 2, .x = 6, .t = 3, .c = 17, .gap = 3},
                                   {"larger", .n = 3, .x = 31, .t = 20, .c = 64},
                                   {"many bins", .n = 1, .x = 3, .t = 83, .c = 50},
                                   {"as used", .n = 2, .x = 2, .t = 37, .c = 512},
                                   {"wide slices", .n = 2, .x = 3, .t = 83, .c = 136, .gap = 8},
                                   {.name = NULL}};

/* ---- segment_mean, segment_scale: x frames of a segment ---- */

static void describe_segment_mean(const op_row *r, op_case *c)
{
    c->attr.segment.length = r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->out[0] = activation(r, r->n, (r->t + r->x - 1) / r->x, r->c);
    c->tol_f32 = 2e-6;
    select_lengths(c, r, r->t);
}

static void describe_segment_scale(const op_row *r, op_case *c)
{
    c->attr.segment.length = r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = activation(r, r->n, (r->t + r->x - 1) / r->x, r->c);
    c->in[1].gap = 0;
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 2e-6;
}

static const op_row rows_segment_mean[] = {{"one", .n = 1, .t = 1, .c = 1, .x = 1},
                                           {"segments of one", .n = 2, .t = 5, .c = 3, .x = 1},
                                           {"longer than all", .n = 2, .t = 5, .c = 3, .x = 100},
                                           {"whole segments", .n = 3, .t = 12, .c = 37, .x = 4},
                                           {"a short last one", .n = 3, .t = 13, .c = 37, .x = 4},
                                           {"slice", .n = 2, .t = 9, .c = 17, .x = 5, .gap = 3},
                                           {"ragged", .n = 6, .t = 11, .c = 7, .x = 3, .gap = 3, .ragged = true},
                                           {"wide", .n = 1, .t = 13, .c = 1100, .x = 6},
                                           {"larger", .n = 3, .t = 251, .c = 72, .x = 100},
                                           {.name = NULL}};
#define rows_segment_scale rows_segment_mean
