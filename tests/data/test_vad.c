/* SPDX-License-Identifier: Apache-2.0 */
/* Where somebody speaks: by energy, against Kaldi's formulas written down another way; and by what files say. */
#include "data_help.h"

#include <float.h>

#include "data/speech_impl.h"
#include "data/vad_impl.h"
#include "spk/arrays.h"

enum { RATE = 16000, WINDOW = 400, SHIFT = 160 };

/* ---- energy ---- */

static float noise(int64_t i, int c)
{
    spk_rng rng = spk_rng_make(11, SPK_PURPOSE_TEST, (uint64_t)c, (uint64_t)i, 0);
    return (float)(spk_rng_uniform(&rng) - 0.5);
}

/* Loud and silent by turns, with an offset that must not count. */
static float bursts(int64_t i, int c)
{
    const bool loud = i / 9000 % 3 == 1;
    return 0.1f + (loud ? 0.4f : 0.0008f) * noise(i, c);
}

/* Sum of squares less n times the squared mean, at 16-bit scale: the same number by another way. */
static double energy(const float *x)
{
    long double squares = 0, sum = 0;
    for (int i = 0; i < WINDOW; i++) {
        const long double s = (long double)x[i] * 32768;
        squares += s * s;
        sum += s;
    }
    const long double e = squares - sum * sum / WINDOW;
    return log(e > (long double)FLT_EPSILON ? (double)e : (double)FLT_EPSILON);
}

static void test_log_energy(void **state)
{
    (void)state;
    enum { N = 8000, T = 1 + (N - WINDOW) / SHIFT };
    float *x = malloc(sizeof *x * N), got[T];
    for (int i = 0; i < N; i++)
        x[i] = bursts(i + 5000, 0);
    assert_int_equal(spk_vad_frames(N, RATE), T);
    assert_int_equal(spk_vad_frames(WINDOW, RATE), 1);
    assert_int_equal(spk_vad_frames(WINDOW - 1, RATE), 0);
    assert_int_equal(spk_vad_window(8000), 200);
    assert_int_equal(spk_vad_shift(11025), 110);
    spk_vad_log_energy(x, T, RATE, got);
    for (int t = 0; t < T; t++)
        if (!(fabs((double)got[t] - energy(x + t * SHIFT)) < 1e-4))
            fail_msg("frame %d: %g %g", t, got[t], energy(x + t * SHIFT));
    for (int i = 0; i < N; i++)
        x[i] = i % 2 ? 0.5f : -0.5f;
    spk_vad_log_energy(x, 1, RATE, got);
    assert_true(fabs((double)got[0] - log(400 * 16384.0 * 16384.0)) < 1e-5);
    for (int i = 0; i < N; i++)
        x[i] = 0.25f;
    spk_vad_log_energy(x, 1, RATE, got);
    assert_true(fabs((double)got[0] - log((double)FLT_EPSILON)) < 1e-5);
    free(x);
}

/* Kaldi's two loops. */
static bool is_speech(const spk_vad_options *o, const float *log_energy, int T, int t)
{
    double sum = 0;
    int above = 0, n = 0;
    for (int i = 0; i < T; i++)
        sum += (double)log_energy[i];
    const double threshold = o->energy_threshold + o->energy_mean_scale * sum / T;
    for (int i = t - (int)o->frames_context; i <= t + (int)o->frames_context; i++) {
        if (i < 0 || i >= T) continue;
        n++;
        above += (double)log_energy[i] > threshold;
    }
    return (float)above >= (float)n * (float)o->proportion_threshold;
}

