/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of features. Included by op_rows.h. */

/* ---- mvn: flag: means; flag2: variances; y: far from zero; p: smallest deviation ---- */

static void describe_mvn(const op_row *r, op_case *c)
{
    c->attr.mvn = (spk_mvn_attr){.means = r->flag, .vars = r->flag2, .eps = r->p > 0 ? r->p : 1e-20};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].lo += (double)r->y;
    c->in[0].hi += (double)r->y;
    c->in[0].has_len = r->ragged;
    c->in[0].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = true;
    c->tol_f32 = 1e-5 * (1 + (double)r->y);
    ragged(c, r);
}

static const op_row rows_mvn[] = {
    {"one frame, means", .n = 2, .t = 1, .c = 3, .flag = true},
    {"one frame, floor", .n = 2, .t = 1, .c = 3, .flag = true, .flag2 = true, .p = 0.5},
    {"means", .n = 3, .t = 7, .c = 37, .flag = true},
    {"variances", .n = 3, .t = 7, .c = 37, .flag2 = true},
    {"both", .n = 3, .t = 7, .c = 37, .flag = true, .flag2 = true},
    {"neither", .n = 3, .t = 7, .c = 37},
    {"off centre", .n = 3, .t = 40, .c = 21, .y = 10, .flag = true, .flag2 = true},
    {"slice", .n = 2, .t = 6, .c = 17, .gap = 3, .flag = true, .flag2 = true},
    {"some below the floor", .n = 4, .t = 5, .c = 30, .flag = true, .flag2 = true, .p = 0.55},
    {"ragged means", .n = 6, .t = 9, .c = 11, .gap = 1, .flag = true, .ragged = true},
    {"ragged", .n = 6, .t = 9, .c = 11, .flag = true, .flag2 = true, .p = 1e-3, .ragged = true},
    {"ragged variances", .n = 6, .t = 9, .c = 11, .gap = 1, .flag2 = true, .p = 1e-3, .ragged = true},
    {"wide", .n = 1, .t = 13, .c = 1100, .flag = true, .flag2 = true},
    {"larger", .n = 3, .t = 101, .c = 80, .flag = true, .flag2 = true},
    {"long, ragged", .n = 3, .t = 300, .c = 21, .flag = true, .flag2 = true, .p = 1e-3, .ragged = true},
    {.name = NULL}};

/* ---- feature_norm: flag: means; flag2: variances ---- */

static void describe_feature_norm(const op_row *r, op_case *c)
{
    c->attr.feature_norm = (spk_feature_norm_attr){.means = r->flag, .vars = r->flag2};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->in[1] = parameter(1, r->c, -2, 2);
    c->in[2] = parameter(1, r->c, 0.5, 3);
    c->in[1].has_grad = c->in[2].has_grad = false;
    c->in[2].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    ragged(c, r);
}

static const op_row rows_feature_norm[] = {
    {"one", .n = 1, .t = 1, .c = 1, .flag = true, .flag2 = true},
    {"means", .n = 3, .t = 7, .c = 37, .flag = true},
    {"variances", .n = 3, .t = 7, .c = 37, .flag2 = true},
    {"slice", .n = 2, .t = 6, .c = 17, .gap = 3, .flag = true, .flag2 = true},
    {"ragged", .n = 6, .t = 9, .c = 11, .gap = 1, .flag = true, .flag2 = true, .ragged = true},
    {"larger", .n = 3, .t = 101, .c = 80, .flag = true, .flag2 = true},
    {.name = NULL}};

/* ---- specaug: x window of the warp, y its mode, z widest time mask; p share of frames instead; flag: zeros; sparse: no
 * gradient is wanted ---- */

static void describe_specaug(const op_row *r, op_case *c)
{
    c->attr.specaug = (spk_specaug_attr){.time_warp = r->x > 0,
                                         .warp_window = r->x,
                                         .warp_mode = (int)r->y,
                                         .freq_mask = !r->flag2,
                                         .n_freq = 2,
                                         .freq_hi = r->c / 3,
                                         .time_mask = r->z > 0 || r->p > 0,
                                         .n_time = 2,
                                         .time_lo = r->z > 1,
                                         .time_hi = r->z,
                                         .time_ratio_hi = r->p,
                                         .replace_with_zero = r->flag,
                                         .stream = 3};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->in[0].has_grad = !r->sparse;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 1e-5;
    ragged(c, r);
}

