/* SPDX-License-Identifier: Apache-2.0 */
/* Newton's method: the cost is convex, its Hessian is a Gram matrix, and a step that does not go down is halved. */
#include "score/logistic_impl.h"

#include <math.h>
#include <string.h>

#include "score/roc_impl.h"

enum { MOST_STEPS = 200, MOST_HALVINGS = 60 };

typedef struct fit {
    const double *x;
    const uint8_t *labels;
    int64_t n, F;
    double l2, l2_bias, offset, weight[2];
    double *gradient, *hessian; /* (F + 1), (F + 1, F + 1); the bias stands last */
} fit;

static double margin(const fit *f, const double *theta, int64_t i)
{
    double z = theta[f->F] + f->offset;
    const double *x = f->x + i * f->F;
#pragma omp simd reduction(+ : z)
    for (int64_t k = 0; k < f->F; k++)
        z += theta[k] * x[k];
    return z;
}

static double cost(const fit *f, const double *theta)
{
    double sum = 0;
    for (int64_t i = 0; i < f->n; i++) {
        const double z = margin(f, theta, i);
        sum += f->weight[f->labels[i]] * spk_softplus(f->labels[i] ? -z : z);
    }
    for (int64_t k = 0; k < f->F; k++)
        sum += f->l2 / 2 * theta[k] * theta[k];
    return sum + f->l2_bias / 2 * theta[f->F] * theta[f->F];
}

/* Lower triangle of the Hessian's rows from `from` on, over all items: each row by one thread, in one order. */
static void add_hessian_row(const fit *f, const double *curvature, int64_t row)
{
    double *h = f->hessian + row * (f->F + 1);
    for (int64_t i = 0; i < f->n; i++) {
        const double *x = f->x + i * f->F;
        const double c = curvature[i] * (row < f->F ? x[row] : 1);
        const int64_t end = row < f->F ? row + 1 : f->F;
#pragma omp simd
        for (int64_t k = 0; k < end; k++)
            h[k] += c * x[k];
        if (row == f->F) h[f->F] += c;
    }
}

static void derive(const fit *f, const double *theta, double *curvature)
{
    const int64_t P = f->F + 1;
    memset(f->gradient, 0, sizeof *f->gradient * (size_t)P);
    memset(f->hessian, 0, sizeof *f->hessian * (size_t)(P * P));
    for (int64_t i = 0; i < f->n; i++) {
        const double z = margin(f, theta, i), p = 1 / (1 + exp(-z)), c = f->weight[f->labels[i]];
        const double g = c * (p - (double)f->labels[i]), *x = f->x + i * f->F;
        curvature[i] = c * p * (1 - p);
        for (int64_t k = 0; k < f->F; k++)
            f->gradient[k] += g * x[k];
        f->gradient[f->F] += g;
    }
#pragma omp parallel for schedule(dynamic)
    for (int64_t row = P - 1; row >= 0; row--)
        add_hessian_row(f, curvature, row);
    for (int64_t k = 0; k < P; k++) {
        const double l2 = k < f->F ? f->l2 : f->l2_bias;
        f->gradient[k] += l2 * theta[k];
        f->hessian[k * P + k] += l2;
    }
}

/* Solve H d = g by Cholesky's decomposition of the lower triangle, in place. Directions that the data do not decide
 * (constant or equal features) get a ridge far below the others. */
static void solve(double *H, const double *g, int64_t P, double *d)
{
    double largest = 0;
    for (int64_t k = 0; k < P; k++)
        largest = fmax(largest, H[k * P + k]);
    const double ridge = 1e-13 * largest + 1e-300;
    for (int64_t i = 0; i < P; i++) {
        H[i * P + i] += ridge;
        for (int64_t j = 0; j <= i; j++) {
            double sum = H[i * P + j];
            for (int64_t k = 0; k < j; k++)
                sum -= H[i * P + k] * H[j * P + k];
            H[i * P + j] = i == j ? sqrt(fmax(sum, ridge)) : sum / H[j * P + j];
        }
    }
    for (int64_t i = 0; i < P; i++) {
        double sum = g[i];
        for (int64_t k = 0; k < i; k++)
            sum -= H[i * P + k] * d[k];
        d[i] = sum / H[i * P + i];
    }
    for (int64_t i = P - 1; i >= 0; i--) {
        double sum = d[i];
        for (int64_t k = i + 1; k < P; k++)
            sum -= H[k * P + i] * d[k];
        d[i] = sum / H[i * P + i];
    }
}

