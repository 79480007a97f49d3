/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The geometries that every op is tested on. op_tests is made from SPK_OPS: an op without rows (test_NAME) does not
 * compile.
 */
#ifndef TEST_OP_ROWS_H
#define TEST_OP_ROWS_H

#include <math.h>

#include "backend/op_case.h"

/* An activation with a gradient, values in [-1, 1]. */
static case_tensor activation(const op_row *r, int64_t n, int64_t w, int64_t c)
{
    return (case_tensor){.there = true, .n = n, .w = w, .c = c, .gap = r->gap, .has_grad = true, .lo = -1, .hi = 1};
}

static case_tensor parameter(int64_t n, int64_t c, double lo, double hi)
{
    return (case_tensor){.there = true, .n = n, .w = 1, .c = c, .is_param = true, .has_grad = true, .lo = lo, .hi = hi};
}

/* t, then shorter and shorter; longer than t and 0 are among them when there are items enough. */
static void ragged(op_case *c, const op_row *r)
{
    for (int64_t n = 0; n < r->n && n < (int64_t)(sizeof c->len / sizeof *c->len); n++)
        c->len[n] = n % 4 == 0 ? r->t : n % 4 == 1 ? (r->t + 1) / 2 : n % 4 == 2 ? 1 : 0;
}

/* ---- melspec: t samples, x n_fft, y window, z hop, c mels, o kind; flag: log and mean_norm ---- */

static const spk_melspec_attr melspec_kinds[] = {
    {0},
    {.edges = SPK_EDGES_ZERO, .log_floor = 1e-10, .log_scale = 4.342944819, .top_db = 20},
    {.edges = SPK_EDGES_INSIDE, .magnitude = true, .scale = 0.25},
    {.edges = SPK_EDGES_SNIP, .remove_dc = true, .preemph = 0.97, .log_floor = 1e-7, .scale = 32768, .dither = 1},
    {.edges = SPK_EDGES_REPEAT, .remove_dc = true, .preemph = 0.5, .energy = SPK_ENERGY_RAW, .dither = 0.3},
    {.edges = SPK_EDGES_SNIP, .log_floor = 1e-7, .energy = SPK_ENERGY_WINDOWED, .n_ceps = 7, .energy_floor = 3},
    {.edges = SPK_EDGES_REFLECT, .dither = 0.1, .stream = 5, .log_floor = 1e-10},
    {.edges = SPK_EDGES_SNIP, .frames_only = true},
};

static void fill_bands(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    const int64_t n_bins = k->attr.melspec.n_fft / 2 + 1, n_mels = k->attr.melspec.n_mels;
    for (int64_t b = 0; b < n_bins; b++)
        for (int64_t m = 0; m < n_mels; m++) {
            const double centre = (double)((m + 1) * n_bins) / (double)(n_mels + 1);
            v[b * n_mels + m] = fmax(0, 1 - fabs((double)b - centre) / 3) * (0.5 + 0.5 * spk_rng_uniform(rng));
        }
}

static void fill_filter(const void *c, double *v, spk_rng *rng)
{
    (void)c, (void)rng;
    v[0] = -(double)0.97f;
    v[1] = 1;
}

static void describe_melspec(const op_row *r, op_case *c)
{
    spk_melspec_attr *attr = &c->attr.melspec;
    *attr = melspec_kinds[r->o];
    attr->n_fft = r->x;
    attr->win_length = r->y;
    attr->hop_length = r->z;
    attr->n_mels = r->c;
    attr->log = attr->mean_norm = r->flag;
    c->in[0] = (case_tensor){
        .there = true, .n = r->n, .w = r->t, .c = 1, .gap = r->gap, .lo = -1, .hi = 1, .has_len = r->ragged};
    if (!r->sparse) {
        c->in[1] = parameter(1, 2, 0, 0);
        c->in[1].fill = fill_filter;
    }
    if (!attr->frames_only) {
        c->in[2] = parameter(1, r->y, 0.1, 1);
        c->in[3] = parameter(r->x / 2 + 1, r->c, 0, 1);
        c->in[3].fill = fill_bands;
    }
    if (attr->n_ceps > 0) c->in[4] = parameter(r->c, attr->n_ceps, -0.5, 0.5);
    for (int i = 1; i < 5; i++)
        c->in[i].has_grad = false;
    const int64_t bands = attr->n_ceps > 0 ? attr->n_ceps : r->c + (attr->energy != SPK_ENERGY_NONE);
    const int64_t width = attr->frames_only ? r->y : bands;
    c->out[0] = activation(r, r->n, spk_melspec_frames(attr, r->t), width);
    c->out[0].has_grad = false;
    c->tol_f32 = r->flag ? 2e-5 : 5e-6; /* the logarithm of a weak band is as exact as its power */
    for (int64_t n = 0; n < r->n && r->ragged; n++)
        c->len[n] = n % 3 == 0 ? r->t : n % 3 == 1 ? r->t * 2 / 3 : r->x / 2 + 1;
}

