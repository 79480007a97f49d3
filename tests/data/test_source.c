/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings that are no file of their own: archives, commands, parts; and Kaldi's segments. */
#include "data/data_help.h"

#include "data/audio_impl.h"
#include "data/source_impl.h"

static const spk_audio_options mono16 = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE},
                               pipes = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE, .allow_pipes = true};

static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n_file;
        int64_t offset;
        bool command, part;
        double begin, end;
        int64_t speed;
    } cases[] = {
        {"a.wav", 5, -1, false, false, 0, 0, 1000},
        {"a.ark:17", 5, 17, false, false, 0, 0, 1000},
        {"a.ark:0[1.5:2]", 5, 0, false, true, 1.5, 2, 1000},
        {"a.wav[0:-1]", 5, -1, false, true, 0, -1, 1000},
        {"sox a.sph -t wav - |", 19, -1, true, false, 0, 0, 1000},
        {"sox a.sph -t wav - |  [0.25:1e1]", 19, -1, true, true, 0.25, 10, 1000},
        {"a.wav[2:1]", 10, -1, false, false, 0, 0, 1000}, /* no part: names of files */
        {"a.wav[x:1]", 10, -1, false, false, 0, 0, 1000},
        {"a.wav[-1:1]", 11, -1, false, false, 0, 0, 1000},
        {"a.wav[1]", 8, -1, false, false, 0, 0, 1000},
        {"[1:2]", 5, -1, false, false, 0, 0, 1000},
        {"]", 1, -1, false, false, 0, 0, 1000},
        {"|", 0, -1, true, false, 0, 0, 1000},
        {"a:b", 3, -1, false, false, 0, 0, 1000},
        {":5", 2, -1, false, false, 0, 0, 1000},
        {"a:99999999999999999999999999", 28, -1, false, false, 0, 0, 1000},
        {"", 0, -1, false, false, 0, 0, 1000},
        {"a.wav[speed:0.9]", 5, -1, false, false, 0, 0, 900},
        {"a.ark:7[1.5:2][speed:1.1]", 5, 7, false, true, 1.5, 2, 1100},
        {"sox a.sph - | [speed:4]", 12, -1, true, false, 0, 0, 4000},
        {"a.wav[speed:1]", 5, -1, false, false, 0, 0, 1000},
        {"a.wav[speed:0.9][1.5:2]", 16, -1, false, true, 1.5, 2, 1000}, /* the speed must stand last */
        {"a.wav[speed:5]", 14, -1, false, false, 0, 0, 1000},
        {"a.wav[speed:]", 13, -1, false, false, 0, 0, 1000},
        {"[speed:0.9]", 11, -1, false, false, 0, 0, 1000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_locator l;
        spk_locator_parse(cases[i].text, &l);
        if (l.n_file != cases[i].n_file || l.offset != cases[i].offset || l.command != cases[i].command ||
            l.part != cases[i].part || l.speed != cases[i].speed ||
            (l.part && (l.begin != cases[i].begin || l.end != cases[i].end)))
            fail_msg("'%s': %zu, %lld, %d, %d", cases[i].text, l.n_file, (long long)l.offset, l.command, l.part);
    }
}

static void headers_of_entries(void **state)
{
    (void)state;
    int64_t start, length;
    const unsigned char wav[] = "RIFF\x40\0\0\0WAVEfmt ", streamed[] = "RIFF\xff\xff\xff\x7fWAVE",
                        audio[] = "AUDIO\x02\x34\x01RIFF", cut[] = "AUDIO\x09";
    assert_true(spk_source_span(wav, 16, 1000, &start, &length) && start == 0 && length == 72);
    assert_true(spk_source_span(streamed, 12, 1000, &start, &length) && length == 1000);
    assert_true(spk_source_span(audio, 12, 1000, &start, &length) && start == 8 && length == 0x134);
    assert_false(spk_source_span(audio, 12, 300, &start, &length)); /* cut */
    assert_false(spk_source_span(audio, 7, 1000, &start, &length));
    assert_false(spk_source_span(cut, 6, 1000, &start, &length));
    assert_false(spk_source_span((const unsigned char *)"\0BFM ", 5, 1000, &start, &length));
}

/* ---- the same samples by every way ---- */

enum { N = 9000 };

/* Entries of an archive: where each begins. */
static char *read_bytes(const char *path, size_t *n)
{
    char *data;
    help_ok(spk_read_file(path, &data, n));
    return data;
}

