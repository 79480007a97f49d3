/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolution over time and frequency, SimAM. (conv2d, simam)
 *
 * conv2d: y[u,v,o] = [relu](b[o] + sum over taps (i over time, j over frequency) and c of
 * x[u st + i - pt, v sf + j - pf, c] w[o,c,i,j]). The weights are first laid out by tap (i kf + j), then (C,O) or (O,C), in
 * double, so that inner loops are contiguous; each thread owns whole rows (values, dx) or whole taps of a channel (dw).
 */

static size_t conv2d_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const spk_conv2d_attr *a = g->attr;
    const size_t weights = (size_t)(a->kt * a->kf * g->in[0].c * g->out[0].c);
    return (weights + (size_t)g->n_threads * (size_t)(g->in[0].c + g->out[0].c)) * sizeof(double);
}

/* One double row for each thread, after the weights. */
static double *conv2d_row(const spk_kargs *a)
{
    const spk_conv2d_attr *attr = a->attr;
    const int64_t c = a->in[0].c, o = a->out[0].c;
    return (double *)a->scratch + attr->kt * attr->kf * c * o + omp_get_thread_num() * (c + o);
}

/* Where the weight of a tap lies among the kt kf of an (o, c). */
static int64_t conv2d_place(const spk_conv2d_attr *attr, int64_t tap)
{
    const int64_t i = tap / attr->kf, j = tap % attr->kf;
    return attr->freq_first ? j * attr->kt + i : tap;
}

/* w as [tap][c][o], or [tap][o][c]. */
static double *conv2d_pack(const spk_kargs *a, bool outputs_last)
{
    const spk_conv2d_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, n_o = a->out[0].c, taps = attr->kt * attr->kf;
    const SPK_REAL *w = dense(&a->in[1]);
    double *p = a->scratch;
    for (int64_t o = 0; o < n_o; o++)
        for (int64_t c = 0; c < n_c; c++)
            for (int64_t k = 0; k < taps; k++)
                p[outputs_last ? (k * n_c + c) * n_o + o : (k * n_o + o) * n_c + c] =
                    (double)w[(o * n_c + c) * taps + conv2d_place(attr, k)];
    return p;
}

/* The row of x that output row r reads through a tap; -1: padding. */
static int64_t conv2d_read(const spk_kargs *a, int64_t r, int64_t tap)
{
    const spk_conv2d_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t t = r / y->w % y->h * attr->st + tap / attr->kf - attr->pt;
    const int64_t f = r % y->w * attr->sf + tap % attr->kf - attr->pf;
    return t < 0 || t >= x->h || f < 0 || f >= x->w ? -1 : (r / (y->w * y->h) * x->h + t) * x->w + f;
}

/* The output row that reads row r of x through a tap; -1: none. */
static int64_t conv2d_reader(const spk_kargs *a, int64_t r, int64_t tap)
{
    const spk_conv2d_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t t = r / x->w % x->h + attr->pt - tap / attr->kf, f = r % x->w + attr->pf - tap % attr->kf;
    if (t < 0 || f < 0 || t % attr->st || f % attr->sf || t / attr->st >= y->h || f / attr->sf >= y->w) return -1;
    return (r / (x->w * x->h) * y->h + t / attr->st) * y->w + f / attr->sf;
}

static void conv2d_fwd(const spk_kargs *a)
{
    const spk_conv2d_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, n_o = a->out[0].c;
    const SPK_REAL *b = dense(&a->in[2]);
    const double *w = conv2d_pack(a, true);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        double *sum = conv2d_row(a);
        for (int64_t o = 0; o < n_o; o++)
            sum[o] = b ? (double)b[o] : 0;
        for (int64_t k = 0; k < attr->kt * attr->kf; k++) {
            const int64_t from = conv2d_read(a, r, k);
            for (int64_t c = 0; c < n_c && from >= 0; c++) {
                const double v = (double)row(&a->in[0], from)[c], *wr = w + (k * n_c + c) * n_o;
                for (int64_t o = 0; o < n_o; o++)
                    sum[o] += v * wr[o];
            }
        }
        for (int64_t o = 0; o < n_o; o++) {
            const double v = conv_normalised(a, attr->bn_eps, o, sum[o]);
            row(&a->out[0], r)[o] = (SPK_REAL)(attr->relu && v < 0 ? 0 : v);
        }
    }
}

/* dy of row r and channel o, zero where the ReLU was. */
static inline double conv2d_dy(const spk_kargs *a, int64_t r, int64_t o)
{
    const spk_conv2d_attr *attr = a->attr;
    if (attr->relu && !attr->dy_masked && row(&a->out[0], r)[o] <= 0) return 0;
    return (double)row(&a->dout[0], r)[o];
}

static void conv2d_dx(const spk_kargs *a)
{
    const spk_conv2d_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, n_o = a->out[0].c;
    const double *w = conv2d_pack(a, false);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++) {
        double *sum = conv2d_row(a);
        for (int64_t c = 0; c < n_c; c++)
            sum[c] = 0;
        for (int64_t k = 0; k < attr->kt * attr->kf; k++) {
            const int64_t from = conv2d_reader(a, r, k);
            for (int64_t o = 0; o < n_o && from >= 0; o++) {
                const double v = conv2d_dy(a, from, o), *wr = w + (k * n_o + o) * n_c;
                for (int64_t c = 0; c < n_c; c++)
                    sum[c] += v * wr[c];
            }
        }
        for (int64_t c = 0; c < n_c; c++)
            put(row(&a->din[0], r) + c, sum[c], a->add[0]);
    }
}

