/* SPDX-License-Identifier: Apache-2.0 */
/* Between frontend and encoder: mvn, feature_norm, specaug, layer_sum. Frames past an item's length become zero. */
#include "backend/specaug_impl.h"

/* ---- mvn ---- */

/* One item and channel over its valid frames. */
typedef struct mvn_moments {
    int64_t len;
    double mean, std; /* std: at least eps, or 1 where variances are left as they are */
    bool flat;        /* std is eps, which does not move with x */
} mvn_moments;

static mvn_moments mvn_of(const spk_kargs *a, int64_t n, int64_t c)
{
    const spk_mvn_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t first = n * spk__frames(x);
    mvn_moments m = {.len = spk__valid(x, n), .std = 1, .flat = true};
    double sum = 0, square = 0;
    for (int64_t t = 0; t < m.len; t++)
        sum += (double)row(x, first + t)[c];
    if (m.len > 0) m.mean = sum / (double)m.len;
    for (int64_t t = 0; t < m.len; t++) {
        const double v = (double)row(x, first + t)[c] - m.mean;
        square += v * v;
    }
    if (!attr->vars || m.len == 0) return m;
    m.std = sqrt(square / (double)m.len);
    m.flat = m.std < attr->eps;
    if (m.flat) m.std = attr->eps;
    return m;
}

static void mvn_fwd(const spk_kargs *a)
{
    const spk_mvn_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x);
    for (int64_t n = 0; n < x->n; n++)
        for (int64_t c = 0; c < x->c; c++) {
            const mvn_moments m = mvn_of(a, n, c);
            for (int64_t t = 0; t < n_t; t++) {
                const double v = (double)row(x, n * n_t + t)[c] - (attr->means ? m.mean : 0);
                row(&a->out[0], n * n_t + t)[c] = (SPK_REAL)(t < m.len ? v / m.std : 0);
            }
        }
}

/* With v = x - mean and s the deviation: dx = (dy - mean(dy)) / s - v sum(dy y) / (len s^2). */
static void mvn_bwd(const spk_kargs *a)
{
    const spk_mvn_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x);
    if (!a->din[0].p) return;
    for (int64_t n = 0; n < x->n; n++)
        for (int64_t c = 0; c < x->c; c++) {
            const mvn_moments m = mvn_of(a, n, c);
            double sum = 0, along = 0;
            for (int64_t t = 0; t < m.len; t++) {
                const double dy = (double)row(&a->dout[0], n * n_t + t)[c];
                sum += dy;
                along += dy * (double)row(&a->out[0], n * n_t + t)[c];
            }
            const double level = attr->means && m.len > 0 ? sum / (double)m.len : 0;
            for (int64_t t = 0; t < n_t; t++) {
                const double dy = (double)row(&a->dout[0], n * n_t + t)[c], v = (double)row(x, n * n_t + t)[c] - m.mean;
                const double bend = m.flat ? 0 : v * along / ((double)m.len * m.std * m.std);
                put(row(&a->din[0], n * n_t + t) + c, t < m.len ? (dy - level) / m.std - bend : 0, a->add[0]);
            }
        }
}

/* ---- feature_norm ---- */

static void feature_norm_fwd(const spk_kargs *a)
{
    const spk_feature_norm_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const SPK_REAL *mean = dense(&a->in[1]), *std = dense(&a->in[2]);
    const int64_t n_t = spk__frames(x);
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const bool valid = r % n_t < spk__valid(x, r / n_t);
        for (int64_t c = 0; c < x->c; c++) {
            const double v = (double)row(x, r)[c] - (attr->means ? (double)mean[c] : 0);
            row(&a->out[0], r)[c] = (SPK_REAL)(!valid ? 0 : attr->vars ? v / (double)std[c] : v);
        }
    }
}

/* The statistics are no parameters: only x has a gradient. */
static void feature_norm_bwd(const spk_kargs *a)
{
    const spk_feature_norm_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const SPK_REAL *std = dense(&a->in[2]);
    const int64_t n_t = spk__frames(x);
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const bool valid = r % n_t < spk__valid(x, r / n_t);
        for (int64_t c = 0; c < x->c; c++) {
            const double dy = (double)row(&a->dout[0], r)[c];
            put(row(&a->din[0], r) + c, !valid ? 0 : attr->vars ? dy / (double)std[c] : dy, a->add[0]);
        }
    }
}

