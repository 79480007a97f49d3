/* SPDX-License-Identifier: Apache-2.0 */
/* Trials by their rules; folders in memory; folds; lists that are written all or none. */
#include "data/data_help.h"

#include "data/prep_impl.h"
#include "data/trial_draw_impl.h"
#include "formats/list_impl.h"

/* ---- trials ---- */

enum { MOST = 200 };

struct world {
    int64_t n, n_speakers, speaker[MOST], sex[MOST], session[MOST];
};

static struct world make_world(spk_rng *r, int64_t n_speakers, int64_t most_each)
{
    struct world w = {.n_speakers = n_speakers};
    for (int64_t s = 0; s < n_speakers; s++) {
        w.sex[s] = spk_rng_below(r, 2);
        for (int64_t k = 1 + spk_rng_below(r, most_each); k > 0 && w.n < MOST; k--) {
            w.speaker[w.n] = s;
            w.session[w.n++] = 3 * s + spk_rng_below(r, 2);
        }
    }
    int64_t order[MOST]; /* utterances of a speaker need not stand together */
    struct world mixed = w;
    for (int64_t i = 0; i < w.n; i++)
        order[i] = i;
    spk_rng_shuffle(r, order, w.n);
    for (int64_t i = 0; i < w.n; i++) {
        mixed.speaker[i] = w.speaker[order[i]];
        mixed.session[i] = w.session[order[i]];
    }
    return mixed;
}

/* By brute force: pairs that the rules allow. */
static void count_allowed(const struct world *w, bool sexes, bool sessions, int64_t *targets, int64_t *nontargets,
                          int64_t *of_speaker)
{
    *targets = *nontargets = 0;
    memset(of_speaker, 0, sizeof *of_speaker * MOST);
    for (int64_t a = 0; a < w->n; a++)
        for (int64_t b = a + 1; b < w->n; b++) {
            const int64_t s = w->speaker[a], t = w->speaker[b];
            if (s == t && (!sessions || w->session[a] != w->session[b])) {
                ++*targets;
                of_speaker[s]++;
            }
            *nontargets += s != t && (!sexes || w->sex[s] == w->sex[t]);
        }
}

static void trials_follow_the_rules(void **state)
{
    (void)state;
    int64_t n_full = 0, n_part = 0;
    for (uint64_t round = 0; round < 300; round++) {
        spk_rng r = spk_rng_make(7, SPK_PURPOSE_TEST, 1, round, 0);
        const struct world w = make_world(&r, 2 + spk_rng_below(&r, 12), 9);
        const bool sexes = spk_rng_below(&r, 2), sessions = spk_rng_below(&r, 2);
        const spk_trial_rules rules = {.targets = spk_rng_below(&r, 2) ? 1 + spk_rng_below(&r, 6) : 0,
                                       .max_targets = spk_rng_below(&r, 2) ? 1 + spk_rng_below(&r, 20) : 0,
                                       .nontarget_ratio = 0.5 * (double)spk_rng_below(&r, 9),
                                       .balanced = spk_rng_below(&r, 2),
                                       .seed = round};
        const spk_trial_pool pool = {w.n, w.n_speakers, w.speaker, sexes ? w.sex : NULL, sessions ? w.session : NULL};
        int64_t targets, nontargets, of_speaker[MOST], got[MOST] = {0}, n_targets = 0, n_nontargets = 0, lacking = 0;
        count_allowed(&w, sexes, sessions, &targets, &nontargets, of_speaker);
        spk_trial_draw d, again;
        spk_trials_draw(&pool, &rules, &d);
        spk_trials_draw(&pool, &rules, &again);
        assert_int_equal(d.n, again.n);
        bool *seen = spk_new(MOST * MOST);
        for (int64_t i = 0; i < d.n; i++) {
            const spk_pair p = d.pair[i];
            assert_true(p.a == again.pair[i].a && p.b == again.pair[i].b && p.target == again.pair[i].target);
            assert_true(p.a != p.b && !seen[p.a * MOST + p.b] && !seen[p.b * MOST + p.a]);
            seen[p.a * MOST + p.b] = true;
            assert_int_equal(p.target, w.speaker[p.a] == w.speaker[p.b]);
            if (p.target) assert_true(!sessions || w.session[p.a] != w.session[p.b]);
            if (!p.target) assert_true(!sexes || w.sex[w.speaker[p.a]] == w.sex[w.speaker[p.b]]);
            n_targets += p.target;
            n_nontargets += !p.target;
            got[w.speaker[p.a]] += p.target;
        }
        int64_t all = 0;
        for (int64_t s = 0; s < w.n_speakers; s++) {
            const int64_t most = rules.targets && of_speaker[s] > rules.targets ? rules.targets : of_speaker[s];
            if (rules.max_targets == 0) assert_int_equal(got[s], most);
            lacking += rules.targets > 0 && of_speaker[s] < rules.targets;
            all += most;
        }
        if (rules.max_targets > 0 && all > rules.max_targets) all = rules.max_targets;
        assert_int_equal(n_targets, all);
        assert_int_equal(n_targets, d.n_targets);
        assert_int_equal(lacking, d.n_lacking);
        const int64_t wanted = (int64_t)((double)all * rules.nontarget_ratio);
        assert_int_equal(n_nontargets, wanted < nontargets ? wanted : nontargets);
        n_full += wanted >= nontargets / 2;
        n_part += wanted < nontargets / 2;
        spk_free(seen);
        spk_free(d.pair);
        spk_free(again.pair);
    }
    assert_true(n_full > 30 && n_part > 30); /* both ways of drawing were taken */
}