static const op_row rows_melspec[] = {
    {"one frame", .n = 1, .t = 5, .c = 1, .x = 8, .y = 8, .z = 8},
    {"odd sizes", .n = 2, .t = 61, .c = 5, .x = 15, .y = 11, .z = 4},
    {"even, odd window", .n = 2, .t = 61, .c = 5, .x = 16, .y = 11, .z = 4, .gap = 3},
    {"log, no filter", .n = 3, .t = 400, .c = 13, .x = 64, .y = 50, .z = 20, .sparse = true, .flag = true},
    {"ragged", .n = 3, .t = 410, .c = 13, .x = 64, .y = 50, .z = 20, .ragged = true, .flag = true},
    {"as used", .n = 2, .t = 6000, .c = 80, .x = 512, .y = 400, .z = 160, .flag = true},
    {"zeros outside, decibels", .n = 2, .t = 410, .c = 13, .x = 50, .y = 50, .z = 20, .o = 1, .flag = true},
    {"zeros outside, ragged", .n = 3, .t = 410, .c = 13, .x = 50, .y = 30, .z = 20, .o = 1, .ragged = true},
    {"inside, magnitude", .n = 2, .t = 200, .c = 9, .x = 36, .y = 30, .z = 11, .o = 2, .sparse = true},
    {"inside, one frame", .n = 2, .t = 36, .c = 9, .x = 36, .y = 30, .z = 11, .o = 2},
    {"snip, dither", .n = 3, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 3, .sparse = true, .flag = true},
    {"snip, ragged", .n = 3, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 3, .sparse = true, .ragged = true},
    {"snip, as used", .n = 2, .t = 6000, .c = 80, .x = 512, .y = 400, .z = 160, .o = 3, .sparse = true, .flag = true},
    {"repeat, energy", .n = 2, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 4, .sparse = true},
    {"repeat, ragged", .n = 3, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 4, .ragged = true, .flag = true},
    {"cepstra", .n = 2, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 5, .sparse = true, .flag = true},
    {"dither, filter", .n = 3, .t = 411, .c = 13, .x = 64, .y = 50, .z = 20, .o = 6, .ragged = true, .flag = true},
    {"frames alone", .n = 3, .t = 411, .c = 50, .x = 50, .y = 50, .z = 20, .o = 7, .sparse = true, .ragged = true},
    {"many frames", .n = 3, .t = 4100, .c = 13, .x = 64, .y = 50, .z = 20, .ragged = true, .flag = true},
    {"400 points", .n = 1, .t = 2400, .c = 24, .x = 400, .y = 400, .z = 160, .flag = true},
    {"a large transform", .n = 1, .t = 5000, .c = 24, .x = 4096, .y = 3000, .z = 500, .flag = true},
    {"dither, odd transform", .n = 2, .t = 111, .c = 7, .x = 33, .y = 21, .z = 10, .o = 6},
    {.name = NULL}};

/* ---- conv1d: x taps, y dilation, z stride, p padding; flag: relu; flag2: dout is masked (q: weight row gap); ragged:
 * with a normalisation ---- */

