/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto_loss: P speakers with K consecutive rows each. Every query (a speaker's first row, or all rows) is compared
 * with the centroids of all speakers; the cosines, times w plus b, are logits whose right class is the query's speaker.
 * A centroid is the mean of the speaker's rows that it is made of; only its direction matters, so sums stand for means.
 *   angle: queries are the first rows, centroids are of the others.
 *   ge2e:  queries are all rows; a centroid is of all K, of a query's own speaker of the K - 1 others; cosines below
 *          1e-6 count as 1e-6.
 * Scratch (double): unit queries (Q,D), unit centroids (P,D) and, of ge2e, unit centroids without the query (Q,D), with
 * their norms; cosines (Q,P); gradients of those three kinds of rows.
 */

typedef struct proto_parts {
    int64_t p, k, q, d;
    bool ge2e;
    double *query, *centroid, *without, *q_norm, *c_norm, *x_norm; /* unit rows and norms */
    double *cosine;
    double *dquery, *dcentroid, *dwithout;
} proto_parts;

static size_t proto_loss_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const spk_proto_attr *attr = g->attr;
    const size_t n = (size_t)g->in[0].n, d = (size_t)g->in[0].c, p = n / (size_t)attr->per_speaker;
    return (2 * (2 * n + p) * d + 2 * n + p + n * p) * sizeof(double);
}

static proto_parts proto_parts_of(const spk_kargs *a)
{
    const spk_proto_attr *attr = a->attr;
    proto_parts t = {.k = attr->per_speaker, .d = a->in[0].c, .ge2e = attr->kind == SPK_PROTO_GE2E};
    t.p = a->in[0].n / t.k;
    t.q = t.ge2e ? a->in[0].n : t.p;
    t.query = a->scratch;
    t.without = t.query + t.q * t.d;
    t.centroid = t.without + t.q * t.d;
    t.dquery = t.centroid + t.p * t.d;
    t.dwithout = t.dquery + t.q * t.d;
    t.dcentroid = t.dwithout + t.q * t.d;
    t.q_norm = t.dcentroid + t.p * t.d;
    t.x_norm = t.q_norm + t.q;
    t.c_norm = t.x_norm + t.q;
    t.cosine = t.c_norm + t.p;
    return t;
}

/* The input row of query q, and its speaker. */
static int64_t proto_row(const proto_parts *t, int64_t q)
{
    return t->ge2e ? q : q * t->k;
}

static int64_t proto_speaker(const proto_parts *t, int64_t q)
{
    return t->ge2e ? q / t->k : q;
}

static double make_unit(double *v, int64_t n_d)
{
    double square = 0;
    for (int64_t d = 0; d < n_d; d++)
        square += v[d] * v[d];
    for (int64_t d = 0; d < n_d; d++)
        v[d] /= fmax(sqrt(square), 1e-12);
    return sqrt(square);
}

static void proto_units(const spk_kargs *a, const proto_parts *t)
{
    for (int64_t p = 0; p < t->p; p++) {
        double *sum = t->centroid + p * t->d;
        for (int64_t d = 0; d < t->d; d++)
            sum[d] = 0;
        for (int64_t k = t->ge2e ? 0 : 1; k < t->k; k++)
            for (int64_t d = 0; d < t->d; d++)
                sum[d] += (double)row(&a->in[0], p * t->k + k)[d];
    }
    for (int64_t q = 0; q < t->q; q++) {
        const SPK_REAL *e = row(&a->in[0], proto_row(t, q));
        for (int64_t d = 0; d < t->d; d++) {
            t->query[q * t->d + d] = (double)e[d];
            t->without[q * t->d + d] = t->centroid[proto_speaker(t, q) * t->d + d] - (t->ge2e ? (double)e[d] : 0);
        }
        t->q_norm[q] = make_unit(t->query + q * t->d, t->d);
        t->x_norm[q] = make_unit(t->without + q * t->d, t->d);
    }
    for (int64_t p = 0; p < t->p; p++)
        t->c_norm[p] = make_unit(t->centroid + p * t->d, t->d);
}

/* What query q is compared with for speaker p: the rows of unit vectors or of their gradients. */
static double *proto_other(const proto_parts *t, double *without, double *centroid, int64_t q, int64_t p)
{
    return t->ge2e && p == proto_speaker(t, q) ? without + q * t->d : centroid + p * t->d;
}

static proto_parts proto_cosines(const spk_kargs *a)
{
    const proto_parts t = proto_parts_of(a);
    proto_units(a, &t);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t q = 0; q < t.q; q++) {
        for (int64_t p = 0; p < t.p; p++) {
            const double *u = t.query + q * t.d, *v = proto_other(&t, t.without, t.centroid, q, p);
            double dot = 0;
            for (int64_t d = 0; d < t.d; d++)
                dot += u[d] * v[d];
            t.cosine[q * t.p + p] = t.ge2e && dot < 1e-6 ? 1e-6 : dot;
        }
    }
    return t;
}