static void test_decide(void **state)
{
    (void)state;
    enum { T = 137 };
    static const double proportions[] = {0.12, 0.5, 0.6, 1};
    float log_energy[T];
    uint8_t speech[T];
    int n_speech = 0, n = 0;
    spk_vad_options o;
    spk_vad_options_init(&o);
    assert_true(o.energy_threshold == 5 && o.energy_mean_scale == 0.5 && o.frames_context == 0 &&
                o.proportion_threshold == 0.6); /* those of compute-vad */
    for (int t = 0; t < T; t++)
        log_energy[t] = 10 + 8 * noise(t, 3);
    for (int n_frames = 1; n_frames <= T; n_frames += 17)
        for (int context = 0; context < 160; context = context < 4 ? context + 1 : 3 * context)
            for (int p = 0; p < 4; p++) {
                o.frames_context = context;
                o.proportion_threshold = proportions[p];
                spk_vad_decide(&o, log_energy, n_frames, speech);
                for (int t = 0; t < n_frames; t++, n++) {
                    assert_int_equal(speech[t], is_speech(&o, log_energy, n_frames, t));
                    n_speech += speech[t];
                }
            }
    assert_true(n_speech > n / 10 && n_speech < n - n / 10); /* both kinds were seen */
}

/* A file that is read in several blocks, at its own rate and at another one. */
static void test_file(void **state)
{
    (void)state;
    enum { N = 450000, T = 1 + (N - WINDOW) / SHIFT };
    const char *path = help_sound("bursts.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, RATE, 1, N, bursts);
    spk_audio_options options = {.sample_rate = RATE, .channel = SPK_CHANNEL_REFUSE};
    spk_vad_options o;
    spk_vad_options_init(&o);
    o.frames_context = 2;
    float *x = NULL, *log_energy = malloc(sizeof *log_energy * T);
    int64_t n = 0, samples = 0, at = 0;
    help_ok(spk_audio_read_all(path, &options, &x, &n));
    for (int64_t t = 0; t < T; t++)
        log_energy[t] = (float)energy(x + t * SHIFT);
    spk_audio_reader *r = spk_audio_reader_new(&options);
    spk_speech *s = NULL;
    spk_spans got;
    help_ok(spk_speech_open("energy", &o, &s));
    help_ok(spk_audio_open(r, path, &samples));
    help_ok(spk_speech_find(s, "x", r, samples, RATE, &got));
    assert_true(got.n >= 15 && got.n <= 18); /* bursts of 9000 samples every 27000 */
    for (int64_t t = 0, i = 0; t < T; t++) { /* frame by frame the same */
        while (i < got.n && got.v[i].end <= t * SHIFT)
            i++;
        const bool speaks = i < got.n && got.v[i].begin <= t * SHIFT;
        assert_int_equal(speaks, is_speech(&o, log_energy, T, (int)t));
        at += speaks;
    }
    assert_true(at > T / 4 && at < T / 2);
    assert_true(got.v[got.n - 1].end <= N);
    spk_spans_clear(&got);
    /* Shorter than a frame: nothing is known, so nothing is speech. */
    help_ok(spk_audio_open(r, help_sound("short.wav", HELP_WAV, RATE, 1, 300, help_tone), &samples));
    help_ok(spk_speech_find(s, "x", r, samples, RATE, &got));
    assert_int_equal(got.n, 0);
    spk_speech_close(s);
    spk_audio_reader_free(r);
    spk_audio_free(x);
    free(log_energy);
}

/* ---- spans ---- */

static void test_spans(void **state)
{
    (void)state;
    spk_spans s = {0};
    const int64_t given[][2] = {{50, 60}, {-5, 10}, {58, 70}, {10, 12}, {90, 200}, {30, 30}, {200, 300}};
    for (int i = 0; i < 7; i++)
        spk_spans_add(&s, given[i][0], given[i][1]);
    spk_spans_settle(&s, 100);
    assert_int_equal(s.n, 3);
    const int64_t want[][2] = {{0, 12}, {50, 70}, {90, 100}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s.v[i].begin, want[i][0]);
        assert_int_equal(s.v[i].end, want[i][1]);
    }
    assert_int_equal(spk_spans_total(&s), 42);
    spk_spans_clear(&s);
    const uint8_t speech[5] = {1, 0, 0, 1, 1};
    spk_vad_parts(speech, 5, 1000, 160, &s); /* the last frame has what is behind it */
    assert_int_equal(s.n, 2);
    assert_int_equal(s.v[0].end, 160);
    assert_int_equal(s.v[1].begin, 480);
    assert_int_equal(s.v[1].end, 1000);
    spk_spans_clear(&s);
}

