/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec with kissfft's real transform. A task is a run of frames of one item: its stretch of the signal, ends and
 * noise and pre-emphasis included, is made once, and the frames read from there. The mel bands are kept as the non-zero
 * run of bins of each filter, found again when the parameters may have changed. Even n_fft and dense samples only.
 */
#include "backend/cpu/isa/normal_impl.h"
#include "backend/cpu/isa_impl.h"

#include <kissfft/kiss_fftr.h>
#include <math.h>
#include <omp.h>
#include <string.h>

enum { FRAMES = 32 };

typedef struct band {
    int64_t first, n; /* bins */
    int64_t at;       /* of `weights` */
} band;

typedef struct melspec_state {
    spk_melspec_attr attr;
    int n_threads;
    kiss_fftr_cfg *plan; /* one for each thread: it has a buffer inside */
    bool ready;          /* bands hold the filters of the last call */
    band *bands;
    float *weights;
    float *buffers; /* for each thread, see `room` */
} melspec_state;

/* A thread's buffers. */
typedef struct room {
    float *frame, *power, *bands, *signal, *noise;
    kiss_fft_cpx *spectrum;
} room;

/* Samples that a task's frames lie in, and one before; with noise, in whole blocks of 4. */
static int64_t signal_floats(const spk_melspec_attr *attr)
{
    return ((FRAMES - 1) * attr->hop_length + attr->win_length + 1 + 15) / 16 * 16;
}

/* Floats of a thread's buffers; each begins at a multiple of 16. */
static int64_t buffer_floats(const spk_melspec_attr *attr)
{
    const int64_t spectrum = (attr->n_fft / 2 + 16) / 16 * 16, frame = (attr->n_fft + 15) / 16 * 16;
    const int64_t signal = signal_floats(attr), noise = attr->dither != 0 ? signal + 16 : 0;
    return frame + 3 * spectrum + (attr->n_mels + 15) / 16 * 16 + signal + noise;
}

static room room_of(const melspec_state *s, int thread)
{
    const spk_melspec_attr *attr = &s->attr;
    const int64_t spectrum = (attr->n_fft / 2 + 16) / 16 * 16;
    room r = {.frame = s->buffers + buffer_floats(attr) * thread};
    r.power = r.frame + (attr->n_fft + 15) / 16 * 16;
    r.spectrum = (kiss_fft_cpx *)(void *)(r.power + spectrum);
    r.bands = r.power + 3 * spectrum;
    r.signal = r.bands + (attr->n_mels + 15) / 16 * 16;
    r.noise = r.signal + signal_floats(attr);
    return r;
}

static bool supports(const spk_geom *g)
{
    const spk_melspec_attr *attr = g->attr;
    return attr->n_fft % 2 == 0 && attr->n_fft >= 2 && g->in[0].ld == 1 && attr->win_length <= attr->n_fft &&
           !attr->frames_only;
}

static void destroy(void *state)
{
    melspec_state *s = state;
    if (!s) return;
    for (int i = 0; s->plan && i < s->n_threads; i++)
        kiss_fftr_free(s->plan[i]);
    spk_free(s->plan);
    spk_free(s->bands);
    spk_free(s->weights);
    spk_free(s->buffers);
    spk_free(s);
}

static spk_status create(const spk_geom *g, void **state)
{
    const spk_melspec_attr *attr = g->attr;
    const size_t n_bins = (size_t)attr->n_fft / 2 + 1;
    melspec_state *s = spk_new(sizeof *s);
    s->attr = *attr;
    s->n_threads = g->n_threads;
    s->plan = spk_new(sizeof *s->plan * (size_t)g->n_threads);
    s->bands = spk_new(sizeof *s->bands * (size_t)attr->n_mels);
    s->weights = spk_alloc(n_bins * (size_t)attr->n_mels * sizeof(float));
    s->buffers = spk_alloc((size_t)(buffer_floats(attr) * g->n_threads) * sizeof(float));
    bool whole = s->weights && s->buffers;
    for (int i = 0; i < g->n_threads; i++) {
        s->plan[i] = kiss_fftr_alloc((int)attr->n_fft, 0, NULL, NULL);
        whole = whole && s->plan[i];
    }
    if (!whole) {
        destroy(s);
        return spk_fail(SPK_E_NOMEM, "out of memory for a Fourier transform of %lld points", (long long)attr->n_fft);
    }
    *state = s;
    return SPK_OK;
}

