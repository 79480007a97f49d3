/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Selective kernels and CAM++: sk_mix, freq_mean, fold, segment_mean, segment_scale. Pictures (N,T,F,C) have H = T
 * frames and W = F bins, and their lengths count frames.
 */

/* Valid frames of item n of a picture. */
static int64_t picture_valid(const spk_view *v, int64_t n)
{
    if (!v->len || v->len[n] > v->h) return v->h;
    return v->len[n] < 0 ? 0 : v->len[n];
}

/* ---- sk_mix ---- */

/* The first branch's share at row r, channel c. */
static double sk_share(const spk_kargs *a, int64_t r, int64_t c)
{
    const spk_sk_mix_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n = r / (x->h * x->w), i = attr->over_freq ? r % x->w : c;
    return 1 / (1 + exp((double)row(&a->in[3], n)[i] - (double)row(&a->in[2], n)[i]));
}

static void sk_mix_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(x); r++) {
        for (int64_t c = 0; c < x->c; c++) {
            const double s = sk_share(a, r, c);
            row(&a->out[0], r)[c] = (SPK_REAL)(s * (double)row(x, r)[c] + (1 - s) * (double)row(&a->in[1], r)[c]);
        }
    }
}

/* Gradients of the weights of item n, place i (a channel, or a bin): ds/da0 = s (1 - s) = -ds/da1. */
static void sk_mix_weight(const spk_kargs *a, int64_t n, int64_t i)
{
    const spk_sk_mix_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = x->h * x->w, step = attr->over_freq ? x->w : 1;
    const int64_t c0 = attr->over_freq ? 0 : i, c1 = attr->over_freq ? x->c : i + 1;
    double ds = 0;
    for (int64_t t = attr->over_freq ? i : 0; t < n_t; t += step)
        for (int64_t c = c0; c < c1; c++) {
            const int64_t r = n * n_t + t;
            ds += (double)row(&a->dout[0], r)[c] * ((double)row(x, r)[c] - (double)row(&a->in[1], r)[c]);
        }
    const double s = sk_share(a, n * n_t + (attr->over_freq ? i : 0), c0);
    if (a->din[2].p) put(row(&a->din[2], n) + i, ds * s * (1 - s), a->add[2]);
    if (a->din[3].p) put(row(&a->din[3], n) + i, -ds * s * (1 - s), a->add[3]);
}

static void sk_mix_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_a = a->in[2].c;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < x->n * n_a; j++)
        if (a->din[2].p || a->din[3].p) sk_mix_weight(a, j / n_a, j % n_a);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(x); r++) {
        for (int64_t c = 0; c < x->c; c++) {
            const double s = sk_share(a, r, c), dy = (double)row(&a->dout[0], r)[c];
            if (a->din[0].p) put(row(&a->din[0], r) + c, dy * s, a->add[0]);
            if (a->din[1].p) put(row(&a->din[1], r) + c, dy * (1 - s), a->add[1]);
        }
    }
}

/* ---- freq_mean ---- */

static void freq_mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < x->n * x->w; j++) {
        const int64_t n = j / x->w, f = j % x->w, len = picture_valid(x, n);
        double sum = 0;
        for (int64_t t = 0; t < len; t++)
            for (int64_t c = 0; c < x->c; c++)
                sum += (double)row(x, (n * x->h + t) * x->w + f)[c];
        row(&a->out[0], n)[f] = (SPK_REAL)(sum / (double)((len > 0 ? len : 1) * x->c));
    }
}

static void freq_mean_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    if (!a->din[0].p) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const int64_t n = r / (x->h * x->w), t = r / x->w % x->h, len = picture_valid(x, n);
        const double dy = (double)row(&a->dout[0], n)[r % x->w];
        for (int64_t c = 0; c < x->c; c++)
            put(row(&a->din[0], r) + c, t < len ? dy / (double)(len * x->c) : 0, a->add[0]);
    }
}

/* ---- fold ---- */

static void fold_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(x); r++)
        for (int64_t c = 0; c < x->c; c++)
            row(&a->out[0], r / x->w)[c * x->w + r % x->w] = row(x, r)[c];
}

