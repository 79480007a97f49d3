/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the ops over frames that memory bounds: (items, frames, channels), read and written by neighbouring channels at once.
 *
 * Lanes are V channels of a row: 16 or 8 bytes where pointers, row strides and the number of channels allow it, else one.
 * Where much belongs to each channel, 8 bytes are better: fewer registers, and so more threads that wait for memory. A block
 * of threads is `tx` lanes wide and `ty` frames high; each thread stays with its lanes, so that what belongs to a channel is
 * read once, and goes through frames. Two kinds of kernels are made from an op's struct (`run`, and for sums `finish`):
 *
 *   spk_map_frames     element by element; a block has a run of frames
 *   spk_reduce_frames  a state for each channel, merged over the threads of a block, then over the blocks (through scratch)
 *                      in the order of their numbers, and given to `finish`
 */
#ifndef SPK_BACKEND_CUDA_FRAMES_IMPL_H
#define SPK_BACKEND_CUDA_FRAMES_IMPL_H

#include <stdlib.h>

#include <initializer_list>
#include <type_traits>

#include "backend/cuda/cuda_impl.h"

enum { SPK_GROUP = 4 };        /* frames that a thread reads at once */
enum { SPK_FRAME_BLOCKS = 4 }; /* that are to fit on a multiprocessor, with 64 registers a thread */
enum { SPK_FRAME_THREADS = 256, SPK_FRAME_LANES = 64, SPK_FINISH_ROWS = 64, SPK_FINISH_THREADS = 512 };

/* ---- lanes ---- */

/* V elements as one access moves them: element i, and all of them set. */
template <typename T, int V> struct spk_raw : spk_pack<T, V> {
    __device__ float get(int i) const
    {
        return spk_load(&this->v[i]);
    }
    __device__ void set(const float *y)
    {
        for (int i = 0; i < V; i++)
            spk_store(&this->v[i], y[i]);
    }
};
/* bfloat16 in words of two, which the processor of the GPU turns to and from floats in one instruction. */
template <int V> struct spk_raw_words : spk_pack<uint32_t, V / 2> {
    __device__ float get(int i) const
    {
        const uint32_t word = this->v[i / 2];
        union {
            uint32_t u;
            float f;
        } x = {i % 2 ? word & 0xffff0000u : word << 16};
        return x.f;
    }
    __device__ void set(const float *y)
    {
        for (int i = 0; i < V; i += 2)
            this->v[i / 2] = spk_store_two(y[i], y[i + 1]);
    }
};
template <> struct spk_raw<spk_b16, 4> : spk_raw_words<4> {
};
template <> struct spk_raw<spk_b16, 8> : spk_raw_words<8> {
};

/* A view's rows in lanes; `raw` is what one access moves. */
template <typename T, int V> struct spk_lanes {
    enum { width = V };
    typedef spk_raw<T, V> raw;
    typedef T *place;
    T *p; /* NULL: absent */
    int64_t ld;

    static spk_lanes of(const spk_view *v)
    {
        return {static_cast<T *>(v->p), v->ld};
    }
    __device__ place at(int64_t row, int64_t lane) const
    {
        return p + row * ld + lane * V;
    }
    __device__ raw load(place from) const
    {
        return *reinterpret_cast<const raw *>(from);
    }
    __device__ static float get(const raw &r, int i)
    {
        return r.get(i);
    }
    __device__ void store(place at, const float *y) const
    {
        raw r;
        r.set(y);
        *reinterpret_cast<raw *>(at) = r;
    }
    __device__ void store(int64_t row, int64_t lane, const float *y, bool add) const
    {
        raw *to = reinterpret_cast<raw *>(at(row, lane)), r;
        if (add) {
            float sum[V];
            r = *to;
            for (int i = 0; i < V; i++)
                sum[i] = r.get(i) + y[i];
            r.set(sum);
        } else
            r.set(y);
        *to = r;
    }
};

/* One channel of either type, known when it runs: for ops whose views have different ones, which is rare. */
struct spk_any_lane {
    enum { width = 1 };
    typedef float raw;
    typedef int64_t place;
    void *p;
    int64_t ld;
    bool b16;