/* gamma and beta unless `plain`, running mean and variance of o channels as inputs 3 to 6; no gradients then. */
static void add_normalisation(op_case *c, int64_t o, bool plain)
{
    for (int i = plain ? 5 : 3; i < 7; i++)
        c->in[i] = parameter(1, o, i == 3 || i == 6 ? 0.5 : -0.5, i == 3 || i == 6 ? 1.5 : 0.5);
    for (int i = 0; i < 7; i++)
        c->in[i].has_grad = c->in[i].read_bwd = false;
}

static void describe_conv1d(const op_row *r, op_case *c)
{
    const int64_t pad = (int64_t)r->p, w_ld = r->c * r->x + (int64_t)r->q;
    c->attr.conv1d = (spk_conv1d_attr){
        .k = r->x, .dilation = r->y, .stride = r->z, .pad = pad, .w_ld = w_ld, .relu = r->flag, .dy_masked = r->flag2};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = parameter(r->o, w_ld, -0.5, 0.5);
    if (!r->sparse) c->in[2] = parameter(1, r->o, -0.5, 0.5);
    c->out[0] = activation(r, r->n, (r->t + 2 * pad - r->y * (r->x - 1) - 1) / r->z + 1, r->o);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->out[0].read_bwd = r->flag && !r->flag2;
    c->dout_masked = r->flag && r->flag2;
    c->tol_f32 = 5e-6;
    c->attr.conv1d.bn_eps = 1e-3;
    if (r->ragged) add_normalisation(c, r->o, r->sparse);
}

static const op_row rows_conv1d[] = {
    {"one by one", .n = 1, .t = 1, .c = 1, .o = 1, .x = 1, .y = 1, .z = 1},
    {"product", .n = 2, .t = 5, .c = 7, .o = 3, .x = 1, .y = 1, .z = 1, .flag = true},
    {"product, slices", .n = 3, .t = 4, .c = 6, .o = 5, .x = 1, .y = 1, .z = 1, .q = 4, .gap = 3},
    {"product, weight columns", .n = 3, .t = 4, .c = 6, .o = 5, .x = 1, .y = 1, .z = 1, .q = 4},
    {"one row, no bias", .n = 4, .t = 1, .c = 9, .o = 17, .x = 1, .y = 1, .z = 1, .sparse = true},
    {"three taps", .n = 2, .t = 11, .c = 5, .o = 6, .x = 3, .y = 1, .z = 1, .p = 1, .flag = true},
    {"dilated", .n = 2, .t = 13, .c = 8, .o = 8, .x = 3, .y = 3, .z = 1, .p = 3, .flag = true, .flag2 = true},
    {"dilated slices", .n = 2, .t = 13, .c = 8, .o = 8, .x = 3, .y = 2, .z = 1, .p = 2, .flag = true, .gap = 24},
    {"five taps", .n = 3, .t = 9, .c = 16, .o = 12, .x = 5, .y = 1, .z = 1, .p = 2, .sparse = true},
    {"no padding", .n = 1, .t = 10, .c = 4, .o = 3, .x = 4, .y = 2, .z = 1},
    {"stride", .n = 2, .t = 20, .c = 3, .o = 4, .x = 5, .y = 1, .z = 3, .p = 2, .flag = true},
    {"stride, product", .n = 3, .t = 301, .c = 12, .o = 24, .x = 1, .y = 1, .z = 3, .flag = true},
    {"stride past the end", .n = 2, .t = 12, .c = 3, .o = 2, .x = 3, .y = 1, .z = 5},
    {"padding beyond the sound", .n = 1, .t = 2, .c = 3, .o = 4, .x = 3, .y = 4, .z = 1, .p = 4},
    {"one frame in", .n = 5, .t = 1, .c = 8, .o = 16, .x = 3, .y = 1, .z = 1, .p = 2, .flag = true, .flag2 = true},
    {"one frame out", .n = 5, .t = 6, .c = 8, .o = 16, .x = 6, .y = 1, .z = 1, .flag = true, .flag2 = true},
    {"larger", .n = 3, .t = 101, .c = 72, .o = 64, .x = 3, .y = 4, .z = 1, .p = 4, .flag = true},
    {"tiles", .n = 5, .t = 301, .c = 64, .o = 64, .x = 3, .y = 2, .z = 1, .p = 2, .flag = true, .flag2 = true},
    {"tiles, several in turn", .n = 3, .t = 301, .c = 128, .o = 128, .x = 3, .y = 1, .z = 1, .p = 1, .sparse = true},
    {"tiles, slices", .n = 3, .t = 150, .c = 48, .o = 16, .x = 5, .y = 1, .z = 2, .p = 2, .gap = 16, .flag = true},
    {"tiles, slices by the way", .n = 3, .t = 40, .c = 16, .o = 24, .x = 3, .y = 1, .z = 1, .p = 1, .gap = 3},
    {"tiles, stride past the end", .n = 3, .t = 41, .c = 16, .o = 40, .x = 2, .y = 1, .z = 5, .q = 4},
    {"tiles of one tap", .n = 4, .t = 95, .c = 96, .o = 72, .x = 1, .y = 1, .z = 3},
    {"normalised", .n = 2, .t = 11, .c = 5, .o = 6, .x = 3, .y = 1, .z = 1, .p = 1, .flag = true, .ragged = true},
    {"normalised, no ReLU", .n = 2, .t = 11, .c = 5, .o = 6, .x = 3, .y = 1, .z = 2, .p = 1, .ragged = true},
    {"normalised, plain", .n = 2, .t = 5, .c = 7, .o = 9, .x = 1, .y = 1, .z = 1, .sparse = true, .ragged = true},
    {"normalised, weight columns", .n = 3, .t = 4, .c = 6, .o = 5, .x = 1, .y = 1, .z = 1, .q = 4, .ragged = true},
    {.name = NULL}};

