/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of features: against sums made here, whatever the number of threads, and used by global_mvn. */
#include "train/train_help.h"

#include "model/net_impl.h"
#include "spk/arrays.h"
#include "train/run_impl.h"

enum { BINS = 4, UTTERANCES = 12 };

static float value(int64_t u, int64_t t, int64_t c)
{
    return (float)c + 0.25f * (float)((u * 7 + t * 3 + c) % 11);
}

static int64_t n_frames(int64_t u)
{
    return 8 + u;
}

static void write_utterance(const char *folder, const char *id, int64_t u)
{
    float x[BINS * (8 + 2 * UTTERANCES)];
    for (int64_t i = 0; i < n_frames(u) * BINS; i++)
        x[i] = value(u, i / BINS, i % BINS);
    const spk_ndarray a = {.dtype = SPK_F32, .n_dims = 2, .dim = {n_frames(u), BINS}, .data = x};
    char *path = spk_strf("%s/%s.npy", folder, id);
    assert_int_equal(spk_npy_write(path, &a), SPK_OK);
    spk_free(path);
}

static void write_text(const char *folder, const char *name, const spk_text *text)
{
    char *path = spk_path_join(folder, name);
    assert_int_equal(spk_write_file(path, spk_text_str(text), text->n), SPK_OK);
    spk_free(path);
}

/* train: 6 speakers of 2; trials of two more. All in one folder. */
static void make_data(const char *folder)
{
    spk_text scp = {0}, speakers = {0}, trials = {0};
    for (int u = 0; u < UTTERANCES; u++) {
        char id[16];
        snprintf(id, sizeof id, "u%02d", u);
        write_utterance(folder, id, u);
        spk_text_addf(&scp, "%s %s.npy\n", id, id);
        spk_text_addf(&speakers, "%s s%d\n", id, u / 2);
    }
    spk_text_addf(&trials, "u00 u01 target\nu00 u05 nontarget\n");
    write_text(folder, "feats.scp", &scp);
    write_text(folder, "utt2spk", &speakers);
    write_text(folder, "trials", &trials);
    spk_text_clear(&scp);
    spk_text_clear(&speakers);
    spk_text_clear(&trials);
}

static char *conf_of(const char *folder, const char *more, int threads)
{
    return spk_strf("frontend: none\ninput_size: 4\nencoder: ecapa_tdnn\nencoder_conf: {model_scale: 2, ndim: 4, "
                    "output_size: 6}\npooling: chn_attn_stat\nprojector: rawnet3\nloss: aamsoftmax\noptim: adam\n"
                    "train_dir: %s\nvalid_dir: %s\noutput_dir: %s/exp%d\npreprocessor_conf: {target_duration: 0.1}\n"
                    "num_threads: %d\nbatch_size: 4\n%s",
                    folder, folder, folder, threads, threads, more);
}

static void open_run(const char *text, spk_config *c, spk_run *r)
{
    assert_int_equal(spk_config_parse(text, strlen(text), "conf.yaml", c), SPK_OK);
    if (spk_run_open(c, NULL, r) != SPK_OK) fail_msg("%s", spk_errmsg());
}

static void collect(const char *folder, int threads, spk_run_stats *out)
{
    char *text = conf_of(folder, "collect_stats: true\nspecaug: specaug\nnormalize: global_mvn\n", threads);
    spk_config c;
    spk_run r;
    open_run(text, &c, &r);
    if (spk_run_collect_stats(&r, NULL, out) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_run_close(&r);
    spk_config_clear(&c);
    spk_free(text);
}

static void test_sums(void **state)
{
    (void)state;
    char *folder = make_folder();
    double sum[BINS] = {0}, square[BINS] = {0};
    int64_t count = 0;
    make_data(folder);
    for (int64_t u = 0; u < UTTERANCES; u++) {
        count += n_frames(u);
        for (int64_t i = 0; i < n_frames(u) * BINS; i++) {
            sum[i % BINS] += (double)value(u, i / BINS, i % BINS);
            square[i % BINS] += (double)value(u, i / BINS, i % BINS) * (double)value(u, i / BINS, i % BINS);
        }
    }
    spk_run_stats one, three;
    collect(folder, 1, &one);
    collect(folder, 3, &three);
    assert_int_equal(one.n_utterances, UTTERANCES);
    assert_int_equal(one.n_frames, count);
    spk_tensors t;
    assert_int_equal(spk_npz_read(one.path, &t), SPK_OK);
    assert_int_equal(*(const int64_t *)spk_tensors_find(&t, "count")->data, count);
    assert_int_equal(spk_tensors_find(&t, "sum")->dim[0], BINS);
    for (int c = 0; c < BINS; c++) {
        assert_true(fabs(((const double *)spk_tensors_find(&t, "sum")->data)[c] - sum[c]) < 1e-9);
        assert_true(fabs(((const double *)spk_tensors_find(&t, "sum_square")->data)[c] - square[c]) < 1e-9);
    }
    spk_tensors_clear(&t);
    size_t n = 0, m = 0;
    char *a = slurp(folder, "exp1/train/feats_stats.npz", &n), *b = slurp(folder, "exp3/train/feats_stats.npz", &m);
    assert_true(n == m && memcmp(a, b, n) == 0);
    spk_free(a);
    spk_free(b);
    a = slurp(folder, "exp1/train/speech_shape", &n);
    assert_non_null(strstr(a, "u00 8,4\nu01 9,4\n"));
    spk_free(a);
    a = slurp(folder, "exp1/valid/speech2_shape", &n);
    assert_string_equal(a, "u00*u01 9,4\nu00*u05 13,4\n");
    spk_free(a);

    /* The training data under these statistics have mean 0 and variance 1. */
    char *more = spk_strf("normalize: global_mvn\nnormalize_conf: {stats_file: %s}\n", one.path);
    char *text = conf_of(folder, more, 1);
    spk_config c;
    spk_run r;
    open_run(text, &c, &r);
    const float *mean = spk_params_find(spk_net_params(r.net), "normalize.mean")->data;
    const float *std = spk_params_find(spk_net_params(r.net), "normalize.std")->data;
    for (int k = 0; k < BINS; k++) {
        const double mu = sum[k] / (double)count, var = square[k] / (double)count - mu * mu;
        assert_true(fabs((double)mean[k] - mu) < 1e-6 && fabs((double)std[k] - sqrt(var)) < 1e-6);
    }
    spk_run_close(&r);
    spk_config_clear(&c);
    spk_free(text);
    spk_free(more);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
