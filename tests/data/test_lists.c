/* SPDX-License-Identifier: Apache-2.0 */
/* Training folders and trial lists: what is read, and every refusal with its file and line. */
#include "data/data_help.h"

static int n_held; /* refusals that held, printed at the end */
#define refused(...)                                                                                                   \
    do {                                                                                                               \
        help_refused(__VA_ARGS__);                                                                                     \
        n_held++;                                                                                                      \
    } while (0)

static int setup(void **state)
{
    const int failed = help_setup(state);
    if (!failed)
        for (int i = 0; i < 6; i++) {
            char name[32];
            snprintf(name, sizeof name, "audio/u%d.wav", i);
            help_sound(name, HELP_WAV, 16000, 1, 2000 + 100 * i, help_tone);
        }
    return failed;
}

static int teardown(void **state)
{
    print_message("bad lists: %d refusals held\n", n_held);
    return help_teardown(state);
}

/* ---- training ---- */

static const char wav_ok[] = "u0 ../audio/u0.wav\nu1 ../audio/u1.wav\nu2 ../audio/u2.wav\nu3 ../audio/u3.wav\n";
static const char utt2spk_ok[] = "u0 ann\nu1 ann\nu2 bob\nu3 bob\n";
static const char spk2utt_ok[] = "bob u2 u3\nann u0 u1\n";

static void write_train(const char *wav, const char *utt2spk, const char *spk2utt)
{
    help_text("t/wav.scp", wav);
    help_text("t/utt2spk", utt2spk);
    if (spk2utt)
        help_text("t/spk2utt", spk2utt);
    else
        unlink(help_path("t/spk2utt"));
    unlink(help_path("t/category2utt"));
}

static spk_train_set_options train_options(void)
{
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    o.dir = help_path("t");
    o.batch_size = 2;
    o.target_duration = 0.05;
    return o;
}

static spk_status open_train(const char *wav, const char *utt2spk, const char *spk2utt)
{
    static spk_train_set *s; /* stays NULL: these are refused */
    write_train(wav, utt2spk, spk2utt);
    const spk_train_set_options o = train_options();
    const spk_status status = spk_train_set_open(&o, &s);
    spk_train_set_close(s);
    return status;
}

static void opens_training(void **state)
{
    (void)state;
    spk_train_set *s;
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_train_set_options o = train_options();
    o.spk_num = 2;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_utterances(s), 4);
    assert_int_equal(spk_train_set_n_speakers(s), 2);
    assert_int_equal(spk_train_set_samples(s), 800);
    assert_string_equal(spk_train_set_speaker(s, 0), "bob"); /* the order of spk2utt */
    assert_string_equal(spk_train_set_speakers(s)[1], "ann");
    assert_string_equal(spk_train_set_utterance(s, 3), "u3");
    assert_true(spk_ends_with(spk_train_set_path(s, 3), "/t/../audio/u3.wav"));
    spk_train_set_close(s);

    /* The same by triples, with the speakers elsewhere. */
    const spk_data_list lists[] = {{help_path("t/utt2spk"), "spk_labels", "text"},
                                   {help_path("t/wav.scp"), "speech", "sound"}};
    const char *elsewhere = help_text("names", "ann\nbob\neve\n");
    o = train_options();
    o.dir = NULL;
    o.lists = lists;
    o.n_lists = 2;
    o.spk2utt = elsewhere;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_speakers(s), 3);
    assert_string_equal(spk_train_set_speaker(s, 2), "eve");
    spk_train_set_close(s);

    /* Without any spk2utt: byte order. */
    unlink(help_path("t/spk2utt"));
    o.spk2utt = NULL;
    help_ok(spk_train_set_open(&o, &s));
    assert_string_equal(spk_train_set_speaker(s, 0), "ann");
    spk_train_set_close(s);
}

/* A relative path is taken from the current folder first. */
static void relative_paths(void **state)
{
    (void)state;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    write_train("u0 audio/u0.wav\nu1 u1.wav\n", "u0 ann\nu1 bob\n", NULL);
    help_sound("t/u1.wav", HELP_WAV, 16000, 1, 500, help_tone);
    spk_train_set *s;
    const spk_train_set_options o = train_options();
    assert_int_equal(chdir(help_root), 0);
    const spk_status status = spk_train_set_open(&o, &s);
    assert_int_equal(chdir(before), 0);
    help_ok(status);
    assert_string_equal(spk_train_set_path(s, 0), "audio/u0.wav");
    assert_true(spk_ends_with(spk_train_set_path(s, 1), "/t/u1.wav"));
    spk_train_set_close(s);
}

