/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A convolution towards its weights with few channels, in bfloat16: dw[o, tap, c] = sum over places of dy[place, o]
 * x[place under the tap, c]. A block walks over tiles of tu x tv places of its share of the pictures. It brings a tile of dy and what all
 * taps meet of x into shared memory, two tiles ahead, and has the tensor cores multiply them for M x 16 outputs, `slices` x 16 inputs
 * and every tap, whose rows of x are the same ones in another order. Its sums stay in registers over its whole share
 * and then go to partial (splits, o, tap, c), which spk_conv_add_weights sums up.
 */
#include "backend/cuda/conv_impl.h"
#include "backend/cuda/mma_impl.h"
#include "backend/cuda/product_impl.h"

#include <stdio.h>

/* A warp has ITEMS pairs of tap and slice. */
enum { WARP = 32, K = 16, ITEMS = 2, MOST_WARPS = 10, LEAST_WARPS = 4, STAGES = 3, MOST_PLACES = 128, PAD = 8 };
static const size_t shared_of_two = 110 * 1024, shared_of_one = 220 * 1024; /* so that blocks share a multiprocessor */

struct job {
    const spk_b16 *x, *dy;
    int64_t x_ld, dy_ld;
    float *partial;
    spk_conv k;
    spk_conv_filter f;
    bool x_wide, dy_wide; /* rows are aligned to 16 bytes */
};

/* Rows of shared memory: an odd number of 16 bytes, so that eight of them lie in different banks. */
__host__ __device__ static int row_of(int sixteens)
{
    return sixteens * 16 + PAD;
}

/* Tables: what a row of a tile is. Rows and columns of tiles are packed into one number, -1 for places that fill up to K. */
struct tables {
    int *x_at;    /* by place: where its row of x begins under tap 0 */
    int *y_place; /* by place: its row and column in the tile */
    int *x_place; /* by row of x: likewise */
};

__device__ static void fill_tables(const job &j, const tables &t)
{
    const spk_conv_filter &f = j.f;
    for (int p = static_cast<int>(threadIdx.x); p < f.places; p += static_cast<int>(blockDim.x)) {
        const int u = p / f.tv, v = p - u * f.tv;
        const bool filler = u >= f.tu;
        t.y_place[p] = filler ? -1 : u << 16 | v;
        t.x_at[p] = filler ? 0 : (u * f.at_u * f.xw + v * f.at_v) * row_of(f.slices);
    }
    for (int i = static_cast<int>(threadIdx.x); i < f.xh * f.xw; i += static_cast<int>(blockDim.x))
        t.x_place[i] = i / f.xw << 16 | i % f.xw;
}

__device__ static void bring(spk_b16 *to, const spk_b16 *from, bool there, bool wide)
{
    if (wide) {
        spk_copy_16(to, from, there);
        return;
    }
    for (int i = 0; i < 8; i++)
        to[i].bits = there ? from[i].bits : 0;
}

/* With few channels: what each place meets under all taps is a row of its own, as of a convolution of one tap. */
__device__ static void gather_tile(const job &j, const tables &t, int n, int first_u, int first_v, int first_c,
                                   spk_b16 *x)
{
    const spk_conv &k = j.k;
    const spk_conv_filter &f = j.f;
    const int mask = (2 << f.slice_bits) - 1, columns = k.kh * k.kw * k.c;
    for (int i = static_cast<int>(threadIdx.x); i < f.xh * f.xw << (f.slice_bits + 1);
         i += static_cast<int>(blockDim.x)) {
        const int r = i >> (f.slice_bits + 1), part = (i & mask) * 8, place = t.x_place[r];
        const int x_h = (first_u + (place >> 16)) * k.sh - k.ph, x_w = (first_v + (place & 0xffff)) * k.sw - k.pw;
        for (int e = 0; e < 8; e++) {
            const int column = first_c + part + e, tap = column / k.c, row = tap / k.kw;
            const int h = x_h + row * k.dh, w = x_w + (tap - row * k.kw) * k.dw;
            const bool there = column < columns && h >= 0 && h < k.h && w >= 0 && w < k.w;
            const int64_t from = (static_cast<int64_t>(n) * k.h + h) * k.w + w;
            x[r * row_of(f.slices) + part + e].bits = there ? j.x[from * j.x_ld + (column - tap * k.c)].bits : 0;
        }
    }
}