/* ---- batch_norm: flag: train; flag2: gradient masked by x; x: ReLU; y: with lengths, of a picture with z bins;
 * ragged: without gamma and beta ---- */

static void describe_batch_norm(const op_row *r, op_case *c)
{
    c->attr.batch_norm =
        (spk_batch_norm_attr){.eps = 1e-5, .momentum = 0.1, .train = r->flag, .mask_dx = r->flag2, .relu = r->x != 0};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].lo += r->p; /* far from zero: what cancels must cancel well */
    c->in[0].hi += r->p;
    c->in[0].read_bwd = true;
    c->in[0].has_len = r->y != 0;
    ragged(c, r);
    if (!r->ragged) {
        c->in[1] = parameter(1, r->c, 0.5, 1.5);
        c->in[1].read_bwd = true;
        c->in[2] = parameter(1, r->c, -0.5, 0.5);
    }
    for (int i = 3; i < 5; i++) {
        c->in[i] = parameter(1, r->c, i == 3 ? -0.3 : 0.5, i == 3 ? 0.3 : 1.5);
        c->in[i].has_grad = false;
        c->in[i].is_state = true;
    }
    if (!r->sparse)
        c->in[5] = (case_tensor){
            .there = true, .n = 1, .w = 1, .c = 1, .is_int = true, .below = 5, .is_param = true, .is_state = true};
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = r->x != 0;
    if (r->z > 0) {
        c->in[0].h = c->out[0].h = r->t;
        c->in[0].w = c->out[0].w = r->z;
    }
    c->mask_in0 = r->flag2;
    c->tol_f32 = r->q > 0 ? r->q : 5e-6 * (1 + 2 * fabs(r->p));
}

