/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic corpus: its layout, lengths and loudness, the trials' rules, equal bytes from equal seeds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sndfile.h>

#include "recipe/synth_parts_impl.h"

static char folder[] = "/tmp/spk-synth-XXXXXX";

static spk_synth_options small(const char *name)
{
    spk_synth_options o;
    spk_synth_defaults(&o);
    o.folder = spk_path_join(folder, name);
    o.seed = 7;
    o.n_train_speakers = 3;
    o.n_valid_speakers = 4;
    o.n_train_utterances = 2;
    o.n_valid_utterances = 3;
    o.n_trials = 10;
    o.threads = 1;
    return o;
}

static void done_with(spk_synth_options *o)
{
    spk_free((void *)(uintptr_t)o->folder);
}

/* Whether espeak-ng is there; a test that needs it is skipped with the reason. */
static bool made(spk_status status)
{
    if (status == SPK_E_UNSUPPORTED)
        print_message("skipped: %s\n", spk_errmsg());
    else if (status != SPK_OK)
        fail_msg("%s", spk_errmsg());
    return status == SPK_OK;
}

static char *slurp(const char *base, const char *name, size_t *n)
{
    char *path = spk_path_join(base, name), *data = NULL;
    if (spk_read_file(path, &data, n) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_free(path);
    return data;
}

static int count_lines(const char *base, const char *name, const char *with)
{
    size_t n = 0;
    char *data = slurp(base, name, &n);
    int lines = 0;
    for (char *line = data; *line;) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = 0;
        lines += strstr(line, with) != NULL;
        line = end + 1;
    }
    spk_free(data);
    return lines;
}

static void test_layout(void **state)
{
    (void)state;
    spk_synth_options o = small("layout");
    spk_synth_report report = {0};
    if (!made(spk_synth_corpus(&o, &report))) {
        done_with(&o);
        skip();
    }
    assert_int_equal(report.n_speakers, 7);
    assert_int_equal(report.n_utterances, 3 * 2 + 4 * 3);
    assert_int_equal(report.n_trials, 10);
    assert_int_equal(report.n_targets, 5);
    assert_int_equal(count_lines(o.folder, "train/wav.scp", " ../audio/t"), 6);
    assert_int_equal(count_lines(o.folder, "valid/wav.scp", " ../audio/v"), 12);
    assert_int_equal(count_lines(o.folder, "train/spk2utt", "t00"), 3);
    assert_int_equal(count_lines(o.folder, "valid/trials", " target"), 5);
    assert_int_equal(count_lines(o.folder, "valid/trials", " nontarget"), 5);
    assert_int_equal(count_lines(o.folder, "valid/trial_label", " 1"), 5);
    assert_int_equal(count_lines(o.folder, "valid/trial.scp", ".flac"), 10);
    assert_int_equal(count_lines(o.folder, "valid/trial2.scp", ".flac"), 10);
    done_with(&o);
}

/* The audio that test_layout made. */
static void test_audio(void **state)
{
    (void)state;
    spk_synth_options o = small("layout");
    char *whole = spk_path_join(o.folder, "train/wav.scp");
    const bool there = spk_exists(whole);
    spk_free(whole);
    if (!there) {
        done_with(&o);
        skip();
    }
    for (int i = 0; i < 12; i++) {
        char *path = spk_strf("%s/audio/v%03d/v%03d-%02d.flac", o.folder, i / 3 + 1, i / 3 + 1, i % 3 + 1);
        SF_INFO info = {0};
        SNDFILE *f = sf_open(path, SFM_READ, &info);
        assert_non_null(f);
        assert_int_equal(info.samplerate, 16000);
        assert_int_equal(info.channels, 1);
        assert_true(info.frames >= 32000 && info.frames <= 96000);
        float *x = spk_new(sizeof *x * (size_t)info.frames);
        assert_true(sf_readf_float(f, x, info.frames) == info.frames);
        double sum = 0;
        for (int64_t t = 0; t < info.frames; t++)
            sum += (double)x[t] * (double)x[t];
        const double db = 10 * log10(sum / (double)info.frames);
        assert_true(db > -36 && db < -16);
        spk_free(x);
        (void)sf_close(f);
        spk_free(path);
    }
    done_with(&o);
}

static void test_same_bytes(void **state)
{
    (void)state;
    spk_synth_options a = small("one"), b = small("two"), c = small("other");
    a.n_train_speakers = b.n_train_speakers = c.n_train_speakers = 2;
    a.n_valid_speakers = b.n_valid_speakers = c.n_valid_speakers = 2;
    b.threads = 2;
    c.seed = 8;
    if (!made(spk_synth_corpus(&a, NULL)) || !made(spk_synth_corpus(&b, NULL)) || !made(spk_synth_corpus(&c, NULL))) {
        done_with(&a), done_with(&b), done_with(&c);
        skip();
    }
    const char *const files[] = {"audio/t001/t001-01.flac", "audio/t002/t002-02.flac", "audio/v002/v002-03.flac",
                                 "valid/trial.scp"};
    for (int i = 0; i < 4; i++) {
        size_t na = 0, nb = 0, nc = 0;
        char *da = slurp(a.folder, files[i], &na), *db = slurp(b.folder, files[i], &nb),
             *dc = slurp(c.folder, files[i], &nc);
        assert_true(na == nb && memcmp(da, db, na) == 0);
        assert_false(na == nc && memcmp(da, dc, na) == 0);
        spk_free(da);
        spk_free(db);
        spk_free(dc);
    }
    done_with(&a), done_with(&b), done_with(&c);
}