/* dy (places, M x 16) and behind it x (xh xw, slices x 16) of one tile. */
template <int M, bool GATHERS>
__device__ static void bring_tile(const job &j, const tables &t, int tile, int first_o, int first_c, spk_b16 *dy,
                                  spk_b16 *x)
{
    const spk_conv &k = j.k;
    const spk_conv_filter &f = j.f;
    const int line = tile / f.tiles_v, n = line / f.tiles_u;
    const int first_u = (line - n * f.tiles_u) * f.tu, first_v = (tile - line * f.tiles_v) * f.tv;
    for (int i = static_cast<int>(threadIdx.x); i < f.places * 2 * M; i += static_cast<int>(blockDim.x)) {
        const int p = i / (2 * M), part = i % (2 * M) * 8, place = t.y_place[p];
        const int u = first_u + (place >> 16), v = first_v + (place & 0xffff), o = first_o + part;
        const bool there = place >= 0 && u < k.u && v < k.v && o < k.o;
        const int64_t row = (static_cast<int64_t>(n) * k.u + u) * k.v + v;
        bring(dy + p * row_of(M) + part, j.dy + (there ? row * j.dy_ld + o : 0), there, j.dy_wide);
    }
    if (GATHERS) {
        gather_tile(j, t, n, first_u, first_v, first_c, x);
        return;
    }
    const int x_h = first_u * k.sh - k.ph, x_w = first_v * k.sw - k.pw, mask = (2 << f.slice_bits) - 1;
    for (int i = static_cast<int>(threadIdx.x); i < f.xh * f.xw << (f.slice_bits + 1);
         i += static_cast<int>(blockDim.x)) {
        const int r = i >> (f.slice_bits + 1), part = (i & mask) * 8, place = t.x_place[r];
        const int h = x_h + (place >> 16) * f.in_u, w = x_w + (place & 0xffff) * f.in_v, c = first_c + part;
        const bool there = h >= 0 && h < k.h && w >= 0 && w < k.w && c < k.c;
        const int64_t row = (static_cast<int64_t>(n) * k.h + h) * k.w + w;
        bring(x + r * row_of(f.slices) + part, j.x + (there ? row * j.x_ld + c : 0), there, j.x_wide);
    }
}

/* at: of this lane's rows of x under its items' taps and slices. */
template <int M>
__device__ static void multiply(const spk_conv_filter &f, const int *x_at, const int *at, const spk_b16 *dy,
                                const spk_b16 *x, float (*sum)[M][2][4])
{
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const spk_b16 *dy_row = dy + (lane % 8 + lane / 16 * 8) * row_of(M) + lane / 8 % 2 * 8;
    x_at += lane % 8 + lane / 8 % 2 * 8;
    for (int p = 0; p < f.places; p += K) {
        uint32_t a[4], b[ITEMS][4];
#pragma unroll
        for (int i = 0; i < ITEMS; i++)
            spk_mma_load_turned(b[i], x + x_at[p] + at[i]);
#pragma unroll
        for (int m = 0; m < M; m++) {
            spk_mma_load_turned(a, dy_row + p * row_of(M) + m * 16);
#pragma unroll
            for (int i = 0; i < ITEMS; i++) {
                spk_mma(sum[i][m][0], a, b[i]);
                spk_mma(sum[i][m][1], a, b[i] + 2);
            }
        }
    }
}

template <int M>
__device__ static void write_item(const job &j, int tap, int first_o, int first_c, const float (*sum)[2][4])
{
    const spk_conv &k = j.k;
    const int lane = static_cast<int>(threadIdx.x) % WARP;
    const int64_t taps = j.f.taps;
    float *partial = j.partial + blockIdx.y * taps * k.o * j.f.inputs;
#pragma unroll
    for (int m = 0; m < M; m++)
        for (int half = 0; half < 4; half++) {
            const int o = first_o + m * 16 + lane / 4 + half / 2 * 8;
            const int c = first_c + half % 2 * 8 + lane % 4 * 2;
            const float *from = sum[m][half % 2] + half / 2 * 2;
            float *to = partial + (o * taps + tap) * j.f.inputs + c;
            if (o < k.o && c < j.f.inputs) to[0] = from[0];
            if (o < k.o && c + 1 < j.f.inputs) to[1] = from[1];
        }
}