static const op_row rows_batch_norm[] = {
    /* x^ is +-1 whatever x is: the gradient is what is left when all of dy cancels */
    {"two rows", .n = 2, .t = 1, .c = 1, .flag = true, .q = 1e-3},
    {"three rows", .n = 3, .t = 1, .c = 1, .flag = true, .q = 1e-4},
    {"odd", .n = 3, .t = 5, .c = 7, .flag = true, .sparse = true},
    {"slice", .n = 3, .t = 5, .c = 7, .gap = 4, .flag = true},
    {"masked", .n = 2, .t = 9, .c = 33, .flag = true, .flag2 = true},
    {"masked slice", .n = 2, .t = 9, .c = 33, .gap = 5, .flag = true, .flag2 = true},
    {"off centre", .n = 4, .t = 50, .c = 19, .p = 10, .flag = true},
    {"one row, running", .n = 1, .t = 1, .c = 5},
    {"running", .n = 2, .t = 7, .c = 12, .gap = 4},
    {"running, masked", .n = 2, .t = 7, .c = 12, .flag2 = true},
    {"relu", .n = 3, .t = 9, .c = 17, .flag = true, .x = 1},
    {"relu slice", .n = 3, .t = 9, .c = 17, .gap = 3, .flag = true, .x = 1},
    {"relu behind relu", .n = 3, .t = 9, .c = 17, .flag = true, .flag2 = true, .x = 1},
    {"running, relu", .n = 3, .t = 5, .c = 17, .x = 1},
    {"plain", .n = 2, .t = 9, .c = 33, .flag = true, .ragged = true},
    {"plain, relu", .n = 2, .t = 9, .c = 33, .flag = true, .x = 1, .ragged = true},
    {"running, plain", .n = 2, .t = 9, .c = 33, .ragged = true},
    {"few channels", .n = 3, .t = 701, .c = 5, .flag = true, .x = 1, .p = 1},
    {"lengths", .n = 6, .t = 9, .c = 17, .y = 1, .flag = true},
    {"lengths, few channels", .n = 5, .t = 41, .c = 3, .y = 1, .flag = true, .p = 1},
    {"lengths, slice, relu", .n = 6, .t = 9, .c = 7, .y = 1, .gap = 3, .x = 1, .flag = true},
    {"lengths, masked", .n = 6, .t = 19, .c = 33, .y = 1, .flag = true, .flag2 = true},
    {"lengths, picture", .n = 6, .t = 9, .c = 5, .y = 1, .z = 4, .x = 1, .flag = true},
    {"lengths, running", .n = 6, .t = 9, .c = 7, .y = 1, .x = 1},
    {"one channel", .n = 3, .t = 1501, .c = 1, .flag = true, .p = 2},
    {"wider than a chunk", .n = 2, .t = 5, .c = 700, .flag = true, .x = 1},
    {"larger", .n = 3, .t = 101, .c = 72, .flag = true, .flag2 = true},
    {"several blocks", .n = 2, .t = 150, .c = 520, .flag = true, .x = 1, .p = 1},
    {"narrow slice", .n = 3, .t = 33, .c = 64, .gap = 448, .flag = true, .x = 1},
    {"lengths, lanes", .n = 6, .t = 40, .c = 24, .y = 1, .flag = true, .flag2 = true},
    {"lanes of four", .n = 3, .t = 70, .c = 300, .flag = true, .flag2 = true, .p = 3},
    {"running, lanes of four", .n = 3, .t = 70, .c = 300, .x = 1},
    {.name = NULL}};

/* ---- act, add, copy: x is the function ---- */

static void describe_act(const op_row *r, op_case *c)
{
    c->attr.act.act = (spk_act)r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].read_bwd = c->attr.act.act == SPK_SWISH;
    c->in[0].lo *= r->p > 0 ? r->p : 1;
    c->in[0].hi *= r->p > 0 ? r->p : 1;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = c->attr.act.act != SPK_SWISH;
    c->tol_f32 = 2e-6;
}

