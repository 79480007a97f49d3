/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels against figures that another implementation computed in double precision from inputs that anyone can make
 * again: statistics pooling, a projector (BatchNorm and a linear layer), the margin loss, and log-mel features of
 * ESPnet. The gradients are those of l = sum_k y_k sin(k/2), k = 1.. over the outputs; their norms are given.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "backend/backend_impl.h"

static const double PI = 3.14159265358979323846;

/* The sequence of a name: v_k = z_k / 2^31 - 1 from a linear congruence started with the name's 32-bit FNV-1a hash. */
static void sequence(const char *name, double *v, int64_t n, double scale, double offset)
{
    uint32_t z = 2166136261u;
    for (; *name; name++)
        z = (z ^ (uint8_t)*name) * 16777619u;
    for (int64_t i = 0; i < n; i++) {
        z = 1664525u * z + 1013904223u;
        v[i] = offset + scale * ((double)z / 2147483648.0 - 1);
    }
}

/* ---- one op in either type, values in double ---- */

typedef struct call {
    spk_op op;
    const void *attr;
    struct {
        const double *values; /* NULL: absent */
        const int64_t *ints;
        int64_t n, w, c;
        const int64_t *len;
        double *gradient; /* wanted when not NULL */
    } in[SPK_MAX_IN];
    int64_t n, w, c; /* of the output */
    double *out;
    const double *dout; /* NULL: no backward pass */
} call;

static void *typed(spk_dtype dtype, const double *x, int64_t n)
{
    char *p = spk_new((size_t)(n + 1) * sizeof(double));
    for (int64_t i = 0; i < n && x; i++) {
        if (dtype == SPK_F64)
            ((double *)(void *)p)[i] = x[i];
        else
            ((float *)(void *)p)[i] = (float)x[i];
    }
    return p;
}

static void untyped(spk_dtype dtype, const void *p, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = dtype == SPK_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static void perform(const call *c, spk_dtype dtype)
{
    const spk_ctx ctx = {.n_threads = 2};
    spk_kargs a = {.ctx = &ctx, .attr = c->attr, .weights_changed = true};
    spk_geom g = {.op = c->op, .dtype = dtype, .attr = c->attr, .train = c->dout != NULL, .n_threads = 2};
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (!c->in[i].values && !c->in[i].ints) continue;
        const int64_t count = c->in[i].n * c->in[i].w * c->in[i].c;
        a.in[i] = (spk_view){NULL, c->in[i].n, 1, c->in[i].w, c->in[i].c, c->in[i].c, c->in[i].len, SPK_F32};
        a.in[i].p = c->in[i].ints ? memcpy(spk_new((size_t)count * 8), c->in[i].ints, (size_t)count * 8)
                                  : typed(dtype, c->in[i].values, count);
        g.in[i] = a.in[i];
        g.has_in[i] = true;
        g.want_din[i] = c->in[i].gradient != NULL;
        a.din[i] = a.in[i];
        a.din[i].p = g.want_din[i] ? typed(dtype, NULL, count) : NULL;
        a.add[i] = true; /* to zeros */
    }
    a.out[0] = (spk_view){typed(dtype, NULL, c->n * c->w * c->c), c->n, 1, c->w, c->c, c->c, NULL, SPK_F32};
    g.out[0] = a.dout[0] = a.out[0];
    const spk_kernel *k = spk_kernel_find(&g);
    if (k->create) assert_int_equal(k->create(&g, &a.state), SPK_OK);
    a.save = k->save_bytes ? spk_alloc(k->save_bytes(&g) + 1) : NULL;
    a.scratch = k->scratch_bytes ? spk_alloc(k->scratch_bytes(&g, a.state) + 1) : NULL;
    k->fwd(&a);
    untyped(dtype, a.out[0].p, c->n * c->w * c->c, c->out);
    a.dout[0].p = c->dout ? typed(dtype, c->dout, c->n * c->w * c->c) : NULL;
    if (c->dout) k->bwd(&a);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (c->in[i].gradient) untyped(dtype, a.din[i].p, c->in[i].n * c->in[i].w * c->in[i].c, c->in[i].gradient);
        spk_free(a.in[i].p);
        spk_free(a.din[i].p);
    }
    spk_free(a.out[0].p);
    spk_free(a.dout[0].p);
    if (k->destroy) k->destroy(a.state);
    spk_free(a.save);
    spk_free(a.scratch);
}

