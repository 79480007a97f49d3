/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions as matrix products (conv1d, conv2d): y = gathered x times w^T, dx = gathered dy times w, dw = dy^T times
 * gathered x. Where cuDNN has something for a pass (dnn_conv.cu), that runs instead, and for dw of few channels a kernel of its own
 * (conv_filter.cu; SPK_CUDA_FILTER in the environment); options.no_dnn, or
 * SPK_CUDA_CONV=products in the environment, forbids it. A convolution of one tap over all rows is one product of x as it lies.
 */
#include "backend/cuda/conv_impl.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_A_PART = 256, TILE = 128, MOST_SPLITS = 512, MOST_FILTERED = 256 };
static const size_t usual_columns = size_t(256) << 20; /* bytes of gathered rows at once */

struct spk_conv_state {
    spk_conv k;
    spk_cuda *device;
    spk_dnn_conv *dnn[3]; /* by spk_dnn_pass; NULL: products */
    bool first, filters;  /* forward by conv_first.cu, dw by conv_filter.cu */
    spk_conv_filter filter;
    bool exact;                /* y's sign is read later, so its bias is added in float */
    bool dnn_finishes;         /* cuDNN's forward pass leaves bias and ReLU to spk_conv_finish */
    bool writes_dx;            /* never added to */
    int64_t y_chunk, x_chunk;  /* rows that are gathered at once, for y and dw, for dx */
    int64_t splits;            /* of dw's sum over rows */
    spk_dtype dw_type;         /* of cuDNN's gradient of the weights */
    bool weights_lie, dw_lies; /* parameters are read, or their gradient added to, as they lie */
};

/* ---- memory ---- */

/* What a pass has in its scratch; NULL: not needed. */
struct room {
    char *weights, *bias, *x, *columns, *y; /* x: its copy in the factors' type; y: float, or cuDNN's dx */
    char *dy, *partial, *sums, *workspace;
    size_t bytes;
};

static char *take(room *r, char *base, size_t bytes)
{
    char *p = base + r->bytes;
    r->bytes += (bytes + 255) / 256 * 256;
    return p;
}

static size_t size_of(const spk_conv *k)
{
    return spk_conv_size(k->type);
}
/* Elements of a row of x's products, and of dx's: as they lie, or gathered and padded. */
static int64_t x_pitch(const spk_conv *k)
{
    return spk_conv_is_product(k) ? k->c : spk_conv_pitch(k, k->c);
}
static int64_t dy_pitch(const spk_conv *k)
{
    return spk_conv_is_product(k) ? k->o : spk_conv_pitch(k, k->o);
}
/* What cuDNN takes: (o, taps, c) without padding. */
static int64_t dense_pitch(const spk_conv *k)
{
    return static_cast<int64_t>(spk_conv_taps(k)) * k->c;
}
static bool gathers(const spk_conv *k, spk_dtype read)
{
    return !spk_conv_is_product(k) || read != k->type;
}
static size_t times(int64_t rows, int64_t columns, size_t size)
{
    return static_cast<size_t>(rows * columns) * size;
}

static room forward_room(const spk_conv_state *s, spk_dtype x_type, char *base)
{
    const spk_conv *k = &s->k;
    const spk_dnn_conv *dnn = s->dnn[SPK_DNN_FORWARD];
    room r = {};
    if (!s->weights_lie) r.weights = take(&r, base, times(x_pitch(k), k->o, size_of(k)));
    r.bias = take(&r, base, static_cast<size_t>(k->o) * sizeof(float));
    if (s->first) return r;
    if (dnn) {
        if (x_type != k->type) r.x = take(&r, base, times(spk_conv_x_rows(k), k->c, size_of(k)));
        r.workspace = take(&r, base, spk_dnn_conv_workspace(dnn));
        return r;
    }
    if (gathers(k, x_type)) r.columns = take(&r, base, times(s->y_chunk, x_pitch(k), size_of(k)));
    if (s->exact) r.y = take(&r, base, times(s->y_chunk, k->o, sizeof(float)));
    return r;
}

