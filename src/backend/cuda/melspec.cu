/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec. A block makes some consecutive frames of one item from end to end in shared memory: their samples once, a warp to
 * cut each frame, a complex transform of half as many points (Stockham's, radix 4 and then whatever is left, any length), the
 * spectrum, and the bands over the non-zero run of each filter. Means and limits over an item's frames follow. Float, with
 * a table of sines made in double: never products that a device may round to TF32, as a weak band is a small difference.
 * Scratch: frames of each item, runs of the filters, sums over frames, weights of the runs.
 */
#include <math.h>

#include "backend/cuda/melspec_impl.h"

/* ---- before ---- */

static __global__ void count_frames(melspec_plan p, const int64_t *len)
{
    const int64_t n = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (n >= p.items) return;
    const int64_t samples = spk_valid(len, n, p.samples);
    int64_t frames = samples + p.outside < p.frame ? 0 : 1 + (samples + p.outside - p.frame) / p.hop;
    if (p.edges == SPK_EDGES_REPEAT) frames = (samples + p.hop / 2) / p.hop;
    if (samples < 1) frames = 0;
    p.frames[n] = frames < p.n_frames ? frames : p.n_frames;
}

/* The non-zero run of each filter of fb (bins, mels), and its weights as a column of `weights`: a block each. */
static __global__ void find_bands(melspec_plan p)
{
    __shared__ int room[32];
    const int m = static_cast<int>(blockIdx.x);
    int first = p.n_bins, end = 0;
    for (int k = static_cast<int>(threadIdx.x); k < p.n_bins; k += static_cast<int>(blockDim.x))
        if (p.fb[static_cast<int64_t>(k) * p.n_mels + m] != 0) {
            first = min(first, k);
            end = k + 1;
        }
    first = -spk_block_max(-first, room);
    end = spk_block_max(end, room);
    for (int k = first + static_cast<int>(threadIdx.x); k < end; k += static_cast<int>(blockDim.x))
        p.weights[static_cast<int64_t>(k - first) * p.n_mels + m] = p.fb[static_cast<int64_t>(k) * p.n_mels + m];
    if (threadIdx.x != 0) return;
    p.bands[m] = first;
    p.bands[p.n_mels + m] = end;
}

/* ---- the transform ---- */

__device__ static inline melspec_complex times(melspec_complex a, melspec_complex b)
{
    return {a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x};
}

/* A pass of radix 4 over n_f frames; `done` is the product of the radices before, a power of 4. */
__device__ static inline void pass_of_4(const melspec_plan &p, int n_f, int done, const melspec_complex *table,
                                        const melspec_complex *from, melspec_complex *to)
{
    const int quarter = p.half / 4, turn = p.n_fft / (4 * done);
    for (int i = static_cast<int>(threadIdx.x); i < n_f * quarter; i += MELSPEC_THREADS) {
        const int f = i / quarter, j = i - f * quarter, k = j & (done - 1);
        const melspec_complex *x = from + f * p.half + j;
        const melspec_complex a = x[0], b = times(x[quarter], table[k * turn]);
        const melspec_complex c = times(x[2 * quarter], table[2 * k * turn]);
        const melspec_complex d = times(x[3 * quarter], table[3 * k * turn]);
        const melspec_complex ac = {a.x + c.x, a.y + c.y}, bd = {b.x + d.x, b.y + d.y};
        const melspec_complex a_c = {a.x - c.x, a.y - c.y}, b_d = {b.x - d.x, b.y - d.y};
        melspec_complex *y = to + f * p.half + 4 * (j - k) + k;
        y[0] = {ac.x + bd.x, ac.y + bd.y};
        y[done] = {a_c.x + b_d.y, a_c.y - b_d.x};
        y[2 * done] = {ac.x - bd.x, ac.y - bd.y};
        y[3 * done] = {a_c.x - b_d.y, a_c.y + b_d.x};
    }
}

/* Any radix: a thread sums up each point. */
__device__ static inline void pass_of_any(const melspec_plan &p, int n_f, int radix, int done,
                                          const melspec_complex *table, const melspec_complex *from,
                                          melspec_complex *to)
{
    const int apart = p.half / radix, span = done * radix, turn = p.n_fft / span;
    for (int i = static_cast<int>(threadIdx.x); i < n_f * p.half; i += MELSPEC_THREADS) {
        const int f = i / p.half, o = i - f * p.half, u = o % span, step = u * turn;
        const melspec_complex *x = from + f * p.half + o / span * done + u % done;
        melspec_complex sum = {0, 0};
        for (int q = 0, phase = 0; q < radix; q++) {
            const melspec_complex v = times(x[q * apart], table[phase]);
            sum.x += v.x;
            sum.y += v.y;
            phase += step;
            if (phase >= p.n_fft) phase -= p.n_fft;
        }
        to[i] = sum;
    }
}

/* |X|^2 or |X| of bin k, from the transform z of a frame (of its points in pairs where n_fft is even). */
__device__ static inline float power_of(const melspec_plan &p, const melspec_complex *z, int k,
                                        const melspec_complex *table)
{
    melspec_complex x = z[k < p.half ? k : 0];
    if (p.half != p.n_fft) {
        const melspec_complex y = z[k > 0 ? p.half - k : 0];
        const melspec_complex even = {0.5f * (x.x + y.x), 0.5f * (x.y - y.y)};
        const melspec_complex odd = times({0.5f * (x.y + y.y), -0.5f * (x.x - y.x)}, table[k]);
        x = {even.x + odd.x, even.y + odd.y};
    }
    const float power = x.x * x.x + x.y * x.y;
    return p.magnitude ? sqrtf(power) : power;
}

/* ---- bands ---- */

__device__ static inline float band_of(const melspec_plan &p, const float *power, int m)
{
    const int first = p.bands[m], n = p.bands[p.n_mels + m] - first;
    const float *weight = p.weights + m;
    float sum = 0;
    for (int k = 0; k < n; k++)
        sum += power[first + k] * weight[k * p.n_mels];
    if (!p.log) return sum;
    return p.log_scale * logf(p.log_floor <= 0 ? sum + 1e-6f : sum < p.log_floor ? p.log_floor : sum);
}

/* Rows of n_f frames: bands, or cepstra of them (`values` has room for the bands), and energies. */
__device__ static inline void write_rows(const melspec_plan &p, int n_f, const float *power, const float *energy,
                                         float *values, float *y)
{
    const int first = p.energy != SPK_ENERGY_NONE, tid = static_cast<int>(threadIdx.x);
    for (int i = tid; i < n_f * p.n_mels; i += MELSPEC_THREADS) {
        const int f = i / p.n_mels, m = i - f * p.n_mels;
        const float value = band_of(p, power + f * 2 * p.half, m);
        if (p.n_ceps > 0)
            values[i] = value;
        else
            y[f * p.y_ld + first + m] = value;
    }
    if (p.n_ceps > 0) {
        __syncthreads();
        for (int i = tid; i < n_f * p.n_ceps; i += MELSPEC_THREADS) {
            const int f = i / p.n_ceps, c = i - f * p.n_ceps;
            float sum = 0;
            for (int m = 0; m < p.n_mels; m++)
                sum += values[f * p.n_mels + m] * p.dct[m * p.n_ceps + c];
            if (!first || c > 0) y[f * p.y_ld + c] = sum;
        }
    }
    if (first && tid < n_f) y[tid * p.y_ld] = energy[tid];
}

/* ---- a block's frames ---- */

/* Shared memory in floats: the table (2 n_fft), two buffers, energies, and the bands where there are cepstra. */
static __global__ void make_frames(melspec_plan p, const int64_t *len)
{
    SPK_SHARED(float, shared);
    const int tid = static_cast<int>(threadIdx.x), warp = tid / 32, lane = tid % 32;
    const int64_t tasks = (p.n_frames + p.block - 1) / p.block, n = blockIdx.x / tasks;
    const int64_t t0 = blockIdx.x % tasks * p.block, left = p.frames[n] - t0, rows = p.n_frames - t0;
    const int n_f = left < 0 ? 0 : left < p.block ? static_cast<int>(left) : p.block;
    const int n_rows = rows < p.block ? static_cast<int>(rows) : p.block;
    const int c = p.frames_only ? p.win : p.n_ceps > 0 ? p.n_ceps : p.n_mels + (p.energy != SPK_ENERGY_NONE);
    melspec_complex *table = reinterpret_cast<melspec_complex *>(shared), *from = table + p.n_fft;
    float *signal = reinterpret_cast<float *>(from + p.block * p.half), *energy = signal + p.signal;
    melspec_complex *to = reinterpret_cast<melspec_complex *>(signal);
    float *y = p.y + (n * p.n_frames + t0) * p.y_ld;

    for (int i = n_f * c + tid; i < n_rows * c; i += MELSPEC_THREADS)
        y[i / c * p.y_ld + i % c] = 0;
    if (n_f == 0) return;
    melspec_signal(p, n, t0, n_f, spk_valid(len, n, p.samples), signal);
    for (int i = tid; i < p.n_fft && !p.frames_only; i += MELSPEC_THREADS)
        table[i] = p.table[i];
    __syncthreads();
    for (int f = warp; f < n_f; f += MELSPEC_THREADS / 32) {
        const bool pairs = p.half != p.n_fft;
        float *point = reinterpret_cast<float *>(from + f * p.half);
        const float e = melspec_make_frame(p, signal + f * p.hop, lane, [&](int i, float value) {
            if (p.frames_only)
                y[f * p.y_ld + i] = value;
            else
                point[pairs ? i : 2 * i] = value;
        });
        if (lane == 0) energy[f] = e;
        for (int i = pairs ? p.win + lane : lane; i < 2 * p.half; i += 32)
            if (pairs || i % 2 == 1 || i >= 2 * p.win) point[i] = 0;
    }
    __syncthreads();
    if (p.frames_only) return;
    for (int i = 0, done = 1; i < p.n_radix; done *= p.radix[i++]) {
        if (p.radix[i] == 4)
            pass_of_4(p, n_f, done, table, from, to);
        else
            pass_of_any(p, n_f, p.radix[i], done, table, from, to);
        __syncthreads();
        melspec_complex *now = to;
        to = from;
        from = now;
    }
    float *power = reinterpret_cast<float *>(to);
    for (int i = tid; i < n_f * p.n_bins; i += MELSPEC_THREADS) {
        const int f = i / p.n_bins, k = i - f * p.n_bins;
        power[f * 2 * p.half + k] = power_of(p, from + f * p.half, k, table);
    }
    __syncthreads();
    write_rows(p, n_f, power, energy, energy + p.block, y);
}

/* ---- over an item's frames ---- */

/* A block of 256 threads an item. */
static __global__ void limit(melspec_plan p, int64_t c, float top_db)
{
    __shared__ float room[32];
    const int64_t n = blockIdx.x, count = p.frames[n] * c;
    float most = -HUGE_VALF;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
        const float v = p.y[(n * p.n_frames + i / c) * p.y_ld + i % c];
        most = v > most ? v : most;
    }
    most = spk_block_max(most, room) - top_db;
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) {
        float *v = p.y + (n * p.n_frames + i / c) * p.y_ld + i % c;
        if (*v < most) *v = most;
    }
}