/* The non-zero run of each filter of fb (bins, mels). */
static void find_bands(melspec_state *s, const float *fb)
{
    const int64_t n_bins = s->attr.n_fft / 2 + 1, n_mels = s->attr.n_mels;
    int64_t at = 0;
    for (int64_t m = 0; m < n_mels; m++) {
        int64_t first = 0, end = n_bins;
        while (first < end && fb[first * n_mels + m] == 0)
            first++;
        while (end > first && fb[(end - 1) * n_mels + m] == 0)
            end--;
        s->bands[m] = (band){first, end - first, at};
        for (int64_t k = first; k < end; k++)
            s->weights[at++] = fb[k * n_mels + m];
    }
    s->ready = true;
}

/* ---- the signal ---- */

/* Sample `at` of the signal x of n samples, scaled, with noise. -1: zero. */
static float raw_sample(const spk_kargs *a, const float *x, const spk_rng *rng, int64_t at)
{
    const spk_melspec_attr *attr = a->attr;
    float noise[4];
    if (at < 0) return 0;
    const float y = attr->scale != 0 ? (float)attr->scale * x[at] : x[at];
    if (attr->dither == 0) return y;
    spk__normals(rng, (uint32_t)(at / 4), 1, noise);
    return y + (float)attr->dither * noise[at % 4];
}

/* Sample i, which may lie outside, after pre-emphasis of the signal. */
static float any_sample(const spk_kargs *a, const float *x, const spk_rng *rng, int64_t i, int64_t n)
{
    const float *filter = a->in[1].p;
    const int64_t at = spk_melspec_sample(((const spk_melspec_attr *)a->attr)->edges, i, n);
    if (!filter || at < 0) return raw_sample(a, x, rng, at);
    const int64_t before = spk_melspec_sample(SPK_EDGES_REFLECT, at - 1, n);
    return filter[0] * raw_sample(a, x, rng, before) + filter[1] * raw_sample(a, x, rng, at);
}

/* Samples [first, end) of those inside, first >= 1 with a filter: out[0] is sample `first`. */
static void inner_samples(const spk_kargs *a, const float *x, const spk_rng *rng, int64_t first, int64_t end,
                          float *noise, float *out)
{
    const spk_melspec_attr *attr = a->attr;
    const float *filter = a->in[1].p, scale = attr->scale != 0 ? (float)attr->scale : 1;
    const float f0 = filter ? filter[0] : 0, f1 = filter ? filter[1] : 1, dither = (float)attr->dither;
    const int64_t n = end - first, back = filter != NULL;
    const float *p = x + first;
    if (n <= 0) return;
    if (dither == 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            out[i] = scale * (f0 * p[i - back] + f1 * p[i]);
        return;
    }
    const int64_t block = (first - back) / 4, blocks = (end + 3) / 4 - block;
    spk__normals(rng, (uint32_t)block, blocks, noise);
    const float *e = noise + first - 4 * block;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = f0 * (scale * p[i - back] + dither * e[i - back]) + f1 * (scale * p[i] + dither * e[i]);
}

/* out gets samples [begin, end) of item n, ready to be cut into frames. */
static void fill_signal(const spk_kargs *a, int64_t n, int64_t begin, int64_t end, const room *r)
{
    const spk_draws *d = &a->ctx->draws;
    const float *x = (const float *)a->in[0].p + n * spk__n_frames(&a->in[0]);
    const int64_t len = spk__n_valid(&a->in[0], n), least = a->in[1].p ? 1 : 0;
    const int64_t first = begin > least ? begin : least, last = spk__min(end, len);
    const spk_rng rng = spk_rng_make(d->seed, SPK_PURPOSE_DITHER, d->step, d->item ? d->item[n] : (uint64_t)n,
                                     (uint32_t)((const spk_melspec_attr *)a->attr)->stream);
    for (int64_t i = begin; i < spk__min(first, end); i++)
        r->signal[i - begin] = any_sample(a, x, &rng, i, len);
    inner_samples(a, x, &rng, first, last, r->noise, r->signal + (first - begin));
    for (int64_t i = last > begin ? last : begin; i < end; i++)
        r->signal[i - begin] = any_sample(a, x, &rng, i, len);
}

