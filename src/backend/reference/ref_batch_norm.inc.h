/* SPDX-License-Identifier: Apache-2.0 */
/* batch_norm: y = [relu](gamma (x - mean) / sqrt(var + eps) + beta). Saves mean and 1 / sqrt(var + eps) as doubles (2C).
 * In training rows behind an item's end are in no sum, and zero. */

static size_t batch_norm_save(const spk_geom *g)
{
    return (size_t)g->in[0].c * 2 * sizeof(double);
}

/* Does row r count for nothing? By running statistics each row stands for itself. */
static bool batch_norm_hides(const spk_kargs *a, int64_t r)
{
    return ((const spk_batch_norm_attr *)a->attr)->train && is_hidden(&a->in[0], r);
}

/* Rows that count. */
static double batch_norm_count(const spk_kargs *a)
{
    int64_t n = 0;
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++)
        n += !batch_norm_hides(a, r);
    return (double)n;
}

/* Mean and biased variance of channel c over them. */
static void batch_norm_moments(const spk_kargs *a, double rows, int64_t c, double *mean, double *var)
{
    const spk_view *x = &a->in[0];
    double sum = 0, square = 0;
    for (int64_t r = 0; r < spk_rows(x); r++)
        sum += batch_norm_hides(a, r) ? 0 : (double)row(x, r)[c];
    *mean = sum / rows;
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const double d = (double)row(x, r)[c] - *mean;
        square += batch_norm_hides(a, r) ? 0 : d * d;
    }
    *var = square / rows;
}

/* The same over the rows of all processes; `rows`, this one's, becomes the number of all. */
static void batch_norm_shared_moments(const spk_kargs *a, double *mean, double *var, double *rows)
{
    const spk_view *x = &a->in[0];
    const double own = *rows;
    double *sums = spk_new((size_t)(2 * x->c + 1) * sizeof *sums);
    for (int64_t c = 0; c < x->c; c++) {
        batch_norm_moments(a, own, c, &mean[c], &var[c]);
        sums[c] = own * mean[c];
        sums[x->c + c] = own * (var[c] + mean[c] * mean[c]);
    }
    sums[2 * x->c] = own;
    a->ctx->sync->sum(a->ctx->sync->self, sums, 2 * x->c + 1);
    *rows = sums[2 * x->c];
    for (int64_t c = 0; c < x->c; c++) {
        mean[c] = sums[c] / *rows;
        var[c] = fmax(sums[x->c + c] / *rows - mean[c] * mean[c], 0);
    }
    spk_free(sums);
}

/* A batch that is not finite (its step is skipped) leaves the running statistics as they were. */
static void batch_norm_update(const spk_kargs *a, int64_t c, double mean, double var, double rows)
{
    if (!isfinite(mean) || !isfinite(var)) return;
    const spk_batch_norm_attr *attr = a->attr;
    const double m = attr->momentum;
    SPK_REAL *rm = dense(&a->in[3]) + c, *rv = dense(&a->in[4]) + c;
    *rm = (SPK_REAL)((1 - m) * (double)*rm + m * mean);
    *rv = (SPK_REAL)((1 - m) * (double)*rv + m * var * rows / (rows - 1));
}

/* Element c of a parameter, or what its absence stands for. */
static double or_else(const spk_view *v, int64_t c, double otherwise)
{
    return v->p ? (double)dense(v)[c] : otherwise;
}

static void batch_norm_rows(const spk_kargs *a, int64_t c, double mean, double inv)
{
    const spk_batch_norm_attr *attr = a->attr;
    const double gamma = or_else(&a->in[1], c, 1), beta = or_else(&a->in[2], c, 0);
    for (int64_t r = 0; r < spk_rows(&a->in[0]); r++) {
        const double y = ((double)row(&a->in[0], r)[c] - mean) * inv * gamma + beta;
        row(&a->out[0], r)[c] = (SPK_REAL)(batch_norm_hides(a, r) || (attr->relu && y < 0) ? 0 : y);
    }
}

static void batch_norm_again(const spk_kargs *a)
{
    const double *save = a->save;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t c = 0; c < a->in[0].c; c++)
        batch_norm_rows(a, c, save[c], save[a->in[0].c + c]);
}

