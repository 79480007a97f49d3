/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of pictures. Included by op_rows.h. */

/* A picture of t frames and w bins with a gradient. */
static case_tensor picture(const op_row *r, int64_t h, int64_t w, int64_t c)
{
    case_tensor t = activation(r, r->n, w, c);
    t.h = h;
    return t;
}

/* ---- conv2d: t frames, x bins, y taps (over time, 10 * over frequency), z strides (likewise, and 100 with a normalisation);
 * p, q: padding over time and frequency; flag: relu; flag2: dout is masked; ragged: frequency first ---- */

static void describe_conv2d(const op_row *r, op_case *c)
{
    const int64_t kt = r->y % 10, kf = r->y / 10, st = r->z % 10, sf = r->z / 10 % 10;
    const int64_t pt = (int64_t)r->p, pf = (int64_t)r->q;
    c->attr.conv2d = (spk_conv2d_attr){.kt = kt,
                                       .kf = kf,
                                       .st = st,
                                       .sf = sf,
                                       .pt = pt,
                                       .pf = pf,
                                       .freq_first = r->ragged,
                                       .relu = r->flag,
                                       .dy_masked = r->flag2};
    c->in[0] = picture(r, r->t, r->x, r->c);
    c->in[1] = parameter(r->o, r->ragged ? kt : kf, -0.5, 0.5);
    c->in[1].h = r->c;
    c->in[1].w = r->ragged ? kf : kt;
    if (!r->sparse) c->in[2] = parameter(1, r->o, -0.5, 0.5);
    c->out[0] = picture(r, (r->t + 2 * pt - kt) / st + 1, (r->x + 2 * pf - kf) / sf + 1, r->o);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->out[0].read_bwd = r->flag && !r->flag2;
    c->dout_masked = r->flag && r->flag2;
    c->tol_f32 = 5e-6;
    c->attr.conv2d.bn_eps = 1e-3;
    if (r->z >= 100) add_normalisation(c, r->o, false);
}

