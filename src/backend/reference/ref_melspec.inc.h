/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec: pre-emphasis, a centred short-time power spectrum, mel bands, logarithm, mean normalisation, as ESPnet's
 * melspec_torch computes them (specification 2.1), with a discrete Fourier transform by its definition.
 * An item with a length is treated as if it were alone: its own ends are mirrored, and frames past 1 + len/hop are 0.
 * Scratch: cosine and sine of one turn (2 n_fft), then for each thread a frame (n_fft) and its powers (n_fft/2 + 1).
 */

static size_t melspec_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const spk_melspec_attr *attr = g->attr;
    const size_t frame = (size_t)(attr->n_fft + attr->n_fft / 2 + 1);
    return ((size_t)(2 * attr->n_fft) + (size_t)g->n_threads * frame) * sizeof(double);
}

/* Index i of a signal of n samples that is mirrored at its ends, the end samples not repeated. */
static int64_t melspec_mirror(int64_t i, int64_t n)
{
    while (n > 1 && (i < 0 || i >= n))
        i = i < 0 ? -i : 2 * (n - 1) - i;
    return n > 1 ? i : 0;
}

/* Sample i of n after pre-emphasis. */
static double melspec_sample(const spk_view *filter, const spk_view *speech, const SPK_REAL *x, int64_t i, int64_t n)
{
    if (!filter->p) return (double)x[i * speech->ld];
    const double before = (double)x[melspec_mirror(i - 1, n) * speech->ld];
    return (double)dense(filter)[0] * before + (double)dense(filter)[1] * (double)x[i * speech->ld];
}

/* One frame: out gets the n_mels bands. */
static void melspec_frame(const spk_kargs *a, const SPK_REAL *x, int64_t n, int64_t t, SPK_REAL *out)
{
    const spk_melspec_attr *attr = a->attr;
    const int64_t n_fft = attr->n_fft, offset = (n_fft - attr->win_length) / 2, n_bins = n_fft / 2 + 1;
    const double *turn = a->scratch;
    double *frame = (double *)a->scratch + 2 * n_fft + omp_get_thread_num() * (n_fft + n_bins), *power = frame + n_fft;
    for (int64_t i = 0; i < attr->win_length; i++) {
        const int64_t at = melspec_mirror(t * attr->hop_length + offset + i - n_fft / 2, n);
        frame[i] = melspec_sample(&a->in[1], &a->in[0], x, at, n) * (double)dense(&a->in[2])[i];
    }
    for (int64_t k = 0; k < n_bins; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < attr->win_length; i++) {
            const int64_t phase = k * (i + offset) % n_fft;
            re += frame[i] * turn[phase];
            im -= frame[i] * turn[n_fft + phase];
        }
        power[k] = re * re + im * im;
    }
    for (int64_t m = 0; m < attr->n_mels; m++) {
        double sum = 0;
        for (int64_t k = 0; k < n_bins; k++)
            sum += power[k] * (double)dense(&a->in[3])[k * attr->n_mels + m];
        out[m] = (SPK_REAL)(attr->log ? log(sum + 1e-6) : sum);
    }
}

static void melspec_subtract_mean(const spk_view *y, int64_t n, int64_t frames)
{
    const int64_t first = n * spk__frames(y);
    for (int64_t m = 0; m < y->c; m++) {
        double sum = 0;
        for (int64_t t = 0; t < frames; t++)
            sum += (double)row(y, first + t)[m];
        for (int64_t t = 0; t < frames; t++)
            row(y, first + t)[m] = (SPK_REAL)((double)row(y, first + t)[m] - sum / (double)frames);
    }
}

static void melspec_fwd(const spk_kargs *a)
{
    const spk_melspec_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t n_t = spk__frames(y), n_fft = attr->n_fft, even = n_fft / 2 * 2;
    double *turn = a->scratch;
    for (int64_t i = 0; i < n_fft; i++) {
        turn[i] = cos(2 * 3.14159265358979323846 * (double)i / (double)n_fft);
        turn[n_fft + i] = sin(2 * 3.14159265358979323846 * (double)i / (double)n_fft);
    }
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < x->n * n_t; r++) {
        const int64_t n = r / n_t, len = spk__valid(x, n);
        if (len + even >= n_fft && len > 0 && r % n_t < 1 + (len + even - n_fft) / attr->hop_length)
            melspec_frame(a, row(x, n * spk__frames(x)), len, r % n_t, row(y, r));
        else
            memset(row(y, r), 0, (size_t)y->c * sizeof(SPK_REAL));
    }
    for (int64_t n = 0; n < x->n && attr->mean_norm; n++) {
        const int64_t len = spk__valid(x, n), frames = 1 + (len + even - n_fft) / attr->hop_length;
        if (len > 0 && len + even >= n_fft) melspec_subtract_mean(y, n, frames < n_t ? frames : n_t);
    }
}
