/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings in all formats, their parts, other sample rates, and everything that is wrong with files. */
#include "data/data_help.h"

#include "data/audio_impl.h"

static const spk_audio_options mono16 = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE};

/* ---- formats ---- */

static void reads_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int format;
        double tolerance;
    } cases[] = {{"a.wav", HELP_WAV, 0.0001},
                 {"a24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1e-6},
                 {"af.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},
                 {"a.flac", HELP_FLAC, 0.0001},
                 {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.15},
                 {"a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 0.2},
                 {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 0.15}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = help_sound(cases[i].name, cases[i].format, 16000, 1, 20000, help_tone);
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(path, &mono16, &x, &n));
        double worst = 0;
        for (int64_t k = 2000; k < 18000; k++)
            worst = fmax(worst, fabs((double)x[k] - (double)help_tone(k, 0)));
        print_message("%s: %lld samples, largest difference %.3g\n", cases[i].name, (long long)n, worst);
        if (!strstr(cases[i].name, "mp3")) assert_int_equal(n, 20000);
        assert_true(n >= 20000 && n < 20000 + 4000);
        assert_true(worst <= cases[i].tolerance);
        spk_audio_free(x);
    }
}

/* Every part of a file is that part of the whole file: only the crop is decoded, by seeking. */
static void parts_equal_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"a.wav", "a.flac", "a.mp3", "a.ogg"};
    for (int f = 0; f < 4; f++) {
        const char *path = help_path(names[f]);
        spk_audio_reader *r = spk_audio_reader_new(&mono16);
        float *x, part[3000];
        int64_t n, L;
        help_ok(spk_audio_read_all(path, &mono16, &x, &n));
        help_ok(spk_audio_open(r, path, &L));
        assert_int_equal(L, n);
        for (int64_t start = 0; start + 3000 <= n; start += start + 3777 + 3000 <= n ? 3777 : n - 3000 - start + 1) {
            help_ok(spk_audio_part(r, start, 3000, part));
            for (int64_t i = 0; i < 3000; i++)
                assert_true(fabsf(part[i] - x[start + i]) < (f < 2 ? 1e-9f : 1e-5f));
        }
        help_ok(spk_audio_part(r, n - 3000, 3000, part));
        spk_audio_free(x);
        spk_audio_reader_free(r);
    }
}

/* ---- channels ---- */

static void chooses_channels(void **state)
{
    (void)state;
    const char *path = help_sound("two.wav", HELP_WAV, 16000, 2, 9000, help_ramp);
    float *x;
    int64_t n;
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_VALUE, "two.wav", "has 2 channels",
                 "--channel N or --channel mean");
    assert_null(x);
    for (int c = 0; c < 2; c++) {
        const spk_audio_options o = {.sample_rate = 16000, .channel = c};
        help_ok(spk_audio_read_all(path, &o, &x, &n));
        assert_int_equal(n, 9000);
        for (int64_t i = 0; i < n; i += 17)
            assert_true(x[i] == help_ramp(i, c));
        spk_audio_free(x);
    }
    const spk_audio_options mean = {.sample_rate = 16000, .channel = SPK_CHANNEL_MEAN};
    const spk_audio_options third = {.sample_rate = 16000, .channel = 2};
    help_ok(spk_audio_read_all(path, &mean, &x, &n));
    for (int64_t i = 0; i < n; i += 17)
        assert_true(fabsf(x[i] - 0.5f * (help_ramp(i, 0) + help_ramp(i, 1))) < 1e-6f);
    spk_audio_free(x);
    help_refused(spk_audio_read_all(path, &third, &x, &n), SPK_E_VALUE, "two.wav", "no channel 2");
    /* A file of one channel needs no choice and is not hurt by one. */
    help_ok(spk_audio_read_all(help_path("a.wav"), &third, &x, &n));
    spk_audio_free(x);
}

/* ---- sample rates ---- */

static int tone_rate;
static float tone_1k(int64_t i, int c)
{
    (void)c;
    return 0.5f * (float)sin(2 * 3.14159265358979 * 1000.0 * (double)i / tone_rate);
}

static float noise_like(int64_t i, int c)
{
    (void)c;
    const uint64_t h = spk_hash(&i, sizeof i);
    return (float)((double)(h >> 11) * 0x1p-53 - 0.5);
}

