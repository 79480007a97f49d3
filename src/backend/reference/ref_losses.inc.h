/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses over cosines c = n(e) n(W)^T with class weights: margin_softmax and sphereface2. The curves are in
 * margin_impl.h. Scratch: unit rows of e (N,D) and of W (R,D), the cosines or their gradients (N,R), norms (N + R), a
 * row (D), and of one embedding: the class cosines, the logits and their slopes (S each).
 * Letters: S classes of K centres each, R = S K rows of W.
 */

typedef struct loss_parts {
    double *e, *w, *cosine, *e_norm, *w_norm, *row;
    double *c, *z, *slope; /* of one embedding */
    int64_t n, s, k, r, d;
} loss_parts;

/* The class weights are dense, however their view is cut. */
static int64_t loss_rows(const spk_view *w, int64_t n_d)
{
    return spk_rows(w) * w->c / n_d;
}

static int64_t loss_centres(spk_op op, const void *attr)
{
    return op == SPK_OP_MARGIN_SOFTMAX ? ((const spk_margin_attr *)attr)->k : 1;
}

static size_t loss_scratch(const spk_geom *g, const void *state)
{
    (void)state;
    const size_t n = (size_t)g->in[0].n, d = (size_t)g->in[0].c, r = (size_t)loss_rows(&g->in[1], g->in[0].c);
    const size_t s = r / (size_t)loss_centres(g->op, g->attr);
    return (n * d + r * d + n * r + n + r + d + 3 * s) * sizeof(double);
}

static void unit_rows(const SPK_REAL *v, int64_t ld, int64_t rows, int64_t n_d, double *unit, double *norm)
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

static loss_parts loss_cosines(const spk_kargs *a, int64_t k)
{
    loss_parts p = {.e = a->scratch, .n = a->in[0].n, .d = a->in[0].c, .k = k};
    p.r = loss_rows(&a->in[1], p.d);
    p.s = p.r / k;
    p.w = p.e + p.n * p.d;
    p.cosine = p.w + p.r * p.d;
    p.e_norm = p.cosine + p.n * p.r;
    p.w_norm = p.e_norm + p.n;
    p.row = p.w_norm + p.r;
    p.c = p.row + p.d;
    p.z = p.c + p.s;
    p.slope = p.z + p.s;
    unit_rows(dense(&a->in[0]), a->in[0].ld, p.n, p.d, p.e, p.e_norm);
    unit_rows(dense(&a->in[1]), p.d, p.r, p.d, p.w, p.w_norm);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t j = 0; j < p.r; j++) {
        for (int64_t n = 0; n < p.n; n++) {
            double dot = 0;
            for (int64_t d = 0; d < p.d; d++)
                dot += p.e[n * p.d + d] * p.w[j * p.d + d];
            p.cosine[n * p.r + j] = dot;
        }
    }
    return p;
}

/* The row of W that stands for class j: the first of its centres with the largest cosine. */
static int64_t nearest_centre(const loss_parts *p, int64_t n, int64_t j)
{
    int64_t best = j * p->k;
    for (int64_t r = best + 1; r < (j + 1) * p->k; r++)
        if (p->cosine[n * p->r + r] > p->cosine[n * p->r + best]) best = r;
    return best;
}

static void class_cosines(const loss_parts *p, int64_t n)
{
    for (int64_t j = 0; j < p->s; j++)
        p->c[j] = p->cosine[n * p->r + nearest_centre(p, n, j)];
}

/* The class with the largest cosine, the first of equal ones. */
static int64_t nearest_class(const loss_parts *p)
{
    int64_t best = 0;
    for (int64_t j = 1; j < p->s; j++)
        if (p->c[j] > p->c[best]) best = j;
    return best;
}

/* Where other processes have the other classes: is the row's own one here? */
static bool is_here(const loss_parts *p, int64_t own)
{
    return own >= 0 && own < p->s;
}

/* Of row n, whose cosines are in c, what the processes tell each other besides logits. */
static spk_class_row *share_best(const spk_kargs *a, const loss_parts *p, int64_t n)
{
    spk_class_row *r = &a->classes->row[n];
    *r = (spk_class_row){.best_class = nearest_class(p)};
    r->best = isnan(p->c[r->best_class]) ? -INFINITY : p->c[r->best_class];
    return r;
}

/* The gradient of the class cosine goes to the centre that gave it. */
static void put_cosine_gradient(const loss_parts *p, int64_t n, int64_t j, double gradient)
{
    const int64_t r = nearest_centre(p, n, j);
    for (int64_t k = 0; k < p->k; k++)
        p->cosine[n * p->r + j * p->k + k] = 0;
    p->cosine[n * p->r + r] = gradient;
}

static void put_loss(const spk_kargs *a, const loss_parts *p, double loss, int64_t n_right)
{
    dense(&a->out[0])[0] = (SPK_REAL)(loss / (double)p->n);
    dense(&a->out[0])[1] = (SPK_REAL)((double)n_right / (double)p->n);
}