static void refuses_training(void **state)
{
    (void)state;
    refused(open_train("u0 ../audio/u0.wav\nu1\n", "u0 ann\nu1 ann\n", NULL), SPK_E_FORMAT, "wav.scp:2", "no path",
            "'u1'");
    refused(open_train("u0 ../audio/u0.wav\nu0 ../audio/u1.wav\n", "u0 ann\n", NULL), SPK_E_FORMAT, "wav.scp:2", "u0");
    refused(open_train(wav_ok, "u0 ann\nu0 bob\n", NULL), SPK_E_FORMAT, "utt2spk:2", "u0");
    refused(open_train(wav_ok, "u0 ann\nu1 ann\nu2 bob\n", NULL), SPK_E_MISMATCH, "wav.scp:4", "'u3'", "utt2spk");
    refused(open_train("u0 ../audio/u0.wav\n", "u0 ann\nu9 ann\n", NULL), SPK_E_MISMATCH, "utt2spk:2", "'u9'",
            "wav.scp");
    refused(open_train(wav_ok, "u0 ann\nu1 ann\nu2\nu3 bob\n", spk2utt_ok), SPK_E_FORMAT, "utt2spk:3", "no speaker",
            "'u2'");
    refused(open_train(wav_ok, "u0 ann\nu1 ann\nu2 eve\nu3 bob\n", spk2utt_ok), SPK_E_MISMATCH, "utt2spk:3", "'eve'",
            "'u2'", "spk2utt");
    refused(open_train(wav_ok, utt2spk_ok, "bob u2 u3\nbob u0\n"), SPK_E_FORMAT, "spk2utt:2", "bob");
    refused(open_train("u0 ../audio/u0.wav\nu1 ../audio/gone.wav\n", "u0 ann\nu1 ann\n", NULL), SPK_E_IO, "wav.scp:2",
            "gone.wav", "'u1'", "is not there");
    refused(open_train("u0 ../audio\n", "u0 ann\n", NULL), SPK_E_IO, "wav.scp:1", "is not a file");
    refused(open_train("u0 flac -dc u0.flac |\n", "u0 ann\n", NULL), SPK_E_UNSUPPORTED, "wav.scp:1", "pipe");
    refused(open_train("", "", NULL), SPK_E_FORMAT, "wav.scp", "names no utterance");
    refused(open_train("u0 ../audio/u0.wav\n", "u0 ann\n", NULL), SPK_E_VALUE, "batch_size is 2", "1 utterances");

    spk_train_set *s;
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_train_set_options o = train_options();
    o.spk_num = 5;
    refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "spk_num is 5", "spk2utt", "2 speakers");
    o = train_options();
    o.spk2utt = help_path("gone");
    refused(spk_train_set_open(&o, &s), SPK_E_IO, "gone");
    o = train_options();
    o.dir = help_path("nothing");
    refused(spk_train_set_open(&o, &s), SPK_E_IO, "nothing", "no such folder");
    o.dir = help_path("audio");
    refused(spk_train_set_open(&o, &s), SPK_E_IO, "wav.scp");
    o.dir = NULL;
    refused(spk_train_set_open(&o, &s), SPK_E_CONFIG, "no training data", "--train_dir");
    o = train_options();
    o.target_duration = 0;
    refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "target_duration");
    assert_null(s);
}

static void refuses_triples(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type;
        spk_status code;
        const char *says;
    } cases[] = {{"speech", "npy", SPK_E_CONFIG, "the model has a frontend and takes sound"},
                 {"speech", "json", SPK_E_UNSUPPORTED, "'json' is not supported yet"},
                 {"spk_labels", "hdf5", SPK_E_CONFIG, "'hdf5' cannot be the type of 'spk_labels'"},
                 {"speech", "soundx", SPK_E_CONFIG, "'soundx' cannot be the type of 'speech'"},
                 {"speech", "text", SPK_E_CONFIG, "give 'sound'"},
                 {"speeech", "sound", SPK_E_CONFIG, "'speeech' is no name"},
                 {"task_tokens", "sound", SPK_E_CONFIG, "'sound' cannot be the type of 'task_tokens'"}};
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_train_set *s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spk_data_list lists[] = {{help_path("t/wav.scp"), cases[i].name, cases[i].type},
                                       {help_path("t/utt2spk"), "spk_labels", "text"}};
        spk_train_set_options o = train_options();
        o.dir = NULL;
        o.lists = lists;
        o.n_lists = 2;
        refused(spk_train_set_open(&o, &s), cases[i].code, "wav.scp", cases[i].says);
    }
    const spk_data_list twice[] = {{help_path("t/wav.scp"), "speech", "sound"},
                                   {help_path("t/utt2spk"), "speech", "sound"}};
    spk_train_set_options o = train_options();
    o.lists = twice;
    o.n_lists = 2;
    refused(spk_train_set_open(&o, &s), SPK_E_CONFIG, "given already");
    o.dir = NULL;
    o.n_lists = 1;
    refused(spk_train_set_open(&o, &s), SPK_E_CONFIG, "spk_labels,text");
}