/* ---- comparing ---- */

/* The figures have nine digits; float32 runs are allowed what ESPnet's own float32 run differs by (3e-5). */
static void near(const char *what, double x, double right, spk_dtype dtype)
{
    const double allowed = (dtype == SPK_F64 ? 2e-8 : 3e-5) * fmax(fabs(right), 0.1);
    if (!(fabs(x - right) <= allowed))
        fail_msg("%s (%s): %.10g, should be %.10g", what, spk_dtype_name(dtype), x, right);
}

static double sum(const double *x, int64_t n, bool squares)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++)
        total += squares ? x[i] * x[i] : x[i];
    return total;
}

static void sines(double *d, int64_t n)
{
    for (int64_t k = 1; k <= n; k++)
        d[k - 1] = sin(0.5 * (double)k);
}

/* ---- pooling of (3,6,11) ---- */

typedef struct pooling {
    spk_op op;
    const int64_t *len;
    double sum, squares, first, middle, last, gradient;
} pooling;

static void test_pooling(void **state)
{
    (void)state;
    enum { N = 3, C = 6, T = 11 };
    static const int64_t len[] = {11, 7, 4};
    const pooling rows[] = {
        {SPK_OP_TIME_STATS, NULL, 9.82720760, 6.04062042, -4.23442065e-2, 5.96662862e-1, 6.62745575e-1, 1.30508971},
        {SPK_OP_TIME_STATS, len, 1.01088374e1, 6.24469553, -4.23442065e-2, 6.58376591e-1, 6.04835910e-1, 1.73549744},
        {SPK_OP_TIME_MEAN, NULL, -1.39690455e-1, 4.25163059e-1, -4.23442065e-2, -1.50181642e-1, -1.34169096e-1,
         9.25820965e-1},
        {SPK_OP_TIME_MEAN, len, 1.47936660e-1, 5.94620124e-1, -4.23442065e-2, -9.46550026e-2, 3.08010379e-1,
         1.23320522},
    };
    double given[N * C * T], x[N * T * C], y[N * 2 * C], dy[N * 2 * C], dx[N * T * C];
    sequence("input", given, N * C * T, 1, 0);
    for (int64_t i = 0; i < N * C * T; i++)
        x[(i / (C * T) * T + i % T) * C + i / T % C] = given[i];
    const spk_time_stats_attr attr = {.lo = -1, .hi = 1e4};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
            const int64_t width = rows[r].op == SPK_OP_TIME_STATS ? 2 * C : C, n = N * width;
            sines(dy, n);
            const call c = {rows[r].op, &attr, {{x, NULL, N, T, C, rows[r].len, dx}}, N, 1, width, y, dy};
            perform(&c, dtype);
            near("sum", sum(y, n, false), rows[r].sum, dtype);
            near("squares", sum(y, n, true), rows[r].squares, dtype);
            near("first", y[0], rows[r].first, dtype);
            near("middle", y[n / 2], rows[r].middle, dtype);
            near("last", y[n - 1], rows[r].last, dtype);
            near("gradient", sqrt(sum(dx, N * T * C, true)), rows[r].gradient, dtype);
        }
    }
}

/* ---- projector: fc(BatchNorm(x)), x (5,10), output 7 ---- */