    static spk_any_lane of(const spk_view *v)
    {
        return {v->p, v->ld, v->dtype == SPK_BF16};
    }
    __device__ place at(int64_t row, int64_t lane) const
    {
        return row * ld + lane;
    }
    __device__ float load(place at) const
    {
        return b16 ? spk_load(static_cast<const spk_b16 *>(p) + at) : static_cast<const float *>(p)[at];
    }
    __device__ static float get(float r, int)
    {
        return r;
    }
    __device__ void put(place at, float y, bool add) const
    {
        if (b16)
            spk_put(static_cast<spk_b16 *>(p) + at, y, add);
        else
            spk_put(static_cast<float *>(p) + at, y, add);
    }
    __device__ void store(place at, const float *y) const
    {
        put(at, y[0], false);
    }
    __device__ void store(int64_t row, int64_t lane, const float *y, bool add) const
    {
        put(at(row, lane), y[0], add);
    }
};

static inline bool spk_lanes_fit(const spk_view *v, int64_t c, int64_t each)
{
    const uintptr_t bytes = static_cast<uintptr_t>(each) * (v->dtype == SPK_BF16 ? sizeof(spk_b16) : sizeof(float));
    return reinterpret_cast<uintptr_t>(v->p) % bytes == 0 && v->ld % each == 0 && c % each == 0;
}

/* f(pointer of a type of lanes) for frames of c channels, with float vectors of channels beside them. Absent views (p NULL)
 * have no say. Lanes of bfloat16 are at most WIDEST (8 or 4) channels. */
template <int WIDEST = 8, typename F>
static inline void spk_by_lanes(int64_t c, std::initializer_list<const spk_view *> frames,
                                std::initializer_list<const spk_view *> vectors, F f)
{
    bool four = true, eight = true, floats = true, halves = true;
    for (const spk_view *v : frames) {
        if (!v->p) continue;
        four = four && spk_lanes_fit(v, c, 4);
        eight = eight && spk_lanes_fit(v, c, 8);
        floats = floats && v->dtype != SPK_BF16;
        halves = halves && v->dtype == SPK_BF16;
    }
    for (const spk_view *v : vectors)
        if (v->p) four = four && spk_lanes_fit(v, c, 4);
    if (floats && four)
        f(static_cast<spk_lanes<float, 4> *>(nullptr));
    else if (floats)
        f(static_cast<spk_lanes<float, 1> *>(nullptr));
    else if (!halves)
        f(static_cast<spk_any_lane *>(nullptr));
    else if (WIDEST == 8 && four && eight)
        f(static_cast<spk_lanes<spk_b16, WIDEST> *>(nullptr));
    else if (four)
        f(static_cast<spk_lanes<spk_b16, 4> *>(nullptr));
    else
        f(static_cast<spk_lanes<spk_b16, 1> *>(nullptr));
}

/* May two views have elements in common? One pass cannot write both then, the second one added to the first. */
static inline bool spk_may_meet(const spk_view *a, const spk_view *b)
{
    if (!a->p || !b->p) return false;
    const bool swap = static_cast<const char *>(b->p) < static_cast<const char *>(a->p);
    const spk_view *lo = swap ? b : a, *hi = swap ? a : b;
    const int64_t each = lo->dtype == SPK_BF16 ? 2 : 4;
    const int64_t gap = (static_cast<const char *>(hi->p) - static_cast<const char *>(lo->p)) / each;
    if (gap >= (spk_rows(lo) - 1) * lo->ld + lo->c) return false;
    return !(a->dtype == b->dtype && a->ld == b->ld && gap >= lo->c && gap + hi->c <= lo->ld); /* slices of one */
}

/* V floats of a vector of channels, from lane `lane` on: aligned where V > 1. */
template <int V> __device__ static inline void spk_floats(const float *p, int64_t lane, float *v)
{
    enum { EACH = V % 4 == 0 ? 4 : 1 };
    for (int i = 0; i < V; i += EACH) {
        const spk_pack<float, EACH> r = *reinterpret_cast<const spk_pack<float, EACH> *>(p + lane * V + i);
        for (int j = 0; j < EACH; j++)
            v[i + j] = r.v[j];
    }
}