static void balanced_is_balanced(void **state)
{
    (void)state;
    struct world w = {.n_speakers = 20};
    for (int64_t s = 0; s < 20; s++)
        for (int64_t k = 0; k < (s < 2 ? 40 : 4); k++) /* two talk much */
            if (w.n < MOST) w.speaker[w.n++] = s;
    const spk_trial_pool pool = {.n = w.n, .n_speakers = 20, .speaker = w.speaker};
    for (int balanced = 0; balanced < 2; balanced++) {
        int64_t first[20] = {0}, second[20] = {0}, least = INT64_MAX, most = 0;
        const spk_trial_rules rules = {.targets = 5, .nontarget_ratio = 10, .balanced = balanced, .seed = 1};
        spk_trial_draw d;
        spk_trials_draw(&pool, &rules, &d);
        for (int64_t i = 0; i < d.n; i++)
            if (!d.pair[i].target) {
                first[w.speaker[d.pair[i].a]]++;
                second[w.speaker[d.pair[i].b]]++;
            }
        for (int64_t s = 0; s < 20; s++) {
            least = first[s] < least ? first[s] : least;
            most = first[s] > most ? first[s] : most;
        }
        if (balanced) {
            assert_true(most - least <= 1);
            assert_true(second[0] < 100 && second[1] < 100); /* 50 on average */
        } else {
            assert_true(most > 3 * least); /* who talks more is heard more */
        }
        spk_free(d.pair);
    }
}

/* Where a round of all speakers meets no new pair, what is left is enumerated: none is lost. Here two of 3000 have
 * utterances, and hardly ever find each other. */
static void nearly_no_pairs(void **state)
{
    (void)state;
    int64_t speaker[120];
    for (int64_t i = 0; i < 120; i++)
        speaker[i] = i / 60;
    const spk_trial_pool pool = {.n = 120, .n_speakers = 3000, .speaker = speaker};
    const spk_trial_rules rules = {.max_targets = 300, .nontarget_ratio = 5, .balanced = true};
    spk_trial_draw d;
    spk_trials_draw(&pool, &rules, &d);
    assert_int_equal(d.n, 300 + 1500);
    spk_free(d.pair);
}

/* ---- files ---- */

static void all_or_none(void **state)
{
    (void)state;
    spk_prep_out o = {0};
    spk_text_add(spk_prep_out_file(&o, help_path("deep/er"), "a"), "one\n");
    spk_text_add(spk_prep_out_file(&o, help_path("deep"), "b"), "two\n");
    help_ok(spk_prep_out_commit(&o));
    struct stat before, after;
    assert_int_equal(stat(help_path("deep/b"), &before), 0);
    help_ok(spk_prep_out_commit(&o));
    assert_int_equal(stat(help_path("deep/b"), &after), 0);
    assert_true(before.st_ino == after.st_ino); /* not written anew */
    spk_text_add(&o.file[1]->text, "three\n");
    spk_text_add(&o.file[0]->text, "");
    spk_text_add(spk_prep_out_file(&o, help_path("deep"), "c"), "new\n");
    help_refused(spk_prep_out_commit(&o), SPK_E_IO, "deep/b: is there already", "--overwrite true");
    assert_false(spk_exists(help_path("deep/c")));
    o.overwrite = true;
    help_ok(spk_prep_out_commit(&o));
    char *text;
    size_t n;
    help_ok(spk_read_file(help_path("deep/b"), &text, &n));
    assert_string_equal(text, "two\nthree\n");
    spk_free(text);
    spk_prep_out_clear(&o);
}