/* ---- frames ---- */

static float energy_of(const float *x, int64_t n, double least)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)(x[i] * x[i]);
    const double value = log(sum < 0x1p-23 ? 0x1p-23 : sum);
    return (float)(least > 0 && value < log(least) ? log(least) : value);
}

/* The samples x of a frame times the window; Kaldi's steps where they are wanted. Returns the energy. */
static float make_frame(const spk_kargs *a, const float *x, float *frame)
{
    const spk_melspec_attr *attr = a->attr;
    const int64_t n = attr->win_length;
    const float *window = a->in[2].p;
    const float p = (float)attr->preemph;
    float mean = 0, energy = 0;
    if (!attr->remove_dc && p == 0 && attr->energy == SPK_ENERGY_NONE) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            frame[i] = x[i] * window[i];
        return 0;
    }
#pragma omp simd reduction(+ : mean)
    for (int64_t i = 0; i < n; i++)
        mean += x[i];
    mean = attr->remove_dc ? mean / (float)n : 0;
    if (attr->energy == SPK_ENERGY_RAW) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            frame[i] = x[i] - mean;
        energy = energy_of(frame, n, attr->energy_floor);
    }
    frame[0] = (x[0] - mean) * (1 - p) * window[0];
#pragma omp simd
    for (int64_t i = 1; i < n; i++)
        frame[i] = ((x[i] - mean) - p * (x[i - 1] - mean)) * window[i];
    return attr->energy == SPK_ENERGY_WINDOWED ? energy_of(frame, n, attr->energy_floor) : energy;
}

static void make_bands(const melspec_state *s, const float *power, float *out)
{
    const spk_melspec_attr *attr = &s->attr;
    for (int64_t m = 0; m < attr->n_mels; m++) {
        const band b = s->bands[m];
        const float *w = s->weights + b.at, *p = power + b.first;
        float sum = 0;
        for (int64_t k = 0; k < b.n; k++)
            sum += w[k] * p[k];
        out[m] = sum;
    }
    if (!attr->log) return;
    const float add = attr->log_floor > 0 ? 0 : 1e-6f, least = attr->log_floor > 0 ? (float)attr->log_floor : 0;
    const float scale = attr->log_scale != 0 ? (float)attr->log_scale : 1;
#pragma omp simd
    for (int64_t m = 0; m < attr->n_mels; m++) {
        const float x = out[m] + add;
        out[m] = scale * spk__logf(x < least ? least : x); /* NaN stays */
    }
}

/* One frame of samples x into its row. */
static void one_frame(const spk_kargs *a, const float *x, const room *r, kiss_fftr_cfg plan, float *out)
{
    const melspec_state *s = a->state;
    const spk_melspec_attr *attr = &s->attr;
    const int64_t n_bins = attr->n_fft / 2 + 1, n_ceps = attr->n_ceps;
    const float energy = make_frame(a, x, r->frame);
    kiss_fftr(plan, r->frame, r->spectrum);
#pragma omp simd
    for (int64_t k = 0; k < n_bins; k++)
        r->power[k] = r->spectrum[k].r * r->spectrum[k].r + r->spectrum[k].i * r->spectrum[k].i;
    if (attr->magnitude) {
#pragma omp simd
        for (int64_t k = 0; k < n_bins; k++)
            r->power[k] = __builtin_sqrtf(r->power[k]);
    }
    if (n_ceps > 0) {
        make_bands(s, r->power, r->bands);
        memset(out, 0, (size_t)n_ceps * sizeof *out);
        for (int64_t m = 0; m < attr->n_mels; m++) {
            const float *dct = (const float *)a->in[4].p + m * n_ceps, value = r->bands[m];
#pragma omp simd
            for (int64_t c = 0; c < n_ceps; c++)
                out[c] += value * dct[c];
        }
    } else {
        make_bands(s, r->power, out + (attr->energy != SPK_ENERGY_NONE));
    }
    if (attr->energy != SPK_ENERGY_NONE) out[0] = energy;
}