/* Read by no model, and still looked at: each utterance has one, and all are whole numbers. */
static void checks_task_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says, *where;
        spk_status code;
    } cases[] = {{"u0 1\nu1 2\nu2 1\nu3 2\nu9 7\n", NULL, NULL, SPK_OK},
                 {"u0 1\nu1 2\nu2 1\n", "'u3'", "wav.scp:4", SPK_E_MISMATCH},
                 {"u0 1\nu1 one\nu2 1\nu3 2\n", "'one'; it must be a whole number", "tokens:2", SPK_E_VALUE}};
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_train_set *s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spk_data_list lists[] = {{help_path("t/wav.scp"), "speech", "sound"},
                                       {help_path("t/utt2spk"), "spk_labels", "text"},
                                       {help_text("tokens", cases[i].text), "task_tokens", "text"}};
        spk_train_set_options o = train_options();
        o.dir = NULL;
        o.lists = lists;
        o.n_lists = 3;
        if (cases[i].code == SPK_OK) {
            help_ok(spk_train_set_open(&o, &s));
            spk_train_set_close(s);
        } else {
            refused(spk_train_set_open(&o, &s), cases[i].code, cases[i].where, cases[i].says);
        }
    }
}

static void reads_categories(void **state)
{
    (void)state;
    spk_train_set *s;
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_train_set_options o = train_options();
    o.category = true;
    o.batch_size = 4;
    help_text("t/category2utt", "a u0\nb u1\nc u2\nd u3\n");
    help_ok(spk_train_set_open(&o, &s));
    spk_iterator *it;
    help_ok(spk_train_iterator(s, 1, &it)); /* four categories: one batch of four with quota 1 */
    assert_int_equal(it->n_batches, 1);
    spk_iterator_close(it);
    spk_train_set_close(s);
    help_text("t/category2utt", "a u0\nb u1 u9\n");
    refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "category2utt:2", "'u9'");
    help_text("t/category2utt", "a u0 u1 u2 u3\nb u1\n");
    refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "category2utt:2", "'u1'");
    help_text("t/category2utt", "a u0 u1 u2\n");
    refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "wav.scp:4", "'u3'", "category2utt");
    unlink(help_path("t/category2utt"));
}

/* ---- trials ---- */

#define SCP(n) "../audio/u" #n ".wav\n"
static const char scp_ok[] = "a*b " SCP(0) "a*c " SCP(0) "b*c " SCP(1);
static const char scp2_ok[] = "b*c " SCP(2) "a*b " SCP(1) "a*c " SCP(2); /* another order is allowed */
static const char label_ok[] = "a*b 1\na*c 0\nb*c 0\n";

static spk_status open_trials(const char *scp, const char *scp2, const char *label, spk_trial_set **s)
{
    static spk_trial_set *none;
    help_text("v/trial.scp", scp);
    help_text("v/trial2.scp", scp2);
    help_text("v/trial_label", label);
    spk_trial_set_options o;
    spk_trial_set_options_init(&o);
    o.dir = help_path("v");
    const spk_status status = spk_trial_set_open(&o, s ? s : &none);
    if (!s) spk_trial_set_close(none);
    return status;
}

