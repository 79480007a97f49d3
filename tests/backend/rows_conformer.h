/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of Conformer. Included by op_rows.h. */

/* ---- depthwise: x taps, p padding; sparse: no bias ---- */

static void describe_depthwise(const op_row *r, op_case *c)
{
    const int64_t pad = (int64_t)r->p;
    c->attr.depthwise = (spk_depthwise_attr){.k = r->x, .pad = pad};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = parameter(r->c, r->x, -0.5, 0.5);
    if (!r->sparse) c->in[2] = parameter(1, r->c, -0.5, 0.5);
    c->out[0] = activation(r, r->n, r->t + 2 * pad - r->x + 1, r->c);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->tol_f32 = 5e-6;
}

static const op_row rows_depthwise[] = {{"one by one", .n = 1, .t = 1, .c = 1, .x = 1},
                                        {"three taps", .n = 2, .t = 9, .c = 5, .x = 3, .p = 1},
                                        {"even taps, no bias", .n = 2, .t = 9, .c = 17, .x = 4, .p = 1, .sparse = true},
                                        {"no padding, slices", .n = 3, .t = 12, .c = 33, .x = 5, .gap = 7},
                                        {"padding beyond the sound", .n = 2, .t = 3, .c = 6, .x = 31, .p = 15},
                                        {"as used", .n = 3, .t = 70, .c = 72, .x = 31, .p = 15},
                                        {"longer", .n = 1, .t = 203, .c = 130, .x = 15, .p = 7, .gap = 3},
                                        {"stripes", .n = 3, .t = 330, .c = 40, .x = 31, .p = 15},
                                        {.name = NULL}};

/* ---- layer_norm: p: far from zero by this; q: eps ---- */

static void describe_layer_norm(const op_row *r, op_case *c)
{
    c->attr.layer_norm.eps = r->q;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].lo += r->p;
    c->in[0].hi += r->p;
    c->in[1] = parameter(1, r->c, 0.5, 1.5);
    c->in[2] = parameter(1, r->c, -0.5, 0.5);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->tol_f32 = 5e-6 * (1 + 2 * fabs(r->p));
}

static const op_row rows_layer_norm[] = {{"one row", .n = 1, .t = 1, .c = 5, .q = 1e-5},
                                         {"odd", .n = 2, .t = 5, .c = 37, .q = 1e-12},
                                         {"slices", .n = 2, .t = 5, .c = 37, .q = 1e-5, .gap = 5},
                                         {"off centre", .n = 2, .t = 9, .c = 40, .q = 1e-12, .p = 10},
                                         {"as used", .n = 3, .t = 70, .c = 256, .q = 1e-12},
                                         {"wide", .n = 2, .t = 3, .c = 1536, .q = 1e-12},
                                         {"many rows", .n = 2, .t = 2200, .c = 5, .q = 1e-5},
                                         {.name = NULL}};

/* ---- attention: c channels, x heads, y kind, z length of the table, p dropout; flag: zero_triu; sparse: relative without biases ---- */

static void describe_attention(const op_row *r, op_case *c)
{
    const spk_attention_kind kind = (spk_attention_kind)r->y;
    c->attr.attention = (spk_attention_attr){
        .heads = r->x, .kind = kind, .zero_triu = r->flag, .table_len = r->z, .dropout = r->p, .stream = 5};
    for (int i = 0; i < 3; i++) {
        c->in[i] = activation(r, r->n, r->t, r->c);
        c->in[i].lo = -2;
        c->in[i].hi = 2;
        c->in[i].read_bwd = true;
    }
    c->in[1].gap = 0; /* views of different widths */
    if (kind != SPK_ATTN_PLAIN) {
        c->in[3] = activation(r, 1, kind == SPK_ATTN_LEGACY ? r->t : 2 * r->t - 1, r->c);
        c->in[3].read_bwd = true;
        for (int i = 4; i < 6 && !r->sparse; i++) {
            c->in[i] = parameter(1, r->c, -1, 1);
            c->in[i].read_bwd = true;
        }
    }
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = true;
    c->tol_f32 = 1e-5;
    c->in[0].has_len = r->ragged;
    if (r->ragged) ragged(c, r);
}