/* Write the gradient of a row v of D from that of its unit row u = v / |v|. */
static void through_norm(SPK_REAL *dv, bool add, const double *u, const double *du, int64_t n_d, double norm)
{
    double along = 0;
    for (int64_t d = 0; d < n_d; d++)
        along += u[d] * du[d];
    for (int64_t d = 0; d < n_d; d++)
        put(dv + d, norm < 1e-12 ? 0 : (du[d] - u[d] * along) / norm, add);
}

/* From the gradients of the cosines to those of embeddings and class weights. */
static void loss_backward(const spk_kargs *a, const loss_parts *p)
{
    for (int64_t n = 0; n < p->n && a->din[0].p; n++) {
        for (int64_t d = 0; d < p->d; d++)
            p->row[d] = 0;
        for (int64_t j = 0; j < p->r; j++)
            for (int64_t d = 0; d < p->d; d++)
                p->row[d] += p->cosine[n * p->r + j] * p->w[j * p->d + d];
        through_norm(row(&a->din[0], n), a->add[0], p->e + n * p->d, p->row, p->d, p->e_norm[n]);
    }
    for (int64_t j = 0; j < p->r && a->din[1].p; j++) {
        for (int64_t d = 0; d < p->d; d++)
            p->row[d] = 0;
        for (int64_t n = 0; n < p->n; n++)
            for (int64_t d = 0; d < p->d; d++)
                p->row[d] += p->cosine[n * p->r + j] * p->e[n * p->d + d];
        through_norm(dense(&a->din[1]) + j * p->d, true, p->w + j * p->d, p->row, p->d, p->w_norm[j]);
    }
}

/* ---- margin_softmax ---- */

/* The class behind class j in the order of falling cosines (equal ones in their own order), but not `own`; j < 0: the
 * first. */
static int64_t class_behind(const loss_parts *p, int64_t own, int64_t j)
{
    const double from = j < 0 ? INFINITY : p->c[j];
    int64_t best = -1;
    for (int64_t i = 0; i < p->s; i++) {
        const bool behind = p->c[i] < from || (p->c[i] == from && i > j);
        if (i == own || !behind) continue;
        if (best < 0 || p->c[i] > p->c[best]) best = i;
    }
    return best;
}

/* Logits of row n with their derivatives with respect to the class cosines, the n_top nearest with the penalty; gives the
 * largest. */
static double margin_logits(const spk_kargs *a, const loss_parts *p, int64_t n, int64_t n_top)
{
    const spk_margin_attr *attr = a->attr;
    const int64_t own = ((const int64_t *)a->in[2].p)[n];
    class_cosines(p, n);
    for (int64_t j = 0; j < p->s; j++) {
        p->z[j] = p->c[j];
        p->slope[j] = 1;
    }
    int64_t other = -1;
    for (int64_t i = 0; i < n_top && (other = class_behind(p, own, other)) >= 0; i++)
        p->z[other] = spk__margin_other(attr, p->c[other], &p->slope[other]);
    if (is_here(p, own)) p->z[own] = spk__margin_own(attr, p->c[own], &p->slope[own]);
    double max = -INFINITY;
    for (int64_t j = 0; j < p->s; j++) {
        p->z[j] *= attr->scale;
        p->slope[j] *= attr->scale;
        max = fmax(max, p->z[j]);
    }
    return max;
}

static double sum_of_exps(const loss_parts *p, double max)
{
    double sum = 0;
    for (int64_t j = 0; j < p->s; j++)
        sum += exp(p->z[j] - max);
    return sum;
}

/* ln sum_j exp(z_j) of row n, and its logits as above. */
static double margin_row(const spk_kargs *a, const loss_parts *p, int64_t n)
{
    if (a->classes) {
        margin_logits(a, p, n, a->classes->n_kept[n]);
        return a->classes->row[n].max + log(a->classes->row[n].sum);
    }
    const double max = margin_logits(a, p, n, spk__margin_n_top(a->attr));
    return max + log(sum_of_exps(p, max));
}

/* Rows and n_kept of the classes of all processes. */
static void share_margin_rows(const spk_kargs *a, const loss_parts *p)
{
    const spk_class_share *s = a->classes;
    const int64_t *label = a->in[2].p, k = spk__margin_n_top(a->attr);
    for (int64_t n = 0; n < p->n; n++) {
        int64_t other = -1;
        class_cosines(p, n);
        share_best(a, p, n);
        for (int64_t i = 0; i < k; i++) {
            if (i == 0 || other >= 0) other = class_behind(p, label[n], other);
            s->near[n * k + i] = (spk_near_class){other < 0 ? -INFINITY : p->c[other], other};
        }
        s->n_kept[n] = 0;
    }
    if (k) spk_class_share_near(s, p->n, k);
    for (int64_t n = 0; n < p->n; n++) {
        spk_class_row *r = &s->row[n];
        r->max = margin_logits(a, p, n, s->n_kept[n]);
        r->sum = sum_of_exps(p, r->max);
        r->own = is_here(p, label[n]) ? p->z[label[n]] : 0;
    }
    spk_class_share_rows(s, p->n, label);
}