static void test_projector(void **state)
{
    (void)state;
    enum { N = 5, C = 10, O = 7 };
    double x[N * C], gamma[C], beta[C], mean[C], var[C], w[O * C], b[O], h[N * C], y[N * O], dy[N * O];
    double dx[N * C], dh[N * C], dgamma[C], dbeta[C], dw[O * C], db[O];
    sequence("input", x, N * C, 1, 0);
    sequence("bn.weight", gamma, C, 0.2, 1);
    sequence("bn.bias", beta, C, 0.1, 0);
    sequence("bn.running_mean", mean, C, 0.2, 0);
    sequence("bn.running_var", var, C, 0.5, 1);
    sequence("fc.weight", w, O * C, sqrt(6.0 / C), 0);
    sequence("fc.bias", b, O, 0.1, 0);
    sines(dy, N * O);
    for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
        for (int train = 0; train < 2; train++) {
            const spk_batch_norm_attr bn = {.eps = 1e-5, .momentum = 0.1, .train = train};
            const spk_conv1d_attr fc = {.k = 1, .stride = 1, .dilation = 1, .w_ld = C};
            call norm = {SPK_OP_BATCH_NORM,
                         &bn,
                         {{x, NULL, N, 1, C, NULL, dx},
                          {gamma, NULL, 1, 1, C, NULL, dgamma},
                          {beta, NULL, 1, 1, C, NULL, dbeta},
                          {mean, NULL, 1, 1, C, NULL, NULL},
                          {var, NULL, 1, 1, C, NULL, NULL}},
                         N,
                         1,
                         C,
                         h,
                         NULL};
            const call linear = {
                SPK_OP_CONV1D,
                &fc,
                {{h, NULL, N, 1, C, NULL, dh}, {w, NULL, O, 1, C, NULL, dw}, {b, NULL, 1, 1, O, NULL, db}},
                N,
                1,
                O,
                y,
                dy};
            perform(&norm, dtype);
            perform(&linear, dtype);
            near("sum", sum(y, N * O, false), train ? -8.29778339e-1 : -4.92583298, dtype);
            near("squares", sum(y, N * O, true), train ? 7.55570712e1 : 3.25255575e1, dtype);
            if (!train) {
                near("first", y[0], -1.46675547, dtype);
                near("middle", y[N * O / 2], 1.40465856, dtype);
                near("last", y[N * O - 1], -3.49005958e-1, dtype);
                continue;
            }
            norm.dout = dh;
            perform(&norm, dtype);
            near("dx", sqrt(sum(dx, N * C, true)), 1.47472306e1, dtype);
            near("parameters' gradient",
                 sqrt(sum(dgamma, C, true) + sum(dbeta, C, true) + sum(dw, O * C, true) + sum(db, O, true)),
                 1.54961317e1, dtype);
        }
    }
}

/* ---- margin loss of 5 embeddings of 8, 7 classes ---- */

static void test_margin_loss(void **state)
{
    (void)state;
    enum { N = 5, D = 8, S = 7 };
    static const int64_t labels[N] = {4, 0, 6, 3, 1};
    const struct {
        double margin[2];
        double scale;
        bool easy;
        double loss, de, dw;
    } rows[] = {
        {{0.3, 0}, 15, false, 8.76673479, 4.42368783, 4.74720151},
        {{0.5, 0}, 30, false, 2.22335627e1, 1.05239439e1, 1.07943919e1},
        {{0.3, 0}, 15, true, 6.21063025, 4.59656126, 4.92707669},
        {{2.5, 0}, 15, false, 2.69387468e1, 5.11679638, 5.40071796},
    };
    double e[N * D], w[S * D], de[N * D], dw[S * D], out[2];
    static const double dout[2] = {1, 0};
    sequence("input", e, N * D, 1, 0);
    sequence("weight", w, S * D, sqrt(6.0 / D), 0);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
            const spk_margin_attr attr = {.kind = SPK_MARGIN_AAM,
                                          .margin = rows[r].margin,
                                          .scale = rows[r].scale,
                                          .k = 1,
                                          .easy_margin = rows[r].easy};
            const call c = {
                SPK_OP_MARGIN_SOFTMAX,
                &attr,
                {{e, NULL, N, 1, D, NULL, de}, {w, NULL, S, 1, D, NULL, dw}, {NULL, labels, N, 1, 1, NULL, NULL}},
                1,
                1,
                2,
                out,
                dout};
            perform(&c, dtype);
            near("loss", out[0], rows[r].loss, dtype);
            near("accuracy", out[1], 0.4, dtype);
            near("embeddings' gradient", sqrt(sum(de, N * D, true)), rows[r].de, dtype);
            near("weights' gradient", sqrt(sum(dw, S * D, true)), rows[r].dw, dtype);
        }
    }
}

/* Of classes with the same largest cosine, far apart in the table, the first is taken. */
static void test_ties(void **state)
{
    (void)state;
    enum { N = 2, D = 4, S = 300 };
    const spk_margin_attr attr = {.kind = SPK_MARGIN_AAM, .margin = (double[]){0.2, 0}, .scale = 30, .k = 1};
    static double w[S * D], e[N * D], out[2];
    sequence("weight", w, S * D, 1, 0);
    for (int64_t d = 0; d < D; d++)
        w[20 * D + d] = w[270 * D + d] = e[d] = e[D + d] = d == 2 ? 1 : 0;
    for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
        for (int first = 0; first < 2; first++) {
            const int64_t labels[N] = {first ? 20 : 270, 1};
            const call c = {
                SPK_OP_MARGIN_SOFTMAX,
                &attr,
                {{e, NULL, N, 1, D, NULL, NULL}, {w, NULL, S, 1, D, NULL, NULL}, {NULL, labels, N, 1, 1, NULL, NULL}},
                1,
                1,
                2,
                out,
                NULL};
            perform(&c, dtype);
            assert_true(out[1] == (first ? 0.5 : 0));
        }
    }
}