/* ---- specaug ---- */

/* Marks of the bins and frames of one item. */
static size_t specaug_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)(g->in[0].c + spk__frames(&g->in[0]));
}

/* What masked places hold: zero, or the mean over the item's valid frames. */
static double specaug_fill(const spk_kargs *a, int64_t n, int64_t len)
{
    const spk_view *x = &a->in[0];
    double sum = 0;
    if (((const spk_specaug_attr *)a->attr)->replace_with_zero || len == 0) return 0;
    for (int64_t t = 0; t < len; t++)
        for (int64_t c = 0; c < x->c; c++)
            sum += (double)row(x, n * spk__frames(x) + t)[c];
    return sum / (double)(len * x->c);
}

static void specaug_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0];
    const int64_t n_t = spk__frames(x);
    uint8_t *bins = a->scratch, *frames = bins + x->c;
    for (int64_t n = 0; n < x->n; n++) {
        const int64_t len = spk__valid(x, n);
        const double fill = specaug_fill(a, n, len);
        const spk_specaug_plan p = spk__specaug_draw(&a->ctx->draws, a->attr, n, len, x->c, bins, frames);
        for (int64_t t = 0; t < n_t; t++) {
            const spk_warp_taps taps = t < len ? spk__warp_taps(a->attr, &p, t) : (spk_warp_taps){0};
            for (int64_t c = 0; c < x->c; c++) {
                double sum = 0;
                for (int k = 0; k < taps.n; k++)
                    sum += taps.weight[k] * (double)row(x, n * n_t + taps.at[k])[c];
                row(&a->out[0], n * n_t + t)[c] = (SPK_REAL)(t < len && (bins[c] || frames[t]) ? fill : sum);
            }
        }
    }
}

/* The gradient of one item, on top of what stands in din. */
static void specaug_add_item(const spk_kargs *a, int64_t n, int64_t len, uint8_t *bins, uint8_t *frames)
{
    const spk_specaug_attr *attr = a->attr;
    const spk_view *dx = &a->din[0];
    const int64_t first = n * spk__frames(dx);
    const spk_specaug_plan p = spk__specaug_draw(&a->ctx->draws, attr, n, len, dx->c, bins, frames);
    double filled = 0;
    for (int64_t t = 0; t < len; t++) {
        const spk_warp_taps taps = spk__warp_taps(attr, &p, t);
        const SPK_REAL *dy = row(&a->dout[0], first + t);
        for (int64_t c = 0; c < dx->c; c++) {
            if (bins[c] || frames[t]) filled += (double)dy[c];
            for (int k = 0; k < taps.n && !bins[c] && !frames[t]; k++)
                put(row(dx, first + taps.at[k]) + c, taps.weight[k] * (double)dy[c], true);
        }
    }
    for (int64_t t = 0; t < len && !attr->replace_with_zero; t++)
        for (int64_t c = 0; c < dx->c; c++)
            put(row(dx, first + t) + c, filled / (double)(len * dx->c), true);
}

static void specaug_bwd(const spk_kargs *a)
{
    const spk_view *dx = &a->din[0];
    uint8_t *bins = a->scratch, *frames = bins + a->in[0].c;
    if (!dx->p) return;
    for (int64_t r = 0; r < spk_rows(dx) && !a->add[0]; r++)
        memset(row(dx, r), 0, (size_t)dx->c * sizeof(SPK_REAL));
    for (int64_t n = 0; n < dx->n; n++)
        specaug_add_item(a, n, spk__valid(&a->in[0], n), bins, frames);
}

/* ---- layer_sum ---- */

/* Room for the weights, the row sums of their gradients, and one normalised layer of a row. */
static size_t layer_sum_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    return (size_t)(2 * (g->in[0].c / g->out[0].c) + g->out[0].c) * sizeof(double);
}

static void softmax_of(const SPK_REAL *w, int64_t n, double *s)
{
    double max = (double)w[0], den = 0;
    for (int64_t i = 1; i < n; i++)
        max = fmax(max, (double)w[i]);
    for (int64_t i = 0; i < n; i++)
        den += s[i] = exp((double)w[i] - max);
    for (int64_t i = 0; i < n; i++)
        s[i] /= den;
}