static const op_row rows_act[] = {{"relu, one", .n = 1, .t = 1, .c = 1},
                                  {"relu", .n = 3, .t = 5, .c = 37},
                                  {"relu slice", .n = 3, .t = 5, .c = 37, .gap = 2},
                                  {"sigmoid, one", .n = 1, .t = 1, .c = 1, .x = 1},
                                  {"sigmoid", .n = 3, .t = 5, .c = 37, .x = 1},
                                  {"sigmoid slice", .n = 3, .t = 1, .c = 37, .gap = 2, .x = 1},
                                  {"sigmoid, saturated", .n = 4, .t = 1, .c = 99, .x = 1, .p = 120},
                                  {"larger", .n = 3, .t = 101, .c = 72, .x = 1, .p = 6},
                                  {"tanh", .n = 3, .t = 5, .c = 37, .x = SPK_TANH, .p = 3},
                                  {"tanh, saturated", .n = 3, .t = 1, .c = 99, .x = SPK_TANH, .p = 120},
                                  {"swish", .n = 3, .t = 5, .c = 37, .x = SPK_SWISH, .p = 5},
                                  {"swish slice", .n = 3, .t = 5, .c = 37, .gap = 2, .x = SPK_SWISH},
                                  {"swish, saturated", .n = 3, .t = 1, .c = 99, .x = SPK_SWISH, .p = 120},
                                  {"hardtanh", .n = 3, .t = 5, .c = 37, .x = SPK_HARDTANH, .p = 2},
                                  {"hardtanh slice", .n = 3, .t = 5, .c = 37, .gap = 2, .x = SPK_HARDTANH, .p = 2},
                                  {"selu", .n = 3, .t = 5, .c = 37, .x = SPK_SELU, .p = 4},
                                  {"selu, saturated", .n = 3, .t = 1, .c = 99, .x = SPK_SELU, .p = 120},
                                  {"linear slice", .n = 3, .t = 5, .c = 37, .gap = 2, .x = SPK_LINEAR},
                                  {.name = NULL}};

/* x: ReLU; p: factor (0: 1) */
static void describe_add(const op_row *r, op_case *c)
{
    c->attr.add = (spk_add_attr){.factor = r->p > 0 ? r->p : 1, .relu = r->x != 0};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = activation(r, r->n, r->t, r->c);
    c->in[1].gap = 0; /* views of different widths */
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = r->x != 0;
    c->tol_f32 = 1e-6;
}

static void describe_copy(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].gap = 2 * r->gap;
    c->tol_f32 = 1e-6;
}

static const op_row rows_add[] = {{"one", .n = 1, .t = 1, .c = 1},
                                  {"odd", .n = 3, .t = 5, .c = 37},
                                  {"slices", .n = 3, .t = 5, .c = 37, .gap = 5},
                                  {"factor", .n = 3, .t = 5, .c = 37, .p = 0.5},
                                  {"relu", .n = 3, .t = 5, .c = 37, .x = 1},
                                  {"relu slices, factor", .n = 3, .t = 5, .c = 37, .gap = 5, .x = 1, .p = 2},
                                  {"relu, few channels", .n = 3, .t = 333, .c = 3, .x = 1},
                                  {"larger", .n = 3, .t = 101, .c = 72, .gap = 72},
                                  {"lanes of four, relu", .n = 3, .t = 70, .c = 100, .gap = 4, .x = 1, .p = 2},
                                  {.name = NULL}};
#define rows_copy rows_add

/* ---- time_mean ---- */

static void describe_time_mean(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->out[0] = activation(r, r->n, 1, r->c);
    c->tol_f32 = 2e-6;
    ragged(c, r);
}

static const op_row rows_time_mean[] = {{"one", .n = 1, .t = 1, .c = 1},
                                        {"odd", .n = 3, .t = 7, .c = 37},
                                        {"slice", .n = 2, .t = 6, .c = 17, .gap = 3},
                                        {"ragged", .n = 5, .t = 9, .c = 11, .gap = 3, .ragged = true},
                                        {"wide", .n = 1, .t = 13, .c = 1100},
                                        {"larger", .n = 3, .t = 101, .c = 72},
                                        {"several blocks", .n = 2, .t = 150, .c = 520},
                                        {"ragged, lanes", .n = 5, .t = 90, .c = 24, .ragged = true},
                                        {"lanes of four", .n = 3, .t = 90, .c = 100},
                                        {.name = NULL}};

/* ---- scale_add, row_bias ---- */

static void describe_scale_add(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = activation(r, r->n, 1, r->c);
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    if (!r->sparse) c->in[2] = activation(r, r->n, r->t, r->c);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 2e-6;
}

/* x: the function */
static void describe_row_bias(const op_row *r, op_case *c)
{
    c->attr.row_bias.act = (spk_act)r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = activation(r, r->n, 1, r->c);
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->out[0].read_bwd = r->x != SPK_LINEAR;
    c->tol_f32 = 2e-6;
}