/* ---- tiles ---- */

struct spk_tiles {
    int64_t items, frames, lanes; /* frames of one item */
    int64_t run;                  /* frames of a block, one after the other; 0: each parts-th group of ty */
    int tx, ty, c_tiles, parts;   /* parts of an item's frames */
    bool backwards;               /* the last frames first: a cache may have them still */
};

/* What a thread does: frames first, first + step, .. below end of an item, of one lane. Threads without a lane have no
 * frame, and a lane that may be read. */
struct spk_tile {
    int64_t item, lane, first, end, step;
};

__device__ static inline spk_tile spk_tile_here(const spk_tiles &g)
{
    const unsigned b = g.backwards ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    const unsigned tile = b % static_cast<unsigned>(g.c_tiles), rest = b / static_cast<unsigned>(g.c_tiles);
    const int64_t part = rest % static_cast<unsigned>(g.parts);
    const int x = static_cast<int>(threadIdx.x) % g.tx, y = static_cast<int>(threadIdx.x) / g.tx;
    spk_tile t = {};
    t.item = rest / static_cast<unsigned>(g.parts);
    t.lane = static_cast<int64_t>(tile) * g.tx + x;
    t.first = (g.run ? part * g.run : part * g.ty) + y;
    t.step = g.run ? g.ty : static_cast<int64_t>(g.parts) * g.ty;
    t.end = g.run && (part + 1) * g.run < g.frames ? (part + 1) * g.run : g.frames;
    if (t.lane >= g.lanes) {
        t.lane = g.lanes - 1;
        t.end = 0;
    }
    return t;
}

static inline int64_t spk_within(int64_t x, int64_t lo, int64_t hi)
{
    return x > hi ? hi : x < lo ? lo : x;
}

static inline spk_tiles spk_tiles_of(int64_t items, int64_t frames, int64_t c, int width)
{
    spk_tiles g = {};
    g.items = items;
    g.frames = frames;
    g.lanes = c / width;
    g.c_tiles = static_cast<int>((g.lanes + SPK_FRAME_LANES - 1) / SPK_FRAME_LANES);
    g.tx = static_cast<int>((g.lanes + g.c_tiles - 1) / g.c_tiles);
    g.ty = static_cast<int>(spk_within(SPK_FRAME_THREADS / g.tx, 1, frames > 0 ? frames : 1));
    return g;
}

/* Blocks enough for the chip, and as long runs as that allows. */
static inline spk_tiles spk_map_tiles(const spk_cuda *d, int64_t items, int64_t frames, int64_t c, int width)
{
    enum { BLOCKS_EACH = 8, MOST_VALUES = 128 };
    spk_tiles g = spk_tiles_of(items, frames, c, width);
    const int64_t rows =
        items * ((frames + g.ty - 1) / g.ty) * g.c_tiles / (static_cast<int64_t>(d->n_sm) * BLOCKS_EACH);
    const int64_t each = spk_within(rows, 1, MOST_VALUES / (width > 4 ? width : 4));
    g.run = (each > SPK_GROUP ? each / SPK_GROUP * SPK_GROUP : each) * g.ty;
    g.parts = static_cast<int>((frames + g.run - 1) / g.run);
    return g;
}

/* As many parts as run at once, of equal numbers of groups for each thread. An item in one part needs no second kernel: where
 * items alone are blocks for much of the chip, short ones stay whole. */
static inline spk_tiles spk_reduce_tiles(const spk_cuda *d, int64_t items, int64_t frames, int64_t c, int width)
{
    enum { LEAST_GROUPS = 2, SHORT_GROUPS = 8 };
    spk_tiles g = spk_tiles_of(items, frames, c, width);
    const int64_t have = items * g.c_tiles > 0 ? items * g.c_tiles : 1;
    const int64_t parts = spk_within(static_cast<int64_t>(d->n_sm) * SPK_FRAME_BLOCKS / have, 1, INT32_MAX);
    const int64_t groups = (frames + g.ty * SPK_GROUP - 1) / (g.ty * SPK_GROUP);
    const int64_t least = have * 4 >= d->n_sm ? SHORT_GROUPS : LEAST_GROUPS;
    const int64_t each = spk_within((groups + parts - 1) / parts, least, INT32_MAX);
    g.parts = static_cast<int>(spk_within((groups + each - 1) / each, 1, INT32_MAX));
    return g;
}

