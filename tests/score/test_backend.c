/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLDA against densities of the Gaussians that it stands for and against expectation and maximisation written out in the
 * embeddings' own basis; Kaldi's files byte by byte and both ways.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/kaldi_object_impl.h"
#include "score/backend_impl.h"
#include "score/dense_impl.h"

enum { R = 3, MOST = R * 10 };

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) fail_msg("got %.17g, want %.17g", got, want);
}

static spk_rng rng_of(uint64_t item)
{
    return spk_rng_make(7, SPK_PURPOSE_TEST, 0, item, 0);
}

/* ---- plain linear algebra, Gauss-Jordan ---- */

/* out = inverse of A (n, n), symmetric positive definite or not; returns log |det A|. */
static double invert(const double *A, int n, double *out)
{
    double m[MOST][2 * MOST] = {{0}}, log_det = 0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++)
            m[i][j] = A[i * n + j];
        m[i][n + i] = 1;
    }
    for (int c = 0; c < n; c++) {
        int pivot = c;
        for (int i = c; i < n; i++)
            if (fabs(m[i][c]) > fabs(m[pivot][c])) pivot = i;
        for (int j = 0; j < 2 * n; j++) {
            const double swap = m[c][j];
            m[c][j] = m[pivot][j];
            m[pivot][j] = swap;
        }
        const double p = m[c][c];
        log_det += log(fabs(p));
        for (int j = 0; j < 2 * n; j++)
            m[c][j] /= p;
        for (int i = 0; i < n; i++) {
            const double f = m[i][c];
            for (int j = 0; j < 2 * n && i != c; j++)
                m[i][j] -= f * m[c][j];
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            out[i * n + j] = m[i][n + j];
    return log_det;
}

/* log N(x; 0, C) of n values. */
static double log_density(const double *x, const double *C, int n)
{
    double inverse[MOST * MOST], sum = invert(C, n, inverse) + n * log(6.283185307179586);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            sum += x[i] * inverse[i * n + j] * x[j];
    return -sum / 2;
}

/* W and B that a transform and psi stand for. */
static void covariances(const spk_plda *p, double *W, double *B)
{
    double inverse[R * R];
    invert(p->transform, R, inverse);
    for (int i = 0; i < R; i++)
        for (int j = 0; j < R; j++) {
            W[i * R + j] = B[i * R + j] = 0;
            for (int r = 0; r < R; r++) {
                W[i * R + j] += inverse[i * R + r] * inverse[j * R + r];
                B[i * R + j] += inverse[i * R + r] * p->psi[r] * inverse[j * R + r];
            }
        }
}

/* Density of m utterances of one speaker, (m, R), centred: covariance B everywhere, and W on the diagonal blocks. */
static double speaker_density(const double *x, int m, const double *W, const double *B)
{
    double C[MOST * MOST];
    const int n = m * R;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            C[i * n + j] = B[i % R * R + j % R] + (i / R == j / R ? W[i % R * R + j % R] : 0);
    return log_density(x, C, n);
}

/* ---- PLDA ---- */

static double score(const spk_plda *p, const double *x, int64_t n, const double *t)
{
    double u[R], v[R], sum;
    spk_plda_terms terms;
    spk_plda_apply(p, x, n, u);
    spk_plda_apply(p, t, 1, v);
    spk_plda_terms_make(p, n, &terms);
    sum = terms.constant;
    for (int r = 0; r < R; r++)
        sum += terms.cross[r] * u[r] * v[r] - terms.own[r] * u[r] * u[r] - terms.other[r] * v[r] * v[r];
    spk_plda_terms_clear(&terms);
    return sum;
}

/* log p(x1 .. xn, t) / p(x1 .. xn) p(t): the ratio needs the enrolled utterances by their mean only. */
static void test_score_is_ratio_of_densities(void **state)
{
    (void)state;
    double transform[R * R], psi[R] = {2.5, 0.7, 0}, mean[R] = {0.3, -1, 2}, W[R * R], B[R * R];
    spk_plda p = {R, mean, transform, psi, SPK_PLDA_LENGTH_NONE};
    spk_rng rng = rng_of(1);
    for (int i = 0; i < R * R; i++)
        transform[i] = spk_rng_normal(&rng);
    covariances(&p, W, B);
    for (int n = 1; n <= 5; n++) {
        double x[MOST], average[R] = {0}, t[R];
        for (int i = 0; i < (n + 1) * R; i++)
            x[i] = 2 * spk_rng_normal(&rng);
        for (int i = 0; i < n * R; i++)
            average[i % R] += x[i] / n;
        for (int r = 0; r < R; r++) {
            t[r] = x[n * R + r] + mean[r];
            average[r] += mean[r];
        }
        const double want =
            speaker_density(x, n + 1, W, B) - speaker_density(x, n, W, B) - speaker_density(x + n * R, 1, W, B);
        near(score(&p, average, n, t), want, 1e-9 * (1 + fabs(want)));
    }
}

/* Kaldi's three lengths, by their definitions. */
static void test_lengths(void **state)
{
    (void)state;
    double transform[R * R] = {1, 0, 0, 0, 2, 0, 0, 0, 1}, psi[R] = {3, 1, 0.5}, mean[R] = {0}, x[R] = {1, -2, 0.5},
                         u[R];
    spk_plda p = {R, mean, transform, psi, SPK_PLDA_LENGTH_SIMPLE};
    double sum = 0;
    spk_plda_apply(&p, x, 4, u);
    for (int r = 0; r < R; r++)
        sum += u[r] * u[r];
    near(sum, R, 1e-12);
    near(u[0] / u[1], -0.25, 1e-12);
    p.length = SPK_PLDA_LENGTH_KALDI;
    spk_plda_apply(&p, x, 4, u);
    sum = 0;
    for (int r = 0; r < R; r++)
        sum += u[r] * u[r] / (psi[r] + 0.25);
    near(sum, R, 1e-12);
    spk_plda_smooth(&p, 0.5); /* W + B/2: 1 + psi/2 in the old basis */
    near(psi[0], 3 / 2.5, 1e-12);
    near(transform[4], 2 / sqrt(1.5), 1e-12);
}

/* One step of expectation and maximisation on x (N, R), centred on the mean of the speakers' means. */
static void slow_step(const double *x, const int64_t *speaker, int N, int S, double *W, double *B)
{
    double w[R * R], b[R * R], new_w[R * R] = {0}, new_b[R * R] = {0};
    invert(W, R, w);
    invert(B, R, b);
    for (int s = 0; s < S; s++) {
        double precision[R * R], V[R * R], sum[R] = {0}, y[R] = {0};
        int n = 0;
        for (int i = 0; i < N; i++)
            for (int r = 0; r < R && speaker[i] == s; n += r == 0, r++)
                sum[r] += x[i * R + r];
        for (int k = 0; k < R * R; k++)
            precision[k] = b[k] + n * w[k];
        invert(precision, R, V);
        for (int i = 0; i < R; i++)
            for (int j = 0; j < R; j++)
                for (int k = 0; k < R; k++)
                    y[i] += V[i * R + j] * w[j * R + k] * sum[k];
        for (int i = 0; i < R; i++)
            for (int j = 0; j < R; j++) {
                new_b[i * R + j] += (V[i * R + j] + y[i] * y[j]) / S;
                new_w[i * R + j] += n * V[i * R + j] / N;
                for (int k = 0; k < N; k++)
                    if (speaker[k] == s) new_w[i * R + j] += (x[k * R + i] - y[i]) * (x[k * R + j] - y[j]) / N;
            }
    }
    memcpy(W, new_w, sizeof new_w);
    memcpy(B, new_b, sizeof new_b);
}

enum { N = 24, S = 6 };
static void make_speakers(double *x, int64_t *speaker, double *centred)
{
    double voice[S][R], mean[R] = {0}, sum[S][R] = {{0}};
    int count[S] = {0};
    spk_rng rng = rng_of(2);
    for (int s = 0; s < S; s++)
        for (int r = 0; r < R; r++)
            voice[s][r] = 2 * spk_rng_normal(&rng) + 5;
    for (int i = 0; i < N; i++) {
        speaker[i] = i < S ? i : (i * i) % S; /* of 1 to 9 utterances */
        count[speaker[i]]++;
        for (int r = 0; r < R; r++) {
            x[i * R + r] = voice[speaker[i]][r] + (r + 1) * spk_rng_normal(&rng) + (r ? 0.4 * x[i * R] : 0);
            sum[speaker[i]][r] += x[i * R + r];
        }
    }
    for (int s = 0; s < S; s++)
        for (int r = 0; r < R; r++)
            mean[r] += sum[s][r] / count[s] / S;
    for (int i = 0; i < N * R; i++)
        centred[i] = x[i] - mean[i % R];
}

static void test_fit_is_em(void **state)
{
    (void)state;
    double x[N * R], copy[N * R], centred[N * R], before = -INFINITY;
    int64_t speaker[N];
    make_speakers(x, speaker, centred);
    double W[R * R] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, B[R * R] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, w[R * R], b[R * R];
    for (int iterations = 1; iterations <= 8; iterations++) {
        spk_plda p;
        double likelihood = 0;
        slow_step(centred, speaker, N, S, W, B);
        memcpy(copy, x, sizeof x);
        assert_int_equal(spk_plda_fit(copy, speaker, N, S, R, iterations, &p), SPK_OK);
        covariances(&p, w, b);
        for (int k = 0; k < R * R; k++) {
            near(w[k], W[k], 1e-9);
            near(b[k], B[k], 1e-9);
        }
        for (int r = 0; r < R; r++)
            near(p.mean[r], x[r] - centred[r], 1e-12);
        for (int s = 0; s < S; s++) { /* it never falls */
            double of_speaker[MOST];
            int n = 0;
            for (int i = 0; i < N; i++)
                if (speaker[i] == s) memcpy(of_speaker + R * n++, centred + i * R, sizeof(double) * R);
            likelihood += speaker_density(of_speaker, n, w, b);
        }
        assert_true(likelihood > before && p.psi[0] >= p.psi[1] && p.psi[1] >= p.psi[2]);
        before = likelihood;
        spk_plda_clear(&p);
    }
}

/* Utterances that do not vary in one dimension. */
static void test_singular(void **state)
{
    (void)state;
    double x[N * R], centred[N * R];
    int64_t speaker[N];
    spk_plda p;
    make_speakers(x, speaker, centred);
    for (int i = 0; i < N; i++)
        x[i * R + 1] = 3 * x[i * R];
    assert_int_equal(spk_plda_fit(x, speaker, N, S, R, 3, &p), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "singular"));
    assert_null(p.transform);
}