/* Frames [t0, t1) of item n, whose first `frames` have samples. */
static void task_frames(const spk_kargs *a, int64_t n, int64_t frames, int64_t t0, int64_t t1)
{
    const melspec_state *s = a->state;
    const int64_t first = n * spk__n_frames(&a->out[0]), end = spk__min(t1, frames);
    const int thread = omp_get_thread_num();
    const room r = room_of(s, thread);
    if (t0 < end) {
        const int64_t begin = spk_melspec_begin(&s->attr, t0);
        fill_signal(a, n, begin, spk_melspec_begin(&s->attr, end - 1) + s->attr.win_length, &r);
        memset(r.frame, 0, (size_t)s->attr.n_fft * sizeof *r.frame);
        for (int64_t t = t0; t < end; t++)
            one_frame(a, r.signal + (t - t0) * s->attr.hop_length, &r, s->plan[thread],
                      spk__row(&a->out[0], first + t));
    }
    for (int64_t t = end > t0 ? end : t0; t < t1; t++)
        memset(spk__row(&a->out[0], first + t), 0, (size_t)a->out[0].c * sizeof(float));
}

/* ---- over an item's frames ---- */

static void limit(const spk_view *y, int64_t n, int64_t frames, float top_db)
{
    float most = -HUGE_VALF;
    for (int64_t t = 0; t < frames; t++) {
        const float *row = spk__row(y, n * spk__n_frames(y) + t);
#pragma omp simd reduction(max : most)
        for (int64_t m = 0; m < y->c; m++)
            most = row[m] > most ? row[m] : most;
    }
    for (int64_t t = 0; t < frames; t++) {
        float *row = spk__row(y, n * spk__n_frames(y) + t);
#pragma omp simd
        for (int64_t m = 0; m < y->c; m++)
            row[m] = row[m] < most - top_db ? most - top_db : row[m];
    }
}

static void subtract_mean(const spk_view *y, int64_t n, int64_t frames)
{
    for (int64_t m0 = 0; m0 < y->c; m0 += SPK_CHUNK) {
        const int64_t n_m = spk__min(SPK_CHUNK, y->c - m0);
        double sum[SPK_CHUNK] = {0};
        float mean[SPK_CHUNK];
        for (int64_t t = 0; t < frames; t++) {
            const float *row = spk__row(y, n * spk__n_frames(y) + t) + m0;
#pragma omp simd
            for (int64_t m = 0; m < n_m; m++)
                sum[m] += (double)row[m];
        }
        for (int64_t m = 0; m < n_m; m++)
            mean[m] = (float)(sum[m] / (double)frames);
        for (int64_t t = 0; t < frames; t++) {
            float *row = spk__row(y, n * spk__n_frames(y) + t) + m0;
#pragma omp simd
            for (int64_t m = 0; m < n_m; m++)
                row[m] -= mean[m];
        }
    }
}

/* Frames of item n that have samples. */
static int64_t item_frames(const spk_kargs *a, int64_t n)
{
    return spk__min(spk_melspec_frames(a->attr, spk__n_valid(&a->in[0], n)), spk__n_frames(&a->out[0]));
}

static void fwd(const spk_kargs *a)
{
    melspec_state *s = a->state;
    const int64_t n_t = spk__n_frames(&a->out[0]), per_item = (n_t + FRAMES - 1) / FRAMES, n_items = a->in[0].n;
    if (!s->ready || a->weights_changed) find_bands(s, a->in[3].p);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < n_items * per_item; i++) {
        const int64_t n = i / per_item, t0 = i % per_item * FRAMES;
        task_frames(a, n, item_frames(a, n), t0, spk__min(t0 + FRAMES, n_t));
    }
    if (!s->attr.mean_norm && s->attr.top_db <= 0) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < n_items; n++) {
        if (s->attr.top_db > 0) limit(&a->out[0], n, item_frames(a, n), (float)s->attr.top_db);
        if (s->attr.mean_norm && item_frames(a, n) > 0) subtract_mean(&a->out[0], n, item_frames(a, n));
    }
}

const spk_kernel SPK_ISA_NAME(spk__omp_melspec) = {
    .name = SPK_KERNEL_NAME, .supports = supports, .create = create, .destroy = destroy, .fwd = fwd};