/* ---- element by element: op.run(tile) ---- */

template <typename Op>
static __global__ void __launch_bounds__(SPK_FRAME_THREADS, SPK_FRAME_BLOCKS) spk_map_kernel(Op op, spk_tiles g)
{
    op.run(spk_tile_here(g));
}

template <typename Op> static inline void spk_map_frames(spk_cuda *d, const Op &op, const spk_tiles &g)
{
    const int64_t blocks = g.items * g.parts * g.c_tiles;
    spk_launch(d, spk_map_kernel<Op>, static_cast<unsigned>(blocks), static_cast<unsigned>(g.tx * g.ty), 0, op, g);
}

/* ---- a state for each channel ----
 *
 * Op::state is what a channel's frames come to: as it is made it stands for none, and merge adds another one's.
 * op.run(tile, states of the lane) goes through frames, op.finish(item, c, state) has them all. */

template <typename Op>
static __global__ void __launch_bounds__(SPK_FRAME_THREADS, SPK_FRAME_BLOCKS)
    spk_reduce_kernel(Op op, spk_tiles g, bool whole, typename Op::state *partial)
{
    typedef typename Op::state state;
    SPK_SHARED(state, room); /* ty rows of `columns`: first channels of the lanes, second ones, .. */
    const spk_tile t = spk_tile_here(g);
    const int columns = g.tx * Op::width;
    const int x = static_cast<int>(threadIdx.x) % g.tx, y = static_cast<int>(threadIdx.x) / g.tx;
    state mine[Op::width];
    for (int i = 0; i < Op::width; i++)
        mine[i] = state();
    op.run(t, mine);
    for (int i = 0; i < Op::width; i++)
        room[y * columns + i * g.tx + x] = mine[i];
    __syncthreads();
    const int64_t row = blockIdx.x / static_cast<unsigned>(g.c_tiles); /* item and part */
    const int64_t lane0 = static_cast<int64_t>(blockIdx.x % static_cast<unsigned>(g.c_tiles)) * g.tx;
    for (int k = static_cast<int>(threadIdx.x); k < columns; k += static_cast<int>(blockDim.x)) {
        const int64_t i = k / g.tx, lane = lane0 + k % g.tx;
        if (lane >= g.lanes) continue;
        state s = room[k];
        for (int j = 1; j < g.ty; j++)
            s.merge(room[j * columns + k]);
        if (whole)
            op.finish(t.item, lane * Op::width + i, s);
        else
            partial[(row * Op::width + i) * g.lanes + lane] = s;
    }
}

/* A row of partial states for each part of an item, of channels in the same order. A block has some channels, and a power
 * of two of threads for each: these share the parts, then merge in pairs. */
template <typename Op>
static __global__ void __launch_bounds__(SPK_FINISH_THREADS)
    spk_finish_kernel(Op op, const typename Op::state *partial, int64_t parts, int64_t lanes, unsigned c_tiles)
{
    typedef typename Op::state state;
    SPK_SHARED(state, room);
    const int64_t item = blockIdx.x / c_tiles, n_c = lanes * Op::width;
    const int64_t at = static_cast<int64_t>(blockIdx.x % c_tiles) * blockDim.x + threadIdx.x;
    state s = state();
    if (at < n_c) {
#pragma unroll 8
        for (int64_t p = threadIdx.y; p < parts; p += blockDim.y)
            s.merge(partial[(item * parts + p) * n_c + at]);
    }
    for (unsigned left = blockDim.y / 2; left > 0; left /= 2) {
        if (threadIdx.y >= left && threadIdx.y < 2 * left) room[(threadIdx.y - left) * blockDim.x + threadIdx.x] = s;
        __syncthreads();
        if (threadIdx.y < left) s.merge(room[threadIdx.y * blockDim.x + threadIdx.x]);
        __syncthreads();
    }
    if (threadIdx.y == 0 && at < n_c) op.finish(item, at % lanes * Op::width + at / lanes, s);
}