/* A zero embedding and a zero class weight: finite, and no gradient for them. */
static void test_zero_rows(void **state)
{
    (void)state;
    enum { N = 3, D = 5, S = 4 };
    static const int64_t labels[N] = {0, 3, 2};
    static const double dout[2] = {1, 0};
    const spk_margin_attr attr = {.kind = SPK_MARGIN_AAM, .margin = (double[]){0.3, 0}, .scale = 15, .k = 1};
    double e[N * D], w[S * D], de[N * D], dw[S * D], out[2];
    sequence("input", e, N * D, 1, 0);
    sequence("weight", w, S * D, 1, 0);
    memset(e + D, 0, D * sizeof *e);
    memset(w + 2 * D, 0, D * sizeof *w);
    for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
        const call c = {
            SPK_OP_MARGIN_SOFTMAX,
            &attr,
            {{e, NULL, N, 1, D, NULL, de}, {w, NULL, S, 1, D, NULL, dw}, {NULL, labels, N, 1, 1, NULL, NULL}},
            1,
            1,
            2,
            out,
            dout};
        perform(&c, dtype);
        assert_true(isfinite(out[0]));
        assert_true(sum(de + D, D, true) == 0 && sum(dw + 2 * D, D, true) == 0);
        assert_true(isfinite(sum(de, N * D, true)) && sum(de, D, true) > 0 && sum(dw, D, true) > 0);
    }
}

/* ---- log-mel features of two signals of 4000 samples ---- */

enum { SAMPLES = 4000, N_FFT = 512, WIN = 400, HOP = 160, MELS = 80, BINS = N_FFT / 2 + 1, FRAMES = 1 + SAMPLES / HOP };

static double from_mel(double m)
{
    return 700 * (pow(10, m / 2595) - 1);
}

static void make_filters(double *fb)
{
    const double lo = 2595 * log10(1 + 20 / 700.0), hi = 2595 * log10(1 + 7600 / 700.0), step = (hi - lo) / (MELS + 1);
    for (int64_t j = 0; j < MELS; j++) {
        const double f0 = from_mel(lo + (double)j * step), f1 = from_mel(lo + (double)(j + 1) * step),
                     f2 = from_mel(lo + (double)(j + 2) * step);
        for (int64_t k = 0; k < BINS; k++) {
            const double f = 16000.0 * (double)k / N_FFT;
            fb[k * MELS + j] = fmax(0, fmin((f - f0) / (f1 - f0), (f2 - f) / (f2 - f1)));
        }
    }
}

static void make_signals(double *x)
{
    double noise[6000], s[6000];
    sequence("wave", noise, 6000, 1, 0);
    for (int64_t i = 0; i < 6000; i++) {
        const double n = (double)i;
        s[i] = 0.1 * sin(2 * PI * 440 * n / 16000) + 0.05 * sin(2 * PI * 1234.5 * n / 16000) +
               0.02 * sin(1e-4 * n * n) + 0.01 * noise[i];
    }
    for (int64_t i = 0; i < SAMPLES; i++) {
        x[i] = s[i];
        x[SAMPLES + i] = 0.5 * s[1500 + i];
    }
}

