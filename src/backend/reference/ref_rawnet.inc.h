/* SPDX-License-Identifier: Apache-2.0 */
/* RawNet3 and lengths: sinc filters, pooling by maximum, AFMS, masks, padding. (sinc, max_pool, afms, mask, pad_time) */

/* ---- sinc ----
 * Per item: pre-emphasis, z^ = (y - mean) / sqrt(var + 1e-4) over its samples, z = g z^ + b; frames of K samples times
 * the bank (2M,K), M even filters and then M odd ones; ln(|.| + log_term) less its mean over the item's frames.
 * Scratch: bank (2M,K), its gradient (2M,K), z^ (S), |.|'s slopes and logarithms (2M,T), in double. */

enum { SINC_MIN_HZ = 50 };

typedef struct sinc_parts {
    int64_t n_samples, n_frames, k, half, m;
    double *bank, *dbank, *z, *frames;
} sinc_parts;

static size_t sinc_scratch(const spk_geom *g, const void *state)
{
    const spk_sinc_attr *attr = g->attr;
    const int64_t n_o = 2 * g->in[4].n * g->in[4].w * g->in[4].c;
    (void)state;
    return (size_t)(2 * n_o * attr->kernel_size + g->in[0].w + n_o * g->out[0].w) * sizeof(double);
}

static sinc_parts sinc_parts_of(const spk_kargs *a, const spk_view *y)
{
    const spk_sinc_attr *attr = a->attr;
    sinc_parts p = {.n_samples = spk__frames(&a->in[0]),
                    .n_frames = spk__frames(y),
                    .k = attr->kernel_size,
                    .half = attr->kernel_size / 2,
                    .m = y->c / 2};
    p.bank = a->scratch;
    p.dbank = p.bank + 2 * p.m * p.k;
    p.z = p.dbank + 2 * p.m * p.k;
    p.frames = p.z + p.n_samples;
    return p;
}

/* A filter's band: edges in Hz, and whether the upper one may move. */
typedef struct sinc_band {
    double low, high, width;
    bool inside;
} sinc_band;

static sinc_band sinc_band_of(const spk_kargs *a, int64_t m)
{
    const spk_sinc_attr *attr = a->attr;
    const double low = SINC_MIN_HZ + fabs((double)dense(&a->in[4])[m]);
    const double high = low + SINC_MIN_HZ + fabs((double)dense(&a->in[5])[m]);
    const double top = clamp(high, SINC_MIN_HZ, attr->sample_rate / 2);
    return (sinc_band){.low = low, .high = top, .width = top - low, .inside = high <= attr->sample_rate / 2};
}

static void sinc_make_bank(const spk_kargs *a, const sinc_parts *p)
{
    for (int64_t m = 0; m < p->m; m++) {
        const sinc_band f = sinc_band_of(a, m);
        double *even = p->bank + m * p->k, *odd = p->bank + (p->m + m) * p->k;
        for (int64_t i = 0; i < p->half; i++) {
            const double n = (double)dense(&a->in[7])[i], w = (double)dense(&a->in[6])[i] / (2 * f.width);
            even[i] = even[p->k - 1 - i] = (sin(f.high * n) - sin(f.low * n)) / (n / 2) * w;
            odd[i] = (cos(f.low * n) - cos(f.high * n)) / (n / 2) * w;
            odd[p->k - 1 - i] = -odd[i];
        }
        even[p->half] = 1;
        odd[p->half] = 0;
    }
}

/* Sample i of n after pre-emphasis. */
static double sinc_sample(const spk_kargs *a, int64_t item, int64_t i, int64_t n)
{
    const spk_view *x = &a->in[0];
    const double now = (double)*row(x, item * spk__frames(x) + i);
    if (!a->in[1].p) return now;
    const double before = (double)*row(x, item * spk__frames(x) + spk_melspec_sample(SPK_EDGES_REFLECT, i - 1, n));
    return (double)dense(&a->in[1])[0] * before + (double)dense(&a->in[1])[1] * now;
}