/* Neighbours share a voice, unseen speakers have voices that training has not. */
static void test_speakers(void **state)
{
    (void)state;
    spk_synth_options o;
    spk_synth_defaults(&o);
    for (uint64_t seed = 0; seed < 20; seed++) {
        o.seed = seed;
        synth_speaker who[66];
        for (int i = 0; i < 66; i++)
            spk__synth_speaker(&o, i >= 44, i >= 44 ? i - 44 : i, &who[i]);
        for (int v = 44; v < 66; v++) {
            assert_string_equal(who[v].voice, who[44 + (v - 44) / 3 * 3].voice);
            for (int t = 0; t < 44; t++)
                assert_string_not_equal(strchr(who[v].voice, '+'), strchr(who[t].voice, '+'));
            for (int u = 44; u < v; u++)
                assert_false(strcmp(who[u].voice, who[v].voice) == 0 && fabs(who[u].pitch - who[v].pitch) < 1 &&
                             fabs(who[u].tract - who[v].tract) < 0.005);
        }
    }
}

/* The steps, each against what it promises: noise ratio, level, energy of the room, flatness at 0 dB. */
static void test_channel(void **state)
{
    (void)state;
    enum { N = 32000 };
    for (uint32_t k = 0; k < 12; k++) {
        spk_rng r = spk_rng_make(3, SPK_PURPOSE_TEST, 0, 0, k);
        synth_signal s = {spk_new(N * sizeof(float)), N};
        float before[64];
        for (int t = 0; t < N; t++)
            s.x[t] = (float)(0.2 * sin(0.05 * t) + 0.1 * sin(0.31 * t));
        memcpy(before, s.x, sizeof before);
        float *clean = spk_new(N * sizeof(float));
        memcpy(clean, s.x, N * sizeof(float));
        spk__synth_equalise(&r, &s, 16000, 0);
        for (int t = 0; t < 64; t++)
            assert_true(fabsf(before[t] - s.x[t]) < 1e-5F);
        memcpy(s.x, clean, N * sizeof(float));
        assert_int_equal(spk__synth_add_noise(&r, &s, 16000, 10), SPK_OK);
        double speech = 0, noise = 0;
        for (int t = 0; t < N; t++) {
            speech += (double)clean[t] * (double)clean[t];
            noise += pow((double)s.x[t] - (double)clean[t], 2);
        }
        assert_true(fabs(10 * log10(speech / noise) - 10) < 0.01);
        spk__synth_set_level(&s, -25);
        double level = 0;
        for (int t = 0; t < N; t++)
            level += (double)s.x[t] * (double)s.x[t] / N;
        assert_true(fabs(10 * log10(level) + 25) < 0.01);

        memset(s.x, 0, N * sizeof(float));
        s.x[0] = 1;
        assert_int_equal(spk__synth_reverberate(&r, &s, 16000, 0.3), SPK_OK);
        double early = 0, late = 0;
        for (int t = 1; t < N; t++)
            *(t < 2400 ? &early : &late) += (double)s.x[t] * (double)s.x[t];
        assert_true(early + late < 0.41 && early + late > 0.035); /* 4 to 14 dB below the direct sound */
        assert_true(10 * log10(late / early) < -20 && late > 0);  /* 30 dB by half of rt60 */
        spk_free(clean);
        spk_free(s.x);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    spk_synth_options o = small("refused");
    const char *kept = o.folder;
    o.n_valid_utterances = 1;
    assert_int_equal(spk_synth_corpus(&o, NULL), SPK_E_VALUE);
    o.n_valid_utterances = 2;
    o.snr_low = 30;
    assert_int_equal(spk_synth_corpus(&o, NULL), SPK_E_VALUE);
    o.snr_low = 5;
    o.folder = NULL;
    assert_int_equal(spk_synth_corpus(&o, NULL), SPK_E_VALUE);
    o.folder = kept;
    assert_false(spk_exists(o.folder));
    char *path = spk_strdup(getenv("PATH"));
    (void)setenv("PATH", "/nonexistent", 1);
    assert_int_equal(spk_synth_corpus(&o, NULL), SPK_E_UNSUPPORTED);
    assert_non_null(strstr(spk_errmsg(), "install"));
    (void)setenv("PATH", path, 1);
    spk_free(path);
    done_with(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_speakers),   cmocka_unit_test(test_channel),
                                       cmocka_unit_test(test_refusals),   cmocka_unit_test(test_layout),
                                       cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_audio)};
    if (!mkdtemp(folder)) return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *clean = spk_strf("rm -rf %s", folder);
    const int rc = system(clean);
    spk_free(clean);
    return failed != 0 || rc != 0;
}