static double proto_factor(const spk_kargs *a)
{
    return a->in[1].p ? fmax((double)dense(&a->in[1])[0], 1e-6) : 1;
}

/* ln sum_p exp(w c) of query q; b falls out of the softmax. */
static double proto_log_sum(const proto_parts *t, int64_t q, double w)
{
    double max = -INFINITY, sum = 0;
    for (int64_t p = 0; p < t->p; p++)
        max = fmax(max, w * t->cosine[q * t->p + p]);
    for (int64_t p = 0; p < t->p; p++)
        sum += exp(w * t->cosine[q * t->p + p] - max);
    return max + log(sum);
}

static void proto_loss_fwd(const spk_kargs *a)
{
    const proto_parts t = proto_cosines(a);
    const double w = proto_factor(a);
    double loss = 0;
    int64_t n_right = 0;
    for (int64_t q = 0; q < t.q; q++) {
        const double *c = t.cosine + q * t.p;
        int64_t best = 0;
        for (int64_t p = 1; p < t.p; p++)
            if (c[p] > c[best]) best = p;
        n_right += best == proto_speaker(&t, q);
        loss += proto_log_sum(&t, q, w) - w * c[proto_speaker(&t, q)];
    }
    const bool silent = ((const spk_proto_attr *)a->attr)->no_accuracy;
    dense(&a->out[0])[0] = (SPK_REAL)(loss / (double)t.q);
    dense(&a->out[0])[1] = silent ? 0 : (SPK_REAL)((double)n_right / (double)t.q);
}

/* The gradients of unit rows from those of the cosines; gives that of w. */
static double proto_gradients(const spk_kargs *a, const proto_parts *t)
{
    const double w = proto_factor(a), factor = (double)dense(&a->dout[0])[0] / (double)t->q;
    double dw = 0;
    memset(t->dquery, 0, (size_t)((2 * t->q + t->p) * t->d) * sizeof(double));
    for (int64_t q = 0; q < t->q; q++) {
        const double log_sum = proto_log_sum(t, q, w);
        for (int64_t p = 0; p < t->p; p++) {
            const double c = t->cosine[q * t->p + p];
            const double dz = factor * (exp(w * c - log_sum) - (p == proto_speaker(t, q)));
            dw += dz * c;
            if (t->ge2e && !(c > 1e-6)) continue;
            const double *u = t->query + q * t->d, *v = proto_other(t, t->without, t->centroid, q, p);
            double *du = t->dquery + q * t->d, *dv = proto_other(t, t->dwithout, t->dcentroid, q, p);
            for (int64_t d = 0; d < t->d; d++) {
                du[d] += w * dz * v[d];
                dv[d] += w * dz * u[d];
            }
        }
    }
    return dw;
}

/* The gradient of a unit row becomes that of the row before it was divided by its norm. */
static void before_unit(double *du, const double *u, int64_t n_d, double norm)
{
    double along = 0;
    for (int64_t d = 0; d < n_d; d++)
        along += u[d] * du[d];
    for (int64_t d = 0; d < n_d; d++)
        du[d] = norm < 1e-12 ? 0 : (du[d] - u[d] * along) / norm;
}

/* To the rows: as queries, as part of their centroid, and of the centroids without another row. */
static void proto_rows(const spk_kargs *a, const proto_parts *t)
{
    for (int64_t q = 0; q < t->q; q++) {
        before_unit(t->dquery + q * t->d, t->query + q * t->d, t->d, t->q_norm[q]);
        before_unit(t->dwithout + q * t->d, t->without + q * t->d, t->d, t->x_norm[q]);
    }
    for (int64_t p = 0; p < t->p; p++) {
        double *shared = t->dcentroid + p * t->d;
        before_unit(shared, t->centroid + p * t->d, t->d, t->c_norm[p]);
        for (int64_t k = 0; k < t->k && t->ge2e; k++)
            for (int64_t d = 0; d < t->d; d++)
                shared[d] += t->dwithout[(p * t->k + k) * t->d + d];
        for (int64_t k = 0; k < t->k; k++) {
            const int64_t n = p * t->k + k, q = t->ge2e ? n : p;
            const bool queried = t->ge2e || k == 0, inside = t->ge2e || k > 0;
            for (int64_t d = 0; d < t->d; d++) {
                double g = inside ? shared[d] : 0;
                if (queried) g += t->dquery[q * t->d + d];
                if (t->ge2e) g -= t->dwithout[q * t->d + d];
                put(row(&a->din[0], n) + d, g, a->add[0]);
            }
        }
    }
}

static void proto_loss_bwd(const spk_kargs *a)
{
    const proto_parts t = proto_cosines(a);
    const double dw = proto_gradients(a, &t);
    if (a->din[1].p && (double)dense(&a->in[1])[0] >= 1e-6) put(dense(&a->din[1]), dw, true);
    if (a->din[0].p) proto_rows(a, &t);
}