static const op_row rows_conv2d[] = {
    {"one by one", .n = 1, .t = 1, .x = 1, .c = 1, .o = 1, .y = 11, .z = 11},
    {"first layer", .n = 2, .t = 9, .x = 8, .c = 1, .o = 6, .y = 33, .z = 11, .p = 1, .q = 1, .sparse = true},
    {"first layer, relu", .n = 2, .t = 21, .x = 16, .c = 1, .o = 37, .y = 33, .z = 22, .flag = true},
    {"first layer, frequency first", .n = 3, .t = 10, .x = 12, .c = 1, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1,
     .ragged = true, .sparse = true},
    {"first layer, larger", .n = 3, .t = 31, .x = 20, .c = 1, .o = 64, .y = 33, .z = 22, .p = 1, .q = 1, .flag = true},
    {"first layer, slices", .n = 2, .t = 19, .x = 11, .c = 1, .o = 16, .y = 33, .z = 21, .p = 2, .gap = 3},
    {"three by three", .n = 2, .t = 7, .x = 6, .c = 5, .o = 4, .y = 33, .z = 11, .p = 1, .q = 1, .flag = true},
    {"frequency first", .n = 2, .t = 7, .x = 6, .c = 5, .o = 4, .y = 33, .z = 11, .p = 1, .q = 1, .ragged = true},
    {"uneven taps", .n = 2, .t = 9, .x = 8, .c = 3, .o = 5, .y = 23, .z = 11, .p = 1, .flag = true},
    {"uneven taps, frequency first", .n = 2, .t = 9, .x = 8, .c = 3, .o = 5, .y = 23, .z = 11, .p = 1, .q = 1,
     .ragged = true, .flag = true},
    {"strides", .n = 2, .t = 9, .x = 8, .c = 16, .o = 8, .y = 33, .z = 22, .p = 1, .q = 1, .sparse = true},
    {"stride over frequency", .n = 2, .t = 9, .x = 8, .c = 8, .o = 8, .y = 33, .z = 21, .p = 1, .q = 1, .flag = true,
     .flag2 = true, .ragged = true},
    {"strided product", .n = 2, .t = 9, .x = 8, .c = 8, .o = 16, .y = 11, .z = 22, .sparse = true},
    {"strided product, larger", .n = 3, .t = 36, .x = 32, .c = 12, .o = 24, .y = 11, .z = 22, .sparse = true},
    {"strides, larger", .n = 3, .t = 36, .x = 32, .c = 12, .o = 24, .y = 33, .z = 22, .p = 1, .q = 1, .sparse = true},
    {"product", .n = 2, .t = 5, .x = 4, .c = 12, .o = 7, .y = 11, .z = 11, .flag = true, .ragged = true},
    {"no bias", .n = 1, .t = 5, .x = 4, .c = 12, .o = 7, .y = 11, .z = 11, .sparse = true},
    {"over frequency only", .n = 2, .t = 4, .x = 9, .c = 3, .o = 4, .y = 51, .z = 11, .q = 2},
    {"slices", .n = 2, .t = 6, .x = 4, .c = 8, .o = 8, .y = 33, .z = 11, .p = 1, .q = 1, .gap = 8, .flag = true},
    {"padding beyond the picture", .n = 1, .t = 2, .x = 1, .c = 3, .o = 4, .y = 53, .z = 11, .p = 3, .q = 3},
    {"normalised", .n = 2, .t = 7, .x = 6, .c = 5, .o = 4, .y = 33, .z = 111, .p = 1, .q = 1, .flag = true},
    {"normalised product", .n = 2, .t = 5, .x = 4, .c = 12, .o = 7, .y = 11, .z = 111, .sparse = true},
    {"normalised first layer", .n = 2, .t = 9, .x = 8, .c = 1, .o = 6, .y = 33, .z = 111, .sparse = true,
     .ragged = true},
    {"tiles", .n = 2, .t = 6, .x = 4, .c = 32, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1},
    {"tiles that overhang", .n = 3, .t = 21, .x = 11, .c = 64, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1,
     .ragged = true, .sparse = true},
    {"tiles, relu", .n = 2, .t = 9, .x = 8, .c = 32, .o = 64, .y = 33, .z = 11, .p = 1, .q = 1, .flag = true,
     .flag2 = true},
    {"tiles, normalised", .n = 2, .t = 7, .x = 6, .c = 32, .o = 64, .y = 33, .z = 111, .p = 1, .q = 1, .flag = true,
     .flag2 = true, .ragged = true},
    {"tiles, strides", .n = 4, .t = 31, .x = 20, .c = 32, .o = 64, .y = 33, .z = 22, .p = 1, .q = 1},
    {"tiles, uneven strides", .n = 3, .t = 20, .x = 17, .c = 64, .o = 80, .y = 23, .z = 21, .p = 2, .q = 1,
     .ragged = true, .gap = 8},
    {"tiles, strided product", .n = 3, .t = 21, .x = 18, .c = 32, .o = 64, .y = 11, .z = 22, .sparse = true},
    {"less than a tile", .n = 1, .t = 1, .x = 1, .c = 32, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1},
    {"larger", .n = 2, .t = 33, .x = 10, .c = 32, .o = 48, .y = 33, .z = 11, .p = 1, .q = 1, .sparse = true},
    {.name = NULL}};

/* ---- simam: t frames, x bins ---- */

static void describe_simam(const op_row *r, op_case *c)
{
    c->attr.simam.lambda = r->p > 0 ? r->p : 1e-4;
    c->in[0] = picture(r, r->t, r->x, r->c);
    c->in[0].lo += r->q;
    c->in[0].hi += r->q;
    c->in[0].has_len = r->ragged;
    c->in[0].read_bwd = true;
    c->out[0] = picture(r, r->t, r->x, r->c);
    c->tol_f32 = 5e-6 * (1 + 2 * fabs(r->q));
    if (r->ragged) ragged(c, r);
}

static const op_row rows_simam[] = {{"two places", .n = 1, .t = 2, .x = 1, .c = 1, .p = 0.1},
                                    {"odd", .n = 2, .t = 5, .x = 3, .c = 7},
                                    {"slice", .n = 2, .t = 5, .x = 3, .c = 7, .gap = 4},
                                    {"off centre", .n = 2, .t = 7, .x = 4, .c = 19, .q = 5},
                                    {"ragged", .n = 4, .t = 9, .x = 4, .c = 5, .gap = 2, .ragged = true},
                                    {"larger", .n = 2, .t = 33, .x = 10, .c = 72},
                                    {.name = NULL}};