static void opens_trials(void **state)
{
    (void)state;
    spk_trial_set *s;
    help_ok(open_trials(scp_ok, scp2_ok, label_ok, &s));
    assert_int_equal(spk_trial_set_n_trials(s), 3);
    assert_int_equal(spk_trial_set_n_utterances(s), 3);
    static const spk_trial want[] = {{0, 1, 1, "a*b"}, {0, 2, 0, "a*c"}, {1, 2, 0, "b*c"}};
    for (int i = 0; i < 3; i++) {
        const spk_trial *t = &spk_trial_set_trials(s)[i];
        assert_int_equal(t->enroll, want[i].enroll);
        assert_int_equal(t->test, want[i].test);
        assert_int_equal(t->label, want[i].label);
        assert_string_equal(t->id, want[i].id);
    }
    assert_string_equal(spk_trial_set_utterance(s, 2), "c");
    assert_true(spk_ends_with(spk_trial_set_path(s, 2), "audio/u2.wav"));
    spk_trial_set_close(s);
    /* One file under two spellings is one file. */
    help_ok(open_trials(scp_ok, "a*b " SCP(1) "a*c ../audio/./u2.wav\nb*c " SCP(2), label_ok, &s));
    spk_trial_set_close(s);
}

static void refuses_trials(void **state)
{
    (void)state;
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c 2\nb*c 0\n", NULL), SPK_E_VALUE, "trial_label:2", "'a*c'", "'2'");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c yes\nb*c 0\n", NULL), SPK_E_VALUE, "trial_label:2", "'a*c'",
            "'yes'");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c\nb*c 0\n", NULL), SPK_E_VALUE, "trial_label:2", "'a*c'",
            "no label");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c 1.0\nb*c 0\n", NULL), SPK_E_VALUE, "trial_label:2", "'1.0'");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c 0\n", NULL), SPK_E_MISMATCH, "trial.scp:3", "'b*c'",
            "trial_label");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c 0\nb*c 0\nc*d 1\n", NULL), SPK_E_MISMATCH, "trial_label:4",
            "'c*d'", "trial.scp");
    refused(open_trials("a*b " SCP(0), scp2_ok, label_ok, NULL), SPK_E_MISMATCH, "trial2.scp:1", "'b*c'", "trial.scp");
    refused(open_trials(scp_ok, scp2_ok, "a*b 1\na*c 1\nb*c 1\n", NULL), SPK_E_VALUE, "trial_label", "nontarget");
    refused(open_trials(scp_ok, scp2_ok, "a*b 0\na*c 0\nb*c 0\n", NULL), SPK_E_VALUE, "trial_label",
            "a target (label 1)");
    refused(open_trials("", "", "", NULL), SPK_E_VALUE, "holds no trial");
    static const char *const ids[] = {"ab", "a*b*c", "*b", "a*"};
    for (int i = 0; i < 4; i++) {
        char scp[64], label[64];
        snprintf(scp, sizeof scp, "a*c " SCP(0) "%s " SCP(0), ids[i]);
        snprintf(label, sizeof label, "a*c 0\n%s 1\n", ids[i]);
        refused(open_trials(scp, scp, label, NULL), SPK_E_VALUE, "trial.scp:", "uttA*uttB");
    }
    refused(open_trials(scp_ok, "a*b " SCP(1) "a*c " SCP(3) "b*c " SCP(2), label_ok, NULL), SPK_E_VALUE, "trial2.scp:3",
            "'c'", "u2.wav", "u3.wav");
    refused(open_trials("a*b " SCP(0) "b*a " SCP(2), "a*b " SCP(1) "b*a " SCP(0), "a*b 1\nb*a 0\n", NULL), SPK_E_VALUE,
            "trial.scp:2", "'b'");
    refused(open_trials(scp_ok, "a*b\na*c " SCP(2) "b*c " SCP(2), label_ok, NULL), SPK_E_FORMAT, "trial2.scp:1",
            "no path");
    refused(open_trials(scp_ok, "a*b " SCP(1) "a*c " SCP(9) "b*c " SCP(2), label_ok, NULL), SPK_E_IO, "trial2.scp:2",
            "u9.wav", "is not there");
    refused(open_trials("a*b " SCP(0) "a*b " SCP(0), scp2_ok, label_ok, NULL), SPK_E_FORMAT, "trial.scp:2", "a*b");
    help_text("v/trial.scp", scp_ok);
    unlink(help_path("v/trial2.scp"));
    spk_trial_set_options o;
    spk_trial_set *s;
    spk_trial_set_options_init(&o);
    o.dir = help_path("v");
    refused(spk_trial_set_open(&o, &s), SPK_E_IO, "trial2.scp");
    o.dir = help_path("t");
    refused(spk_trial_set_open(&o, &s), SPK_E_IO, "neither trial.scp");
    o.dir = NULL;
    refused(spk_trial_set_open(&o, &s), SPK_E_CONFIG, "no trials");
    const spk_data_list one[] = {{help_path("v/trial.scp"), "speech", "sound"}};
    o.lists = one;
    o.n_lists = 1;
    refused(spk_trial_set_open(&o, &s), SPK_E_CONFIG, "'speech2' is missing");
    o.num_eval = 0;
    refused(spk_trial_set_open(&o, &s), SPK_E_VALUE, "num_eval");
}