/* want: dx, dw, db. */
static room backward_room(const spk_conv_state *s, spk_dtype x_type, spk_dtype dy_type, const bool *want, char *base)
{
    const spk_conv *k = &s->k;
    const spk_dnn_conv *data = s->dnn[SPK_DNN_DATA], *filter = s->dnn[SPK_DNN_FILTER];
    size_t columns = 0, workspace = 0;
    room r = {};
    if (k->masks_dy || dy_type != k->type) r.dy = take(&r, base, times(spk_conv_y_rows(k), k->o, size_of(k)));
    if (want[0]) {
        const int64_t weights = data ? dense_pitch(k) * k->o : dy_pitch(k) * k->c;
        if (!s->weights_lie) r.weights = take(&r, base, times(weights, 1, size_of(k)));
        if (data && !s->writes_dx) r.y = take(&r, base, times(spk_conv_x_rows(k), k->c, spk_conv_size(x_type)));
        if (data) workspace = spk_dnn_conv_workspace(data);
        if (!data && !spk_conv_is_product(k)) columns = times(s->x_chunk, dy_pitch(k), size_of(k));
    }
    if (want[1] && s->filters) {
        if (x_type != k->type) r.x = take(&r, base, times(spk_conv_x_rows(k), k->c, size_of(k)));
        r.partial = take(&r, base, times(s->filter.splits * dense_pitch(k), k->o, sizeof(float)));
    } else if (want[1] && filter) {
        const size_t bytes = spk_dnn_conv_workspace(filter);
        if (x_type != k->type) r.x = take(&r, base, times(spk_conv_x_rows(k), k->c, size_of(k)));
        r.partial = take(&r, base, times(dense_pitch(k), k->o, spk_conv_size(s->dw_type)));
        if (bytes > workspace) workspace = bytes;
    } else if (want[1]) {
        const size_t bytes = times(s->y_chunk, x_pitch(k), size_of(k));
        if (!s->dw_lies) r.partial = take(&r, base, times(s->splits * x_pitch(k), k->o, sizeof(float)));
        if (gathers(k, x_type) && bytes > columns) columns = bytes;
    }
    if (want[2]) r.sums = take(&r, base, spk_conv_sum_bytes(spk_conv_y_rows(k), k->o));
    if (columns > 0) r.columns = take(&r, base, columns);
    if (workspace > 0) r.workspace = take(&r, base, workspace);
    return r;
}

size_t spk_conv_scratch(const spk_geom *g, const void *state)
{
    const spk_conv_state *s = static_cast<const spk_conv_state *>(state);
    const size_t forward = forward_room(s, g->in[0].dtype, nullptr).bytes;
    const size_t backward = backward_room(s, g->in[0].dtype, g->out[0].dtype, g->want_din, nullptr).bytes;
    return g->train && backward > forward ? backward : forward;
}

/* ---- making ---- */

bool spk_conv_supports(const spk_geom *g, const spk_conv *k)
{
    const int64_t most = int64_t(1) << 30;
    return spk_is_real(&g->in[0]) && spk_is_real(&g->out[0]) && spk_conv_x_rows(k) < most &&
           spk_conv_y_rows(k) < most && spk_conv_pitch(k, k->c) * k->o < most && spk_conv_pitch(k, k->o) * k->c < most;
}

/* Rows of so many columns that are gathered at once. */
static int64_t chunk_of(const spk_conv *k, int64_t rows, int64_t columns)
{
    const char *text = getenv("SPK_CUDA_COLUMNS"); /* bytes: for tests of many chunks */
    const size_t most = text ? static_cast<size_t>(atoll(text)) : usual_columns;
    const int64_t n = static_cast<int64_t>(most / (static_cast<size_t>(columns) * size_of(k)));
    return n < 1 ? 1 : n < rows ? n : rows;
}

/* dw's few tiles would keep a few multiprocessors busy with a long sum: it is split so that all have work. */
static int64_t splits_of(const spk_conv_state *s)
{
    const spk_conv *k = &s->k;
    const int64_t tiles = ((k->o + TILE - 1) / TILE) * ((x_pitch(k) + TILE - 1) / TILE);
    int64_t n = 2 * s->device->n_sm / tiles;
    if (n > s->y_chunk / ROWS_A_PART) n = s->y_chunk / ROWS_A_PART;
    return n < 1 ? 1 : n < MOST_SPLITS ? n : static_cast<int64_t>(MOST_SPLITS);
}

