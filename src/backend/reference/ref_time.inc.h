/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics over time: time_mean, time_stats, attn_stats. Frames past an item's length count for nothing. */

static void time_mean_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    for (int64_t n = 0; n < x->n; n++) {
        const int64_t len = spk__valid(x, n);
        for (int64_t c = 0; c < x->c; c++) {
            double sum = 0;
            for (int64_t t = 0; t < len; t++)
                sum += (double)row(x, n * spk__frames(x) + t)[c];
            row(&a->out[0], n)[c] = (SPK_REAL)(sum / (double)(len > 0 ? len : 1));
        }
    }
}

static void time_mean_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x);
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const int64_t len = spk__valid(x, r / n_t);
        for (int64_t c = 0; c < x->c; c++) {
            const double dy = (double)row(&a->dout[0], r / n_t)[c];
            put(row(&a->din[0], r) + c, r % n_t < len ? dy / (double)len : 0, a->add[0]);
        }
    }
}

/* ---- time_stats ---- */

/* What the moments are divided by: mean = sum / by_mean; var = squares around the true mean / by_var, plus what a
 * divisor other than the number of frames leaves: sum x^2 / D - (sum x / D)^2, or centred sum (x - sum x / D)^2 / D. */
typedef struct time_divisors {
    double len, by_mean, by_var;
} time_divisors;

static time_divisors time_stats_divisors(const spk_time_stats_attr *attr, int64_t item, int64_t len)
{
    const double n = (double)(len > 0 ? len : 1);
    const int64_t other = attr->divide_len ? attr->divide_len[item] : attr->divide_by;
    time_divisors d = {.len = n, .by_mean = n, .by_var = n};
    if (attr->divide_len || attr->divide_by > 0)
        d.by_mean = d.by_var = (double)(other > 0 ? other : 1);
    else if (attr->unbiased)
        d.by_var = n > 1 ? n - 1 : 1;
    return d;
}

/* The variance before clamping. */
static double time_stats_moments(const spk_kargs *a, int64_t n, int64_t c, const time_divisors *d, double *mean)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t len = spk__valid(x, n), first = n * spk__frames(x);
    double sum = 0, square = 0;
    for (int64_t t = 0; t < len; t++)
        sum += (double)row(x, first + t)[c];
    const double middle = sum / d->len;
    for (int64_t t = 0; t < len; t++) {
        const double v = (double)row(x, first + t)[c] - middle;
        square += v * v;
    }
    *mean = sum / d->by_mean;
    const double off = middle - *mean;
    const double rest =
        attr->centred ? d->len * off * off / d->by_mean : d->len * middle * middle / d->by_mean - *mean * *mean;
    return square / d->by_var + rest + attr->add_var;
}

static void time_stats_fwd(const spk_kargs *a)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    for (int64_t n = 0; n < x->n; n++) {
        const time_divisors d = time_stats_divisors(attr, n, spk__valid(x, n));
        for (int64_t c = 0; c < x->c; c++) {
            double mean;
            const double var = time_stats_moments(a, n, c, &d, &mean);
            row(&a->out[0], n)[c] = (SPK_REAL)mean;
            if (attr->mean_only) continue;
            row(&a->out[0], n)[x->c + c] = (SPK_REAL)sqrt(clamp(var, floor_of(attr->lo), attr->hi));
        }
    }
}

/* A variance of 0 that the bounds let through has no slope. */
static void time_stats_bwd(const spk_kargs *a)
{
    const spk_time_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x);
    if (!a->din[0].p) return;
    for (int64_t n = 0; n < x->n; n++) {
        const time_divisors d = time_stats_divisors(attr, n, spk__valid(x, n));
        for (int64_t c = 0; c < x->c; c++) {
            double mean, dmean = (double)row(&a->dout[0], n)[c], dvar = 0;
            const double var = time_stats_moments(a, n, c, &d, &mean), lo = floor_of(attr->lo);
            if (!attr->mean_only && var >= lo && var <= attr->hi && var > 0)
                dvar = (double)row(&a->dout[0], n)[x->c + c] / (2 * sqrt(var));
            if (attr->centred) dmean -= 2 * dvar * mean * (d.by_mean - d.len) / d.by_mean;
            for (int64_t t = 0; t < n_t; t++) {
                const double v = (double)row(x, n * n_t + t)[c];
                const double dx = dmean / d.by_mean + 2 * dvar * (v - mean) / d.by_var;
                put(row(&a->din[0], n * n_t + t) + c, t < spk__valid(x, n) ? dx : 0, a->add[0]);
            }
        }
    }
}