/* ---- matrices ---- */

static void test_dense(void **state)
{
    (void)state;
    double A[R * R] = {4, 1, 0.5, 1, 3, -1, 0.5, -1, 2}, L[R * R], one[R * R], value[R], vectors[R * R];
    memcpy(L, A, sizeof A);
    assert_true(spk_dense_whitener(L, R));
    assert_int_equal(spk_dense_project(L, R, R, A, one), SPK_OK);
    for (int i = 0; i < R * R; i++)
        near(one[i], i % (R + 1) == 0, 1e-12);
    assert_true(L[1] == 0 && L[2] == 0 && L[5] == 0);
    memcpy(vectors, A, sizeof A);
    assert_int_equal(spk_dense_eigen(vectors, R, value), SPK_OK);
    assert_true(value[0] > value[1] && value[1] > value[2]);
    for (int r = 0; r < R; r++)
        for (int i = 0; i < R; i++) {
            double Av = 0;
            for (int j = 0; j < R; j++)
                Av += A[i * R + j] * vectors[r * R + j];
            near(Av, value[r] * vectors[r * R + i], 1e-12);
        }
    double flat[R * R] = {1, 1, 0, 1, 1, 0, 0, 0, 1};
    assert_false(spk_dense_whitener(flat, R));
}

/* ---- Kaldi's files ---- */