/* ---- files ---- */

static spk_audio_reader *reader; /* of 3 s at 16 kHz */
static const int64_t THREE_S = 48000;

/* The speech of utterance "u" is exactly these pairs of samples, as a file says. */
static void check_file_at(const char *path, int n, const int64_t (*want)[2], int line)
{
    spk_speech *s = NULL;
    spk_spans got = {0};
    help_ok_at(spk_speech_open(path, NULL, &s), line);
    help_ok_at(spk_speech_find(s, "u", reader, THREE_S, RATE, &got), line);
    if (got.n != n) fail_msg("line %d: %d parts instead of %d", line, (int)got.n, n);
    for (int i = 0; i < n; i++)
        if (got.v[i].begin != want[i][0] || got.v[i].end != want[i][1])
            fail_msg("line %d: part %d is %d to %d", line, i, (int)got.v[i].begin, (int)got.v[i].end);
    spk_spans_clear(&got);
    spk_speech_close(s);
}
#define check_file(path, n, ...) check_file_at(path, n, (const int64_t[][2])__VA_ARGS__, __LINE__)

static void test_lists(void **state)
{
    (void)state;
    check_file(help_text("a.rttm",
                         ";; a comment\nSPKR-INFO u 1 <NA> <NA> <NA> unknown anna <NA> <NA>\n"
                         "SPEAKER u 1 0.5 1.0 <NA> <NA> anna <NA> <NA>\nSPEAKER v 1 0 9 <NA> <NA> anna <NA> <NA>\n"
                         "SPEAKER u 1 1.25 0.5 <NA> <NA> bernd <NA> <NA>\nSPEAKER u 1 2.5 0.5 <NA> <NA> bernd <NA>\n"),
               2, {{8000, 28000}, {40000, 48000}});
    check_file(help_text("no-name", "SPEAKER u 1 0.5 1.0 <NA>\n"), 1, {{8000, 24000}});
    check_file(help_text("segments", "x-1 u 2.25 -1\nx-0 u 0 0.01\ny v 0 1\n"), 2, {{0, 160}, {36000, 48000}});
    check_file(help_text("late", "x u 2 3.4\n"), 1, {{32000, 48000}}); /* rounding of who wrote it */
    help_text("labs/u.lab", "0 0.5 sil\n0.5 1 speech\n1 1.5 anna\n2 2.5\n2.5 3 nonspeech\n");
    char *labs = spk_strdup(help_path("labs"));
    check_file(labs, 2, {{8000, 24000}, {32000, 40000}});
    help_text("labs/u.lab", "0 3 sil\n");
    check_file(labs, 0, {{0, 0}});
    spk_free(labs);
}

static char *write_vad(int64_t n, float (*value)(int64_t))
{
    char *ark = spk_strdup(help_path("vad.ark")), *scp = spk_strdup(help_path("vad.scp"));
    float *x = malloc(sizeof *x * (size_t)n);
    spk_ark_writer *w = NULL;
    for (int64_t i = 0; i < n; i++)
        x[i] = value(i);
    help_ok(spk_ark_create(ark, scp, &w));
    help_ok(spk_ark_add(w, "other", 1, &n, x));
    help_ok(spk_ark_add(w, "u", 1, &n, x));
    help_ok(spk_ark_finish(w));
    free(x);
    spk_free(ark);
    return scp;
}

static float middle(int64_t i)
{
    return i >= 100 && i < 150 ? 1 : 0;
}

static float ends(int64_t i)
{
    return i < 10 || i >= 290 ? 1 : 0;
}