static const op_row rows_attention[] = {
    {"one frame", .n = 2, .t = 1, .c = 4, .x = 2},
    {"plain", .n = 2, .t = 7, .c = 12, .x = 3},
    {"plain, slices", .n = 2, .t = 7, .c = 12, .x = 3, .gap = 5},
    {"plain, ragged", .n = 4, .t = 9, .c = 12, .x = 2, .ragged = true},
    {"plain, dropout", .n = 2, .t = 9, .c = 12, .x = 2, .p = 0.3},
    {"relative, one frame", .n = 2, .t = 1, .c = 4, .x = 2, .y = SPK_ATTN_RELATIVE},
    {"relative", .n = 2, .t = 7, .c = 12, .x = 3, .y = SPK_ATTN_RELATIVE},
    {"relative, no biases", .n = 2, .t = 7, .c = 12, .x = 3, .y = SPK_ATTN_RELATIVE, .sparse = true},
    {"relative, upper zero", .n = 2, .t = 7, .c = 12, .x = 3, .y = SPK_ATTN_RELATIVE, .flag = true},
    {"relative, ragged slices", .n = 4, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_RELATIVE, .ragged = true, .gap = 4},
    {"relative, dropout", .n = 2, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_RELATIVE, .p = 0.1},
    {"legacy, one frame", .n = 2, .t = 1, .c = 4, .x = 2, .y = SPK_ATTN_LEGACY},
    {"legacy, two frames", .n = 2, .t = 2, .c = 4, .x = 2, .y = SPK_ATTN_LEGACY},
    {"legacy", .n = 2, .t = 7, .c = 12, .x = 3, .y = SPK_ATTN_LEGACY},
    {"legacy, zero_triu means nothing", .n = 1, .t = 5, .c = 6, .x = 1, .y = SPK_ATTN_LEGACY, .flag = true},
    {"legacy, ragged slices", .n = 4, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_LEGACY, .ragged = true, .gap = 4},
    {"legacy, longer table", .n = 4, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_LEGACY, .z = 9, .ragged = true},
    {"legacy, shorter table", .n = 4, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_LEGACY, .z = 6, .ragged = true},
    {"legacy, dropout", .n = 2, .t = 9, .c = 12, .x = 2, .y = SPK_ATTN_LEGACY, .p = 0.5},
    {"relative, several passes", .n = 5, .t = 12, .c = 12, .x = 2, .y = SPK_ATTN_RELATIVE, .p = 0.1, .ragged = true},
    {"legacy, several passes", .n = 5, .t = 20, .c = 8, .x = 2, .y = SPK_ATTN_LEGACY, .ragged = true, .gap = 4},
    {"relative, wide heads, upper zero", .n = 2, .t = 33, .c = 128, .x = 2, .y = SPK_ATTN_RELATIVE, .flag = true},
    {"relative, long", .n = 1, .t = 261, .c = 4, .x = 1, .y = SPK_ATTN_RELATIVE},
    {"legacy, long rows", .n = 1, .t = 460, .c = 2, .x = 1, .y = SPK_ATTN_LEGACY, .p = 0.1},
    {"larger, relative", .n = 3, .t = 75, .c = 72, .x = 2, .y = SPK_ATTN_RELATIVE},
    {"larger, legacy", .n = 1, .t = 77, .c = 64, .x = 1, .y = SPK_ATTN_LEGACY},
    {"larger, plain", .n = 2, .t = 70, .c = 130, .x = 2, .p = 0.2},
    {.name = NULL}};

/* ---- glu ---- */

static void describe_glu(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, 2 * r->c);
    c->in[0].lo *= r->p;
    c->in[0].hi *= r->p;
    c->in[0].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 2e-6;
}

static const op_row rows_glu[] = {{"one", .n = 1, .t = 1, .c = 1, .p = 1},
                                  {"odd", .n = 3, .t = 5, .c = 37, .p = 3},
                                  {"slices", .n = 3, .t = 5, .c = 37, .gap = 2, .p = 1},
                                  {"saturated", .n = 2, .t = 1, .c = 99, .p = 120},
                                  {"as used", .n = 2, .t = 50, .c = 256, .p = 4},
                                  {.name = NULL}};

/* ---- pos_add: p scale; sparse: no table; flag: no alpha ---- */

static void describe_pos_add(const op_row *r, op_case *c)
{
    c->attr.pos_add.scale = r->p;
    c->in[0] = activation(r, r->n, r->t, r->c);
    if (!r->sparse) {
        c->in[1] = parameter(r->t, r->c, -1, 1); /* a constant */
        c->in[1].n = 1;
        c->in[1].w = r->t;
        c->in[1].has_grad = false;
        c->in[1].read_bwd = true;
    }
    if (!r->sparse && !r->flag) c->in[2] = parameter(1, 1, 0.5, 1.5);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 2e-6;
}

static const op_row rows_pos_add[] = {{"one", .n = 1, .t = 1, .c = 1, .p = 2},
                                      {"scale alone", .n = 3, .t = 5, .c = 37, .p = 6, .sparse = true},
                                      {"table", .n = 3, .t = 5, .c = 37, .p = 6, .flag = true, .gap = 2},
                                      {"alpha", .n = 3, .t = 5, .c = 37, .p = 1},
                                      {"as used", .n = 3, .t = 70, .c = 256, .p = 1},
                                      {"many rows", .n = 3, .t = 400, .c = 5, .p = 1},
                                      {.name = NULL}};

/* ---- dropout, choose: p probability; x stream ---- */

static void describe_dropout(const op_row *r, op_case *c)
{
    c->attr.dropout = (spk_dropout_attr){.p = r->p, .stream = (uint64_t)r->x};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 1e-6;
}

static const op_row rows_dropout[] = {{"one", .n = 1, .t = 1, .c = 1, .p = 0.5},
                                      {"odd", .n = 3, .t = 5, .c = 37, .p = 0.1},
                                      {"slices", .n = 3, .t = 5, .c = 37, .p = 0.9, .gap = 3, .x = 1},
                                      {"nothing stays", .n = 1, .t = 5, .c = 70, .p = 1},
                                      {"as used", .n = 2, .t = 50, .c = 256, .p = 0.1, .x = 7},
                                      {"many rows", .n = 3, .t = 190, .c = 130, .p = 0.2, .x = 2},
                                      {.name = NULL}};

static void describe_choose(const op_row *r, op_case *c)
{
    c->attr.choose = (spk_choose_attr){.p = r->p, .stream = (uint64_t)r->x};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = activation(r, r->n, r->t, r->c);
    c->in[1].gap = 0;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 1e-6;
}

static const op_row rows_choose[] = {{"always a", .n = 2, .t = 3, .c = 7, .p = 1},
                                     {"always b", .n = 2, .t = 3, .c = 7, .p = 0},
                                     {"one draw", .n = 2, .t = 3, .c = 7, .p = 0.5, .x = 1},
                                     {"many rows", .n = 3, .t = 50, .c = 12, .p = 0.5, .x = 3},
                                     {"another draw, slices", .n = 2, .t = 30, .c = 17, .p = 0.5, .x = 2, .gap = 3},
                                     {.name = NULL}};
