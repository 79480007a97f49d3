/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training data without a preprocessor: whole utterances of different lengths with zeros behind them, labels that are
 * numbers of classes, batches that stay within batch_bins with their padding, chunks of whole utterances. Every sample says
 * where it comes from.
 */
#include "data_help.h"

enum { N_SPEAKERS = 4, N_EACH = 5, N = N_SPEAKERS * N_EACH, LEAST = 4000, EARLY = 3 };

static int64_t length_of(int s, int u)
{
    return 3000 + 1300 * u + 110 * s;
}

static int setup(void **state)
{
    if (help_setup(state)) return -1;
    spk_text wav = {0}, labels = {0}, names = {0};
    for (int s = 0; s < N_SPEAKERS; s++)
        for (int u = 0; u < N_EACH; u++) {
            char name[64];
            snprintf(name, sizeof name, "audio/s%du%d.wav", s, u);
            help_sound(name, HELP_WAV, 16000, 1, length_of(s, u), help_ramp);
            spk_text_addf(&wav, "s%du%d %s\n", s, u, help_path(name));
            spk_text_addf(&labels, "s%du%d %d\n", s, u, s);
            spk_text_addf(&names, "s%du%d anna\n", s, u);
        }
    help_text("d/wav.scp", spk_text_str(&wav));
    help_text("d/utt2spk", spk_text_str(&labels));
    help_text("d/names", spk_text_str(&names));
    help_text("d/speakers", "anna\nbea\ncem\ndee\n");
    spk_text_clear(&wav);
    spk_text_clear(&labels);
    spk_text_clear(&names);
    return 0;
}

static spk_data_list lists[2];
static char wav[512], labels[512];
static const int64_t fold[] = {4000};

static spk_train_set_options options(spk_batch_rule rule)
{
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    snprintf(wav, sizeof wav, "%s", help_path("d/wav.scp"));
    snprintf(labels, sizeof labels, "%s", help_path("d/utt2spk"));
    lists[0] = (spk_data_list){wav, "speech", "sound"};
    lists[1] = (spk_data_list){labels, "spk_labels", "text_int"};
    o.lists = lists;
    o.n_lists = 2;
    o.whole = true;
    o.spk_num = N_SPEAKERS;
    o.batch_size = 6;
    o.seed = 5;
    o.rule = (spk_rule_options){.rule = rule,
                                .batch_bins = 26000,
                                .fold_length = fold,
                                .n_fold_lengths = 1,
                                .category_power = 0.5,
                                .dataset_power = 0.5,
                                .scale = 1.2};
    return o;
}

/* What a run met. */
typedef struct met {
    int64_t n_batches, n_items, largest; /* largest: samples of a batch with its room */
    uint64_t digest;
    bool seen[N];
} met;

static void look_at(const spk_batch *b, met *m)
{
    const spk_array *x = spk_batch_find(b, "speech"), *label = spk_batch_find(b, "spk_labels"),
                    *lengths = spk_batch_find(b, "speech_lengths");
    assert_non_null(lengths);
    assert_true(lengths->dtype == SPK_I64 && lengths->dim[0] == b->n);
    const int64_t T = x->dim[1];
    int64_t longest = 0, shortest = INT64_MAX;
    for (int64_t i = 0; i < b->n; i++) {
        const int s = b->ids[i][1] - '0', u = b->ids[i][3] - '0';
        const int64_t L = ((const int64_t *)lengths->data)[i];
        const float *row = (const float *)x->data + i * T;
        assert_int_equal(L, length_of(s, u));
        assert_int_equal(((const int64_t *)label->data)[i], s);
        for (int64_t t = 0; t < T; t++)
            if (row[t] != (t < L ? help_ramp(t, 0) : 0))
                fail_msg("%s: sample %d is %g", b->ids[i], (int)t, (double)row[t]);
        longest = L > longest ? L : longest;
        shortest = L < shortest ? L : shortest;
        m->seen[s * N_EACH + u] = true;
    }
    assert_true(T >= longest);
    if (shortest == longest)
        assert_int_equal(T, longest);
    else
        assert_true(T >= LEAST && (T <= longest + longest / 8 || T == LEAST));
    m->digest = m->digest * 31 + spk_hash(x->data, sizeof(float) * (size_t)(b->n * T)) + (uint64_t)T;
    m->largest = b->n * longest > m->largest && b->n > 2 ? b->n * longest : m->largest;
    m->n_batches++;
    m->n_items += b->n;
}

static met run(const spk_train_set_options *o, int64_t done, int rank, int size)
{
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    met m = {0};
    help_ok(spk_train_set_open(o, &s));
    if (size > 1) spk_train_set_share(s, rank, size, false);
    help_ok(spk_train_iterator(s, 2, &it));
    if (done > 0) help_ok((it->skip)(it->self, done));
    while (help_ok(it->next(it->self, &b)), b)
        if (!b->idle) look_at(b, &m);
    spk_iterator_close(it);
    spk_train_set_close(s);
    return m;
}