static void test_frames(void **state)
{
    (void)state;
    char *scp = write_vad(300, middle);
    check_file(scp, 1, {{16000, 24000}});
    spk_free(scp);
    scp = write_vad(298, ends); /* snip-edges: the last frame has what is behind it */
    check_file(scp, 2, {{0, 1600}, {46400, 48000}});
    spk_free(scp);
    scp = write_vad(250, middle);
    spk_speech *s = NULL;
    spk_spans got;
    help_ok(spk_speech_open(scp, NULL, &s));
    help_refused(spk_speech_find(s, "u", reader, THREE_S, RATE, &got), SPK_E_MISMATCH, "vad.scp", "'u'", "250 frames",
                 "3 s");
    help_refused(spk_speech_find(s, "w", reader, THREE_S, RATE, &got), SPK_E_MISMATCH, "vad.scp", "'w'");
    spk_speech_close(s);
    spk_free(scp);
}

static void test_refusals(void **state)
{
    (void)state;
    spk_speech *s = NULL;
    spk_spans got;
    help_refused(spk_speech_open("/no/such/file", NULL, &s), SPK_E_IO, "/no/such/file");
    assert_null(s);
    help_refused(spk_speech_open(help_text("empty", ""), NULL, &s), SPK_E_FORMAT, "empty", "is empty");
    help_refused(spk_speech_open(help_text("u.lab", "0 1\n"), NULL, &s), SPK_E_VALUE, "u.lab", "folder");
    help_refused(spk_speech_open(help_text("b.rttm", "SPEAKER u 1 0 1\nSPEAKER u 1 x 1\n"), NULL, &s), SPK_E_FORMAT,
                 "b.rttm:2", "RTTM");
    help_refused(spk_speech_open(help_text("c.rttm", "SPEAKER u 1 1 -1\n"), NULL, &s), SPK_E_FORMAT, "c.rttm:1");
    help_refused(spk_speech_open(help_text("s", "x u 1 2\ny u 2 1\n"), NULL, &s), SPK_E_FORMAT, "s:2",
                 "begin before end");
    help_refused(spk_speech_open(help_text("s", "x u 1\n"), NULL, &s), SPK_E_FORMAT, "s:1");
    help_refused(spk_speech_open(help_text("s", "x u nan 2\n"), NULL, &s), SPK_E_FORMAT, "s:1");
    help_refused(spk_speech_open(help_text("s", "x u 1 2\nx u 2 3\n"), NULL, &s), SPK_E_FORMAT, "s:2", "twice");
    help_ok(spk_speech_open(help_text("s", "x u 1 2\ny u 2 4\n"), NULL, &s));
    help_refused(spk_speech_find(s, "u", reader, THREE_S, RATE, &got), SPK_E_VALUE, "s:2", "from 2 to 4 s", "3 s");
    help_refused(spk_speech_find(s, "v", reader, THREE_S, RATE, &got), SPK_E_MISMATCH, "'v'");
    spk_speech_close(s);
    help_text("labs2/u.lab", "0 1\n1 0.5\n");
    help_ok(spk_speech_open(help_path("labs2"), NULL, &s));
    help_refused(spk_speech_find(s, "u", reader, THREE_S, RATE, &got), SPK_E_FORMAT, "u.lab:2");
    help_refused(spk_speech_find(s, "v", reader, THREE_S, RATE, &got), SPK_E_IO, "labs2/v.lab");
    spk_speech_close(s);
}

static int setup(void **state)
{
    int64_t samples;
    if (help_setup(state) != 0) return -1;
    const spk_audio_options options = {.sample_rate = RATE, .channel = SPK_CHANNEL_REFUSE};
    reader = spk_audio_reader_new(&options);
    static char path[512];
    snprintf(path, sizeof path, "%s", help_sound("three.wav", HELP_WAV, RATE, 1, THREE_S, help_tone));
    return spk_audio_open(reader, path, &samples) == SPK_OK && samples == THREE_S ? 0 : -1;
}

static int teardown(void **state)
{
    spk_audio_reader_free(reader);
    return help_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log_energy), cmocka_unit_test(test_decide),
                                       cmocka_unit_test(test_file),       cmocka_unit_test(test_spans),
                                       cmocka_unit_test(test_lists),      cmocka_unit_test(test_frames),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