static const op_row rows_scale_add[] = {{"one", .n = 1, .t = 1, .c = 1},
                                        {"one, no residual", .n = 1, .t = 1, .c = 1, .sparse = true},
                                        {"odd", .n = 3, .t = 7, .c = 37},
                                        {"no residual", .n = 3, .t = 7, .c = 37, .sparse = true},
                                        {"slices", .n = 2, .t = 6, .c = 17, .gap = 3},
                                        {"wide", .n = 1, .t = 5, .c = 1100},
                                        {"larger", .n = 3, .t = 101, .c = 72},
                                        {"several blocks", .n = 2, .t = 150, .c = 520},
                                        {"lanes of four", .n = 3, .t = 70, .c = 100, .gap = 4},
                                        {.name = NULL}};
static const op_row rows_row_bias[] = {{"one", .n = 1, .t = 1, .c = 1, .x = SPK_RELU},
                                       {"odd", .n = 3, .t = 7, .c = 37, .x = SPK_RELU},
                                       {"slices", .n = 2, .t = 6, .c = 17, .gap = 3, .x = SPK_RELU},
                                       {"wide", .n = 1, .t = 5, .c = 1100, .x = SPK_RELU},
                                       {"larger", .n = 3, .t = 101, .c = 72, .x = SPK_RELU},
                                       {"several blocks", .n = 2, .t = 150, .c = 520, .x = SPK_RELU},
                                       {"tanh", .n = 3, .t = 7, .c = 37, .x = SPK_TANH},
                                       {"tanh slices", .n = 2, .t = 6, .c = 17, .gap = 3, .x = SPK_TANH},
                                       {"linear", .n = 3, .t = 7, .c = 37, .x = SPK_LINEAR},
                                       {"linear slices", .n = 2, .t = 6, .c = 17, .gap = 3, .x = SPK_LINEAR},
                                       {"lanes of four", .n = 3, .t = 70, .c = 100, .gap = 4, .x = SPK_RELU},
                                       {.name = NULL}};

/* ---- time_stats: x divisor, or z: one for each item; p, q bounds of the variance (0, 0: the ones in use); flag:
 * unbiased; flag2: centred; sparse: the mean alone; o: hundredths added to the variance ---- */

static void describe_time_stats(const op_row *r, op_case *c)
{
    static const int64_t divisors[] = {20, 5, 9, 0, 3, 11};
    c->attr.time_stats = (spk_time_stats_attr){.lo = r->p > 0 ? r->p : -1,
                                               .hi = r->q > 0 ? r->q : 1e4,
                                               .unbiased = r->flag,
                                               .divide_by = r->x,
                                               .centred = r->flag2,
                                               .mean_only = r->sparse,
                                               .add_var = (double)r->o / 100,
                                               .divide_len = r->z ? divisors : NULL};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].lo += (double)r->y;
    c->in[0].hi += (double)r->y;
    c->in[0].has_len = r->ragged;
    c->in[0].read_bwd = true;
    c->out[0] = activation(r, r->n, 1, (r->sparse ? 1 : 2) * r->c);
    c->out[0].read_bwd = true;
    c->tol_f32 = 5e-6;
    ragged(c, r);
}