static void folders_in_memory(void **state)
{
    (void)state;
    spk_datadir f = {0};
    spk_datadir_add(&f, "b-2", "b", "/x/2.wav");
    spk_datadir_add(&f, "a-1", "a", "/x/1.wav");
    spk_datadir_add(&f, "B-1", "B", "/x/0.wav");
    help_ok(spk_datadir_sort(&f));
    assert_string_equal(f.item[0].id, "B-1"); /* byte order */
    assert_int_equal(f.n_speakers, 3);
    assert_string_equal(f.speaker[f.speaker_of[2]], "b");
    spk_datadir_clear(&f);
    static const struct {
        const char *id, *speaker, *says;
    } bad[] = {{"a b", "s", "'a b' of speaker 's' cannot stand in a list"},
               {"a*b", "s", "'a*b'"},
               {"a", "", "''"},
               {"a-1", "s", "its utterance id 'a-1' is that of /x/1.wav too"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spk_datadir_add(&f, "a-1", "a", "/x/1.wav");
        spk_datadir_add(&f, bad[i].id, bad[i].speaker, "/x/9.wav");
        help_refused(spk_datadir_sort(&f), SPK_E_VALUE, "/x/9.wav", bad[i].says);
        spk_datadir_clear(&f);
    }
}

/* ---- folds ---- */

static void make_folder(void)
{
    spk_text wav = {0}, utt2spk = {0}, sex = {0}, dur = {0};
    help_sound("d/x.wav", HELP_WAV, 16000, 1, 800, help_tone);
    for (int s = 0; s < 11; s++) {
        for (int u = 0; u < 3; u++) {
            spk_text_addf(&wav, "s%02d/v%d/%d x.wav\n", s, u / 2, u); /* beside the list */
            spk_text_addf(&utt2spk, "s%02d/v%d/%d s%02d\n", s, u / 2, u, s);
            spk_text_addf(&dur, "s%02d/v%d/%d 0.0%d\n", s, u / 2, u, 5);
        }
        spk_text_addf(&sex, "s%02d %c\n", s, s < 4 ? 'f' : 'm');
    }
    help_text("d/wav.scp", wav.s);
    help_text("d/utt2spk", utt2spk.s);
    help_text("d/spk2gender", sex.s);
    help_text("d/utt2dur", dur.s);
    spk_text_clear(&wav);
    spk_text_clear(&utt2spk);
    spk_text_clear(&sex);
    spk_text_clear(&dur);
}

static void folds_are_a_partition(void **state)
{
    (void)state;
    make_folder();
    int times[11] = {0}, women[3] = {0};
    for (int k = 1; k <= 3; k++) {
        char name[32];
        snprintf(name, sizeof name, "fold%d", k);
        char *folder = spk_strdup(help_path(name));
        const spk_split_options o = {.input = help_path("d"),
                                     .output = folder,
                                     .fold = k,
                                     .n_folds = 3,
                                     .seed = 5,
                                     .nontarget_ratio = 2,
                                     .balanced = true};
        spk_prep_report report;
        help_ok(spk_prep_split(&o, &report));
        assert_int_equal(report.n, 2);
        assert_int_equal(report.row[0].n_speakers + report.row[1].n_speakers, 11);
        assert_true(report.row[1].n_speakers == 3 || report.row[1].n_speakers == 4);
        assert_int_equal(report.row[1].n_trials,
                         9 * report.row[1].n_speakers); /* 3 targets each, twice as many others */
        spk_prep_report_clear(&report);
        spk_list valid = {0}, train = {0}, dur = {0};
        char *path = spk_path_join(folder, "valid/spk2utt"), *path2 = spk_path_join(folder, "train/spk2utt"),
             *path3 = spk_path_join(folder, "valid/utt2dur");
        help_ok(spk_list_read(path, 0, &valid));
        help_ok(spk_list_read(path2, 0, &train));
        help_ok(spk_list_read(path3, 0, &dur));
        assert_int_equal(dur.n, 3 * valid.n);
        for (int64_t i = 0; i < valid.n; i++) {
            int64_t s = 0;
            assert_true(spk_parse_int(valid.entry[i].key + 1, &s));
            times[s]++;
            women[k - 1] += s < 4;
            assert_true(spk_list_find(&train, valid.entry[i].key) < 0);
        }
        spk_list_clear(&valid);
        spk_list_clear(&train);
        spk_list_clear(&dur);
        spk_free(path);
        spk_free(path2);
        spk_free(path3);
        spk_trial_set_options to; /* the loader reads it */
        spk_trial_set *set;
        spk_trial_set_options_init(&to);
        path = spk_path_join(folder, "valid");
        to.dir = path;
        help_ok(spk_trial_set_open(&to, &set));
        spk_trial_set_close(set);
        spk_free(path);
        spk_free(folder);
    }
    for (int s = 0; s < 11; s++)
        assert_int_equal(times[s], 1);
    for (int k = 0; k < 3; k++)
        assert_true(women[k] == 1 || women[k] == 2); /* four over three folds */
}

static void split_refuses(void **state)
{
    (void)state;
    spk_prep_report report;
    spk_split_options o = {.input = help_path("d"), .output = help_path("r"), .nontarget_ratio = 2};
    o.utt2sess = true;
    help_refused(spk_prep_split(&o, &report), SPK_E_IO, "d/utt2sess");
    o.utt2sess = false;
    o.session_parts = 3; /* every utterance is a session of its own: allowed */
    help_ok(spk_prep_split(&o, &report));
    spk_prep_report_clear(&report);
    o.session_parts = 1; /* one session a speaker */
    help_refused(spk_prep_split(&o, &report), SPK_E_VALUE, "no target trial by these rules");
    o.session_parts = 2; /* v0 of two, v1 of one */
    o.overwrite = true;
    help_ok(spk_prep_split(&o, &report));
    assert_int_equal(report.row[0].n_targets, 22);
    spk_prep_report_clear(&report);
    o.session_parts = 0;
    o.nontarget_ratio = 0;
    help_refused(spk_prep_split(&o, &report), SPK_E_VALUE, "no nontarget trial");
    o.nontarget_ratio = 2;
    o.fold = 1;
    o.n_folds = 6;
    help_refused(spk_prep_split(&o, &report), SPK_E_VALUE, "fold 1 of 6");
    o.n_folds = 0;
    o.n_speakers = 12;
    help_refused(spk_prep_split(&o, &report), SPK_E_VALUE, "has 11 speakers, and 12 are wanted");
    o.speakers = help_text("who", "s03\ns99\n");
    help_refused(spk_prep_split(&o, &report), SPK_E_MISMATCH, "who:2: speaker 's99' is not in");
    help_text("d/spk2gender", "s00 f\n");
    help_refused(spk_prep_split(&o, &report), SPK_E_MISMATCH, "d/spk2gender: speaker 's01' is not in it");
    help_text("d/spk2gender", "s00 x\n");
    help_refused(spk_prep_split(&o, &report), SPK_E_FORMAT, "d/spk2gender:1: 'x' of speaker 's00' is neither f nor m");
    unlink(help_path("d/spk2gender"));
    o.same_sex = true;
    help_refused(spk_prep_split(&o, &report), SPK_E_IO, "d/spk2gender: is not there");
    help_text("d/utt2spk", "s00/v0/0 s00\n");
    help_refused(spk_prep_split(&o, &report), SPK_E_MISMATCH, "d/wav.scp:2: 's00/v0/1' is not in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trials_follow_the_rules), cmocka_unit_test(balanced_is_balanced),
        cmocka_unit_test(nearly_no_pairs),         cmocka_unit_test(all_or_none),
        cmocka_unit_test(folders_in_memory),       cmocka_unit_test(folds_are_a_partition),
        cmocka_unit_test(split_refuses),
    };
    return cmocka_run_group_tests_name("preparation", tests, help_setup, help_teardown);
}