template <int M, bool GATHERS> static __global__ void __launch_bounds__(MOST_WARPS *WARP, 2) filter(const job j)
{
    SPK_SHARED(spk_b16, shared);
    const spk_conv_filter &f = j.f;
    const int x_rows = f.xh * f.xw, dy_size = f.places * row_of(M), stage = dy_size + x_rows * row_of(f.slices);
    const tables t = {reinterpret_cast<int *>(shared + STAGES * stage),
                      reinterpret_cast<int *>(shared + STAGES * stage) + f.places,
                      reinterpret_cast<int *>(shared + STAGES * stage) + 2 * f.places};
    const int o_tile = static_cast<int>(blockIdx.x) % f.o_tiles, c_tile = static_cast<int>(blockIdx.x) / f.o_tiles;
    const int first_o = o_tile * M * 16, first_c = c_tile * f.slices * 16;
    const int tile = static_cast<int>(static_cast<int64_t>(blockIdx.y) * f.tiles / f.splits);
    const int end = static_cast<int>((static_cast<int64_t>(blockIdx.y) + 1) * f.tiles / f.splits);
    const int lane = static_cast<int>(threadIdx.x) % WARP, first_item = static_cast<int>(threadIdx.x) / WARP * ITEMS;
    const int items = f.taps << f.slice_bits;
    int at[ITEMS];
    for (int i = 0; i < ITEMS; i++) { /* behind the last: that one again, for nothing */
        const int item = first_item + i < items ? first_item + i : items - 1;
        const int tap = item >> f.slice_bits, row = tap / j.k.kw;
        at[i] = (row * j.k.dh * f.xw + (tap - row * j.k.kw) * j.k.dw) * row_of(f.slices) +
                (item & (f.slices - 1)) * 16 + lane / 16 * 8;
    }
    float sum[ITEMS][M][2][4] = {};
    fill_tables(j, t);
    __syncthreads();
    for (int i = 0; i < STAGES - 1; i++) {
        if (tile + i < end)
            bring_tile<M, GATHERS>(j, t, tile + i, first_o, first_c, shared + i * stage, shared + i * stage + dy_size);
        spk_copy_group();
    }
    int now = 0, next = STAGES - 1;
    for (int i = tile; i < end; i++) {
        spk_copy_wait<STAGES - 2>();
        __syncthreads(); /* tile i is there, and nobody reads i - 1 any more */
        if (i + STAGES - 1 < end)
            bring_tile<M, GATHERS>(j, t, i + STAGES - 1, first_o, first_c, shared + next * stage,
                                   shared + next * stage + dy_size);
        spk_copy_group();
        if (first_item < items) multiply<M>(f, t.x_at, at, shared + now * stage, shared + now * stage + dy_size, sum);
        now = now + 1 < STAGES ? now + 1 : 0;
        next = next + 1 < STAGES ? next + 1 : 0;
    }
#pragma unroll
    for (int i = 0; i < ITEMS; i++)
        if (first_item + i < items)
            write_item<M>(j, (first_item + i) >> f.slice_bits, first_o,
                          first_c + ((first_item + i) & (f.slices - 1)) * 16, sum[i]);
}

/* ---- tiles ---- */

static int most(int a, int b)
{
    return a > b ? a : b;
}
static int up(int64_t n, int64_t each)
{
    return static_cast<int>((n + each - 1) / each);
}

/* What a tile of so many places meets of x; under a single tap only every stride-th row is brought. */
static void shape(const spk_conv *k, int tu, int tv, spk_conv_filter *f)
{
    f->tu = tu;
    f->tv = tv;
    f->places = up(tu * tv, K) * K;
    const int kh = f->gathers ? 1 : k->kh, kw = f->gathers ? 1 : k->kw;
    f->in_u = kh == 1 ? k->sh : 1;
    f->in_v = kw == 1 ? k->sw : 1;
    f->at_u = kh == 1 ? 1 : k->sh;
    f->at_v = kw == 1 ? 1 : k->sw;
    f->xh = (tu - 1) * f->at_u + (kh - 1) * k->dh + 1;
    f->xw = (tv - 1) * f->at_v + (kw - 1) * k->dw + 1;
    f->tiles_u = up(k->u, tu);
    f->tiles_v = up(k->v, tv);
    f->tiles = k->n * f->tiles_u * f->tiles_v;
    const int rows = f->places * row_of(f->sixteens) + f->xh * f->xw * row_of(f->slices);
    f->shared = static_cast<size_t>(rows) * STAGES * sizeof(spk_b16) +
                static_cast<size_t>(2 * f->places + f->xh * f->xw) * sizeof(int);
}