static void batch_norm_fwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    double *save = a->save, rows = batch_norm_count(a);
    const bool shared = attr->train && a->ctx->sync;
    double *moments = shared ? spk_new((size_t)(2 * x->c) * sizeof *moments) : NULL;
    if (shared) batch_norm_shared_moments(a, moments, moments + x->c, &rows);
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t c = 0; c < x->c; c++) {
        double mean = 0, var = 1;
        if (attr->train) {
            if (shared) {
                mean = moments[c];
                var = moments[x->c + c];
            } else {
                batch_norm_moments(a, rows, c, &mean, &var);
            }
            batch_norm_update(a, c, mean, var, rows);
        } else {
            mean = (double)dense(&a->in[3])[c];
            var = (double)dense(&a->in[4])[c];
        }
        const double inv = 1 / sqrt(var + attr->eps);
        batch_norm_rows(a, c, mean, inv);
        if (save) {
            save[c] = mean;
            save[x->c + c] = inv;
        }
    }
    if (attr->train && a->in[5].p) ++*(int64_t *)a->in[5].p;
    spk_free(moments);
}

/* dy of row r, zero where the ReLU was and behind the end. */
static double batch_norm_dy(const spk_kargs *a, int64_t r, int64_t c)
{
    const spk_batch_norm_attr *attr = a->attr;
    if (batch_norm_hides(a, r)) return 0;
    return attr->relu && row(&a->out[0], r)[c] <= 0 ? 0 : (double)row(&a->dout[0], r)[c];
}

/* The gradients of beta and gamma of channel c, by this process's rows. */
static void batch_norm_sums(const spk_kargs *a, int64_t c, double *dbeta, double *dgamma)
{
    const spk_view *x = &a->in[0];
    const double *save = a->save, mean = save[c], inv = save[x->c + c];
    *dbeta = *dgamma = 0;
    for (int64_t r = 0; r < spk_rows(x); r++) {
        const double d = batch_norm_dy(a, r, c);
        if (batch_norm_hides(a, r)) continue;
        *dbeta += d;
        *dgamma += d * ((double)row(x, r)[c] - mean) * inv;
    }
}

/* (2C + 1): both over the rows of all processes, and these; a new array. */
static double *batch_norm_shared_sums(const spk_kargs *a)
{
    const int64_t n_c = a->in[0].c;
    double *sums = spk_new((size_t)(2 * n_c + 1) * sizeof *sums);
    for (int64_t c = 0; c < n_c; c++)
        batch_norm_sums(a, c, &sums[c], &sums[n_c + c]);
    sums[2 * n_c] = batch_norm_count(a);
    a->ctx->sync->sum(a->ctx->sync->self, sums, 2 * n_c + 1);
    return sums;
}

static void batch_norm_bwd(const spk_kargs *a)
{
    const spk_batch_norm_attr *attr = a->attr;
    const spk_view *x = &a->in[0];
    const int64_t rows = spk_rows(x);
    const double *save = a->save, own = batch_norm_count(a);
    const bool idle = a->ctx->sync && a->ctx->sync->idle;
    double *shared = attr->train && a->ctx->sync ? batch_norm_shared_sums(a) : NULL;
#pragma omp parallel for schedule(static) num_threads(a->ctx->n_threads)
    for (int64_t c = 0; c < x->c; c++) {
        const double mean = save[c], inv = save[x->c + c], gamma = or_else(&a->in[1], c, 1);
        double dbeta, dgamma;
        batch_norm_sums(a, c, &dbeta, &dgamma);
        if (a->din[1].p) put(dense(&a->din[1]) + c, dgamma, true);
        if (a->din[2].p) put(dense(&a->din[2]) + c, dbeta, true);
        if (!a->din[0].p) continue;
        const double all = shared ? shared[2 * x->c] : own, on = attr->train && !idle ? 1 : 0;
        const double m1 = on * (shared ? shared[c] : dbeta) / all, m2 = on * (shared ? shared[x->c + c] : dgamma) / all;
        for (int64_t r = 0; r < rows; r++) {
            const double v = (double)row(x, r)[c];
            const double d = gamma * inv * (batch_norm_dy(a, r, c) - m1 - (v - mean) * inv * m2);
            put(row(&a->din[0], r) + c, batch_norm_hides(a, r) || (attr->mask_dx && v <= 0) ? 0 : d, a->add[0]);
        }
    }
    spk_free(shared);
}