static char folder[] = "/tmp/spk-backend.XXXXXX";

static void put(const char *name, const void *bytes, size_t n)
{
    char *path = spk_path_join(folder, name);
    assert_int_equal(spk_write_file(path, bytes, n), SPK_OK);
    spk_free(path);
}

/* As `ivector-compute-plda` writes it, byte by byte: one dimension; mean 1, transform 2, psi 0.5. */
static const char plda_bytes[] = "\0B<Plda> DV \4\1\0\0\0\0\0\0\0\0\0\360\77"
                                 "DM \4\1\0\0\0\4\1\0\0\0\0\0\0\0\0\0\0\100"
                                 "DV \4\1\0\0\0\0\0\0\0\0\0\340\77</Plda> ";

static void test_kaldi_bytes(void **state)
{
    (void)state;
    spk_backend b;
    char *written, *path = spk_path_join(folder, "again");
    size_t n;
    put("plda", plda_bytes, sizeof plda_bytes - 1);
    assert_int_equal(spk_backend_read(folder, &b), SPK_OK);
    assert_true(b.D == 1 && b.R == 1 && spk_backend_is_plda(&b) && b.length_norm &&
                b.plda.length == SPK_PLDA_LENGTH_KALDI);
    assert_true(b.plda.mean[0] == 1 && b.plda.transform[0] == 2 && b.plda.psi[0] == 0.5);
    assert_int_equal(spk_backend_write(&b, path), SPK_OK);
    spk_free(path);
    path = spk_strf("%s/again/plda", folder);
    assert_int_equal(spk_read_file(path, &written, &n), SPK_OK);
    assert_int_equal(n, sizeof plda_bytes - 1);
    assert_memory_equal(written, plda_bytes, n);
    spk_free(written);
    spk_free(path);
    spk_backend_clear(&b);

    /* text, as `ivector-mean` writes it, and an affine LDA in floats */
    static const char affine[] = "\0BFM \4\1\0\0\0\4\3\0\0\0\0\0\200\77\0\0\0\100\0\0\100\100"; /* 1 2, then 3 */
    put("mean.vec", " [ 0.5 -2 ]\n", 12);
    put("lda.mat", affine, sizeof affine - 1);
    assert_int_equal(spk_backend_read(folder, &b), SPK_OK);
    assert_true(b.D == 2 && b.R == 1 && b.mean[1] == -2);
    assert_true(b.transform[0] == 1 && b.transform[1] == 2 && b.offset[0] == 3);
    spk_backend_clear(&b);
    put("plda", "<Plda>  [ 1 ]\n [\n  2 ]\n [ 0.5 ]\n</Plda>\n", 40);
    assert_int_equal(spk_backend_read(folder, &b), SPK_OK);
    assert_true(b.plda.transform[0] == 2 && b.plda.psi[0] == 0.5);
    spk_backend_clear(&b);
}