struct mean_add {
    const float *y;
    int64_t ld, n_frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c, double *sum) const
    {
        sum[0] += static_cast<double>(y[(n * n_frames + t) * ld + c]);
    }
};
struct mean_subtract {
    float *y;
    int64_t ld;
    spk_chunks chunks;
    const double *part;
    const int64_t *frames;
    __device__ void operator()(int64_t n, int64_t t, int64_t c) const
    {
        double sum;
        if (t >= frames[n]) return;
        spk_add_chunks<1>(chunks, part, n, c, &sum);
        y[(n * chunks.frames + t) * ld + c] -= static_cast<float>(sum / static_cast<double>(frames[n]));
    }
};

/* ---- the kernel ---- */

struct melspec_state {
    spk_lengths len;
    melspec_complex *table;
};

static size_t shared_bytes(const melspec_plan *p)
{
    const int values = p->n_ceps > 0 ? p->block * p->n_mels : 0;
    return static_cast<size_t>(2 * p->n_fft + 2 * p->block * p->half + p->signal + p->block + values) * sizeof(float);
}

/* The largest block whose room lets several share a multiprocessor. */
static void choose_block(melspec_plan *p)
{
    for (p->block = 8;; p->block /= 2) {
        const int64_t samples = static_cast<int64_t>(p->block - 1) * p->hop + p->win;
        const int64_t points = static_cast<int64_t>(2) * p->block * p->half;
        p->signal = static_cast<int>(((samples > points ? samples : points) + 3) / 4 * 4);
        if (p->block == 1 || (samples < 65536 && shared_bytes(p) <= 48 * 1024)) return;
    }
}