static const op_row rows_time_stats[] = {
    {"one frame", .n = 2, .t = 1, .c = 3, .p = 1e-4},
    {"odd", .n = 3, .t = 7, .c = 37},
    {"off centre", .n = 3, .t = 40, .c = 21, .y = 10},
    {"slice", .n = 2, .t = 6, .c = 17, .gap = 3},
    {"unbiased", .n = 2, .t = 6, .c = 17, .flag = true},
    {"one frame, unbiased", .n = 2, .t = 1, .c = 3, .p = 1e-4, .flag = true},
    {"unbiased, more variance", .n = 4, .t = 6, .c = 17, .o = 30, .flag = true, .ragged = true},
    {"clamped", .n = 4, .t = 5, .c = 30, .p = 0.3, .q = 0.4},
    {"other divisor", .n = 2, .t = 6, .c = 17, .x = 19},
    {"other divisor, centred", .n = 2, .t = 6, .c = 17, .x = 19, .y = 1, .flag2 = true},
    {"centred", .n = 2, .t = 6, .c = 17, .gap = 3, .flag2 = true},
    {"divisor of each item", .n = 6, .t = 9, .c = 11, .z = 1, .y = 1, .p = 1e-2, .ragged = true},
    {"divisor of each item, centred", .n = 6, .t = 9, .c = 11, .z = 1, .y = 1, .flag2 = true, .p = 1e-2},
    {"mean", .n = 3, .t = 7, .c = 37, .gap = 2, .sparse = true},
    {"mean, divisor of each item", .n = 6, .t = 9, .c = 11, .z = 1, .sparse = true, .ragged = true},
    {"ragged", .n = 6, .t = 9, .c = 11, .gap = 1, .p = 1e-3, .ragged = true},
    {"wide", .n = 1, .t = 13, .c = 1100},
    {"larger", .n = 3, .t = 101, .c = 72},
    {"several blocks", .n = 2, .t = 150, .c = 520, .y = 1},
    {"ragged, lanes", .n = 5, .t = 90, .c = 24, .p = 1e-3, .ragged = true},
    {"lanes of four", .n = 3, .t = 90, .c = 100, .y = 3},
    {.name = NULL}};

/* ---- attn_stats ---- */

static void describe_attn_stats(const op_row *r, op_case *c)
{
    c->attr.attn_stats = (spk_attn_stats_attr){.lo = r->p > 0 ? r->p : 1e-4, .hi = r->q > 0 ? r->q : 1e4};
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].lo = -(double)(r->x > 0 ? r->x : 2);
    c->in[0].hi = -c->in[0].lo;
    c->in[0].has_len = r->ragged;
    c->in[1] = activation(r, r->n, r->t, r->c);
    c->in[1].gap = 0;
    c->in[1].lo += (double)r->y;
    c->in[1].hi += (double)r->y;
    c->in[0].read_bwd = c->in[1].read_bwd = true;
    c->out[0] = activation(r, r->n, 1, 2 * r->c);
    c->out[0].read_bwd = true;
    c->tol_f32 = 1e-5;
    ragged(c, r);
}

static const op_row rows_attn_stats[] = {{"one frame", .n = 2, .t = 1, .c = 3},
                                         {"odd", .n = 3, .t = 7, .c = 37},
                                         {"off centre", .n = 3, .t = 40, .c = 21, .y = 5},
                                         {"sharp", .n = 2, .t = 50, .c = 21, .x = 40},
                                         {"slice", .n = 2, .t = 18, .c = 17, .gap = 3},
                                         {"clamped", .n = 4, .t = 5, .c = 30, .p = 0.2, .q = 0.25},
                                         {"ragged", .n = 6, .t = 9, .c = 11, .gap = 1, .ragged = true},
                                         {"wide", .n = 1, .t = 13, .c = 1100},
                                         {"larger", .n = 3, .t = 101, .c = 72},
                                         {"several blocks", .n = 2, .t = 150, .c = 520, .x = 8, .y = 1},
                                         {"ragged, lanes", .n = 5, .t = 90, .c = 24, .ragged = true},
                                         {"sharp, lanes", .n = 2, .t = 400, .c = 28, .x = 40, .y = 1},
                                         {.name = NULL}};

#include "backend/rows_conformer.h"
#include "backend/rows_conv2d.h"
#include "backend/rows_features.h"
#include "backend/rows_losses.h"
#include "backend/rows_rawnet.h"
#include "backend/rows_select.h"

#define OP_TEST(NAME, name) static const op_test test_##name = {rows_##name, describe_##name};
SPK_OPS(OP_TEST)
#undef OP_TEST

static const op_test *const op_tests[SPK_N_OPS] = {
#define OP_TEST(NAME, name) [SPK_OP_##NAME] = &test_##name,
    SPK_OPS(OP_TEST)
#undef OP_TEST
};

/* The case of a row. */
static inline op_case make_case(spk_op op, const op_row *row)
{
    op_case c = {.op = op, .name = row->name, .tol_f32 = 2e-6, .tol_fd = 1e-6};
    op_tests[op]->describe(row, &c);
    return c;
}

#endif