static int setup(void **state)
{
    if (help_setup(state)) return -1;
    help_sound("a.wav", HELP_WAV, 16000, 1, N, help_ramp);
    help_sound("b.flac", HELP_FLAC, 16000, 1, N, help_ramp);
    help_sound("c.wav", HELP_WAV, 8000, 1, N, help_tone);
    spk_text ark = {0}, scp = {0};
    size_t n;
    char *data = read_bytes(help_path("a.wav"), &n);
    spk_text_add(&ark, "u1 ");
    spk_text_addf(&scp, "u1 sound.ark:%zu\n", ark.n);
    spk_text_addn(&ark, data, n);
    spk_free(data);
    data = read_bytes(help_path("b.flac"), &n);
    spk_text_add(&ark, "u2 ");
    spk_text_addf(&scp, "u2 sound.ark:%zu\n", ark.n);
    const unsigned char head[] = {
        'A', 'U', 'D', 'I', 'O', 3, (unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16)};
    spk_text_addn(&ark, (const char *)head, sizeof head);
    spk_text_addn(&ark, data, n);
    spk_free(data);
    spk_text_addf(&scp, "u3 sound.ark:%zu\n", ark.n + 3);
    spk_text_addn(&ark, "u3 \0BFM ", 8);
    help_ok(spk_write_file(help_path("sound.ark"), ark.s, ark.n));
    help_text("sound.scp", spk_text_str(&scp));
    spk_text_clear(&ark);
    spk_text_clear(&scp);
    return 0;
}

/* "help_root/sound.ark:N" of a line of sound.scp. */
static const char *entry(int i)
{
    static char path[3][600];
    size_t n;
    char *text = read_bytes(help_path("sound.scp"), &n), *rest = NULL, *line = strtok_r(text, "\n", &rest);
    for (int k = 0; k < i; k++)
        line = strtok_r(NULL, "\n", &rest);
    snprintf(path[i], sizeof path[i], "%s", help_path(line + 3));
    spk_free(text);
    return path[i];
}

static void same_samples(void **state)
{
    (void)state;
    char command[600], part[700];
    snprintf(command, sizeof command, "cat '%s' |", help_path("a.wav"));
    snprintf(part, sizeof part, "%s[0.1:0.5]", entry(1));
    const char *const paths[] = {help_path("a.wav"), entry(0), entry(1), command};
    for (int i = 0; i < 4; i++) {
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(paths[i], &pipes, &x, &n));
        assert_int_equal(n, N);
        for (int64_t k = 0; k < n; k++)
            assert_true(x[k] == help_ramp(k, 0));
        spk_audio_free(x);
        /* parts of it, by seeking */
        spk_audio_reader *r = spk_audio_reader_new(&pipes);
        float y[500];
        help_ok(spk_audio_open(r, paths[i], &n));
        help_ok(spk_audio_part(r, 7000, 500, y));
        help_ok(spk_audio_part(r, 100, 500, y));
        for (int64_t k = 0; k < 500; k++)
            assert_true(y[k] == help_ramp(100 + k, 0));
        snprintf(part, sizeof part, "%s[0.1:0.5]", paths[i]);
        help_ok(spk_audio_open(r, part, &n));
        assert_int_equal(n, 6400);
        help_ok(spk_audio_part(r, 5900, 500, y));
        for (int64_t k = 0; k < 500; k++)
            assert_true(y[k] == help_ramp(1600 + 5900 + k, 0));
        snprintf(part, sizeof part, "%s[0.5:-1]", paths[i]);
        help_ok(spk_audio_open(r, part, &n));
        assert_int_equal(n, N - 8000);
        snprintf(part, sizeof part, "%s[0.5:0.9]", paths[i]); /* a bit too long: cut */
        help_ok(spk_audio_open(r, part, &n));
        assert_int_equal(n, N - 8000);
        spk_audio_reader_free(r);
    }
    /* at another rate */
    float *x, *y;
    int64_t n, m;
    snprintf(part, sizeof part, "%s[0.25:0.75]", help_path("c.wav"));
    help_ok(spk_audio_read_all(help_path("c.wav"), &mono16, &x, &n));
    help_ok(spk_audio_read_all(part, &mono16, &y, &m));
    assert_int_equal(m, 8000);
    for (int64_t k = 1000; k < 7000; k++) /* the ends hear silence instead of the neighbours */
        assert_true(fabsf(x[4000 + k] - y[k]) < 1e-3f);
    spk_audio_free(x);
    spk_audio_free(y);
    double seconds;
    help_ok(spk_audio_duration(part, &seconds));
    assert_true(fabs(seconds - 0.5) < 1e-9);
}