static void choose_radices(melspec_plan *p)
{
    int left = p->half;
    for (; left % 4 == 0; left /= 4)
        p->radix[p->n_radix++] = 4;
    for (int r = 2; left > 1; r++)
        for (; left % r == 0; left /= r)
            p->radix[p->n_radix++] = r;
}

static melspec_plan plan_of(const spk_melspec_attr *attr, const spk_view *x, const spk_view *y)
{
    melspec_plan p = {};
    p.n_fft = static_cast<int>(attr->n_fft);
    p.half = p.n_fft % 2 ? p.n_fft : p.n_fft / 2;
    p.n_bins = p.n_fft / 2 + 1;
    p.win = static_cast<int>(attr->win_length);
    p.hop = static_cast<int>(attr->hop_length);
    p.n_mels = static_cast<int>(attr->n_mels);
    p.n_ceps = static_cast<int>(attr->n_ceps);
    p.items = x->n;
    p.samples = x->h * x->w;
    p.n_frames = y->h * y->w;
    p.begin = spk_melspec_begin(attr, 0);
    p.outside = attr->edges == SPK_EDGES_REFLECT || attr->edges == SPK_EDGES_ZERO ? attr->n_fft / 2 * 2 : 0;
    p.frame = attr->edges == SPK_EDGES_SNIP ? attr->win_length : attr->n_fft;
    p.edges = attr->edges;
    p.energy = attr->energy;
    p.log = attr->log;
    p.magnitude = attr->magnitude;
    p.remove_dc = attr->remove_dc;
    p.frames_only = attr->frames_only;
    p.scale = attr->scale != 0 ? static_cast<float>(attr->scale) : 1;
    p.dither = static_cast<float>(attr->dither);
    p.preemph = static_cast<float>(attr->preemph);
    p.log_floor = static_cast<float>(attr->log_floor);
    p.log_scale = attr->log_scale != 0 ? static_cast<float>(attr->log_scale) : 1;
    p.energy_floor = attr->energy_floor;
    p.stream = static_cast<uint32_t>(attr->stream);
    choose_block(&p);
    choose_radices(&p);
    return p;
}