static spk_status go_down(const fit *f, double *theta, double *curvature, double *step, double *trial)
{
    const int64_t P = f->F + 1;
    double now = cost(f, theta);
    for (int n = 0; n < MOST_STEPS; n++) {
        double decrement = 0, size = 1, next = now;
        derive(f, theta, curvature);
        solve(f->hessian, f->gradient, P, step);
        for (int64_t k = 0; k < P; k++)
            decrement += f->gradient[k] * step[k];
        for (int h = 0; h < MOST_HALVINGS; h++) {
            for (int64_t k = 0; k < P; k++)
                trial[k] = theta[k] - size * step[k];
            next = cost(f, trial);
            if (next <= now) break;
            size /= 2;
        }
        if (next <= now) memcpy(theta, trial, sizeof *theta * (size_t)P);
        /* twice the cost above the minimum, nearly; a cost of 0 is separation, not a minimum */
        if (next > now || decrement <= 1e-15 * now) return SPK_OK;
        now = next;
        if (now < 1e-12 * (f->weight[0] + f->weight[1])) break;
    }
    return spk_fail(SPK_E_VALUE,
                    "the classes are separated without error, so no calibration is best; use harder trials, "
                    "or a penalty (--l2 0.001)");
}

/* Features to mean 0 and deviation 1; where all are equal, to 0. */
static void standardize(double *x, int64_t n, int64_t F, double *mean, double *deviation)
{
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < F; k++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++)
            sum += x[i * F + k];
        mean[k] = sum / (double)n;
        for (int64_t i = 0; i < n; i++)
            squares += (x[i * F + k] - mean[k]) * (x[i * F + k] - mean[k]);
        const double d = sqrt(squares / (double)n);
        deviation[k] = d > 1e-12 * fabs(mean[k]) ? d : INFINITY;
        for (int64_t i = 0; i < n; i++)
            x[i * F + k] = (x[i * F + k] - mean[k]) / deviation[k];
    }
}

static spk_status check(const double *x, const uint8_t *labels, int64_t n, int64_t F, int64_t count[2])
{
    count[0] = count[1] = 0;
    for (int64_t i = 0; i < n; i++)
        count[labels[i] != 0]++;
    if (count[0] == 0 || count[1] == 0)
        return spk_fail(SPK_E_VALUE, "all %lld trials are %s: a calibration needs trials of both classes", (long long)n,
                        count[0] ? "nontarget" : "target");
    for (int64_t i = 0; i < n * F; i++)
        if (!isfinite(x[i]))
            return spk_fail(SPK_E_VALUE, "feature %lld of trial %lld is not finite", (long long)(i % F) + 1,
                            (long long)(i / F) + 1);
    return SPK_OK;
}

spk_status spk_logistic_fit(double *x, const uint8_t *labels, int64_t n, int64_t F, const spk_logistic_options *o,
                            double *w, double *b)
{
    const size_t P = (size_t)F + 1;
    const bool weighted = o->prior > 0;
    int64_t count[2];
    spk_status status;
    double *room = spk_alloc_zero(sizeof *room * (P * P + 6 * P + (size_t)n));
    if (!room) return spk_fail(SPK_E_NOMEM, "not enough memory to calibrate %lld trials", (long long)n);
    double *theta = room + P * P, *gradient = theta + P, *step = gradient + P, *trial = step + P, *mean = trial + P,
           *deviation = mean + P, *curvature = deviation + P;
    SPK_GO(check(x, labels, n, F, count));
    if (o->standardize) standardize(x, n, F, mean, deviation);
    const fit f = {
        .x = x,
        .labels = labels,
        .n = n,
        .F = F,
        .l2 = o->l2,
        .l2_bias = o->penalize_bias ? o->l2 : 0,
        .offset = weighted ? log(o->prior / (1 - o->prior)) : 0,
        .weight = {weighted ? (1 - o->prior) / (double)count[0] : 1, weighted ? o->prior / (double)count[1] : 1},
        .gradient = gradient,
        .hessian = room};
    SPK_GO(go_down(&f, theta, curvature, step, trial));
    *b = theta[F];
    for (int64_t k = 0; k < F; k++) {
        w[k] = o->standardize ? theta[k] / deviation[k] : theta[k];
        if (o->standardize) *b -= w[k] * mean[k];
    }
done:
    spk_free(room);
    return status;
}