/* A copy at another speed that a list names is the one that speed_perturb_factors make, to the bit. */
static void speeds(void **state)
{
    (void)state;
    enum { T = 3000 };
    char command[600], named[700];
    float x[T], y[T];
    snprintf(command, sizeof command, "cat '%s' |", help_path("a.wav"));
    const char *const paths[] = {help_path("a.wav"), help_path("b.flac"), entry(1), command};
    spk_audio_reader *r = spk_audio_reader_new(&pipes);
    for (int i = 0; i < 4; i++) {
        spk_rng draw = spk_rng_make(1, SPK_PURPOSE_TEST, 0, (uint64_t)i, 0), again = draw;
        snprintf(named, sizeof named, "%s[speed:0.9]", paths[i]);
        help_ok(spk_crop_train(r, paths[i], 900, T, &draw, x));
        help_ok(spk_crop_train(r, named, SPK_SPEED_ONE, T, &again, y));
        assert_memory_equal(x, y, sizeof x);
    }
    int64_t n = 0;
    double seconds;
    snprintf(named, sizeof named, "%s[0.1:0.5][speed:0.8]", help_path("a.wav")); /* a part, then slower */
    help_ok(spk_audio_open(r, named, &n));
    assert_int_equal(n, 8000);
    help_ok(spk_audio_duration(named, &seconds));
    assert_true(fabs(seconds - 0.5) < 1e-9);
    help_ok(spk_audio_open_speed(r, named, 500, &n)); /* both: 0.4 */
    assert_int_equal(n, 16000);
    help_sound("d.wav[speed:2]", HELP_WAV, 16000, 1, 100, help_ramp); /* a file of that name is that file */
    help_ok(spk_audio_open(r, help_path("d.wav[speed:2]"), &n));
    assert_int_equal(n, 100);
    snprintf(named, sizeof named, "%s[speed:0.5]", help_path("d.wav[speed:2]"));
    help_ok(spk_audio_open(r, named, &n));
    assert_int_equal(n, 200);
    help_sound("e.wav[0:1]", HELP_WAV, 16000, 1, 100, help_ramp);
    snprintf(named, sizeof named, "%s[speed:0.5]", help_path("e.wav[0:1]"));
    help_ok(spk_audio_open(r, named, &n));
    assert_int_equal(n, 200);
    spk_audio_reader_free(r);
}

static void a_file_of_such_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"x.wav[0:0.1]", "y:5"};
    for (int i = 0; i < 2; i++) {
        help_sound(names[i], HELP_WAV, 16000, 1, 3000, help_ramp);
        float *x;
        int64_t n;
        help_ok(spk_audio_read_all(help_path(names[i]), &mono16, &x, &n));
        assert_int_equal(n, 3000);
        spk_audio_free(x);
    }
}

