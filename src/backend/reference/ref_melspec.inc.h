/* SPDX-License-Identifier: Apache-2.0 */
/*
 * melspec: features of fixed filters, step by step as backend_impl.h states them, with a discrete Fourier transform by
 * its definition. An item with a length is treated as if it were alone.
 * Scratch: cosine and sine of one turn (2 n_fft), then for each thread a frame (n_fft), its spectrum (n_fft/2 + 1) and
 * its bands (n_mels).
 */

static int64_t melspec_thread_doubles(const spk_melspec_attr *attr)
{
    return attr->n_fft + attr->n_fft / 2 + 1 + attr->n_mels;
}

static size_t melspec_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const spk_melspec_attr *attr = g->attr;
    return (size_t)(2 * attr->n_fft + g->n_threads * melspec_thread_doubles(attr)) * sizeof(double);
}

/* Normal noise at one place of item n: four places share a block of the item's stream. */
static double melspec_noise(const spk_kargs *a, int64_t n, int64_t at)
{
    const spk_draws *d = &a->ctx->draws;
    const uint64_t item = d->item ? d->item[n] : (uint64_t)n;
    spk_rng rng =
        spk_rng_make(d->seed, SPK_PURPOSE_DITHER, d->step, item, (uint32_t)((const spk_melspec_attr *)a->attr)->stream);
    uint32_t block[4];
    rng.counter[0] = (uint32_t)(at / 4);
    for (int i = 0; i < 4; i++)
        block[i] = spk_rng_u32(&rng);
    const double u = ((double)block[at % 4 / 2 * 2] + 0.5) * 0x1p-32;
    const double angle = 6.283185307179586 * (((double)block[at % 4 / 2 * 2 + 1] + 0.5) * 0x1p-32 - 0.5);
    return sqrt(-2 * log(u)) * (at % 2 ? sin(angle) : cos(angle)); /* Box and Muller */
}

/* Sample `at` of item n, scaled and with its noise; -1: zero. */
static double melspec_raw(const spk_kargs *a, int64_t n, int64_t at)
{
    const spk_melspec_attr *attr = a->attr;
    if (at < 0) return 0;
    double x = (double)row(&a->in[0], n * spk__frames(&a->in[0]) + at)[0];
    if (attr->scale != 0) x *= attr->scale;
    return attr->dither != 0 ? x + attr->dither * melspec_noise(a, n, at) : x;
}

/* Sample `at` after pre-emphasis of the signal, which has `len`. */
static double melspec_sample(const spk_kargs *a, int64_t n, int64_t at, int64_t len)
{
    const spk_view *filter = &a->in[1];
    if (!filter->p || at < 0) return melspec_raw(a, n, at);
    const int64_t before = spk_melspec_sample(SPK_EDGES_REFLECT, at - 1, len);
    return (double)dense(filter)[0] * melspec_raw(a, n, before) + (double)dense(filter)[1] * melspec_raw(a, n, at);
}

static double melspec_energy(const double *frame, int64_t n, double floor)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += frame[i] * frame[i];
    const double value = log(sum < 0x1p-23 ? 0x1p-23 : sum);
    return floor > 0 && value < log(floor) ? log(floor) : value;
}

/* The samples of frame t, ready for the transform. Returns the energy that is wanted. */
static double melspec_frame(const spk_kargs *a, int64_t n, int64_t len, int64_t t, double *frame)
{
    const spk_melspec_attr *attr = a->attr;
    const int64_t win = attr->win_length, begin = spk_melspec_begin(attr, t);
    double mean = 0, energy = 0;
    for (int64_t i = 0; i < win; i++) {
        frame[i] = melspec_sample(a, n, spk_melspec_sample(attr->edges, begin + i, len), len);
        mean += frame[i] / (double)win;
    }
    for (int64_t i = 0; i < win && attr->remove_dc; i++)
        frame[i] -= mean;
    if (attr->energy == SPK_ENERGY_RAW) energy = melspec_energy(frame, win, attr->energy_floor);
    for (int64_t i = win - 1; i >= 0 && attr->preemph != 0; i--)
        frame[i] -= attr->preemph * frame[i > 0 ? i - 1 : 0];
    for (int64_t i = 0; i < win && !attr->frames_only; i++)
        frame[i] *= (double)dense(&a->in[2])[i];
    if (attr->energy == SPK_ENERGY_WINDOWED) energy = melspec_energy(frame, win, attr->energy_floor);
    return energy;
}