/*
 * Is dw conv_filter.cu's? With many channels cuDNN's engine is good; its deterministic one is slow with few.
 * SPK_CUDA_FILTER=tiles: wherever possible; SPK_CUDA_FILTER=others: never.
 */
static void plan_filter(spk_conv_state *s, const spk_geom *g)
{
    const char *text = getenv("SPK_CUDA_FILTER"), *path = getenv("SPK_CUDA_CONV");
    const spk_conv *k = &s->k;
    const bool wanted = text && strcmp(text, "tiles") == 0, unwanted = text && strcmp(text, "others") == 0;
    const bool few = k->c >= 16 && k->o >= 16 && k->c <= MOST_FILTERED && k->o <= MOST_FILTERED;
    const bool fits = few || (k->c == 1 && spk_conv_taps(k) <= 16);
    if (spk_conv_is_product(k) || !g->want_din[1] || unwanted || (!wanted && !fits)) return;
    if (!wanted && path && strcmp(path, "products") == 0) return;
    s->filters = spk_conv_filter_plan(s->device, k, &s->filter);
}

/* cuDNN's plans for the passes that will run. */
static void ask_cudnn(spk_conv_state *s, const spk_geom *g)
{
    const spk_conv *k = &s->k;
    const char *path = getenv("SPK_CUDA_CONV");
    const spk_view *x = &g->in[0], *y = &g->out[0];
    const bool biased = g->has_in[2] || g->has_in[5], bare = !biased && !k->relu;
    if (spk_conv_is_product(k) || s->device->options.no_dnn || (path && strcmp(path, "products") == 0)) return;
    spk_dnn_wish w = {SPK_DNN_FORWARD, k->type, y->dtype, k->type,  x->dtype == k->type ? x->ld : k->c,
                      y->ld,           biased,  k->relu,  !g->train};
    if (!s->first) s->dnn[SPK_DNN_FORWARD] = spk_dnn_conv_new(s->device, k, &w);
    if (!s->first && !s->dnn[SPK_DNN_FORWARD] && !bare && !(s->exact && biased)) {
        w.bias = w.relu = false;
        s->dnn[SPK_DNN_FORWARD] = spk_dnn_conv_new(s->device, k, &w);
        s->dnn_finishes = s->dnn[SPK_DNN_FORWARD] != nullptr;
    }
    const int64_t dy_ld = k->masks_dy || y->dtype != k->type ? k->o : y->ld;
    if (g->want_din[0]) {
        w = {SPK_DNN_DATA, x->dtype, k->type, k->type, s->writes_dx ? x->ld : k->c, dy_ld, false, false, false};
        s->dnn[SPK_DNN_DATA] = spk_dnn_conv_new(s->device, k, &w);
    }
    for (int i = 0; i < 2 && g->want_din[1] && !s->filters && !s->dnn[SPK_DNN_FILTER]; i++) {
        s->dw_type = i == 0 ? SPK_F32 : k->type;
        w = {SPK_DNN_FILTER, k->type, k->type, s->dw_type, x->dtype == k->type ? x->ld : k->c,
             dy_ld,          false,   false,   false};
        if (i == 0 || k->type != SPK_F32) s->dnn[SPK_DNN_FILTER] = spk_dnn_conv_new(s->device, k, &w);
    }
}

spk_status spk_conv_create(const spk_geom *g, const spk_conv *k, void **state)
{
    spk_conv_state *s = static_cast<spk_conv_state *>(calloc(1, sizeof *s));
    if (!s) spk_cuda_short_of_memory(sizeof *s);
    s->k = *k;
    s->device = spk_cuda_of(g);
    s->exact = g->train && k->masks_dy && g->out[0].dtype == SPK_BF16 && g->has_in[2];
    s->writes_dx = g->writes_din[0];
    s->weights_lie = k->type == SPK_F32 && spk_conv_is_product(k) && k->w_c == 1 && !g->has_in[5];
    s->y_chunk = gathers(k, g->in[0].dtype) || s->exact
                     ? chunk_of(k, spk_conv_y_rows(k), x_pitch(k) + (s->exact ? 2 * k->o : 0))
                     : spk_conv_y_rows(k);
    s->x_chunk = spk_conv_is_product(k) ? spk_conv_x_rows(k) : chunk_of(k, spk_conv_x_rows(k), dy_pitch(k));
    s->splits = splits_of(s);
    s->dw_lies = spk_conv_is_product(k) && k->w_c == 1 && s->splits == 1;
    const char *path = getenv("SPK_CUDA_CONV");
    s->first = spk_conv_is_first(k) && !(path && strcmp(path, "products") == 0);
    plan_filter(s, g);
    ask_cudnn(s, g);
    *state = s;
    return SPK_OK;
}

