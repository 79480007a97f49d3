/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep noise: the ratio holds, draws are by utterance, the lists name the new recordings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sndfile.h>

#include "recipe/noisy_impl.h"

static char folder[] = "/tmp/spk-noisy-XXXXXX";

static char *in(const char *name)
{
    return spk_path_join(folder, name);
}

/* A hum of `hz`, or noise where that is 0. */
static void put_wave(const char *name, double hz, double gain, int n)
{
    SF_INFO info = {.samplerate = 16000, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_PCM_16};
    char *path = in(name);
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    assert_non_null(f);
    spk_rng r = spk_rng_make(1, SPK_PURPOSE_TEST, 0, spk_hash_str(name), 0);
    for (int i = 0; i < n; i++) {
        const double x = gain * (hz > 0 ? sin(6.283185307 * hz * i / 16000) : 2 * spk_rng_uniform(&r) - 1);
        assert_int_equal(sf_writef_double(f, &x, 1), 1);
    }
    sf_close(f);
    spk_free(path);
}

static void put_text(const char *name, const char *text)
{
    char *path = in(name);
    assert_int_equal(spk_write_file(path, text, strlen(text)), SPK_OK);
    spk_free(path);
}

static int get_wave(const char *name, double *x, int room)
{
    SF_INFO info = {0};
    char *path = in(name);
    SNDFILE *f = sf_open(path, SFM_READ, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    const int n = (int)sf_readf_double(f, x, room);
    sf_close(f);
    spk_free(path);
    return n;
}

static void text_is(const char *name, const char *want)
{
    char *path = in(name), *text = NULL;
    size_t n = 0;
    assert_int_equal(spk_read_file(path, &text, &n), SPK_OK);
    assert_string_equal(text, want);
    spk_free(text);
    spk_free(path);
}

static spk_status make(const char *to, double snr, uint64_t seed)
{
    char *from = in("data"), *out = in(to), *noises = in("noise.scp");
    const spk_noisy_options o = {
        .input = from, .output = out, .noises = noises, .snr = snr, .rate = 16000, .seed = seed};
    int64_t n = 0;
    const spk_status status = spk_prep_noisy(&o, &n);
    if (status == SPK_OK) assert_int_equal(n, 2);
    spk_free(from);
    spk_free(out);
    spk_free(noises);
    return status;
}

static double ratio_db(const char *clean, const char *noisy, int *n)
{
    static double a[40000], b[40000];
    *n = get_wave(clean, a, 40000);
    assert_int_equal(get_wave(noisy, b, 40000), *n);
    double speech = 0, noise = 0;
    for (int i = 0; i < *n; i++) {
        speech += a[i] * a[i];
        noise += (b[i] - a[i]) * (b[i] - a[i]);
    }
    return 10 * log10(speech / noise);
}

static void noisy(void **state)
{
    (void)state;
    int n;
    static double a[40000], b[40000];
    assert_int_equal(make("ten", 10, 5), SPK_OK);
    assert_float_equal(ratio_db("u1.wav", "ten/audio/spk/u1.flac", &n), 10, 0.02);
    assert_int_equal(n, 24000);
    assert_float_equal(ratio_db("u2.wav", "ten/audio/u2.flac", &n), 10, 0.02);
    assert_int_equal(n, 8000);
    text_is("ten/wav.scp", "spk/u1 audio/spk/u1.flac\nu2 audio/u2.flac\n");
    text_is("ten/trial.scp", "spk/u1*u2 audio/spk/u1.flac\n");
    text_is("ten/trial2.scp", "spk/u1*u2 audio/u2.flac\n");
    text_is("ten/trial_label", "spk/u1*u2 0\n");
    /* the same seed, the same bytes; another seed, another part of the noise */
    assert_int_equal(make("again", 10, 5), SPK_OK);
    assert_int_equal(make("other", 10, 6), SPK_OK);
    get_wave("ten/audio/u2.flac", a, 40000);
    get_wave("again/audio/u2.flac", b, 40000);
    assert_memory_equal(a, b, 8000 * sizeof *a);
    get_wave("other/audio/u2.flac", b, 40000);
    assert_memory_not_equal(a, b, 8000 * sizeof *a);
    /* louder than a file can be: all of it is lowered */
    assert_int_equal(make("loud", -20, 5), SPK_OK);
    n = get_wave("loud/audio/u2.flac", a, 40000);
    double peak = 0;
    for (int i = 0; i < n; i++)
        peak = fmax(peak, fabs(a[i]));
    assert_float_equal(peak, 0.99, 0.001);
}

static void refused(void **state)
{
    (void)state;
    put_text("noise.scp", "n1 nowhere.wav\n");
    assert_int_not_equal(make("none", 10, 5), SPK_OK);
    assert_non_null(strstr(spk_errmsg(), "nowhere.wav"));
    put_text("noise.scp", "n1 n1.wav\n");
    put_text("data/trial2.scp", "spk/u1*u9 ../u2.wav\n");
    assert_int_equal(make("none", 10, 5), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "trial2.scp:1: 'u9' is not in"));
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    char *data = in("data");
    assert_int_equal(spk_make_folders(data), SPK_OK);
    spk_free(data);
    put_wave("u1.wav", 220, 0.2, 24000);
    put_wave("u2.wav", 150, 0.1, 8000);
    put_wave("n1.wav", 0, 0.3, 20000);
    put_text("noise.scp", "n1 n1.wav\n");
    put_text("data/wav.scp", "spk/u1 ../u1.wav\nu2 ../u2.wav\n");
    put_text("data/utt2spk", "spk/u1 a\nu2 b\n");
    put_text("data/trial.scp", "spk/u1*u2 ../u1.wav\n");
    put_text("data/trial2.scp", "spk/u1*u2 ../u2.wav\n");
    put_text("data/trial_label", "spk/u1*u2 0\n");
    return 0;
}

static int end(void **state)
{
    (void)state;
    char *command = spk_strf("rm -rf %s", folder);
    const int rc = system(command);
    spk_free(command);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(noisy), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, begin, end);
}