static void refuse(const char *name, const char *bytes, size_t n, const char *says)
{
    spk_backend b;
    put(name, bytes, n);
    assert_true(spk_backend_read(folder, &b) != SPK_OK);
    if (!strstr(spk_errmsg(), says) || !strstr(spk_errmsg(), folder))
        fail_msg("'%s' does not say '%s'", spk_errmsg(), says);
    assert_null(b.mean);
}

static void test_kaldi_refusals(void **state)
{
    (void)state;
    char changed[sizeof plda_bytes];
    for (size_t n = 0; n < sizeof plda_bytes - 1; n++) /* cut anywhere */
        refuse("plda", plda_bytes, n, "plda: no ");
    memcpy(changed, plda_bytes, sizeof changed);
    changed[13] = '\377'; /* an extent of 255 */
    refuse("plda", changed, sizeof changed - 1, "no array of that extent");
    refuse("plda", "<Plda> [ 1 ] [ 2 ] [ 0.5 ] </Plda> more", 39, "4 bytes follow");
    refuse("plda", "<Plda> [ 1 ] [ 2 ] [ -1 ] </Plda>", 33, "below 0");
    refuse("plda", "<Plda> [ nan ] [ 2 ] [ 1 ] </Plda>", 34, "not finite");
    refuse("plda", "<Plda> [ 1 ] [ 2 2 ] [ 1 ] </Plda>", 34, "do not fit together");
    refuse("plda", "<Plda> [ 1 2 ] [ 1 2\n3 ] [ 1 2 ] </Plda>", 40, "no matrix");
    refuse("plda", "<Plda> [ 1 2 ] [ 1 2\n3 4 ] [ 1 2 ] </Plda>", 42,
           "the PLDA is of 2 values, but what comes before it gives 1");
    put("plda", plda_bytes, sizeof plda_bytes - 1);
    refuse("mean.vec", "[ 1 2 3 4 ]", 11, "a matrix of 1 x 3 does not fit embeddings of 4 values");
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"again/plda", "again/mean.vec", "again", "plda", "mean.vec", "lda.mat", ""};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char *path = spk_path_join(folder, names[k]);
        remove(path);
        spk_free(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score_is_ratio_of_densities),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_fit_is_em),
        cmocka_unit_test(test_singular),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_kaldi_bytes),
        cmocka_unit_test(test_kaldi_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