void spk_conv_destroy(void *state)
{
    spk_conv_state *s = static_cast<spk_conv_state *>(state);
    for (int i = 0; s && i < 3; i++)
        spk_dnn_conv_free(s->device, s->dnn[i]);
    free(s);
}

/* ---- rows and matrices ---- */

static spk_rows_of rows_of(const spk_view *v)
{
    return {v->p, v->dtype, v->ld};
}
static spk_rows_of dense(void *p, spk_dtype type, int64_t c)
{
    return {p, type, c};
}
static spk_matrix matrix(const spk_rows_of *r, int64_t first, int64_t rows, int64_t cols)
{
    char *p = static_cast<char *>(r->p) + static_cast<size_t>(first * r->ld) * spk_conv_size(r->type);
    return {p, r->type, rows, cols, r->ld, 0};
}

/* Rows [first, first + n) of what the products read: x as it lies, or gathered. */
static spk_matrix x_columns(const spk_kargs *a, const spk_conv_state *s, const room *r, int64_t first, int64_t n)
{
    const spk_conv *k = &s->k;
    const spk_rows_of x = rows_of(&a->in[0]);
    const int64_t columns = x_pitch(k);
    if (!r->columns || !gathers(k, x.type)) return matrix(&x, first, n, columns);
    const spk_rows_of to = dense(r->columns, k->type, columns);
    spk_conv_gather(s->device, k, false, &x, first, n, &to);
    return matrix(&to, 0, n, columns);
}

/* ---- forward ---- */

static void forward_products(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *w,
                             const float *bias)
{
    const spk_conv *k = &s->k;
    const spk_rows_of y = rows_of(&a->out[0]);
    const int64_t rows = spk_conv_y_rows(k), columns = x_pitch(k);
    spk_product how = {};
    how.transpose_b = true;
    how.batch = 1;
    for (int64_t first = 0; first < rows; first += s->y_chunk) {
        const int64_t n = rows - first < s->y_chunk ? rows - first : s->y_chunk;
        const spk_matrix x = x_columns(a, s, r, first, n), weights = matrix(w, 0, k->o, columns);
        const spk_matrix out = matrix(&y, first, n, k->o);
        if (s->exact) {
            const spk_rows_of sums = dense(r->y, SPK_F32, k->o), to = {out.p, y.type, y.ld};
            const spk_matrix product = matrix(&sums, 0, n, k->o);
            spk_cuda_product(s->device, &x, &weights, &product, &how);
            spk_conv_finish(s->device, &sums, &to, n, k->o, bias, k->relu, false);
        } else {
            how.bias = bias;
            how.relu = k->relu;
            spk_cuda_product(s->device, &x, &weights, &out, &how);
        }
    }
}

static void forward_cudnn(const spk_kargs *a, const spk_conv_state *s, const room *r, void *w, const float *bias)
{
    const spk_conv *k = &s->k;
    const spk_rows_of x = rows_of(&a->in[0]), y = rows_of(&a->out[0]), copy = dense(r->x, k->type, k->c);
    if (r->x) spk_conv_mask(s->device, &x, nullptr, &copy, spk_conv_x_rows(k), k->c);
    spk_dnn_conv_run(s->device, s->dnn[SPK_DNN_FORWARD], r->x ? r->x : x.p, w, y.p, s->dnn_finishes ? nullptr : bias,
                     r->workspace);
    if (s->dnn_finishes) spk_conv_finish(s->device, &y, &y, spk_conv_y_rows(k), k->o, bias, k->relu, false);
}