/* ---- attn_stats ---- */

typedef struct attn_sums {
    int64_t len;       /* frames that count */
    bool uniform;      /* no frame is valid: all weigh the same, whatever e is */
    double max, den;   /* w_t = exp(e_t - max) / den */
    double mu, square; /* sum w x, sum w x^2 */
} attn_sums;

static double attn_weight(const spk_kargs *a, const attn_sums *s, int64_t r, int64_t c)
{
    return s->uniform ? 1 / s->den : exp((double)row(&a->in[0], r)[c] - s->max) / s->den;
}

static attn_sums attn_stats_sums(const spk_kargs *a, int64_t n, int64_t c)
{
    const spk_view *e = &a->in[0], *x = &a->in[1];
    const int64_t first = n * spk__frames(x), valid = spk__valid(e->len ? e : x, n);
    attn_sums s = {.len = valid > 0 ? valid : spk__frames(x), .uniform = valid == 0, .max = -INFINITY};
    for (int64_t t = 0; t < s.len; t++)
        s.max = fmax(s.max, (double)row(e, first + t)[c]);
    for (int64_t t = 0; t < s.len; t++)
        s.den += s.uniform ? 1 : exp((double)row(e, first + t)[c] - s.max);
    for (int64_t t = 0; t < s.len; t++) {
        const double w = attn_weight(a, &s, first + t, c), v = (double)row(x, first + t)[c];
        s.mu += w * v;
        s.square += w * v * v;
    }
    return s;
}

static void attn_stats_fwd(const spk_kargs *a)
{
    const spk_attn_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[1];
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < x->n; n++) {
        for (int64_t c = 0; c < x->c; c++) {
            const attn_sums s = attn_stats_sums(a, n, c);
            row(&a->out[0], n)[c] = (SPK_REAL)s.mu;
            row(&a->out[0], n)[x->c + c] = (SPK_REAL)sqrt(clamp(s.square - s.mu * s.mu, floor_of(attr->lo), attr->hi));
        }
    }
}

static void attn_stats_bwd(const spk_kargs *a)
{
    const spk_attn_stats_attr *attr = a->attr;
    const spk_view *x = &a->in[1];
    const int64_t n_t = spk__frames(x);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t n = 0; n < x->n; n++) {
        for (int64_t c = 0; c < x->c; c++) {
            const attn_sums s = attn_stats_sums(a, n, c);
            const double var = s.square - s.mu * s.mu;
            const double dsigma = (double)row(&a->dout[0], n)[x->c + c];
            const double dvar = var >= floor_of(attr->lo) && var <= attr->hi ? dsigma / (2 * sqrt(var)) : 0;
            const double dmu = (double)row(&a->dout[0], n)[c] - 2 * s.mu * dvar;
            for (int64_t t = 0; t < n_t; t++) {
                const int64_t r = n * n_t + t;
                const double v = (double)row(x, r)[c], w = t < s.len ? attn_weight(a, &s, r, c) : 0;
                const double de = w * (dmu * (v - s.mu) + dvar * (v * v - s.square));
                if (a->din[0].p) put(row(&a->din[0], r) + c, t < s.len && !s.uniform ? de : 0, a->add[0]);
                if (a->din[1].p) put(row(&a->din[1], r) + c, t < s.len ? w * (dmu + 2 * v * dvar) : 0, a->add[1]);
            }
        }
    }
}