static bool supports(const spk_geom *g)
{
    const spk_melspec_attr *attr = static_cast<const spk_melspec_attr *>(g->attr);
    if (g->in[0].dtype != SPK_F32 || g->out[0].dtype != SPK_F32) return false;
    if (attr->n_fft < 1 || attr->n_fft > 8192 || attr->win_length > attr->n_fft || attr->hop_length > 1 << 20)
        return false;
    if (attr->n_mels > 4096 || attr->n_ceps > 4096) return false;
    const melspec_plan p = plan_of(attr, &g->in[0], &g->out[0]);
    return shared_bytes(&p) <= 200 * 1024;
}

static spk_status create(const spk_geom *g, void **state)
{
    const int64_t n = static_cast<const spk_melspec_attr *>(g->attr)->n_fft;
    const size_t bytes = static_cast<size_t>(n) * sizeof(melspec_complex);
    melspec_state *s = static_cast<melspec_state *>(calloc(1, sizeof *s));
    melspec_complex *table = static_cast<melspec_complex *>(malloc(bytes));
    void *there = g->device->t->alloc(g->device->self, bytes);
    if (!s || !table || !there) spk_cuda_short_of_memory(bytes);
    s->len.device = g->device;
    s->len.host = g->in[0].len;
    s->len.there = spk_cuda_follow(g, s->len.host, g->in[0].n);
    for (int64_t i = 0; i < n; i++) {
        const double angle = 2 * 3.14159265358979323846 * static_cast<double>(i) / static_cast<double>(n);
        table[i] = {static_cast<float>(cos(angle)), static_cast<float>(-sin(angle))};
    }
    const spk_device_rows rows = {1, bytes, bytes, bytes};
    g->device->t->put(g->device->self, there, table, &rows);
    free(table);
    s->table = static_cast<melspec_complex *>(there);
    *state = s;
    return SPK_OK;
}