/* z^ of item n. */
static void sinc_normalise(const spk_kargs *a, const sinc_parts *p, int64_t n)
{
    const spk_view *x = &a->in[0];
    const int64_t len = spk__valid(x, n);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < len; i++)
        sum += p->z[i] = sinc_sample(a, n, i, len);
    const double mean = sum / (double)(len > 0 ? len : 1);
    for (int64_t i = 0; i < len; i++)
        square += (p->z[i] - mean) * (p->z[i] - mean);
    const double scale = 1 / sqrt(square / (double)(len > 0 ? len : 1) + 1e-4);
    for (int64_t i = 0; i < len; i++)
        p->z[i] = (p->z[i] - mean) * scale;
}

static int64_t sinc_frames(const spk_kargs *a, const sinc_parts *p, int64_t n)
{
    const spk_sinc_attr *attr = a->attr;
    const int64_t len = spk__valid(&a->in[0], n), frames = (len - p->k) / attr->stride + 1;
    return len < p->k ? 0 : frames < p->n_frames ? frames : p->n_frames;
}

/* Filter o at frame t. */
static double sinc_product(const spk_kargs *a, const sinc_parts *p, int64_t o, int64_t t)
{
    const double g = (double)dense(&a->in[2])[0], b = (double)dense(&a->in[3])[0];
    const double *z = p->z + t * ((const spk_sinc_attr *)a->attr)->stride, *w = p->bank + o * p->k;
    double sum = 0;
    for (int64_t k = 0; k < p->k; k++)
        sum += w[k] * (g * z[k] + b);
    return sum;
}

static void sinc_fwd(const spk_kargs *a)
{
    const spk_sinc_attr *attr = a->attr;
    const sinc_parts p = sinc_parts_of(a, &a->out[0]);
    sinc_make_bank(a, &p);
    for (int64_t n = 0; n < a->in[0].n; n++) {
        const int64_t frames = sinc_frames(a, &p, n);
        sinc_normalise(a, &p, n);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
        for (int64_t o = 0; o < 2 * p.m; o++) {
            double sum = 0, *ln = p.frames + o * p.n_frames;
            for (int64_t t = 0; t < frames; t++)
                sum += ln[t] = log(fabs(sinc_product(a, &p, o, t)) + attr->log_term);
            for (int64_t t = 0; t < p.n_frames; t++)
                row(&a->out[0], n * p.n_frames + t)[o] = (SPK_REAL)(t < frames ? ln[t] - sum / (double)frames : 0);
        }
    }
}

/* The gradient of the bank to its bands. */
static void sinc_bands_bwd(const spk_kargs *a, const sinc_parts *p)
{
    for (int64_t m = 0; m < p->m; m++) {
        const sinc_band f = sinc_band_of(a, m);
        const double *even = p->bank + m * p->k, *odd = p->bank + (p->m + m) * p->k;
        const double *deven = p->dbank + m * p->k, *dodd = p->dbank + (p->m + m) * p->k;
        double dlow = 0, dhigh = 0, dwidth = 0;
        for (int64_t i = 0; i < p->half; i++) {
            const double n = (double)dense(&a->in[7])[i], w = (double)dense(&a->in[6])[i] / f.width;
            const double de = deven[i] + deven[p->k - 1 - i], ds = dodd[i] - dodd[p->k - 1 - i];
            dhigh += w * (de * cos(f.high * n) + ds * sin(f.high * n));
            dlow -= w * (de * cos(f.low * n) + ds * sin(f.low * n));
            dwidth -= (de * even[i] + ds * odd[i]) / f.width;
        }
        const double moves = f.inside ? dhigh + dwidth : 0;
        const double low = (double)dense(&a->in[4])[m], band = (double)dense(&a->in[5])[m];
        if (a->din[4].p) put(dense(&a->din[4]) + m, (dlow - dwidth + moves) * ((low > 0) - (low < 0)), true);
        if (a->din[5].p) put(dense(&a->din[5]) + m, moves * ((band > 0) - (band < 0)), true);
    }
}