/* ---- Kaldi's trials ---- */

static spk_status open_kaldi(const char *wav, const char *trials, spk_trial_set **s)
{
    static spk_trial_set *none;
    help_text("k/wav.scp", wav);
    help_text("k/trials", trials);
    spk_trial_set_options o;
    spk_trial_set_options_init(&o);
    o.dir = help_path("k");
    const spk_status status = spk_trial_set_open(&o, s ? s : &none);
    if (!s) spk_trial_set_close(none);
    return status;
}

static void kaldi_trials(void **state)
{
    (void)state;
    static const char wav[] = "a " SCP(0) "b " SCP(1) "c " SCP(2) "unused " SCP(3);
    spk_trial_set *s;
    help_ok(open_kaldi(wav, "a b target\na c nontarget\nb c nontarget\n", &s));
    assert_int_equal(spk_trial_set_n_utterances(s), 3);
    assert_string_equal(spk_trial_set_trials(s)[1].id, "a*c");
    assert_int_equal(spk_trial_set_trials(s)[0].label, 1);
    spk_trial_set_close(s);
    refused(open_kaldi(wav, "a b target\na d nontarget\n", NULL), SPK_E_MISMATCH, "trials:2", "'d'", "wav.scp");
    refused(open_kaldi(wav, "a b target\na c maybe\n", NULL), SPK_E_VALUE, "trials:2", "'a*c'", "'maybe'");
    refused(open_kaldi(wav, "a b target\na c\n", NULL), SPK_E_VALUE, "trials:2", "a*c", "no label");
    refused(open_kaldi(wav, "a b target\na\n", NULL), SPK_E_FORMAT, "trials:2");
    refused(open_kaldi(wav, "a b target\na b nontarget\n", NULL), SPK_E_FORMAT, "trials:2", "line 1");
    refused(open_kaldi(wav, "a b target\na c target\n", NULL), SPK_E_VALUE, "trials", "nontarget");
}

/* ---- plain utterances ---- */

static void plain_utterances(void **state)
{
    (void)state;
    write_train(wav_ok, utt2spk_ok, spk2utt_ok);
    spk_trial_set_options o;
    spk_trial_set *s;
    spk_trial_set_options_init(&o);
    o.utterances_only = true;
    o.dir = help_path("t");
    help_ok(spk_trial_set_open(&o, &s));
    assert_int_equal(spk_trial_set_n_trials(s), 0);
    assert_int_equal(spk_trial_set_n_utterances(s), 4);
    assert_string_equal(spk_trial_set_utterance(s, 1), "u1");
    spk_trial_set_close(s);
    const spk_data_list one[] = {{help_path("t/wav.scp"), "speech", "sound"}};
    o.dir = NULL;
    o.lists = one;
    o.n_lists = 1;
    help_ok(spk_trial_set_open(&o, &s));
    assert_int_equal(spk_trial_set_n_utterances(s), 4);
    spk_trial_set_close(s);
    /* Trials of one class are no hindrance when only embeddings are wanted. */
    help_text("v/trial.scp", scp_ok);
    help_text("v/trial2.scp", scp2_ok);
    unlink(help_path("v/trial_label"));
    o.dir = help_path("v");
    o.lists = NULL;
    o.n_lists = 0;
    help_ok(spk_trial_set_open(&o, &s));
    assert_int_equal(spk_trial_set_n_utterances(s), 3);
    spk_trial_set_close(s);
    help_text("t/wav.scp", "");
    o.dir = help_path("t");
    refused(spk_trial_set_open(&o, &s), SPK_E_FORMAT, "wav.scp", "names no utterance");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_training),   cmocka_unit_test(relative_paths),     cmocka_unit_test(refuses_training),
        cmocka_unit_test(refuses_triples),  cmocka_unit_test(checks_task_tokens), cmocka_unit_test(reads_categories),
        cmocka_unit_test(opens_trials),     cmocka_unit_test(refuses_trials),     cmocka_unit_test(kaldi_trials),
        cmocka_unit_test(plain_utterances),
    };
    return cmocka_run_group_tests_name("lists", tests, setup, teardown);
}