static const op_row rows_specaug[] = {
    {"one frame", .n = 1, .t = 1, .c = 3, .x = 5, .z = 1},
    {"nothing but a warp", .n = 3, .t = 23, .c = 5, .x = 5, .flag2 = true},
    {"linear warp", .n = 3, .t = 23, .c = 5, .x = 5, .y = 1, .flag2 = true},
    {"nearest warp", .n = 3, .t = 23, .c = 5, .x = 5, .y = 2, .flag2 = true},
    {"too short to warp", .n = 2, .t = 10, .c = 5, .x = 5, .flag2 = true},
    {"bins", .n = 4, .t = 9, .c = 17, .gap = 3, .flag = true},
    {"frames", .n = 4, .t = 9, .c = 17, .gap = 3, .z = 4, .flag = true, .flag2 = true},
    {"frames, filled with the mean", .n = 4, .t = 19, .c = 17, .z = 7, .flag2 = true},
    {"shares of the frames", .n = 4, .t = 19, .c = 7, .p = 0.4, .flag = true, .flag2 = true},
    {"all, means", .n = 3, .t = 31, .c = 12, .gap = 1, .x = 4, .z = 9},
    {"all, ragged", .n = 6, .t = 31, .c = 12, .gap = 1, .x = 3, .z = 9, .ragged = true},
    {"linear warp, no gradient", .n = 3, .t = 23, .c = 5, .x = 5, .y = 1, .flag2 = true, .sparse = true},
    {"nearest warp, no gradient", .n = 3, .t = 23, .c = 5, .x = 5, .y = 2, .flag2 = true, .sparse = true},
    {"all, no gradient", .n = 6, .t = 31, .c = 12, .gap = 1, .x = 3, .z = 9, .ragged = true, .sparse = true},
    {"larger", .n = 3, .t = 101, .c = 80, .x = 5, .z = 20, .flag = true},
    {"larger, no gradient", .n = 3, .t = 101, .c = 80, .x = 5, .z = 20, .flag = true, .sparse = true},
    {.name = NULL}};

/* ---- layer_sum: x layers of c channels; flag: each is normalised; sparse: they have no gradient ---- */

static void describe_layer_sum(const op_row *r, op_case *c)
{
    c->attr.layer_sum = (spk_layer_sum_attr){.normalize = r->flag, .eps = 1e-5};
    c->in[0] = activation(r, r->n, r->t, r->x * r->c);
    c->in[0].has_len = r->ragged;
    c->in[0].has_grad = !r->sparse;
    c->in[1] = parameter(1, r->x, -2, 2);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 1e-5;
    ragged(c, r);
}

static const op_row rows_layer_sum[] = {
    {"one layer", .n = 1, .t = 1, .c = 3, .x = 1},
    {"two", .n = 2, .t = 5, .c = 7, .x = 2},
    {"slices", .n = 2, .t = 6, .c = 17, .gap = 3, .x = 4},
    {"normalised", .n = 2, .t = 6, .c = 17, .gap = 3, .x = 4, .flag = true},
    {"ragged", .n = 6, .t = 9, .c = 11, .gap = 1, .x = 3, .ragged = true},
    {"ragged, normalised", .n = 6, .t = 9, .c = 11, .x = 3, .flag = true, .ragged = true},
    {"ragged, from files", .n = 6, .t = 9, .c = 11, .x = 3, .flag = true, .ragged = true, .sparse = true},
    {"larger", .n = 2, .t = 51, .c = 96, .x = 13},
    {"larger, from files", .n = 2, .t = 51, .c = 96, .x = 13, .flag = true, .sparse = true},
    {"larger, normalised", .n = 2, .t = 51, .c = 96, .x = 13, .flag = true},
    {.name = NULL}};