/* dC of an item's frames in p->frames. */
static void sinc_products_bwd(const spk_kargs *a, const sinc_parts *p, int64_t n, int64_t o, int64_t frames)
{
    const double term = ((const spk_sinc_attr *)a->attr)->log_term;
    double sum = 0, *d = p->frames + o * p->n_frames;
    for (int64_t t = 0; t < frames; t++)
        sum += (double)row(&a->dout[0], n * p->n_frames + t)[o];
    for (int64_t t = 0; t < frames; t++) {
        const double c = sinc_product(a, p, o, t);
        const double dln = (double)row(&a->dout[0], n * p->n_frames + t)[o] - sum / (double)frames;
        d[t] = dln * ((c > 0) - (c < 0)) / (fabs(c) + term);
    }
}

static void sinc_bwd(const spk_kargs *a)
{
    const int64_t stride = ((const spk_sinc_attr *)a->attr)->stride;
    const double g = (double)dense(&a->in[2])[0], b = (double)dense(&a->in[3])[0];
    const sinc_parts p = sinc_parts_of(a, &a->dout[0]);
    double dg = 0, db = 0;
    sinc_make_bank(a, &p);
    memset(p.dbank, 0, (size_t)(2 * p.m * p.k) * sizeof *p.dbank);
    for (int64_t n = 0; n < a->in[0].n; n++) {
        const int64_t frames = sinc_frames(a, &p, n);
        sinc_normalise(a, &p, n);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
        for (int64_t o = 0; o < 2 * p.m; o++)
            sinc_products_bwd(a, &p, n, o, frames);
        for (int64_t o = 0; o < 2 * p.m; o++) {
            for (int64_t t = 0; t < frames; t++) {
                const double d = p.frames[o * p.n_frames + t];
                for (int64_t k = 0; k < p.k; k++) {
                    p.dbank[o * p.k + k] += d * (g * p.z[t * stride + k] + b);
                    dg += d * p.bank[o * p.k + k] * p.z[t * stride + k];
                    db += d * p.bank[o * p.k + k];
                }
            }
        }
    }
    if (a->din[2].p) put(dense(&a->din[2]), dg, true);
    if (a->din[3].p) put(dense(&a->din[3]), db, true);
    sinc_bands_bwd(a, &p);
}

/* ---- max_pool: saves which of the k frames it was, int32 (N,T/k,C) ---- */

static size_t max_pool_save(const spk_geom *g)
{
    return (size_t)(spk_rows(&g->out[0]) * g->out[0].c) * sizeof(int32_t);
}

static void max_pool_fwd(const spk_kargs *a)
{
    const int64_t k = ((const spk_max_pool_attr *)a->attr)->k, n_t = spk__frames(&a->in[0]), n_c = a->in[0].c;
    const int64_t n_u = spk__frames(&a->out[0]);
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        const int64_t first = r / n_u * n_t + r % n_u * k;
        for (int64_t c = 0; c < n_c; c++) {
            int64_t at = 0;
            for (int64_t i = 1; i < k; i++) {
                const SPK_REAL x = row(&a->in[0], first + i)[c];
                if (x > row(&a->in[0], first + at)[c] || isnan(x)) at = i;
            }
            row(&a->out[0], r)[c] = row(&a->in[0], first + at)[c];
            if (a->save) ((int32_t *)a->save)[r * n_c + c] = (int32_t)at;
        }
    }
}

static void max_pool_bwd(const spk_kargs *a)
{
    const int64_t k = ((const spk_max_pool_attr *)a->attr)->k, n_t = spk__frames(&a->in[0]), n_c = a->in[0].c;
    const int64_t n_u = spk__frames(&a->dout[0]);
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++) {
        const int64_t u = r % n_t / k, from = r / n_t * n_u + u;
        for (int64_t c = 0; c < n_c; c++) {
            const bool it = u < n_u && ((const int32_t *)a->save)[from * n_c + c] == (int32_t)(r % n_t % k);
            put(row(&a->din[0], r) + c, it ? (double)row(&a->dout[0], from)[c] : 0, a->add[0]);
        }
    }
}

/* ---- afms: (x + alpha) y ---- */