static void melspec_spectrum(const spk_kargs *a, const double *frame, double *out)
{
    const spk_melspec_attr *attr = a->attr;
    const int64_t n_fft = attr->n_fft;
    const double *turn = a->scratch;
    for (int64_t k = 0; k < n_fft / 2 + 1; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < attr->win_length; i++) {
            const int64_t phase = k * i % n_fft; /* where the window begins turns the phase only */
            re += frame[i] * turn[phase];
            im -= frame[i] * turn[n_fft + phase];
        }
        out[k] = attr->magnitude ? sqrt(re * re + im * im) : re * re + im * im;
    }
}

/* Bands of a spectrum, and their logarithms. */
static void melspec_bands(const spk_kargs *a, const double *spectrum, double *out)
{
    const spk_melspec_attr *attr = a->attr;
    const double scale = attr->log_scale == 0 ? 1 : attr->log_scale;
    for (int64_t m = 0; m < attr->n_mels; m++) {
        double sum = 0;
        for (int64_t k = 0; k < attr->n_fft / 2 + 1; k++)
            sum += spectrum[k] * (double)dense(&a->in[3])[k * attr->n_mels + m];
        if (attr->log)
            sum = scale * log(attr->log_floor <= 0 ? sum + 1e-6 : sum < attr->log_floor ? attr->log_floor : sum);
        out[m] = sum;
    }
}

/* What is written for a frame. */
static void melspec_write(const spk_kargs *a, const double *bands, double energy, SPK_REAL *out)
{
    const spk_melspec_attr *attr = a->attr;
    const int64_t first = attr->energy != SPK_ENERGY_NONE;
    for (int64_t m = 0; m < attr->n_mels && attr->n_ceps == 0; m++)
        out[first + m] = (SPK_REAL)bands[m];
    for (int64_t c = 0; c < attr->n_ceps; c++) {
        double sum = 0;
        for (int64_t m = 0; m < attr->n_mels; m++)
            sum += bands[m] * (double)dense(&a->in[4])[m * attr->n_ceps + c];
        out[c] = (SPK_REAL)sum;
    }
    if (first) out[0] = (SPK_REAL)energy;
}

static void melspec_limit(const spk_view *y, int64_t n, int64_t frames, double top_db)
{
    const int64_t first = n * spk__frames(y);
    double most = -HUGE_VAL;
    for (int64_t t = 0; t < frames; t++)
        for (int64_t m = 0; m < y->c; m++)
            most = fmax(most, (double)row(y, first + t)[m]);
    for (int64_t t = 0; t < frames; t++)
        for (int64_t m = 0; m < y->c; m++)
            if ((double)row(y, first + t)[m] < most - top_db) row(y, first + t)[m] = (SPK_REAL)(most - top_db);
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

static int64_t melspec_frames_of(const spk_kargs *a, int64_t n)
{
    const int64_t frames = spk_melspec_frames(a->attr, spk__valid(&a->in[0], n)), most = spk__frames(&a->out[0]);
    return frames < most ? frames : most;
}

static void melspec_fwd(const spk_kargs *a)
{
    const spk_melspec_attr *attr = a->attr;
    const spk_view *y = &a->out[0];
    const int64_t n_t = spk__frames(y), n_fft = attr->n_fft;
    double *turn = a->scratch;
    for (int64_t i = 0; i < n_fft; i++) {
        turn[i] = cos(2 * 3.14159265358979323846 * (double)i / (double)n_fft);
        turn[n_fft + i] = sin(2 * 3.14159265358979323846 * (double)i / (double)n_fft);
    }
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < y->n * n_t; r++) {
        double *frame = turn + 2 * n_fft + omp_get_thread_num() * melspec_thread_doubles(attr);
        double *spectrum = frame + n_fft, *bands = spectrum + n_fft / 2 + 1;
        if (r % n_t >= melspec_frames_of(a, r / n_t)) {
            memset(row(y, r), 0, (size_t)y->c * sizeof(SPK_REAL));
            continue;
        }
        const double energy = melspec_frame(a, r / n_t, spk__valid(&a->in[0], r / n_t), r % n_t, frame);
        if (attr->frames_only) {
            for (int64_t i = 0; i < attr->win_length; i++)
                row(y, r)[i] = (SPK_REAL)frame[i];
            continue;
        }
        melspec_spectrum(a, frame, spectrum);
        melspec_bands(a, spectrum, bands);
        melspec_write(a, bands, energy, row(y, r));
    }
    for (int64_t n = 0; n < y->n; n++) {
        const int64_t frames = melspec_frames_of(a, n);
        if (attr->top_db > 0) melspec_limit(y, n, frames, attr->top_db);
        if (attr->mean_norm && frames > 0) melspec_subtract_mean(y, n, frames);
    }
}