static void all_ways_to_make_batches(void **state)
{
    static const spk_batch_rule rules[] = {SPK_RULE_NONE,   SPK_RULE_UNSORTED, SPK_RULE_SORTED, SPK_RULE_FOLDED,
                                           SPK_RULE_LENGTH, SPK_RULE_NUMEL,    SPK_RULE_CATPOW};
    (void)state;
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++)
        for (int category = 0; category < (rules[r] == SPK_RULE_NONE ? 2 : 1); category++) {
            spk_train_set_options o = options(rules[r]);
            o.category = category;
            const met m = run(&o, 0, 0, 1);
            o.num_workers = 4;
            const met four = run(&o, 0, 0, 1);
            assert_true(m.digest == four.digest && m.n_batches == four.n_batches);
            assert_true(m.n_batches > 1);
            if (rules[r] != SPK_RULE_CATPOW) assert_int_equal(m.n_items, N);
            if (rules[r] >= SPK_RULE_LENGTH) assert_true(m.largest <= o.rule.batch_bins && m.largest > 15000);
            const met rest = run(&o, EARLY < m.n_batches ? EARLY : 1, 0, 1);
            assert_true(rest.n_batches == m.n_batches - (EARLY < m.n_batches ? EARLY : 1));
        }
}

/* The utterances of a batch are dealt out; each process pads its own. */
static void shares_of_processes(void **state)
{
    spk_train_set_options o = options(SPK_RULE_SORTED);
    (void)state;
    const met one = run(&o, 0, 0, 2), two = run(&o, 0, 1, 2);
    assert_int_equal(one.n_batches, two.n_batches);
    assert_int_equal(one.n_items + two.n_items, N);
    for (int i = 0; i < N; i++)
        assert_true(one.seen[i] != two.seen[i]);
}

static void classes(void **state)
{
    spk_train_set *s;
    char names[512];
    (void)state;
    spk_train_set_options o = options(SPK_RULE_NONE);
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_speakers(s), N_SPEAKERS);
    assert_string_equal(spk_train_set_speaker(s, 3), "3");
    assert_int_equal(spk_train_set_length(s, 1), length_of(0, 1));
    spk_train_set_close(s);
    snprintf(names, sizeof names, "%s", help_path("d/speakers"));
    o.spk2utt = names;
    o.spk_num = 0;
    help_ok(spk_train_set_open(&o, &s));
    assert_string_equal(spk_train_set_speaker(s, 3), "dee");
    spk_train_set_close(s);
    o.spk2utt = NULL;
    help_refused(spk_train_set_open(&o, &s), SPK_E_CONFIG, "spk_num", "use_preprocessor false");
    o.spk_num = 3;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "utt2spk:16: the label of 's3u0' is 3", "0 to 2");
    snprintf(labels, sizeof labels, "%s", help_path("d/names"));
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "names:1: the label of 's0u0' is 'anna'",
                 "numbers of classes");
    snprintf(labels, sizeof labels, "%s", help_path("d/utt2spk"));
    o.spk_num = 4;
    o.augment.volume_apply_prob = 1;
    o.augment.volume_hi = 3;
    help_refused(spk_train_set_open(&o, &s), SPK_E_UNSUPPORTED, "whole utterances are not augmented");
}

/* A recording that has changed since is not taken for what it was. */
static void a_changed_file(void **state)
{
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_status status = SPK_OK;
    (void)state;
    spk_train_set_options o = options(SPK_RULE_NONE);
    help_ok(spk_train_set_open(&o, &s));
    help_sound("audio/s2u2.wav", HELP_WAV, 16000, 1, 2000, help_ramp);
    help_ok(spk_train_iterator(s, 1, &it));
    do
        status = it->next(it->self, &b);
    while (status == SPK_OK && b);
    help_refused(status, SPK_E_FORMAT, "utterance 's2u2'", "has 2000 samples and had 5820");
    spk_iterator_close(it);
    spk_train_set_close(s);
    help_sound("audio/s2u2.wav", HELP_WAV, 16000, 1, length_of(2, 2), help_ramp);
}

/* ---- chunks ---- */