static void destroy(void *state)
{
    melspec_state *s = static_cast<melspec_state *>(state);
    if (!s) return;
    s->len.device->t->free(s->len.device->self, s->table);
    spk_lengths_destroy(s);
}

static spk_chunks chunks_of(const spk_view *y)
{
    return spk_chunks_of(y->n, y->h * y->w, 1, y->c);
}

static size_t scratch_bytes(const spk_geom *g, const void *)
{
    const spk_melspec_attr *attr = static_cast<const spk_melspec_attr *>(g->attr);
    const spk_chunks chunks = chunks_of(&g->out[0]);
    return static_cast<size_t>(g->in[0].n + attr->n_mels) * sizeof(int64_t) + spk_chunks_bytes(&chunks, 1) +
           static_cast<size_t>((attr->n_fft / 2 + 1) * attr->n_mels) * sizeof(float);
}

static void subtract_mean(const spk_kargs *a, const melspec_plan *p, double *part)
{
    const spk_view *y = &a->out[0];
    const spk_chunks chunks = chunks_of(y);
    spk_sum_columns<1>(spk_cuda_of(a), &chunks, p->frames, part, mean_add{p->y, y->ld, p->n_frames});
    spk_each(spk_cuda_of(a), y->n, p->n_frames, y->c, mean_subtract{p->y, y->ld, chunks, part, p->frames});
}

static void fwd(const spk_kargs *a)
{
    const spk_melspec_attr *attr = static_cast<const spk_melspec_attr *>(a->attr);
    const melspec_state *s = static_cast<const melspec_state *>(a->state);
    const spk_view *y = &a->out[0];
    spk_cuda *d = spk_cuda_of(a);
    const spk_chunks chunks = chunks_of(y);
    melspec_plan p = plan_of(attr, &a->in[0], y);
    p.draws = a->ctx->device_draws;
    p.x = static_cast<const float *>(a->in[0].p);
    p.filter = static_cast<const float *>(a->in[1].p);
    p.window = static_cast<const float *>(a->in[2].p);
    p.fb = static_cast<const float *>(a->in[3].p);
    p.dct = static_cast<const float *>(a->in[4].p);
    p.x_ld = a->in[0].ld;
    p.y = static_cast<float *>(y->p);
    p.y_ld = y->ld;
    p.table = s->table;
    p.frames = static_cast<int64_t *>(a->scratch);
    p.bands = reinterpret_cast<int *>(p.frames + p.items);
    double *part = reinterpret_cast<double *>(p.frames + p.items + p.n_mels);
    p.weights = reinterpret_cast<float *>(part) + spk_chunks_bytes(&chunks, 1) / sizeof(float);
    spk_launch(d, count_frames, spk_blocks(p.items, 128), 128, 0, p, s->len.there);
    if (!p.frames_only) spk_launch(d, find_bands, spk_blocks(p.n_mels, 1), 128, 0, p);
    spk_launch(d, make_frames, spk_blocks(p.items * ((p.n_frames + p.block - 1) / p.block), 1), MELSPEC_THREADS,
               shared_bytes(&p), p, s->len.there);
    if (attr->top_db > 0)
        spk_launch(d, limit, spk_blocks(p.items, 1), 256, 0, p, y->c, static_cast<float>(attr->top_db));
    if (attr->mean_norm) subtract_mean(a, &p, part);
}

const spk_kernel spk__cuda_melspec = {.name = "cuda",
                                      .supports = supports,
                                      .create = create,
                                      .destroy = destroy,
                                      .scratch_bytes = scratch_bytes,
                                      .fwd = fwd};
