/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aam_softmax: with c = n(e) n(W)^T, the logits are s c_j, and s phi of the speaker's own class, where
 * phi = cos(theta + m) if theta is small enough (c > -cos m, or c > 0 with easy_margin), else c - m sin m (else c).
 * out: mean cross-entropy, share of rows whose largest cosine is their own (the first of equal ones counts).
 * Scratch: unit rows of e (N,D) and W (S,D), then the cosines or their gradients (N,S), then the norms (N + S) and a row (D).
 */

typedef struct aam_parts {
    double *e, *w, *cosine, *e_norm, *w_norm, *row;
    int64_t n, s, d;
} aam_parts;

/* The class weights are dense, however their view is cut. */
static int64_t aam_classes(const spk_view *w, int64_t n_d)
{
    return spk_rows(w) * w->c / n_d;
}

static size_t aam_softmax_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const size_t n = (size_t)g->in[0].n, d = (size_t)g->in[0].c, s = (size_t)aam_classes(&g->in[1], g->in[0].c);
    return (n * d + s * d + n * s + n + s + d) * sizeof(double);
}

static void aam_unit(const SPK_REAL *v, int64_t ld, int64_t rows, int64_t n_d, double *unit, double *norm)
{
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t d = 0; d < n_d; d++)
            square += (double)v[r * ld + d] * (double)v[r * ld + d];
        norm[r] = sqrt(square);
        for (int64_t d = 0; d < n_d; d++)
            unit[r * n_d + d] = (double)v[r * ld + d] / fmax(norm[r], 1e-12);
    }
}

static aam_parts aam_cosines(const spk_kargs *a)
{
    aam_parts p = {.e = a->scratch, .n = a->in[0].n, .d = a->in[0].c};
    p.s = aam_classes(&a->in[1], p.d);
    p.w = p.e + p.n * p.d;
    p.cosine = p.w + p.s * p.d;
    p.e_norm = p.cosine + p.n * p.s;
    p.w_norm = p.e_norm + p.n;
    p.row = p.w_norm + p.s;
    aam_unit(dense(&a->in[0]), a->in[0].ld, p.n, p.d, p.e, p.e_norm);
    aam_unit(dense(&a->in[1]), p.d, p.s, p.d, p.w, p.w_norm);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < p.s; j++) {
        for (int64_t n = 0; n < p.n; n++) {
            double dot = 0;
            for (int64_t d = 0; d < p.d; d++)
                dot += p.e[n * p.d + d] * p.w[j * p.d + d];
            p.cosine[n * p.s + j] = dot;
        }
    }
    return p;
}

/* phi(c) and its derivative. */
static double aam_phi(const spk_aam_attr *attr, double c, double *slope)
{
    const double square = 1 - c * c, sine = square > 0 ? sqrt(square) : 0;
    const double cos_m = cos(attr->margin), sin_m = sin(attr->margin);
    *slope = 1;
    if (c > (attr->easy_margin ? 0 : -cos_m)) {
        *slope = cos_m + (sine > 0 ? c / sine * sin_m : 0);
        return c * cos_m - sine * sin_m;
    }
    return attr->easy_margin ? c : c - attr->margin * sin_m;
}

/* Logit of row n and class j, and its derivative with respect to the cosine. */
static double aam_logit(const spk_kargs *a, const aam_parts *p, int64_t n, int64_t j, double *slope)
{
    const spk_aam_attr *attr = a->attr;
    const double c = p->cosine[n * p->s + j];
    double d = 1;
    const double z = ((const int64_t *)a->in[2].p)[n] == j ? aam_phi(attr, c, &d) : c;
    *slope = attr->scale * d;
    return attr->scale * z;
}

/* ln sum_j exp(z_j) of row n. */
static double aam_log_sum(const spk_kargs *a, const aam_parts *p, int64_t n)
{
    double slope, max = aam_logit(a, p, n, 0, &slope);
    for (int64_t j = 1; j < p->s; j++)
        max = fmax(max, aam_logit(a, p, n, j, &slope));
    double sum = exp(aam_logit(a, p, n, 0, &slope) - max);
    for (int64_t j = 1; j < p->s; j++)
        sum += exp(aam_logit(a, p, n, j, &slope) - max);
    return max + log(sum);
}

static void aam_softmax_fwd(const spk_kargs *a)
{
    const aam_parts p = aam_cosines(a);
    const int64_t *label = a->in[2].p;
    double loss = 0, slope;
    int64_t right = 0;
    for (int64_t n = 0; n < p.n; n++) {
        loss += aam_log_sum(a, &p, n) - aam_logit(a, &p, n, label[n], &slope);
        int64_t best = 0;
        for (int64_t j = 1; j < p.s; j++)
            if (p.cosine[n * p.s + j] > p.cosine[n * p.s + best]) best = j;
        right += best == label[n];
    }
    dense(&a->out[0])[0] = (SPK_REAL)(loss / (double)p.n);
    dense(&a->out[0])[1] = (SPK_REAL)((double)right / (double)p.n);
}

/* The cosines become dloss/dcosine. */
static void aam_cosine_gradients(const spk_kargs *a, const aam_parts *p)
{
    const double factor = (double)dense(&a->dout[0])[0] / (double)p->n;
    for (int64_t n = 0; n < p->n; n++) {
        const double log_sum = aam_log_sum(a, p, n);
        for (int64_t j = 0; j < p->s; j++) {
            double slope;
            const double z = aam_logit(a, p, n, j, &slope), own = ((const int64_t *)a->in[2].p)[n] == j;
            p->cosine[n * p->s + j] = factor * slope * (exp(z - log_sum) - own);
        }
    }
}

/* Write the gradient of a row v of D from that of its unit row u = v / |v|. */
static void aam_through_norm(SPK_REAL *dv, bool add, const double *u, const double *du, int64_t n_d, double norm)
{
    double along = 0;
    for (int64_t d = 0; d < n_d; d++)
        along += u[d] * du[d];
    for (int64_t d = 0; d < n_d; d++)
        put(dv + d, norm < 1e-12 ? 0 : (du[d] - u[d] * along) / norm, add);
}

static void aam_de(const spk_kargs *a, const aam_parts *p)
{
    for (int64_t n = 0; n < p->n; n++) {
        for (int64_t d = 0; d < p->d; d++)
            p->row[d] = 0;
        for (int64_t j = 0; j < p->s; j++)
            for (int64_t d = 0; d < p->d; d++)
                p->row[d] += p->cosine[n * p->s + j] * p->w[j * p->d + d];
        aam_through_norm(row(&a->din[0], n), a->add[0], p->e + n * p->d, p->row, p->d, p->e_norm[n]);
    }
}

static void aam_dw(const spk_kargs *a, const aam_parts *p)
{
    for (int64_t j = 0; j < p->s; j++) {
        for (int64_t d = 0; d < p->d; d++)
            p->row[d] = 0;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t d = 0; d < p->d; d++)
                p->row[d] += p->cosine[n * p->s + j] * p->e[n * p->d + d];
        aam_through_norm(dense(&a->din[1]) + j * p->d, true, p->w + j * p->d, p->row, p->d, p->w_norm[j]);
    }
}

static void aam_softmax_bwd(const spk_kargs *a)
{
    const aam_parts p = aam_cosines(a);
    aam_cosine_gradients(a, &p);
    if (a->din[0].p) aam_de(a, &p);
    if (a->din[1].p) aam_dw(a, &p);
}