static void test_features(void **state)
{
    (void)state;
    const struct {
        bool log, norm;
        double weighted, squares, first, inside, last;
    } rows[] = {
        {false, false, -1.28540070e1, 2.37159971e3, 7.79056664e-4, 4.13581827e-6, 5.85395043e-2},
        {true, false, -5.45656465e1, 1.50407894e5, -7.15614399, -1.21792714e1, -2.83803638},
        {true, true, -5.77152408e1, 7.63684975e3, 2.62090751, -3.85911521, 4.67486528e-1},
    };
    enum { COUNT = 2 * FRAMES * MELS };
    double *x = spk_new(2 * SAMPLES * sizeof *x), *fb = spk_new(BINS * MELS * sizeof *fb), window[WIN];
    double *y = spk_new(COUNT * sizeof *y), *sine = spk_new(COUNT * sizeof *sine);
    const double filter[2] = {-(double)0.97f, 1};
    make_signals(x);
    make_filters(fb);
    sines(sine, COUNT);
    for (int64_t i = 0; i < WIN; i++)
        window[i] = 0.54 - 0.46 * cos(2 * PI * (double)i / WIN);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
            const spk_melspec_attr attr = {.n_fft = N_FFT,
                                           .win_length = WIN,
                                           .hop_length = HOP,
                                           .n_mels = MELS,
                                           .log = rows[r].log,
                                           .mean_norm = rows[r].norm};
            const call c = {SPK_OP_MELSPEC,
                            &attr,
                            {{x, NULL, 2, SAMPLES, 1, NULL, NULL},
                             {filter, NULL, 1, 1, 2, NULL, NULL},
                             {window, NULL, 1, 1, WIN, NULL, NULL},
                             {fb, NULL, BINS, 1, MELS, NULL, NULL}},
                            2,
                            FRAMES,
                            MELS,
                            y,
                            NULL};
            perform(&c, dtype);
            double weighted = 0;
            for (int64_t i = 0; i < COUNT; i++)
                weighted += y[i] * sine[i];
            /* The figures come from a filter table made in single precision: 4e-6 of the features (specification 2.1). */
            near("weighted sum", weighted, rows[r].weighted, SPK_F32);
            near("squares", sum(y, COUNT, true), rows[r].squares, SPK_F32);
            near("first", y[0], rows[r].first, SPK_F32);
            near("inside", y[10 * MELS + 8], rows[r].inside, SPK_F32);
            near("last", y[COUNT - 1], rows[r].last, SPK_F32);
        }
    }
    spk_free(x);
    spk_free(fb);
    spk_free(y);
    spk_free(sine);
}

/* An item with a length gives what it gives alone. */
static void test_features_of_lengths(void **state)
{
    (void)state;
    enum { SHORT = 2500, ALONE = (1 + SHORT / HOP) * MELS };
    static const int64_t len[2] = {SAMPLES, SHORT};
    const double filter[2] = {-0.97, 1};
    double *x = spk_new(2 * SAMPLES * sizeof *x), *fb = spk_new(BINS * MELS * sizeof *fb), window[WIN];
    double *both = spk_new(2 * FRAMES * MELS * sizeof *both), *alone = spk_new(ALONE * sizeof *alone);
    make_signals(x);
    make_filters(fb);
    for (int64_t i = 0; i < WIN; i++)
        window[i] = 0.5 - 0.5 * cos(2 * PI * (double)i / WIN);
    const spk_melspec_attr attr = {
        .n_fft = N_FFT, .win_length = WIN, .hop_length = HOP, .n_mels = MELS, .log = true, .mean_norm = true};
    for (spk_dtype dtype = SPK_F32; dtype <= SPK_F64; dtype++) {
        call c = {SPK_OP_MELSPEC,
                  &attr,
                  {{x, NULL, 2, SAMPLES, 1, len, NULL},
                   {filter, NULL, 1, 1, 2, NULL, NULL},
                   {window, NULL, 1, 1, WIN, NULL, NULL},
                   {fb, NULL, BINS, 1, MELS, NULL, NULL}},
                  2,
                  FRAMES,
                  MELS,
                  both,
                  NULL};
        perform(&c, dtype);
        c.in[0].values = x + SAMPLES;
        c.in[0].n = 1;
        c.in[0].w = SHORT;
        c.in[0].len = NULL;
        c.n = 1;
        c.w = 1 + SHORT / HOP;
        c.out = alone;
        perform(&c, dtype);
        for (int64_t i = 0; i < ALONE; i++)
            near("features of a length", both[FRAMES * MELS + i], alone[i], dtype);
        for (int64_t i = ALONE; i < FRAMES * MELS; i++)
            assert_true(both[FRAMES * MELS + i] == 0);
    }
    spk_free(x);
    spk_free(fb);
    spk_free(both);
    spk_free(alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pooling),
        cmocka_unit_test(test_projector),
        cmocka_unit_test(test_margin_loss),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_zero_rows),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_features_of_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