static void afms_fwd(const spk_kargs *a)
{
    const int64_t n_t = spk__frames(&a->in[0]);
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double x = (double)row(&a->in[0], r)[c] + (double)dense(&a->in[1])[c];
            row(&a->out[0], r)[c] = (SPK_REAL)(x * (double)row(&a->in[2], r / n_t)[c]);
        }
    }
}

static void afms_bwd(const spk_kargs *a)
{
    const int64_t n_t = spk__frames(&a->in[0]);
    for (int64_t c = 0; c < a->in[0].c; c++) {
        const double alpha = (double)dense(&a->in[1])[c];
        double dalpha = 0;
        for (int64_t n = 0; n < a->in[0].n; n++) {
            const double y = (double)row(&a->in[2], n)[c];
            double dy = 0;
            for (int64_t r = n * n_t; r < (n + 1) * n_t; r++) {
                const double d = (double)row(&a->dout[0], r)[c];
                dy += d * ((double)row(&a->in[0], r)[c] + alpha);
                dalpha += d * y;
                if (a->din[0].p) put(row(&a->din[0], r) + c, d * y, a->add[0]);
            }
            if (a->din[2].p) put(row(&a->din[2], n) + c, dy, a->add[2]);
        }
        if (a->din[1].p) put(dense(&a->din[1]) + c, dalpha, true);
    }
}

/* ---- mask: frames are rows of sound, or rows of a picture with all their bins ---- */

static void mask_fwd(const spk_kargs *a)
{
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = is_hidden(&a->in[0], r) ? 0 : row(&a->in[0], r)[c];
}

static void mask_bwd(const spk_kargs *a)
{
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++)
        for (int64_t c = 0; c < a->in[0].c; c++)
            put(row(&a->din[0], r) + c, is_hidden(&a->in[0], r) ? 0 : (double)row(&a->dout[0], r)[c], a->add[0]);
}

/* ---- pad_time ---- */

/* The frame that frame u of the result repeats; -1: none, it is zero. */
static int64_t pad_time_source(const spk_view *x, int64_t n, int64_t pad, int64_t u)
{
    const int64_t len = spk__valid(x, n);
    return u < len + 2 * pad && len > 0 ? spk_melspec_sample(SPK_EDGES_REFLECT, u - pad, len) : -1;
}

static void pad_time_fwd(const spk_kargs *a)
{
    const int64_t pad = ((const spk_pad_time_attr *)a->attr)->pad, n_t = spk__frames(&a->in[0]), n_u = n_t + 2 * pad;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        const int64_t n = r / n_u, t = pad_time_source(&a->in[0], n, pad, r % n_u);
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = t < 0 ? 0 : row(&a->in[0], n * n_t + t)[c];
    }
}

static void pad_time_bwd(const spk_kargs *a)
{
    const int64_t pad = ((const spk_pad_time_attr *)a->attr)->pad, n_t = spk__frames(&a->in[0]), n_u = n_t + 2 * pad;
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(&a->in[0]) && !a->add[0]; r++)
        for (int64_t c = 0; c < a->in[0].c; c++)
            row(&a->din[0], r)[c] = 0;
    for (int64_t r = 0; r < spk_rows(&a->dout[0]); r++) {
        const int64_t n = r / n_u, t = pad_time_source(&a->in[0], n, pad, r % n_u);
        for (int64_t c = 0; c < a->dout[0].c && t >= 0; c++)
            put(row(&a->din[0], n * n_t + t) + c, (double)row(&a->dout[0], r)[c], true);
    }
}

/* The entries of the table of reference kernels. */
#define REF_RAWNET_TABLE                                                                                               \
    [SPK_OP_SINC] = {PLAIN(sinc), .scratch_bytes = sinc_scratch},                                                      \
    [SPK_OP_MAX_POOL] = {PLAIN(max_pool), .save_bytes = max_pool_save}, [SPK_OP_AFMS] = {PLAIN(afms)},                 \
    [SPK_OP_MASK] = {PLAIN(mask)}, [SPK_OP_PAD_TIME] = {PLAIN(pad_time)},