/* Items apart, or with `across` all items as one. */
template <typename Op>
static inline void spk_reduce_frames(spk_cuda *d, const Op &op, const spk_tiles &g, bool across, void *scratch)
{
    typedef typename Op::state state;
    const int64_t n_c = g.lanes * Op::width, blocks = g.items * g.parts * g.c_tiles;
    const int64_t parts = across ? g.items * g.parts : g.parts, items = across ? 1 : g.items;
    state *partial = static_cast<state *>(scratch);
    spk_launch(d, spk_reduce_kernel<Op>, static_cast<unsigned>(blocks), static_cast<unsigned>(g.tx * g.ty),
               static_cast<size_t>(g.tx * g.ty * Op::width) * sizeof(state), op, g, parts == 1, partial);
    if (parts == 1) return;
    unsigned rows = 1;
    while (rows < SPK_FINISH_ROWS && rows * 4 < parts)
        rows *= 2;
    const unsigned channels = rows > 8 ? 8 : 32, c_tiles = spk_blocks(n_c, channels);
    spk_launch(d, spk_finish_kernel<Op>, static_cast<unsigned>(items) * c_tiles, dim3(channels, rows),
               rows * channels * sizeof(state), op, partial, parts, g.lanes, c_tiles);
}

/* Bytes that it wants, a multiple of 64, whatever lanes will fit. */
static inline size_t spk_reduce_bytes(const spk_cuda *d, int64_t items, int64_t frames, int64_t c, size_t state)
{
    size_t most = 0;
    for (int width : {1, 4, 8}) {
        if (c % width) continue;
        const spk_tiles t = spk_reduce_tiles(d, items, frames, c, width);
        const size_t bytes = static_cast<size_t>(items * t.parts * c) * state;
        most = bytes > most ? bytes : most;
    }
    return (most + 63) / 64 * 64;
}

/* ---- sums ---- */

/* K sums in double. */
template <int K> struct spk_sums {
    double s[K];
    __host__ __device__ spk_sums()
    {
        for (int k = 0; k < K; k++)
            s[k] = 0;
    }
    __device__ void merge(const spk_sums &other)
    {
        for (int k = 0; k < K; k++)
            s[k] += other.s[k];
    }
};

/* How far it is from frame `at` of a thread to `end`, if that is less than G of its frames. Frame at + u step is before the
 * end where u * step is below this. */
template <int G = SPK_GROUP> __device__ static inline int spk_left(const spk_tile &t, int64_t at, int64_t end)
{
    const int64_t left = end - at, most = G * t.step;
    return static_cast<int>(left < 0 ? 0 : left < most ? left : most);
}

/* Rows row0 + at, + step, .. of x, those that are before the end; the others are zeros. */
template <typename L, int G>
__device__ static inline void spk_load_group(const L &x, int64_t row0, const spk_tile &t, int64_t at,
                                             typename L::raw (&r)[G])
{
    const int left = spk_left<G>(t, at, t.end), step = static_cast<int>(t.step);
    const typename L::place from = x.at(row0 + at, t.lane);
    const int64_t by = t.step * x.ld;
#pragma unroll
    for (int u = 0; u < G; u++) {
        r[u] = {};
        if (u * step < left) r[u] = x.load(from + u * by);
    }
}
/* To frame at + u step. With `add`, what was there is added; it was read before, with all that the group needs. */
template <typename L>
__device__ static inline void spk_store_row(const L &y, int64_t row0, const spk_tile &t, int64_t at, int u,
                                            const float *v)
{
    y.store(y.at(row0 + at, t.lane) + u * (t.step * y.ld), v);
}
template <typename L>
__device__ static inline void spk_store_row(const L &y, int64_t row0, const spk_tile &t, int64_t at, int u, float *v,
                                            bool add, const typename L::raw &old)
{
    if (add)
        for (int i = 0; i < L::width; i++)
            v[i] += L::get(old, i);
    spk_store_row(y, row0, t, at, u, v);
}