/* A tone of 1 kHz is the same tone at 16 kHz, at the same time. */
static void converts_rates(void **state)
{
    (void)state;
    static const int rates[] = {8000, 11025, 22050, 24000, 44100, 48000};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        tone_rate = rates[k];
        const char *path = help_sound("tone.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[k], 1, 2 * rates[k], tone_1k);
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(path, &mono16, &x, &n));
        assert_int_equal(n, 32000);
        tone_rate = 16000;
        double worst = 0;
        for (int64_t i = 2000; i < n - 2000; i++)
            worst = fmax(worst, fabs((double)x[i] - (double)tone_1k(i, 0)));
        print_message("%5d Hz to 16000: largest difference %.2g\n", rates[k], worst);
        assert_true(worst < 1e-5);
        spk_audio_free(x);
    }
}

static void crops_of_converted_files(void **state)
{
    (void)state;
    static const int rates[] = {8000, 11025, 22050, 32000, 44100, 48000};
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        const char *path = help_sound("noise.flac", HELP_FLAC, rates[k], 1, 3 * rates[k] + 77, noise_like);
        spk_audio_reader *r = spk_audio_reader_new(&mono16);
        float *x, part[4000];
        int64_t n, L;
        double worst = 0;
        help_ok(spk_audio_read_all(path, &mono16, &x, &n));
        help_ok(spk_audio_open(r, path, &L));
        assert_int_equal(L, n);
        const int64_t starts[] = {0, 1, 319, 5000, 20001, n - 4001, n - 4000};
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
            help_ok(spk_audio_part(r, starts[s], 4000, part));
            for (int64_t i = 0; i < 4000; i++)
                worst = fmax(worst, fabs((double)part[i] - (double)x[starts[s] + i]));
        }
        print_message("%5d Hz: crop against whole file %.2g\n", rates[k], worst);
        assert_true(worst < 1e-5);
        spk_audio_free(x);
        spk_audio_reader_free(r);
    }
}

static void narrow_band_is_said_once(void **state)
{
    (void)state;
    spk_audio_warn_again();
    spk_text_clear(&help_log);
    for (int i = 0; i < 3; i++) {
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(help_sound("n.wav", HELP_WAV, 8000, 1, 4000, help_ramp), &mono16, &x, &n));
        assert_int_equal(n, 8000);
        spk_audio_free(x);
    }
    assert_int_equal(help_said("recorded at 8000 Hz and raised to 16000 Hz"), 1);
}

/* ---- bad files ---- */

static void cut_file(const char *path, const char *name, double share)
{
    char *data;
    size_t n;
    help_ok(spk_read_file(path, &data, &n));
    help_ok(spk_write_file(help_path(name), data, (size_t)((double)n * share)));
    spk_free(data);
}

static float with_nan(int64_t i, int c)
{
    return i == 5000 ? NAN : help_tone(i, c);
}

static float with_inf(int64_t i, int c)
{
    return i == 5000 ? -INFINITY : help_tone(i, c);
}

static float zero(int64_t i, int c)
{
    (void)i;
    (void)c;
    return 0;
}