/* About the cycles of all tiles: for what is brought (bytes), for what is multiplied, for beginning. */
static double time_of(const spk_conv_filter *f)
{
    const double brought = 32.0 * (f->places * f->sixteens + f->xh * f->xw * f->slices);
    const double products = 256.0 * f->places * f->taps * f->sixteens * f->slices;
    return f->tiles * (brought / 14 + products / 1024 + 400);
}

/* The best tile within that shared memory. */
static bool choose(const spk_conv *k, size_t shared, spk_conv_filter *f)
{
    double best = 0;
    for (int tv = 1; tv <= k->v && tv <= MOST_PLACES; tv++)
        for (int tu = 1; tu <= k->u && tu * tv <= MOST_PLACES; tu++) {
            spk_conv_filter try_it = *f;
            shape(k, tu, tv, &try_it);
            const double time = time_of(&try_it);
            if (try_it.shared > shared || (best > 0 && time >= best)) continue;
            best = time;
            *f = try_it;
        }
    return best > 0;
}

bool spk_conv_filter_plan(const spk_cuda *d, const spk_conv *k, spk_conv_filter *f)
{
    *f = {};
    f->gathers = k->c < 8;
    f->taps = f->gathers ? 1 : spk_conv_taps(k);
    f->inputs = f->gathers ? spk_conv_taps(k) * k->c : k->c;
    if (k->type != SPK_BF16 || (!f->gathers && k->c % 8 != 0) || k->o % 8 != 0) return false;
    if (f->taps > MOST_WARPS * ITEMS) return false;
    if (static_cast<int64_t>(k->n) * k->u * k->v >= int64_t(1) << 30) return false;
    f->sixteens = k->o > 32 ? 4 : k->o > 16 ? 2 : 1;
    f->slices = 1;
    while (f->slices * 16 < f->inputs && 2 * f->slices * f->taps <= MOST_WARPS * ITEMS) {
        f->slices *= 2;
        f->slice_bits++;
    }
    f->o_tiles = up(k->o, f->sixteens * 16);
    f->c_tiles = up(f->inputs, f->slices * 16);
    if (!choose(k, shared_of_two, f) && !choose(k, shared_of_one, f)) return false;
    f->threads = WARP * most(up(f->taps * f->slices, ITEMS), LEAST_WARPS);
    const int each = f->shared <= shared_of_two ? 2 : 1;
    f->splits = most(1, each * d->n_sm / (f->o_tiles * f->c_tiles));
    if (f->splits > f->tiles) f->splits = f->tiles;
    if (spk_cuda_talks())
        fprintf(stderr,
                "spk: tiles of %dx%d places run a convolution towards the weights, (%d,%d,%d,%d) to (%d,%d,%d), "
                "taps %dx%d, stride %dx%d, %d x %d blocks of %d threads, %zu bytes of shared memory\n",
                f->tu, f->tv, k->n, k->h, k->w, k->c, k->u, k->v, k->o, k->kh, k->kw, k->sh, k->sw,
                f->o_tiles * f->c_tiles, f->splits, f->threads, f->shared);
    return true;
}

static bool wide(const spk_rows_of *r)
{
    return r->ld % 8 == 0 && reinterpret_cast<uintptr_t>(r->p) % 16 == 0;
}

void spk_conv_filter_run(spk_cuda *d, const spk_conv *k, const spk_conv_filter *f, const spk_rows_of *x,
                         const spk_rows_of *dy, float *partial)
{
    const job j = {static_cast<const spk_b16 *>(x->p),
                   static_cast<const spk_b16 *>(dy->p),
                   x->ld,
                   dy->ld,
                   partial,
                   *k,
                   *f,
                   wide(x),
                   wide(dy)};
    const dim3 blocks(static_cast<unsigned>(f->o_tiles * f->c_tiles), static_cast<unsigned>(f->splits));
    void (*const kernel)(job) = f->sixteens == 4   ? (f->gathers ? filter<4, true> : filter<4, false>)
                                : f->sixteens == 2 ? (f->gathers ? filter<2, true> : filter<2, false>)
                                                   : (f->gathers ? filter<1, true> : filter<1, false>);
    spk_much_shared(kernel);
    spk_launch(d, kernel, blocks, static_cast<unsigned>(f->threads), f->shared, j);
}