/* The moments of rows row0 + frame of x. A thread's own sums are float, of what differs from its first row, so that they have
 * no more to hold than that; a thread has some hundred rows, whose roundings even out, and double has all of them. */
template <typename L>
__device__ static inline void spk_sum_moments(const L &x, int64_t row0, const spk_tile &t, spk_sums<2> *m)
{
    enum { V = L::width };
    float shift[V], sum[V] = {}, square[V] = {};
    int rows = 0;
    if (t.first >= t.end) return;
    const typename L::raw one = x.load(x.at(row0 + t.first, t.lane));
    for (int i = 0; i < V; i++)
        shift[i] = L::get(one, i);
    for (int64_t at = t.first; at < t.end; at += SPK_GROUP * t.step) {
        typename L::raw r[SPK_GROUP];
        spk_load_group(x, row0, t, at, r);
        const int left = spk_left(t, at, t.end), step = static_cast<int>(t.step);
#pragma unroll
        for (int u = 0; u < SPK_GROUP; u++) {
            if (u * step >= left) break;
            rows++;
            for (int i = 0; i < V; i++) {
                const float d = L::get(r[u], i) - shift[i];
                sum[i] += d;
                square[i] = fmaf(d, d, square[i]);
            }
        }
    }
    for (int i = 0; i < V; i++) {
        const double s = static_cast<double>(shift[i]), d = static_cast<double>(sum[i]), n = rows;
        m[i].s[0] += n * s + d;
        m[i].s[1] += static_cast<double>(square[i]) + s * (2 * d + n * s);
    }
}

/* ---- lengths ---- */

/* How many rows of an item are valid. */
struct spk_valid {
    const int64_t *len; /* on the device; NULL: all */
    int64_t frames, bins;
    __device__ int64_t rows(int64_t item) const
    {
        if (!len) return frames * bins;
        const int64_t n = len[item];
        return (n < 0 ? 0 : n > frames ? frames : n) * bins;
    }
};

/* Frames are rows of sound, or rows of a picture with all their bins. */
static inline spk_valid spk_valid_of(const spk_view *v, const int64_t *len)
{
    return {len, v->h > 1 ? v->h : v->w, v->h > 1 ? v->w : 1};
}

/* What follows the host's values: state of a kernel. */
struct spk_followed {
    const spk_device *device;
    const void *host[2], *copy[2];
};

/* bytes of host[i]; NULL: there is none. */
static inline spk_status spk_follow_all(const spk_geom *g, const void *first, size_t bytes, const void *second,
                                        size_t second_bytes, void **out)
{
    spk_followed *f = static_cast<spk_followed *>(calloc(1, sizeof *f));
    if (!f) spk_cuda_short_of_memory(sizeof *f);
    f->device = g->device;
    f->host[0] = first;
    f->host[1] = second;
    f->copy[0] = spk_cuda_follow(g, static_cast<const char *>(first), static_cast<int64_t>(bytes));
    f->copy[1] = spk_cuda_follow(g, static_cast<const char *>(second), static_cast<int64_t>(second_bytes));
    *out = f;
    return SPK_OK;
}
static inline spk_status spk_follow_lengths(const spk_geom *g, void **out) /* those of in 0 */
{
    return spk_follow_all(g, g->in[0].len, static_cast<size_t>(g->in[0].n) * sizeof(int64_t), nullptr, 0, out);
}
static inline void spk_unfollow_all(void *state)
{
    spk_followed *f = static_cast<spk_followed *>(state);
    if (!f) return;
    spk_cuda_unfollow(f->device, f->host[0]);
    spk_cuda_unfollow(f->device, f->host[1]);
    free(f);
}
template <typename T> static inline const T *spk_followed_as(const spk_kargs *a, int i)
{
    return static_cast<const T *>(static_cast<const spk_followed *>(a->state)->copy[i]);
}

#endif
