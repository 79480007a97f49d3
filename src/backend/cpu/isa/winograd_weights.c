/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gradient of the weights of winograd.c's convolution, y = A' (U * V) A with U = G g G', turned round place by place:
 *
 *     dU = sum over tiles of V (A dy A')     dg = G' dU G
 *
 * over pairs of channels 16 matrix products, C x tiles by tiles x O, where the direct gradient has 36. All threads together
 * transform a block of tiles, then share the places and panels of channels of its products, so that no sums of threads are
 * added up and their number changes no bit. A block's products are summed in registers and added to dU.
 *
 * Panels of WIDTH channels: a block's V and D = A dy A' are Q x C/WIDTH x tiles x WIDTH, dU is Q x O/WIDTH x C/WIDTH x
 * WIDTH x WIDTH, input channels before outputs. The bias's gradient is the sum of the place of D that is a tile's sum.
 */
#include "backend/cpu/isa/winograd_impl.h"

enum {
    Q = SPK_PLACES,
    WIDTH = SPK_PRODUCT_WIDTH,
    ROWS = SPK_ISA_LEVEL >= 4 ? 8 : 4, /* of a product whose sums fill the registers; they divide WIDTH */
    MOST_TILES = 256,                  /* of a block: two panels of a place stay in the first cache */
    BLOCK = 65536,                     /* channels times tiles of a block: 4 MB with all places */
    SUM_PLACE = 5
};

/* Parts of the scratch. */
typedef struct room {
    int64_t n_tiles, n_c, n_o; /* tiles of a block; channels */
    double *db;                /* O */
    float *zero, *v, *d, *du;
} room;

static room room_of(int64_t n_c, int64_t n_o, void *scratch)
{
    room r = {.n_tiles = spk__min(MOST_TILES, BLOCK / (n_c + n_o) + 1), .n_c = n_c, .n_o = n_o, .db = scratch};
    r.zero = (float *)(void *)(r.db + n_o);
    r.v = r.zero + (n_c > n_o ? n_c : n_o);
    r.d = r.v + Q * r.n_tiles * n_c;
    r.du = r.d + Q * r.n_tiles * n_o;
    return r;
}

size_t SPK_ISA_NAME(spk__winograd_weights_bytes)(const spk_geom *g)
{
    const room r = room_of(g->in[0].c, g->out[0].c, NULL);
    const int64_t floats = (r.n_c > r.n_o ? r.n_c : r.n_o) + Q * (r.n_tiles * (r.n_c + r.n_o) + r.n_c * r.n_o);
    return (size_t)r.n_o * sizeof(double) + (size_t)floats * sizeof(float);
}

/* A dy A' of a vector of channels. */
SPK_INLINE void transform_outputs(const float *const dy[4], int64_t o, float *d, int64_t step)
{
    spk_vec h[4][2];
    for (int j = 0; j < 2; j++) {
        const spk_vec d0 = spk__load(dy[j] + o), d1 = spk__load(dy[2 + j] + o);
        h[0][j] = d0;
        h[1][j] = d0 + d1;
        h[2][j] = d0 - d1;
        h[3][j] = -d1;
    }
    for (int i = 0; i < 4; i++) {
        spk__save(d + (4 * i) * step, h[i][0]);
        spk__save(d + (4 * i + 1) * step, h[i][0] + h[i][1]);
        spk__save(d + (4 * i + 2) * step, h[i][0] - h[i][1]);
        spk__save(d + (4 * i + 3) * step, -h[i][1]);
    }
}

/* Tile `tile` becomes the block's tile i. */
static void transform(const spk_kargs *a, const room *r, const spk_tiles *all, int64_t tile, int64_t i)
{
    const float *at[Q];
    spk__tile_places(&a->in[0], all, tile, 4, 1, r->zero, at);
    for (int64_t c = 0; c < r->n_c; c += SPK_LANES)
        spk__transform_inputs(at, c, r->v + (c / WIDTH * r->n_tiles + i) * WIDTH + c % WIDTH, r->n_tiles * r->n_c);
    spk__tile_places(&a->dout[0], all, tile, 2, 0, r->zero, at);
    for (int64_t o = 0; o < r->n_o; o += SPK_LANES)
        transform_outputs(at, o, r->d + (o / WIDTH * r->n_tiles + i) * WIDTH + o % WIDTH, r->n_tiles * r->n_o);
}

/* du += v' d over n tiles: ROWS input channels by a panel of outputs. */
SPK_INLINE void product(int64_t n, const float *v, const float *d, float *du)
{
    spk_vec sum[ROWS][2] = {0};
    for (int64_t k = 0; k < n; k++) {
        const spk_vec d0 = spk__load(d + k * WIDTH), d1 = spk__load(d + k * WIDTH + SPK_LANES);
#pragma GCC unroll 8
        for (int i = 0; i < ROWS; i++) {
            const float s = v[k * WIDTH + i];
            sum[i][0] += s * d0;
            sum[i][1] += s * d1;
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < ROWS; i++) {
        float *to = du + i * WIDTH;
        spk__save(to, spk__load(to) + sum[i][0]);
        spk__save(to + SPK_LANES, spk__load(to + SPK_LANES) + sum[i][1]);
    }
}

/* All products of place q with panel o of the outputs. */
static void add_products(const room *r, int64_t q, int64_t o, int64_t n)
{
    const int64_t panels = r->n_c / WIDTH;
    const float *v = r->v + q * r->n_tiles * r->n_c, *d = r->d + q * r->n_tiles * r->n_o + o * r->n_tiles * WIDTH;
    float *du = r->du + (q * (r->n_o / WIDTH) + o) * panels * WIDTH * WIDTH;
    for (int64_t c = 0; c < panels; c++)
        for (int i = 0; i < WIDTH; i += ROWS)
            product(n, v + c * r->n_tiles * WIDTH + i, d, du + (c * WIDTH + i) * WIDTH);
    for (int64_t k = 0; k < n && q == SUM_PLACE; k++)
        for (int j = 0; j < WIDTH; j++)
            r->db[o * WIDTH + j] += (double)d[k * WIDTH + j];
}

/* dg = G' dU G of one pair of channels, 3 taps over time by 3 over frequency. */
static void turn_back(const float u[Q], float g[3][3])
{
    float h[3][4];
    for (int j = 0; j < 4; j++) {
        const float sum = 0.5f * (u[4 + j] + u[8 + j]);
        h[0][j] = u[j] + sum;
        h[1][j] = 0.5f * (u[4 + j] - u[8 + j]);
        h[2][j] = sum + u[12 + j];
    }
    for (int i = 0; i < 3; i++) {
        const float sum = 0.5f * (h[i][1] + h[i][2]);
        g[i][0] = h[i][0] + sum;
        g[i][1] = 0.5f * (h[i][1] - h[i][2]);
        g[i][2] = sum + h[i][3];
    }
}

static void add_gradient(const spk_kargs *a, const room *r, int64_t o)
{
    const bool freq_first = ((const spk_conv2d_attr *)a->attr)->freq_first;
    for (int64_t c = 0; c < r->n_c; c++) {
        float *dw = (float *)a->din[1].p + (o * r->n_c + c) * 9, u[Q], g[3][3];
        const float *du = r->du + ((o / WIDTH) * r->n_c + c) * WIDTH + o % WIDTH;
        for (int q = 0; q < Q; q++)
            u[q] = du[q * r->n_o * r->n_c];
        turn_back(u, g);
        for (int k = 0; k < 9; k++)
            dw[k] += freq_first ? g[k % 3][k / 3] : g[k / 3][k % 3];
    }
    if (a->din[2].p) {
        float *db = (float *)a->din[2].p + o;
        *db = (float)((double)*db + r->db[o]);
    }
}

void SPK_ISA_NAME(spk__winograd_weights)(const spk_kargs *a)
{
    const room r = room_of(a->in[0].c, a->out[0].c, a->scratch);
    const spk_tiles all = spk__tiles(&a->out[0]);
    const int64_t tasks = Q * (r.n_o / WIDTH);
    memset(r.db, 0, (size_t)r.n_o * sizeof *r.db);
    memset(r.zero, 0, (size_t)(r.n_c > r.n_o ? r.n_c : r.n_o) * sizeof *r.zero);
    memset(r.du, 0, (size_t)(Q * r.n_c * r.n_o) * sizeof *r.du);
#pragma omp parallel num_threads(a->ctx->n_threads)
    {
        for (int64_t first = 0; first < all.n; first += r.n_tiles) {
            const int64_t n = spk__min(r.n_tiles, all.n - first);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < n; i++)
                transform(a, &r, &all, first + i, i);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < tasks; i++)
                add_products(&r, i / (r.n_o / WIDTH), i % (r.n_o / WIDTH), n);
        }
#pragma omp for schedule(static)
        for (int64_t o = 0; o < r.n_o; o++)
            add_gradient(a, &r, o);
    }
}