static void conv2d_dw(const spk_kargs *a)
{
    const spk_conv2d_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, n_o = a->out[0].c, taps = attr->kt * attr->kf;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < taps * n_c; i++) {
        const int64_t k = i / n_c, c = i % n_c;
        double *sum = (double *)a->scratch + i * n_o;
        for (int64_t o = 0; o < n_o; o++)
            sum[o] = 0;
        for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
            const int64_t from = conv2d_read(a, r, k);
            const double v = from >= 0 ? (double)row(&a->in[0], from)[c] : 0;
            for (int64_t o = 0; o < n_o && from >= 0; o++)
                sum[o] += v * conv2d_dy(a, r, o);
        }
        for (int64_t o = 0; o < n_o; o++)
            put(dense(&a->din[1]) + (o * n_c + c) * taps + conv2d_place(attr, k), sum[o], true);
    }
}

static void conv2d_bwd(const spk_kargs *a)
{
    if (a->din[0].p) conv2d_dx(a);
    if (a->din[1].p) conv2d_dw(a);
    for (int64_t o = 0; o < a->out[0].c && a->din[2].p; o++) {
        double sum = 0;
        for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
            sum += conv2d_dy(a, r, o);
        put(dense(&a->din[2]) + o, sum, true);
    }
}

/*
 * simam: with m valid places, d = x - mean, v = sum d^2 / (m - 1), z = d^2 / (4 (v + lambda)) + 1/2, y = x sigmoid(z).
 * Backward, s = sigmoid(z), g = dy x s (1 - s), k = 1 / (4 (v + lambda)):
 * dx = dy s + (e - mean of e), e = 2 k d g - 2 d (4 k^2 sum g d^2) / (m - 1); the second part's mean is zero.
 * Places behind an item's length are zero, and their gradient is.
 */

typedef struct simam_sums {
    double mean, k, spread; /* spread: sum of dy x s (1 - s) d^2 */
    double slope;           /* mean of 2 k d g */
} simam_sums;

/* Places that count, of item n. */
static int64_t simam_places(const spk_view *x, int64_t n)
{
    const int64_t t = x->len ? (x->len[n] < 0 ? 0 : x->len[n] > x->h ? x->h : x->len[n]) : x->h;
    return t * x->w;
}

static simam_sums simam_moments(const spk_kargs *a, int64_t n, int64_t c)
{
    const spk_simam_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t first = n * x->h * x->w, m = simam_places(x, n);
    double sum = 0, square = 0;
    for (int64_t r = first; r < first + m; r++)
        sum += (double)row(x, r)[c];
    const double mean = m ? sum / (double)m : 0;
    for (int64_t r = first; r < first + m; r++) {
        const double d = (double)row(x, r)[c] - mean;
        square += d * d;
    }
    return (simam_sums){mean, 1 / (4 * ((m > 1 ? square / (double)(m - 1) : 0) + attr->lambda)), 0, 0};
}

static double simam_gate(const simam_sums *s, double x)
{
    const double d = x - s->mean;
    return 1 / (1 + exp(-(d * d * s->k + 0.5)));
}

static void simam_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t places = x->h * x->w;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < x->n * x->c; i++) {
        const int64_t n = i / x->c, c = i % x->c, m = simam_places(x, n);
        const simam_sums s = simam_moments(a, n, c);
        for (int64_t p = 0; p < places; p++) {
            const double v = (double)row(x, n * places + p)[c];
            row(y, n * places + p)[c] = (SPK_REAL)(p < m ? v * simam_gate(&s, v) : 0);
        }
    }
}

static void simam_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    const int64_t places = x->h * x->w;
    if (!a->din[0].p) return;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t i = 0; i < x->n * x->c; i++) {
        const int64_t n = i / x->c, c = i % x->c, m = simam_places(x, n);
        simam_sums s = simam_moments(a, n, c);
        for (int64_t r = n * places; r < n * places + m; r++) {
            const double v = (double)row(x, r)[c], d = v - s.mean, gate = simam_gate(&s, v);
            const double g = (double)row(dy, r)[c] * v * gate * (1 - gate);
            s.spread += g * d * d;
            s.slope += 2 * s.k * d * g / (double)m;
        }
        const double back = m > 1 ? 8 * s.k * s.k * s.spread / (double)(m - 1) : 0;
        for (int64_t p = 0; p < places; p++) {
            const double v = (double)row(x, n * places + p)[c], d = v - s.mean, gate = simam_gate(&s, v);
            const double dv = (double)row(dy, n * places + p)[c];
            const double value = dv * gate + 2 * s.k * d * dv * v * gate * (1 - gate) - s.slope - back * d;
            put(row(&a->din[0], n * places + p) + c, p < m ? value : 0, a->add[0]);
        }
    }
}

/* The entries of the table of reference kernels. */
/* clang-format off */
#define REF_CONV2D_TABLE                                                                                               \
    [SPK_OP_CONV2D] = {PLAIN(conv2d), .scratch_bytes = conv2d_scratch},                                                \
    [SPK_OP_SIMAM] = {PLAIN(simam)},
/* clang-format on */
