/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv1d: y[u,o] = [relu](b[o] + sum_k sum_c x[u*stride + k*dilation - pad, c] w[o,c,k]).
 * The weights are first laid out (K,C,O) or (K,O,C) in double, so that inner loops are contiguous; each thread owns
 * whole rows (values, dx) or whole input channels (dw).
 */

static size_t conv1d_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const spk_conv1d_attr *a = g->attr;
    const size_t weights = (size_t)(a->k * g->in[0].c * g->out[0].c);
    const size_t rows = (size_t)g->n_threads * (size_t)(g->in[0].c + g->out[0].c);
    return (weights + rows) * sizeof(double);
}

/* One double row for each thread, after the weights. */
static double *conv1d_row(const spk_kargs *a)
{
    const spk_conv1d_attr *attr = a->attr;
    const int64_t c = a->in[0].c, o = a->out[0].c;
    return (double *)a->scratch + attr->k * c * o + omp_get_thread_num() * (c + o);
}

/* w as [k][i][j]: i the input and j the output channel, or the other way round. */
static double *conv1d_pack(const spk_kargs *a, bool outputs_last)
{
    const spk_conv1d_attr *attr = a->attr;
    const int64_t n_c = a->in[0].c, n_o = a->out[0].c;
    const SPK_REAL *w = dense(&a->in[1]);
    double *p = a->scratch;
    for (int64_t o = 0; o < n_o; o++)
        for (int64_t c = 0; c < n_c; c++)
            for (int64_t k = 0; k < attr->k; k++)
                p[outputs_last ? (k * n_c + c) * n_o + o : (k * n_o + o) * n_c + c] =
                    (double)w[o * attr->w_ld + c * attr->k + k];
    return p;
}

/* The sum of channel o, normalised where there is a normalisation. */
static double conv_normalised(const spk_kargs *a, double eps, int64_t o, double sum)
{
    if (!a->in[5].p) return sum;
    const double inv = 1 / sqrt((double)dense(&a->in[6])[o] + eps);
    return (sum - (double)dense(&a->in[5])[o]) * inv * or_else(&a->in[3], o, 1) + or_else(&a->in[4], o, 0);
}

static void conv1d_fwd(const spk_kargs *a)
{
    const spk_conv1d_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t n_t = spk__frames(x), n_u = spk__frames(y), n_c = x->c, n_o = y->c;
    const SPK_REAL *b = dense(&a->in[2]);
    const double *w = conv1d_pack(a, true);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < y->n * n_u; r++) {
        double *sum = conv1d_row(a);
        for (int64_t o = 0; o < n_o; o++)
            sum[o] = b ? (double)b[o] : 0;
        for (int64_t k = 0; k < attr->k; k++) {
            const int64_t t = r % n_u * attr->stride + k * attr->dilation - attr->pad;
            if (t < 0 || t >= n_t) continue;
            const SPK_REAL *xr = row(x, r / n_u * n_t + t);
            for (int64_t c = 0; c < n_c; c++) {
                const double v = (double)xr[c], *wr = w + (k * n_c + c) * n_o;
                for (int64_t o = 0; o < n_o; o++)
                    sum[o] += v * wr[o];
            }
        }
        for (int64_t o = 0; o < n_o; o++) {
            const double v = conv_normalised(a, attr->bn_eps, o, sum[o]);
            row(y, r)[o] = (SPK_REAL)(attr->relu && v < 0 ? 0 : v);
        }
    }
}

/* dy of row r and channel o, zero where the ReLU was. */
static inline double conv1d_dy(const spk_kargs *a, int64_t r, int64_t o)
{
    const spk_conv1d_attr *attr = a->attr;
    if (attr->relu && !attr->dy_masked && row(&a->out[0], r)[o] <= 0) return 0;
    return (double)row(&a->dout[0], r)[o];
}

static void conv1d_dx(const spk_kargs *a)
{
    const spk_conv1d_attr *attr = a->attr;
    const spk_view *x = &a->in[0], *dx = &a->din[0];
    const int64_t n_t = spk__frames(x), n_u = spk__frames(&a->out[0]), n_c = x->c, n_o = a->out[0].c;
    const double *w = conv1d_pack(a, false);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t r = 0; r < x->n * n_t; r++) {
        double *sum = conv1d_row(a);
        for (int64_t c = 0; c < n_c; c++)
            sum[c] = 0;
        for (int64_t k = 0; k < attr->k; k++) {
            const int64_t at = r % n_t + attr->pad - k * attr->dilation;
            if (at < 0 || at % attr->stride || at / attr->stride >= n_u) continue;
            for (int64_t o = 0; o < n_o; o++) {
                const double v = conv1d_dy(a, r / n_t * n_u + at / attr->stride, o), *wr = w + (k * n_o + o) * n_c;
                for (int64_t c = 0; c < n_c; c++)
                    sum[c] += v * wr[c];
            }
        }
        for (int64_t c = 0; c < n_c; c++)
            put(row(dx, r) + c, sum[c], a->add[0]);
    }
}

static void conv1d_dw(const spk_kargs *a)
{
    const spk_conv1d_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x), n_u = spk__frames(&a->out[0]), n_c = x->c, n_o = a->out[0].c;
    SPK_REAL *dw = dense(&a->din[1]);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t c = 0; c < n_c; c++) {
        for (int64_t k = 0; k < attr->k; k++) {
            double *sum = (double *)a->scratch + (k * n_c + c) * n_o;
            for (int64_t o = 0; o < n_o; o++)
                sum[o] = 0;
            for (int64_t r = 0; r < x->n * n_u; r++) {
                const int64_t t = r % n_u * attr->stride + k * attr->dilation - attr->pad;
                if (t < 0 || t >= n_t) continue;
                const double v = (double)row(x, r / n_u * n_t + t)[c];
                for (int64_t o = 0; o < n_o; o++)
                    sum[o] += v * conv1d_dy(a, r, o);
            }
            for (int64_t o = 0; o < n_o; o++)
                put(dw + o * attr->w_ld + c * attr->k + k, sum[o], true);
        }
    }
}

static void conv1d_bwd(const spk_kargs *a)
{
    const int64_t rows = spk_rows(&a->out[0]);
    if (a->din[0].p) conv1d_dx(a);
    if (a->din[1].p) conv1d_dw(a);
    if (a->din[2].p) {
        for (int64_t o = 0; o < a->out[0].c; o++) {
            double sum = 0;
            for (int64_t r = 0; r < rows; r++)
                sum += conv1d_dy(a, r, o);
            put(dense(&a->din[2]) + o, sum, true);
        }
    }
}