static void refuses_bad_files(void **state)
{
    (void)state;
    float *x;
    int64_t n;
    const int floats = SF_FORMAT_WAV | SF_FORMAT_FLOAT;
    help_refused(spk_audio_read_all(help_path("no.wav"), &mono16, &x, &n), SPK_E_IO, "no.wav", "No such file");
    help_refused(spk_audio_read_all(help_root, &mono16, &x, &n), SPK_E_IO, help_root, "folder");
    help_refused(spk_audio_read_all(help_text("empty.wav", ""), &mono16, &x, &n), SPK_E_FORMAT, "empty.wav", "empty");
    help_refused(spk_audio_read_all(help_text("text.wav", "this is not audio, is it?\n"), &mono16, &x, &n),
                 SPK_E_FORMAT, "text.wav", "is not audio");
    help_refused(spk_audio_read_all(help_sound("none.wav", HELP_WAV, 16000, 1, 0, help_ramp), &mono16, &x, &n),
                 SPK_E_FORMAT, "none.wav", "no samples");
    help_refused(spk_audio_read_all(help_sound("nan.wav", floats, 16000, 1, 9000, with_nan), &mono16, &x, &n),
                 SPK_E_FORMAT, "nan.wav", "NaN");
    help_refused(spk_audio_read_all(help_sound("inf.wav", floats, 16000, 1, 9000, with_inf), &mono16, &x, &n),
                 SPK_E_FORMAT, "inf.wav", "infinite");
    help_sound("whole.flac", HELP_FLAC, 16000, 1, 80000, noise_like);
    help_sound("whole.wav", HELP_WAV, 16000, 1, 20000, help_tone);
    cut_file(help_path("whole.wav"), "cut.wav", 0.5);
    cut_file(help_path("whole.flac"), "cut.flac", 0.5);
    cut_file(help_path("whole.flac"), "stump.flac", 0.0001);
    help_refused(spk_audio_read_all(help_path("cut.wav"), &mono16, &x, &n), SPK_E_FORMAT, "cut.wav", "truncated");
    help_refused(spk_audio_read_all(help_path("cut.flac"), &mono16, &x, &n), SPK_E_FORMAT, "cut.flac", "truncated");
    help_sound("whole.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 1, 80000, noise_like);
    cut_file(help_path("whole.ogg"), "cut.ogg", 0.5);
    help_refused(spk_audio_read_all(help_path("cut.ogg"), &mono16, &x, &n), SPK_E_FORMAT, "cut.ogg", "truncated");
    assert_int_equal(mkfifo(help_path("pipe.wav"), 0600), 0);
    help_refused(spk_audio_read_all(help_path("pipe.wav"), &mono16, &x, &n), SPK_E_IO, "pipe.wav",
                 "not a regular file");
    help_refused(spk_audio_read_all(help_path("stump.flac"), &mono16, &x, &n), SPK_E_FORMAT, "stump.flac");
    assert_null(x);
    double seconds;
    help_refused(spk_audio_duration(help_path("no.wav"), &seconds), SPK_E_IO, "no.wav");
}

/* A cut MP3 cannot be told from one whose header guessed wrong: what is there is used, and it is said. */
static void cut_mp3_is_said(void **state)
{
    (void)state;
    float *x;
    int64_t n, all;
    help_ok(spk_audio_read_all(
        help_sound("w.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 1, 60000, help_tone), &mono16, &x, &all));
    spk_audio_free(x);
    cut_file(help_path("w.mp3"), "cut.mp3", 0.5);
    spk_audio_warn_again();
    spk_text_clear(&help_log);
    help_ok(spk_audio_read_all(help_path("cut.mp3"), &mono16, &x, &n));
    spk_audio_free(x);
    assert_true(n > all / 5 && n < all * 4 / 5);
    assert_int_equal(help_said("it may be truncated"), 1);
}

/* A FLAC file without its end still gives the crops that are there. */
static void cut_flac_gives_its_start(void **state)
{
    (void)state;
    spk_audio_reader *r = spk_audio_reader_new(&mono16);
    float part[4000];
    int64_t L;
    help_ok(spk_audio_open(r, help_path("cut.flac"), &L));
    assert_int_equal(L, 80000);
    help_ok(spk_audio_part(r, 100, 4000, part));
    help_refused(spk_audio_part(r, 76000, 4000, part), SPK_E_FORMAT, "cut.flac", "truncated");
    spk_audio_reader_free(r);
}

static void zeros_are_said_once(void **state)
{
    (void)state;
    spk_audio_warn_again();
    spk_text_clear(&help_log);
    for (int i = 0; i < 3; i++) {
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(help_sound("z.wav", HELP_WAV, 16000, 1, 4000, zero), &mono16, &x, &n));
        spk_audio_free(x);
    }
    assert_int_equal(help_said("only zeros"), 1);
}

static void knows_durations(void **state)
{
    (void)state;
    const char *const paths[] = {help_path("a.wav"), help_path("no.wav"), help_path("two.wav"), help_path("z.wav")};
    double seconds[4];
    spk_audio_durations(paths, 4, 3, seconds);
    assert_true(fabs(seconds[0] - 1.25) < 1e-9 && seconds[1] == -1 && fabs(seconds[2] - 9000 / 16000.0) < 1e-9 &&
                fabs(seconds[3] - 0.25) < 1e-9);
}

/* ---- crops ---- */

/* 300 draws from 8 positions reach every position, the last one too, and no other. */
static void crops_reach_every_position(void **state)
{
    (void)state;
    const char *path = help_sound("ramp.wav", HELP_WAV, 16000, 1, 1007, help_ramp);
    spk_audio_reader *r = spk_audio_reader_new(&mono16);
    int count[8] = {0};
    for (uint32_t nth = 0; nth < 300; nth++) {
        float x[1000];
        spk_rng draw = spk_rng_make(7, SPK_PURPOSE_CROP, 1, 99, nth);
        help_ok(spk_crop_train(r, path, SPK_SPEED_ONE, 1000, &draw, x));
        const int64_t start = (int64_t)lrintf(x[0] * 32768.0f);
        assert_in_range(start, 0, 7);
        assert_true(x[999] == help_ramp(start + 999, 0));
        count[start]++;
    }
    for (int i = 0; i < 8; i++)
        assert_true(count[i] > 15);
    spk_audio_reader_free(r);
}

static void short_files_are_repeated(void **state)
{
    (void)state;
    const char *path = help_sound("short.wav", HELP_WAV, 16000, 1, 300, help_ramp);
    spk_audio_reader *r = spk_audio_reader_new(&mono16);
    float x[1000], y[3000];
    spk_rng draw = spk_rng_make(7, SPK_PURPOSE_CROP, 1, 99, 0);
    help_ok(spk_crop_train(r, path, SPK_SPEED_ONE, 1000, &draw, x));
    help_ok(spk_crop_segments(r, path, 1000, 3, y));
    for (int i = 0; i < 1000; i++)
        assert_true(x[i] == help_ramp(i % 300, 0));
    for (int i = 0; i < 3000; i++)
        assert_true(y[i] == x[i % 1000]);
    spk_audio_reader_free(r);
}

/* For every length around the three ways of reading: segment k begins at int(linspace(0, L - T, K))[k]. */
static void segments_are_where_numpy_puts_them(void **state)
{
    (void)state;
    spk_audio_reader *r = spk_audio_reader_new(&mono16);
    for (int64_t L = 95; L < 1200; L += L < 130 || (L > 480 && L < 520) ? 1 : 61)
        for (int64_t K = 1; K <= 5; K++) {
            const char *path = help_sound("seg.wav", HELP_WAV, 16000, 1, L, help_ramp);
            float x[500];
            help_ok(spk_crop_segments(r, path, 100, K, x));
            for (int64_t k = 0; k < K; k++) {
                const double stop = L > 100 ? (double)(L - 100) : 0;
                const int64_t start = K == 1 ? 0 : (int64_t)(k == K - 1 ? stop : (double)k * (stop / (double)(K - 1)));
                for (int64_t i = 0; i < 100; i++)
                    assert_true(x[k * 100 + i] == help_ramp((start + i) % L, 0));
            }
        }
    spk_audio_reader_free(r);
    /* numpy.linspace(0, 100, 4).astype(int) and (0, 47, 10): */
    static const int64_t four[] = {0, 33, 66, 100}, ten[] = {0, 5, 10, 15, 20, 26, 31, 36, 41, 47};
    for (int k = 0; k < 4; k++)
        assert_int_equal(spk_segment_start(200, 100, 4, k), four[k]);
    for (int k = 0; k < 10; k++)
        assert_int_equal(spk_segment_start(147, 100, 10, k), ten[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_formats),
        cmocka_unit_test(parts_equal_whole),
        cmocka_unit_test(chooses_channels),
        cmocka_unit_test(converts_rates),
        cmocka_unit_test(crops_of_converted_files),
        cmocka_unit_test(narrow_band_is_said_once),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(cut_flac_gives_its_start),
        cmocka_unit_test(cut_mp3_is_said),
        cmocka_unit_test(zeros_are_said_once),
        cmocka_unit_test(knows_durations),
        cmocka_unit_test(crops_reach_every_position),
        cmocka_unit_test(short_files_are_repeated),
        cmocka_unit_test(segments_are_where_numpy_puts_them),
    };
    return cmocka_run_group_tests_name("audio", tests, help_setup, help_teardown);
}