void spk_conv_fwd(const spk_kargs *a)
{
    const spk_conv_state *s = static_cast<const spk_conv_state *>(a->state);
    const spk_conv *k = &s->k;
    const room r = forward_room(s, a->in[0].dtype, static_cast<char *>(a->scratch));
    const spk_dnn_conv *dnn = s->dnn[SPK_DNN_FORWARD];
    const int64_t columns = dnn ? dense_pitch(k) : x_pitch(k);
    const float *bias = static_cast<const float *>(a->in[2].p);
    if (a->in[5].p || (dnn && bias)) { /* cuDNN also wants it aligned */
        bias = reinterpret_cast<const float *>(r.bias);
        spk_conv_bias(a, k, reinterpret_cast<float *>(r.bias));
    }
    const spk_rows_of w =
        s->weights_lie ? spk_rows_of{a->in[1].p, SPK_F32, k->w_o} : dense(r.weights, k->type, columns);
    if (!s->weights_lie) spk_conv_weights(a, k, false, columns, r.weights);
    if (s->first) {
        const spk_rows_of x = rows_of(&a->in[0]), y = rows_of(&a->out[0]);
        spk_conv_first(s->device, k, &x, &w, bias, &y);
    } else if (dnn)
        forward_cudnn(a, s, &r, w.p, bias);
    else
        forward_products(a, s, &r, &w, bias);
}

/* ---- backward ---- */

static void data_products(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *dy)
{
    const spk_conv *k = &s->k;
    const spk_rows_of dx = rows_of(&a->din[0]);
    const int64_t rows = spk_conv_x_rows(k), columns = dy_pitch(k);
    const spk_rows_of w = s->weights_lie ? spk_rows_of{a->in[1].p, SPK_F32, k->w_o} : dense(r->weights, k->type, k->c);
    spk_product how = {};
    how.add = a->add[0];
    how.batch = 1;
    if (!s->weights_lie) spk_conv_weights(a, k, true, columns, r->weights);
    for (int64_t first = 0; first < rows; first += s->x_chunk) {
        const int64_t n = rows - first < s->x_chunk ? rows - first : s->x_chunk;
        spk_matrix met = matrix(dy, first, n, k->o);
        if (!spk_conv_is_product(k)) {
            const spk_rows_of to = dense(r->columns, k->type, columns);
            spk_conv_gather(s->device, k, true, dy, first, n, &to);
            met = matrix(&to, 0, n, columns);
        }
        const spk_matrix weights = matrix(&w, 0, columns, k->c), out = matrix(&dx, first, n, k->c);
        spk_cuda_product(s->device, &met, &weights, &out, &how);
    }
}

static void data_cudnn(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *dy)
{
    const spk_conv *k = &s->k;
    const spk_rows_of dx = rows_of(&a->din[0]), copy = dense(r->y, dx.type, k->c);
    spk_conv_weights(a, k, false, dense_pitch(k), r->weights);
    spk_dnn_conv_run(s->device, s->dnn[SPK_DNN_DATA], r->y ? r->y : dx.p, r->weights, dy->p, nullptr, r->workspace);
    if (r->y) spk_conv_finish(s->device, &copy, &dx, spk_conv_x_rows(k), k->c, nullptr, false, a->add[0]);
}

/* The rows of a chunk in s->splits equal parts, each to its own partial sum; what is left over is added to the first. */
static void filter_chunk(const spk_conv_state *s, const spk_matrix *dy, const spk_matrix *x, void *partial, bool add)
{
    const spk_conv *k = &s->k;
    const int64_t each = dy->rows / s->splits, rest = dy->rows - each * s->splits;
    const int64_t columns = x->cols, most = each * s->splits;
    const size_t size = size_of(k);
    spk_product how = {};
    how.transpose_a = true;
    how.add = add;
    how.batch = s->splits;
    const spk_matrix dw = {partial, SPK_F32, k->o, columns, columns, k->o * columns};
    spk_matrix part_dy = *dy, part_x = *x;
    part_dy.rows = part_x.rows = each;
    part_dy.stride = each * dy->ld;
    part_x.stride = each * x->ld;
    if (each > 0) spk_cuda_product(s->device, &part_dy, &part_x, &dw, &how);
    if (rest == 0) return;
    how.add = true;
    how.batch = 1;
    part_dy.rows = part_x.rows = rest;
    part_dy.p = static_cast<char *>(dy->p) + static_cast<size_t>(most * dy->ld) * size;
    part_x.p = static_cast<char *>(x->p) + static_cast<size_t>(most * x->ld) * size;
    spk_cuda_product(s->device, &part_dy, &part_x, &dw, &how);
}