static void fold_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    if (!a->din[0].p) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(x); r++)
        for (int64_t c = 0; c < x->c; c++)
            put(row(&a->din[0], r) + c, (double)row(&a->dout[0], r / x->w)[c * x->w + r % x->w], a->add[0]);
}

/* ---- segment_mean, segment_scale ---- */

/* Valid frames of segment s of an item with `len` of them. */
static int64_t segment_frames(int64_t s, int64_t length, int64_t len)
{
    const int64_t left = len - s * length;
    return left < 0 ? 0 : left < length ? left : length;
}

static void segment_mean_fwd(const spk_kargs *a)
{
    const spk_segment_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_s = a->out[0].w;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < x->n * x->c; j++) {
        const int64_t n = j / x->c, c = j % x->c, len = spk__valid(x, n);
        double all = 0;
        for (int64_t t = 0; t < len; t++)
            all += (double)row(x, n * x->w + t)[c];
        for (int64_t s = 0; s < n_s; s++) {
            const int64_t n_t = segment_frames(s, attr->length, len);
            double sum = 0;
            for (int64_t t = 0; t < n_t; t++)
                sum += (double)row(x, n * x->w + s * attr->length + t)[c];
            row(&a->out[0], n * n_s + s)[c] =
                (SPK_REAL)(sum / (double)(n_t > 0 ? n_t : 1) + all / (double)(len > 0 ? len : 1));
        }
    }
}

static void segment_mean_bwd(const spk_kargs *a)
{
    const spk_segment_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_s = a->out[0].w;
    if (!a->din[0].p) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < x->n * x->c; j++) {
        const int64_t n = j / x->c, c = j % x->c, len = spk__valid(x, n);
        double all = 0;
        for (int64_t s = 0; s < n_s; s++)
            all += (double)row(&a->dout[0], n * n_s + s)[c];
        for (int64_t t = 0; t < x->w; t++) {
            const int64_t s = t / attr->length, n_t = segment_frames(s, attr->length, len);
            const double dy = (double)row(&a->dout[0], n * n_s + s)[c];
            const double dx = t < len ? dy / (double)n_t + all / (double)len : 0;
            put(row(&a->din[0], n * x->w + t) + c, dx, a->add[0]);
        }
    }
}

static SPK_REAL *segment_row(const spk_view *v, const spk_view *x, int64_t r, int64_t length)
{
    return row(v, r / x->w * v->w + r % x->w / length);
}

static void segment_scale_fwd(const spk_kargs *a)
{
    const spk_segment_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    for (int64_t r = 0; r < spk_rows(x); r++)
        for (int64_t c = 0; c < x->c; c++)
            row(&a->out[0], r)[c] = row(x, r)[c] * segment_row(&a->in[1], x, r, attr->length)[c];
}

static void segment_scale_bwd(const spk_kargs *a)
{
    const spk_segment_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *s = &a->in[1];
    for (int64_t r = 0; r < spk_rows(x) && a->din[0].p; r++)
        for (int64_t c = 0; c < x->c; c++)
            put(row(&a->din[0], r) + c, (double)row(&a->dout[0], r)[c] * (double)segment_row(s, x, r, attr->length)[c],
                a->add[0]);
    for (int64_t j = 0; j < spk_rows(s) && a->din[1].p; j++) {
        const int64_t first = j / s->w * x->w + j % s->w * attr->length;
        const int64_t n_t = segment_frames(j % s->w, attr->length, x->w);
        for (int64_t c = 0; c < s->c; c++) {
            double ds = 0;
            for (int64_t r = first; r < first + n_t; r++)
                ds += (double)row(&a->dout[0], r)[c] * (double)row(x, r)[c];
            put(row(&a->din[1], j) + c, ds, a->add[1]);
        }
    }
}

/* The entries of the table of reference kernels. */
/* clang-format off */
#define REF_SELECT_TABLE \
    [SPK_OP_SK_MIX] = {PLAIN(sk_mix)}, \
    [SPK_OP_FREQ_MEAN] = {PLAIN(freq_mean)}, \
    [SPK_OP_FOLD] = {PLAIN(fold)}, \
    [SPK_OP_SEGMENT_MEAN] = {PLAIN(segment_mean)}, \
    [SPK_OP_SEGMENT_SCALE] = {PLAIN(segment_scale)},
/* clang-format on */