/* v = x, or with `normalize` (x - mean) / sqrt(var + eps); returns what x is multiplied with. */
static double layer_sum_values(const spk_layer_sum_attr *attr, const SPK_REAL *x, int64_t n_c, double *v)
{
    double mean = 0, var = 0;
    for (int64_t c = 0; c < n_c; c++)
        v[c] = (double)x[c];
    if (!attr->normalize) return 1;
    for (int64_t c = 0; c < n_c; c++)
        mean += v[c] / (double)n_c;
    for (int64_t c = 0; c < n_c; c++)
        var += (v[c] - mean) * (v[c] - mean) / (double)n_c;
    const double scale = 1 / sqrt(var + attr->eps);
    for (int64_t c = 0; c < n_c; c++)
        v[c] = (v[c] - mean) * scale;
    return scale;
}

static void layer_sum_fwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *y = &a->out[0];
    const int64_t n_layers = x->c / y->c, n_t = spk__frames(x);
    double *s = a->scratch, *v = s + 2 * n_layers;
    softmax_of(dense(&a->in[1]), n_layers, s);
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const bool valid = r % n_t < spk__valid(x, r / n_t);
        for (int64_t c = 0; c < y->c; c++)
            row(y, r)[c] = 0;
        for (int64_t l = 0; l < n_layers && valid; l++) {
            layer_sum_values(a->attr, row(x, r) + l * y->c, y->c, v);
            for (int64_t c = 0; c < y->c; c++)
                put(row(y, r) + c, s[l] * v[c], true);
        }
    }
}

/* dv_l = s_l dy, and from there to x_l as in a layer normalisation. */
static void layer_sum_dx(const spk_kargs *a, int64_t r, int64_t l, double s, double scale, const double *v)
{
    const int64_t n_c = a->dout[0].c;
    const SPK_REAL *dy = row(&a->dout[0], r);
    double mean = 0, along = 0;
    const bool normalize = ((const spk_layer_sum_attr *)a->attr)->normalize;
    for (int64_t c = 0; c < n_c && normalize; c++) {
        mean += s * (double)dy[c] / (double)n_c;
        along += s * (double)dy[c] * v[c] / (double)n_c;
    }
    for (int64_t c = 0; c < n_c; c++) {
        const double dv = s * (double)dy[c];
        put(row(&a->din[0], r) + l * n_c + c, normalize ? scale * (dv - mean - v[c] * along) : dv, a->add[0]);
    }
}

/* dw_l = s_l (sum dy v_l - sum_k s_k sum dy v_k). */
static void layer_sum_bwd(const spk_kargs *a)
{
    const spk_view *x = &a->in[0], *dy = &a->dout[0];
    const int64_t n_layers = x->c / dy->c, n_t = spk__frames(x);
    double *s = a->scratch, *along = s + n_layers, *v = along + n_layers, all = 0;
    softmax_of(dense(&a->in[1]), n_layers, s);
    memset(along, 0, (size_t)n_layers * sizeof *along);
    for (int64_t r = 0; r < spk_rows(x); r++)
        for (int64_t l = 0; l < n_layers; l++) {
            if (r % n_t >= spk__valid(x, r / n_t)) {
                for (int64_t c = 0; c < dy->c && a->din[0].p; c++)
                    put(row(&a->din[0], r) + l * dy->c + c, 0, a->add[0]);
                continue;
            }
            const double scale = layer_sum_values(a->attr, row(x, r) + l * dy->c, dy->c, v);
            for (int64_t c = 0; c < dy->c; c++)
                along[l] += (double)row(dy, r)[c] * v[c];
            if (a->din[0].p) layer_sum_dx(a, r, l, s[l], scale, v);
        }
    for (int64_t l = 0; l < n_layers; l++)
        all += s[l] * along[l];
    for (int64_t l = 0; l < n_layers && a->din[1].p; l++)
        put(dense(&a->din[1]) + l, s[l] * (along[l] - all), a->add[1]);
}

/* The entries of the table of reference kernels. */
#define REF_FEATURES_TABLE                                                                                             \
    [SPK_OP_MVN] = {PLAIN(mvn)}, [SPK_OP_FEATURE_NORM] = {PLAIN(feature_norm)},                                        \
    [SPK_OP_SPECAUG] = {PLAIN(specaug), .scratch_bytes = specaug_scratch},                                             \
    [SPK_OP_LAYER_SUM] = {PLAIN(layer_sum), .scratch_bytes = layer_sum_scratch},