/* The mean over the rows of all processes' classes. */
static void put_shared_loss(const spk_kargs *a, const loss_parts *p, bool softmax)
{
    double loss = 0;
    int64_t n_right = 0;
    for (int64_t n = 0; n < p->n; n++) {
        const spk_class_row *r = &a->classes->row[n];
        loss += softmax ? r->max + log(r->sum) - r->own : r->sum;
        n_right += r->right;
    }
    put_loss(a, p, loss, n_right);
}

static void margin_softmax_fwd(const spk_kargs *a)
{
    const loss_parts p = loss_cosines(a, ((const spk_margin_attr *)a->attr)->k);
    if (a->classes) {
        share_margin_rows(a, &p);
        put_shared_loss(a, &p, true);
        return;
    }
    const int64_t *label = a->in[2].p;
    double loss = 0;
    int64_t n_right = 0;
    for (int64_t n = 0; n < p.n; n++) {
        const double log_sum = margin_row(a, &p, n);
        loss += log_sum - p.z[label[n]];
        n_right += nearest_class(&p) == label[n];
    }
    put_loss(a, &p, loss, n_right);
}

static void margin_softmax_bwd(const spk_kargs *a)
{
    const loss_parts p = loss_cosines(a, ((const spk_margin_attr *)a->attr)->k);
    const double factor = (double)dense(&a->dout[0])[0] / (double)p.n;
    if (a->classes) share_margin_rows(a, &p);
    for (int64_t n = 0; n < p.n; n++) {
        const int64_t own = ((const int64_t *)a->in[2].p)[n];
        const double log_sum = margin_row(a, &p, n);
        for (int64_t j = 0; j < p.s; j++)
            put_cosine_gradient(&p, n, j, factor * p.slope[j] * (exp(p.z[j] - log_sum) - (j == own)));
    }
    loss_backward(a, &p);
}

/* ---- sphereface2 ---- */

/* ln(1 + exp(x)), and its derivative. */
static double softplus(double x, double *slope)
{
    *slope = x > 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

/* The loss of row n; its derivatives with respect to the cosines are in slope, that of the bias is given back. */
static double sphere_row(const spk_kargs *a, const loss_parts *p, int64_t n, double *bias_slope)
{
    const spk_sphere_attr *attr = a->attr;
    const int64_t own = ((const int64_t *)a->in[2].p)[n];
    const double bias = (double)dense(&a->in[3])[0];
    double loss = 0;
    *bias_slope = 0;
    class_cosines(p, n);
    for (int64_t j = 0; j < p->s; j++) {
        double turn, steep;
        const double g = j == own ? spk__sphere_own(attr, p->c[j], &turn) : spk__sphere_other(attr, p->c[j], &turn);
        const double sign = j == own ? -1 : 1, part = j == own ? attr->lambda : 1 - attr->lambda;
        loss += part * softplus(sign * (attr->scale * g + bias), &steep);
        p->slope[j] = part * sign * steep * attr->scale * turn;
        *bias_slope += part * sign * steep;
    }
    return loss;
}

static void sphereface2_fwd(const spk_kargs *a)
{
    const loss_parts p = loss_cosines(a, 1);
    double loss = 0, bias_slope;
    int64_t n_right = 0;
    for (int64_t n = 0; n < p.n && a->classes; n++) {
        const double sum = sphere_row(a, &p, n, &bias_slope);
        share_best(a, &p, n)->sum = sum;
    }
    if (a->classes) {
        spk_class_share_rows(a->classes, p.n, a->in[2].p);
        put_shared_loss(a, &p, false);
        return;
    }
    for (int64_t n = 0; n < p.n; n++) {
        loss += sphere_row(a, &p, n, &bias_slope);
        n_right += nearest_class(&p) == ((const int64_t *)a->in[2].p)[n];
    }
    put_loss(a, &p, loss, n_right);
}

static void sphereface2_bwd(const spk_kargs *a)
{
    const loss_parts p = loss_cosines(a, 1);
    const double factor = (double)dense(&a->dout[0])[0] / (double)p.n;
    double bias_gradient = 0;
    for (int64_t n = 0; n < p.n; n++) {
        double bias_slope;
        sphere_row(a, &p, n, &bias_slope);
        bias_gradient += factor * bias_slope;
        for (int64_t j = 0; j < p.s; j++)
            put_cosine_gradient(&p, n, j, factor * p.slope[j]);
    }
    if (a->din[3].p) put(dense(&a->din[3]), bias_gradient, true);
    loss_backward(a, &p);
}

/* The entries of the table of reference kernels. */
#define REF_LOSSES_TABLE                                                                                               \
    [SPK_OP_MARGIN_SOFTMAX] = {PLAIN(margin_softmax), .scratch_bytes = loss_scratch},                                  \
    [SPK_OP_SPHEREFACE2] = {PLAIN(sphereface2), .scratch_bytes = loss_scratch},                                        \
    [SPK_OP_PROTO_LOSS] = {PLAIN(proto_loss), .scratch_bytes = proto_loss_scratch},
