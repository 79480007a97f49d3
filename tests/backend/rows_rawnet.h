/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of RawNet3 and of lengths. Included by op_rows.h. */

/* ---- sinc: t samples, c filters, x taps, y stride; p: log term; flag: bands up to half the sample rate ---- */

static void fill_sinc_low(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    const int64_t m = case_count(&k->in[4]);
    for (int64_t i = 0; i < m; i++) /* a negative one counts by its size */
        v[i] = (i % 3 == 1 ? -1 : 1) * (100 + 3000 * (double)i / (double)m + 50 * spk_rng_uniform(rng));
}

static void fill_sinc_band(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    for (int64_t i = 0; i < case_count(&k->in[5]); i++) /* the last one is clamped */
        v[i] = i == case_count(&k->in[5]) - 1 ? 9000 : (i % 4 == 2 ? -1 : 1) * (100 + 400 * spk_rng_uniform(rng));
}

static void fill_sinc_times(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    const int64_t half = case_count(&k->in[7]);
    (void)rng;
    for (int64_t i = 0; i < half; i++)
        v[i] = 2 * 3.14159265358979323846 * (double)(i - half) / k->attr.sinc.sample_rate;
}

static void describe_sinc(const op_row *r, op_case *c)
{
    c->attr.sinc =
        (spk_sinc_attr){.kernel_size = r->x, .stride = r->y, .log_term = r->p, .sample_rate = r->flag ? 8000 : 16000};
    c->in[0] = (case_tensor){
        .there = true, .n = r->n, .w = r->t, .c = 1, .gap = r->gap, .lo = -1, .hi = 1, .has_len = r->ragged};
    if (!r->sparse) {
        c->in[1] = parameter(1, 2, 0, 0);
        c->in[1].fill = fill_filter;
        c->in[1].has_grad = false;
    }
    c->in[2] = parameter(1, 1, 0.5, 1.5);
    c->in[3] = parameter(1, 1, -0.5, 0.5);
    c->in[4] = parameter(1, r->c / 2, 0, 0);
    c->in[4].fill = fill_sinc_low;
    c->in[5] = parameter(1, r->c / 2, 0, 0);
    c->in[5].fill = fill_sinc_band;
    c->in[6] = parameter(1, r->x / 2, 0.1, 1);
    c->in[7] = parameter(1, r->x / 2, 0, 0);
    c->in[7].fill = fill_sinc_times;
    for (int i = 6; i < 8; i++)
        c->in[i].has_grad = false;
    for (int i = 0; i < 8; i++)
        c->in[i].read_bwd = true;
    c->out[0] = activation(r, r->n, (r->t - r->x) / r->y + 1, r->c);
    c->tol_f32 = 1e-4;
    c->tol_fd = 1e-5; /* a product that passes zero is a kink */
    for (int64_t n = 0; n < r->n && r->ragged; n++)
        c->len[n] = n % 4 == 0 ? r->t : n % 4 == 1 ? r->t * 2 / 3 : n % 4 == 2 ? r->x : r->x - 1;
}

static const op_row rows_sinc[] = {
    {"one frame", .n = 1, .t = 5, .c = 2, .x = 5, .y = 3, .p = 0.3},
    {"odd sizes", .n = 2, .t = 83, .c = 6, .x = 11, .y = 4, .p = 0.3},
    {"no filter, gaps, 8 kHz", .n = 2, .t = 90, .c = 10, .x = 17, .y = 5, .p = 0.3, .gap = 2, .sparse = true,
     .flag = true},
    {"ragged", .n = 5, .t = 150, .c = 8, .x = 21, .y = 3, .p = 0.3, .ragged = true},
    {"wide", .n = 2, .t = 700, .c = 70, .x = 51, .y = 16, .p = 0.3},
    {"beyond 256 filters and taps", .n = 1, .t = 900, .c = 270, .x = 271, .y = 5, .p = 0.3},
    {"as used", .n = 2, .t = 1500, .c = 256, .x = 251, .y = 16, .p = 0.3},
    {.name = NULL}};

/* ---- max_pool: x frames of one ---- */

static void describe_max_pool(const op_row *r, op_case *c)
{
    c->attr.max_pool.k = r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->out[0] = activation(r, r->n, r->t / r->x, r->c);
    c->out[0].gap = 2 * r->gap;
    c->tol_f32 = 1e-6;
}

static const op_row rows_max_pool[] = {{"one", .n = 1, .t = 1, .c = 1, .x = 1},
                                       {"a tail is left out", .n = 3, .t = 11, .c = 37, .x = 3},
                                       {"slice", .n = 2, .t = 9, .c = 17, .gap = 3, .x = 3},
                                       {"five", .n = 2, .t = 24, .c = 40, .x = 5},
                                       {"larger", .n = 3, .t = 101, .c = 72, .x = 2},
                                       {.name = NULL}};

/* ---- afms ---- */

static void describe_afms(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[1] = parameter(1, r->c, 0.5, 1.5);
    c->in[2] = activation(r, r->n, 1, r->c);
    for (int i = 0; i < 3; i++)
        c->in[i].read_bwd = true;
    c->out[0] = activation(r, r->n, r->t, r->c);
    c->tol_f32 = 2e-6;
}

static const op_row rows_afms[] = {{"one", .n = 1, .t = 1, .c = 1},
                                   {"odd", .n = 3, .t = 7, .c = 37},
                                   {"slices", .n = 2, .t = 6, .c = 17, .gap = 3},
                                   {"wide", .n = 1, .t = 5, .c = 1100},
                                   {"larger", .n = 3, .t = 101, .c = 72},
                                   {.name = NULL}};

/* ---- mask: x bins of a picture ---- */

static void describe_mask(const op_row *r, op_case *c)
{
    c->in[0] = activation(r, r->n, r->t, r->c);
    if (r->x) {
        c->in[0].h = r->t;
        c->in[0].w = r->x;
    }
    c->in[0].has_len = r->ragged;
    c->out[0] = c->in[0];
    c->tol_f32 = 1e-6;
    ragged(c, r);
}

static const op_row rows_mask[] = {{"all full", .n = 2, .t = 3, .c = 5},
                                   {"sound", .n = 5, .t = 9, .c = 37, .ragged = true},
                                   {"slice", .n = 6, .t = 9, .c = 17, .gap = 3, .ragged = true},
                                   {"picture", .n = 5, .t = 9, .c = 7, .x = 4, .ragged = true},
                                   {"picture slice", .n = 5, .t = 8, .c = 7, .gap = 2, .x = 3, .ragged = true},
                                   {"larger", .n = 3, .t = 101, .c = 72, .ragged = true},
                                   {.name = NULL}};

/* ---- pad_time: x frames at each end ---- */

static void describe_pad_time(const op_row *r, op_case *c)
{
    c->attr.pad_time.pad = r->x;
    c->in[0] = activation(r, r->n, r->t, r->c);
    c->in[0].has_len = r->ragged;
    c->out[0] = activation(r, r->n, r->t + 2 * r->x, r->c);
    c->tol_f32 = 1e-6;
    ragged(c, r);
}

static const op_row rows_pad_time[] = {{"none", .n = 2, .t = 1, .c = 5, .x = 0},
                                       {"two frames", .n = 2, .t = 2, .c = 5, .x = 1},
                                       {"odd", .n = 3, .t = 7, .c = 37, .x = 3},
                                       {"slice", .n = 2, .t = 6, .c = 17, .gap = 3, .x = 5},
                                       {"ragged", .n = 6, .t = 9, .c = 17, .gap = 3, .x = 2, .ragged = true},
                                       {.name = NULL}};