static void filter_products(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *dy)
{
    const spk_conv *k = &s->k;
    const int64_t rows = spk_conv_y_rows(k);
    float *grads = static_cast<float *>(a->din[1].p);
    for (int64_t first = 0; first < rows; first += s->y_chunk) {
        const int64_t n = rows - first < s->y_chunk ? rows - first : s->y_chunk;
        const spk_matrix x = x_columns(a, s, r, first, n), y = matrix(dy, first, n, k->o);
        if (s->dw_lies) {
            const spk_matrix dw = {grads, SPK_F32, k->o, k->c, k->w_o, 0};
            spk_product how = {};
            how.transpose_a = how.add = true;
            how.batch = 1;
            spk_cuda_product(s->device, &y, &x, &dw, &how);
        } else {
            filter_chunk(s, &y, &x, r->partial, first > 0);
        }
    }
    if (!s->dw_lies) spk_conv_add_weights(s->device, k, r->partial, SPK_F32, x_pitch(k), s->splits, grads);
}

static void filter_cudnn(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *dy)
{
    const spk_conv *k = &s->k;
    const spk_rows_of x = rows_of(&a->in[0]), copy = dense(r->x, k->type, k->c);
    if (r->x) spk_conv_mask(s->device, &x, nullptr, &copy, spk_conv_x_rows(k), k->c);
    spk_dnn_conv_run(s->device, s->dnn[SPK_DNN_FILTER], r->x ? r->x : x.p, r->partial, dy->p, nullptr, r->workspace);
    spk_conv_add_weights(s->device, k, r->partial, s->dw_type, dense_pitch(k), 1, static_cast<float *>(a->din[1].p));
}

static void filter_tiles(const spk_kargs *a, const spk_conv_state *s, const room *r, const spk_rows_of *dy)
{
    const spk_conv *k = &s->k;
    const spk_rows_of x = rows_of(&a->in[0]), copy = dense(r->x, k->type, k->c);
    float *partial = reinterpret_cast<float *>(r->partial);
    if (r->x) spk_conv_mask(s->device, &x, nullptr, &copy, spk_conv_x_rows(k), k->c);
    spk_conv_filter_run(s->device, k, &s->filter, r->x ? &copy : &x, dy, partial);
    spk_conv_add_weights(s->device, k, partial, SPK_F32, dense_pitch(k), s->filter.splits,
                         static_cast<float *>(a->din[1].p));
}

void spk_conv_bwd(const spk_kargs *a)
{
    const spk_conv_state *s = static_cast<const spk_conv_state *>(a->state);
    const spk_conv *k = &s->k;
    const bool want[3] = {a->din[0].p != nullptr, a->din[1].p != nullptr, a->din[2].p != nullptr};
    const room r = backward_room(s, a->in[0].dtype, a->dout[0].dtype, want, static_cast<char *>(a->scratch));
    spk_rows_of dy = rows_of(&a->dout[0]);
    if (r.dy) {
        const spk_rows_of sign = rows_of(&a->out[0]), to = dense(r.dy, k->type, k->o);
        spk_conv_mask(s->device, &dy, k->masks_dy ? &sign : nullptr, &to, spk_conv_y_rows(k), k->o);
        dy = to;
    }
    if (want[0] && s->dnn[SPK_DNN_DATA])
        data_cudnn(a, s, &r, &dy);
    else if (want[0])
        data_products(a, s, &r, &dy);
    if (want[1] && s->filters)
        filter_tiles(a, s, &r, &dy);
    else if (want[1] && s->dnn[SPK_DNN_FILTER])
        filter_cudnn(a, s, &r, &dy);
    else if (want[1])
        filter_products(a, s, &r, &dy);
    if (want[2])
        spk_conv_add_sums(s->device, &dy, spk_conv_y_rows(k), k->o, reinterpret_cast<float *>(r.sums),
                          static_cast<float *>(a->din[2].p));
}