/* Chunks lie within their utterances, of which those are cut that are longer than the shortest candidate. */
static int64_t run_chunks(const spk_train_set_options *o, int64_t longest, bool short_ones, bool *some_short)
{
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    int64_t n = 0;
    help_ok(spk_train_set_open(o, &s));
    help_ok(spk_train_iterator(s, 1, &it));
    while (help_ok(it->next(it->self, &b)), b) {
        const spk_array *x = spk_batch_find(b, "speech"), *lengths = spk_batch_find(b, "speech_lengths");
        for (int64_t i = 0; i < b->n; i++) {
            const int64_t L = length_of(b->ids[i][1] - '0', b->ids[i][3] - '0'), W = x->dim[1],
                          own = ((const int64_t *)lengths->data)[i];
            const float *row = (const float *)x->data + i * W;
            const int64_t from = lroundf(row[0] * 32768);
            const bool is_short = L <= 5000;
            *some_short |= is_short;
            assert_true(short_ones || !is_short);
            assert_int_equal(own, is_short ? L : W);
            assert_true(is_short ? from == 0 : W <= longest && W < L && from + W <= L);
            for (int64_t t = 0; t < own; t++)
                assert_true(row[t] == help_ramp(from + t, 0));
            for (int64_t t = own; t < W; t++)
                assert_true(row[t] == 0);
            n++;
        }
    }
    spk_iterator_close(it);
    spk_train_set_close(s);
    return n;
}

static void chunks_of_whole_utterances(void **state)
{
    static const int64_t candidates[] = {5000, 6100, 9999};
    bool some_short = false;
    (void)state;
    spk_train_set_options o = options(SPK_RULE_NONE);
    o.batch_size = 2;
    o.rule.chunk_length = candidates;
    o.rule.n_chunk_lengths = 3;
    o.rule.chunk_shift_ratio = 0.25;
    o.rule.num_cache_chunks = 8;
    spk_text_clear(&help_log);
    const int64_t discarded = run_chunks(&o, 6100, false, &some_short);
    assert_true(discarded >= 16 && !some_short);
    assert_int_equal(help_said("8 of 20 utterances are not longer than any chunk_length and are left out"), 1);
    o.rule.chunk_keep_short = true;
    assert_true(run_chunks(&o, 6100, true, &some_short) > discarded && some_short);
    o.rule.chunk_max_abs_length = 5500;
    run_chunks(&o, 5500, true, &some_short);
    o.rule.chunk_keep_short = false;
    o.rule.chunk_max_abs_length = 0;
    o.rule.chunk_default_fs = 8000; /* 10000 and more at 16 kHz */
    spk_train_set *s;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE,
                 "no chunk is shorter than the longest utterance (8530 samples)");
    o.rule.chunk_default_fs = 44100;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "chunk_default_fs: 44100");
}

/* ---- trials ---- */

static void trials_whole(void **state)
{
    spk_trial_set_options o;
    spk_trial_set *s;
    spk_iterator *it;
    const spk_batch *b;
    static char dir[512];
    spk_text scp = {0}, scp2 = {0}, label = {0};
    (void)state;
    for (int u = 0; u < N_EACH; u++)
        for (int v = u + 1; v < N_EACH; v++) {
            spk_text_addf(&scp, "s0u%d*s1u%d %s/audio/s0u%d.wav\n", u, v, help_root, u);
            spk_text_addf(&scp2, "s0u%d*s1u%d %s/audio/s1u%d.wav\n", u, v, help_root, v);
            spk_text_addf(&label, "s0u%d*s1u%d %d\n", u, v, u % 2);
        }
    help_text("t/trial.scp", spk_text_str(&scp));
    help_text("t/trial2.scp", spk_text_str(&scp2));
    help_text("t/trial_label", spk_text_str(&label));
    snprintf(dir, sizeof dir, "%s", help_path("t"));
    spk_trial_set_options_init(&o);
    o.dir = dir;
    o.whole = true;
    o.num_workers = 3;
    help_ok(spk_trial_set_open(&o, &s));
    for (int apart = 0; apart < 2; apart++) {
        int n = 0;
        help_ok(spk_trial_iterator(s, &it));
        while (help_ok(apart ? it->split->next(it->split->self, &b) : it->next(it->self, &b)), b) {
            assert_int_equal(b->n, 1);
            for (int side = 0; side < (apart ? 1 : 2); side++) {
                const spk_array *x = spk_batch_find(b, side ? "speech2" : "speech");
                const char *id = side ? strchr(b->ids[0], '*') + 1 : b->ids[0];
                assert_int_equal(x->dim[1], 1);
                assert_int_equal(x->dim[2], length_of(id[1] - '0', id[3] - '0'));
                for (int64_t t = 0; t < x->dim[2]; t++)
                    assert_true(((const float *)x->data)[t] == help_ramp(t, 0));
            }
            n++;
        }
        assert_int_equal(n, apart ? 8 : 10);
        spk_iterator_close(it);
    }
    spk_trial_set_close(s);
    spk_text_clear(&scp);
    spk_text_clear(&scp2);
    spk_text_clear(&label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_to_make_batches),
                                       cmocka_unit_test(shares_of_processes),
                                       cmocka_unit_test(classes),
                                       cmocka_unit_test(a_changed_file),
                                       cmocka_unit_test(chunks_of_whole_utterances),
                                       cmocka_unit_test(trials_whole)};
    return cmocka_run_group_tests(tests, setup, help_teardown);
}
