/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec with kissfft's real transform: a task is a run of frames of one item; frames away from the ends read the
 * samples in place. The mel bands are kept as the non-zero run of bins of each filter, found again when the
 * parameters may have changed. Even n_fft and dense samples only.
 */
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
    float *buffers; /* for each thread: frame, spectrum, power */
} melspec_state;

/* Floats of a thread's buffers, a multiple of 16. */
static int64_t buffer_floats(const spk_melspec_attr *attr)
{
    return (attr->n_fft + 3 * (attr->n_fft / 2 + 1) + 15) / 16 * 16;
}

static bool supports(const spk_geom *g)
{
    const spk_melspec_attr *attr = g->attr;
    return attr->n_fft % 2 == 0 && attr->n_fft >= 2 && g->in[0].ld == 1 && attr->win_length <= attr->n_fft;
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

/* Index i of a signal of n samples that is mirrored at its ends. */
static int64_t mirror(int64_t i, int64_t n)
{
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

/* win_length pre-emphasised samples from `begin` on, times the window. */
static void read_frame(const spk_kargs *a, const float *x, int64_t n, int64_t begin, float *frame)
{
    const int64_t n_win = ((const spk_melspec_attr *)a->attr)->win_length;
    const float *window = a->in[2].p, *filter = a->in[1].p;
    const float f0 = filter ? filter[0] : 0, f1 = filter ? filter[1] : 1;
    if (begin >= 1 && begin + n_win <= n) {
        const float *p = x + begin;
#pragma omp simd
        for (int64_t i = 0; i < n_win; i++)
            frame[i] = (f0 * p[i - 1] + f1 * p[i]) * window[i];
        return;
    }
    for (int64_t i = 0; i < n_win; i++) {
        const int64_t at = mirror(begin + i, n);
        frame[i] = (f0 * x[mirror(at - 1, n)] + f1 * x[at]) * window[i];
    }
}

static void write_bands(const melspec_state *s, const float *power, float *out)
{
    for (int64_t m = 0; m < s->attr.n_mels; m++) {
        const band b = s->bands[m];
        const float *w = s->weights + b.at, *p = power + b.first;
        float sum = 0;
        for (int64_t k = 0; k < b.n; k++)
            sum += w[k] * p[k];
        out[m] = sum;
    }
    if (s->attr.log) {
#pragma omp simd
        for (int64_t m = 0; m < s->attr.n_mels; m++)
            out[m] = spk__logf(out[m] + 1e-6f);
    }
}

/* Frames [t0, t1) of item n, whose first `frames` have samples. */
static void task_frames(const spk_kargs *a, int64_t n, int64_t frames, int64_t t0, int64_t t1)
{
    const melspec_state *s = a->state;
    const int64_t n_fft = s->attr.n_fft, n_bins = n_fft / 2 + 1, offset = (n_fft - s->attr.win_length) / 2;
    const int thread = omp_get_thread_num();
    float *frame = s->buffers + buffer_floats(&s->attr) * thread;
    kiss_fft_cpx *spectrum = (kiss_fft_cpx *)(void *)(frame + n_fft);
    float *power = frame + n_fft + 2 * n_bins;
    memset(frame, 0, (size_t)n_fft * sizeof *frame);
    for (int64_t t = t0; t < t1; t++) {
        float *out = spk__row(&a->out[0], n * spk__n_frames(&a->out[0]) + t);
        if (t >= frames) {
            memset(out, 0, (size_t)s->attr.n_mels * sizeof *out);
            continue;
        }
        read_frame(a, (const float *)a->in[0].p + n * spk__n_frames(&a->in[0]), spk__n_valid(&a->in[0], n),
                   t * s->attr.hop_length + offset - n_fft / 2, frame + offset);
        kiss_fftr(s->plan[thread], frame, spectrum);
#pragma omp simd
        for (int64_t k = 0; k < n_bins; k++)
            power[k] = spectrum[k].r * spectrum[k].r + spectrum[k].i * spectrum[k].i;
        write_bands(s, power, out);
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
    const spk_melspec_attr *attr = a->attr;
    const int64_t len = spk__n_valid(&a->in[0], n);
    return len > 0 ? spk__min(1 + len / attr->hop_length, spk__n_frames(&a->out[0])) : 0;
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
    if (!s->attr.mean_norm) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < n_items; n++)
        if (item_frames(a, n) > 0) subtract_mean(&a->out[0], n, item_frames(a, n));
}

const spk_kernel SPK_ISA_NAME(spk__omp_melspec) = {
    .name = SPK_KERNEL_NAME, .supports = supports, .create = create, .destroy = destroy, .fwd = fwd};