static void refused(void **state)
{
    (void)state;
    float *x;
    int64_t n;
    char path[700];
    snprintf(path, sizeof path, "cat '%s' |", help_path("a.wav"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_UNSUPPORTED, "--allow_pipes true");
    help_refused(spk_audio_read_all("false |", &pipes, &x, &n), SPK_E_IO, "status 1");
    help_refused(spk_audio_read_all("kill -9 $$ |", &pipes, &x, &n), SPK_E_IO, "status 137");
    help_refused(spk_audio_read_all("true |", &pipes, &x, &n), SPK_E_FORMAT, "writes nothing");
    help_refused(spk_audio_read_all("echo no sound |", &pipes, &x, &n), SPK_E_FORMAT,
                 "what the command writes is no audio");
    help_refused(spk_audio_read_all(entry(2), &mono16, &x, &n), SPK_E_FORMAT, "it holds features");
    snprintf(path, sizeof path, "%s:1", help_path("sound.ark"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_FORMAT, "no sound at byte 1");
    snprintf(path, sizeof path, "%s:99999999", help_path("sound.ark"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_FORMAT, "no sound at byte");
    snprintf(path, sizeof path, "%s:1", help_path("none.ark"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_IO, "none.ark");
    snprintf(path, sizeof path, "%s[3:4]", help_path("a.wav"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_VALUE, "outside of the recording's 0.5625 seconds");
    snprintf(path, sizeof path, "%s[0.1:4]", help_path("a.wav"));
    help_refused(spk_audio_read_all(path, &mono16, &x, &n), SPK_E_VALUE, "outside");
}

/* ---- lists ---- */

static void segments(void **state)
{
    (void)state;
    help_text("seg/wav.scp", "r1 ../a.wav\nr2 ../sound.ark:3\nr3 cat a.wav |\n");
    help_text("seg/utt2spk", "u1 ann\nu2 bob\nu3 ann\nu4 bob\n");
    help_text("seg/segments", "u1 r1 0 0.25\nu2 r1 0.25 0.5\nu3 r2 0.1 0.4\nu4 r2 0.3 -1\n");
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    char dir[512];
    snprintf(dir, sizeof dir, "%s", help_path("seg"));
    o.dir = dir;
    o.batch_size = 2;
    o.target_duration = 0.2;
    spk_train_set *s;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_utterances(s), 4);
    assert_true(spk_ends_with(spk_train_set_path(s, 1), "seg/../a.wav[0.25:0.5]"));
    spk_iterator *it;
    const spk_batch *b;
    help_ok(spk_train_iterator(s, 1, &it));
    int n = 0;
    for (help_ok(it->next(it->self, &b)); b; help_ok(it->next(it->self, &b)))
        for (int64_t i = 0; i < b->n; i++, n++) {
            static const double from[] = {0, 0.25, 0.1, 0.3}, to[] = {0.25, 0.5, 0.4, 0.5625};
            const int u = b->ids[i][1] - '1';
            const float first = ((const float *)spk_batch_find(b, "speech")->data)[i * 3200] * 32768 / 16000;
            assert_true(first >= from[u] - 1e-4 && first <= to[u] - 0.2 + 1e-4);
        }
    assert_int_equal(n, 4);
    spk_iterator_close(it);
    spk_train_set_close(s);

    /* trials of parts */
    help_text("seg/trials", "u1 u3 target\nu1 u2 nontarget\n");
    spk_trial_set_options t;
    spk_trial_set_options_init(&t);
    t.dir = dir;
    spk_trial_set *v;
    help_ok(spk_trial_set_open(&t, &v));
    assert_int_equal(spk_trial_set_n_utterances(v), 3);
    assert_true(spk_ends_with(spk_trial_set_path(v, 0), "a.wav[0:0.25]"));
    spk_trial_set_close(v);

    static const struct {
        const char *line;
        spk_status code;
        const char *says;
    } bad[] = {
        {"u1 r1 0\n", SPK_E_FORMAT, "segments:1: a segment is"},
        {"u1 r1 1 0.5\n", SPK_E_FORMAT, "segments:1: a segment is"},
        {"u1 r1 x 0.5\n", SPK_E_FORMAT, "segments:1: a segment is"},
        {"u1 r1 0 1 2\n", SPK_E_FORMAT, "segments:1: a segment is"},
        {"u1 r9 0 1\n", SPK_E_MISMATCH, "recording 'r9' of 'u1' is not in"},
        {"u1 r3 0 1\nu2 r1 0 1\nu3 r1 0 1\nu4 r1 0 1\n", SPK_E_UNSUPPORTED, "segments:1: 'u1' is read from a command"},
        {"", SPK_E_FORMAT, "names no utterance"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        help_text("seg/segments", bad[i].line);
        help_refused(spk_train_set_open(&o, &s), bad[i].code, bad[i].says);
    }
    unlink(help_path("seg/segments"));
}

static void commands_in_lists(void **state)
{
    (void)state;
    spk_text wav = {0};
    spk_text_addf(&wav, "u1 cat %s |\nu2 %s\nu3 cat %s |\nu4 sound.ark:3\n", help_path("a.wav"), help_path("a.wav"),
                  help_path("b.flac"));
    help_text("wav.scp", spk_text_str(&wav));
    spk_text_clear(&wav);
    help_text("utt2spk", "u1 ann\nu2 bob\nu3 ann\nu4 bob\n");
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    char dir[512];
    snprintf(dir, sizeof dir, "%s", help_root);
    o.dir = dir;
    o.batch_size = 4;
    o.target_duration = 9000.0 / 16000;
    spk_train_set *s;
    help_refused(spk_train_set_open(&o, &s), SPK_E_UNSUPPORTED, "wav.scp:1: 'u1' is read from a command");
    o.audio.allow_pipes = true;
    for (o.num_workers = 1; o.num_workers <= 4; o.num_workers += 3) {
        spk_iterator *it;
        const spk_batch *b;
        help_ok(spk_train_set_open(&o, &s));
        help_ok(spk_train_iterator(s, 1, &it));
        help_ok(it->next(it->self, &b));
        const float *x = spk_batch_find(b, "speech")->data;
        for (int64_t i = 0; i < 4 * 9000; i++)
            assert_true(x[i] == help_ramp(i % 9000, 0));
        spk_iterator_close(it);
        spk_train_set_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),    cmocka_unit_test(headers_of_entries),    cmocka_unit_test(same_samples),
        cmocka_unit_test(speeds),   cmocka_unit_test(a_file_of_such_a_name), cmocka_unit_test(refused),
        cmocka_unit_test(segments), cmocka_unit_test(commands_in_lists),
    };
    return cmocka_run_group_tests_name("archives, commands, segments", tests, setup, help_teardown);
}
