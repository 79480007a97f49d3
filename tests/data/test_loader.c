/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches from files: the same bytes for any number of threads, no allocation once warm, crops that can be made again
 * alone, bad files where they are met, and trials whose two ways give the same figures.
 */
#include "data/data_help.h"

#include <time.h>

#include "data/audio_impl.h"
#include "data/loader_impl.h"

enum { N_SPEAKERS = 6, N_EACH = 5, N = N_SPEAKERS * N_EACH, T = 800 };

static float voice(int64_t i, int c)
{
    return help_tone(i, c) + 0.1f * help_ramp(i * 7, c);
}

/* s3u2: long, short and other-rate files, three speakers at a time. */
static int setup(void **state)
{
    if (help_setup(state)) return -1;
    spk_text wav = {0}, utt2spk = {0}, spk2utt = {0}, scp = {0}, scp2 = {0}, label = {0};
    for (int s = 0; s < N_SPEAKERS; s++) {
        spk_text_addf(&spk2utt, "s%d", s);
        for (int u = 0; u < N_EACH; u++) {
            char name[64];
            snprintf(name, sizeof name, "audio/s%du%d.flac", s, u);
            help_sound(name, HELP_FLAC, u == 4 ? 8000 : 16000, 1, u == 3 ? 500 : 1500 + 370 * u + 11 * s, voice);
            spk_text_addf(&wav, "s%du%d %s\n", s, u, help_path(name));
            spk_text_addf(&utt2spk, "s%du%d s%d\n", s, u, s);
            spk_text_addf(&spk2utt, " s%du%d", s, u);
            const int s2 = (s + u % 2) % N_SPEAKERS, u2 = (u + 1) % N_EACH;
            spk_text_addf(&scp, "s%du%d*s%du%d %s\n", s, u, s2, u2, help_path(name));
            snprintf(name, sizeof name, "audio/s%du%d.flac", s2, u2);
            spk_text_addf(&scp2, "s%du%d*s%du%d %s\n", s, u, s2, u2, help_path(name));
            spk_text_addf(&label, "s%du%d*s%du%d %d\n", s, u, s2, u2, s == s2);
        }
        spk_text_add(&spk2utt, "\n");
    }
    help_text("d/wav.scp", spk_text_str(&wav));
    help_text("d/utt2spk", spk_text_str(&utt2spk));
    help_text("d/spk2utt", spk_text_str(&spk2utt));
    help_text("d/trial.scp", spk_text_str(&scp));
    help_text("d/trial2.scp", spk_text_str(&scp2));
    help_text("d/trial_label", spk_text_str(&label));
    spk_text *all[] = {&wav, &utt2spk, &spk2utt, &scp, &scp2, &label};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        spk_text_clear(all[i]);
    return 0;
}

static spk_train_set_options train_options(int workers)
{
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    o.dir = help_path("d");
    o.batch_size = 6;
    o.target_duration = 0.05;
    o.num_workers = workers;
    o.category = true;
    o.num_iters_per_epoch = 9;
    o.seed = 5;
    return o;
}

/* A digest of all that an epoch gives. */
static uint64_t digest_epoch(spk_train_set *s, int64_t epoch, int64_t *n_batches)
{
    spk_iterator *it;
    const spk_batch *b;
    uint64_t digest = 0;
    *n_batches = 0;
    help_ok(spk_train_iterator(s, epoch, &it));
    for (;;) {
        help_ok(it->next(it->self, &b));
        if (!b) break;
        const spk_array *speech = spk_batch_find(b, "speech"), *labels = spk_batch_find(b, "spk_labels");
        assert_true(speech->n_dims == 2 && speech->dim[0] == b->n && speech->dim[1] == T && speech->dtype == SPK_F32);
        assert_true(labels->n_dims == 2 && labels->dim[0] == b->n && labels->dim[1] == 1 && labels->dtype == SPK_I64);
        assert_null(spk_batch_find(b, "speech2"));
        for (int64_t i = 0; i < b->n; i++) {
            assert_int_equal(((const int64_t *)labels->data)[i], b->ids[i][1] - '0'); /* "s3u2" is class 3 */
            digest = digest * 31 + spk_hash_str(b->ids[i]);
        }
        digest = digest * 31 + spk_hash(speech->data, sizeof(float) * (size_t)(b->n * T));
        assert_true(b->wait_s >= 0);
        ++*n_batches;
    }
    help_ok(it->next(it->self, &b)); /* stays at the end */
    assert_null(b);
    assert_int_equal(*n_batches, it->n_batches);
    spk_iterator_close(it);
    return digest;
}

static void threads_change_nothing(void **state)
{
    (void)state;
    static const int workers[] = {0, 1, 2, 4, 9};
    uint64_t first[3] = {0};
    for (size_t w = 0; w < sizeof workers / sizeof *workers; w++) {
        spk_train_set *s;
        const spk_train_set_options o = train_options(workers[w]);
        help_ok(spk_train_set_open(&o, &s));
        for (int64_t e = 3; e >= 1; e--) {
            int64_t n;
            const uint64_t digest = digest_epoch(s, e, &n);
            assert_int_equal(n, 9);
            if (w == 0) first[e - 1] = digest;
            assert_true(digest == first[e - 1]);
        }
        spk_train_set_close(s);
    }
    assert_true(first[0] != first[1] && first[1] != first[2]);
}

/* An epoch that is continued: the batches after the first n, the same bytes. */
static void batches_can_be_left_out(void **state)
{
    (void)state;
    enum { BATCHES = 9, FLOATS = 6 * T };
    static float whole[BATCHES][FLOATS];
    const spk_train_set_options o = train_options(3);
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    help_ok(spk_train_set_open(&o, &s));
    for (int64_t skipped = -1; skipped <= BATCHES; skipped++) {
        int64_t n = skipped < 0 ? 0 : skipped;
        help_ok(spk_train_iterator(s, 2, &it));
        if (skipped >= 0) help_ok((it->skip)(it->self, skipped));
        for (;; n++) {
            help_ok(it->next(it->self, &b));
            if (!b) break;
            const spk_array *speech = spk_batch_find(b, "speech");
            assert_int_equal(b->n, 6);
            if (skipped < 0)
                memcpy(whole[n], speech->data, sizeof whole[n]);
            else
                assert_memory_equal(whole[n], speech->data, sizeof whole[n]);
        }
        assert_int_equal(n, BATCHES);
        spk_iterator_close(it);
    }
    spk_train_set_close(s);
}

/* The third crop of batch 4 again, by (seed, epoch, utterance, how often before). */
/* Any rank can say what another one has in a batch: what that one's own iterator gives. Of 5 ranks some have none. */
static void shares_of_others_are_known(void **state)
{
    (void)state;
    enum { RANKS = 5 };
    const spk_train_set_options o = train_options(1);
    spk_train_set *asks, *has;
    spk_iterator *there, *here;
    const spk_batch *b;
    help_ok(spk_train_set_open(&o, &asks));
    help_ok(spk_train_set_open(&o, &has));
    spk_train_set_share(asks, 0, RANKS, false);
    help_ok(spk_train_iterator(asks, 2, &here));
    for (int rank = 0; rank < RANKS; rank++) {
        spk_train_set_share(has, rank, RANKS, false);
        help_ok(spk_train_iterator(has, 2, &there));
        for (int64_t i = 0; i < there->n_batches; i++) {
            const char *first = "";
            int64_t n = -1;
            help_ok(there->next(there->self, &b));
            assert_true(here->peek(here->self, i, rank, &first, &n));
            assert_int_equal(n, b->idle ? 0 : b->n);
            if (b->idle)
                assert_null(first);
            else
                assert_string_equal(first, b->ids[0]);
            assert_int_equal(b->idle, rank >= 3); /* of 6, at least two each */
        }
        spk_iterator_close(there);
    }
    assert_false(here->peek(here->self, here->n_batches, 1, &(const char *){NULL}, &(int64_t){0}));
    spk_iterator_close(here);
    spk_train_set_close(asks);
    spk_train_set_close(has);
}

static void a_crop_can_be_made_again_alone(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    const spk_train_set_options o = train_options(2);
    help_ok(spk_train_set_open(&o, &s));
    help_ok(spk_train_iterator(s, 2, &it));
    spk_audio_reader *r = spk_audio_reader_new(&o.audio);
    uint32_t drawn[N] = {0};
    int n_again = 0;
    for (help_ok(it->next(it->self, &b)); b; help_ok(it->next(it->self, &b)))
        for (int64_t i = 0; i < b->n; i++) {
            float x[T];
            char name[64];
            const int u = (b->ids[i][1] - '0') * N_EACH + (b->ids[i][3] - '0');
            n_again += drawn[u] > 0;
            spk_rng draw = spk_rng_make(5, SPK_PURPOSE_CROP, 2, spk_hash_str(b->ids[i]), drawn[u]++);
            snprintf(name, sizeof name, "audio/%s.flac", b->ids[i]);
            help_ok(spk_crop_train(r, help_path(name), SPK_SPEED_ONE, T, &draw, x));
            assert_memory_equal(x, (const float *)spk_batch_find(b, "speech")->data + i * T, sizeof x);
        }
    assert_true(n_again > 0);
    spk_audio_reader_free(r);
    spk_iterator_close(it);
    spk_train_set_close(s);
}

static void allocates_nothing_when_warm(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_train_set_options o = train_options(2);
    o.num_iters_per_epoch = 60;
    help_ok(spk_train_set_open(&o, &s));
    help_ok(spk_train_iterator(s, 1, &it));
    for (int i = 0; i < 30; i++)
        help_ok(it->next(it->self, &b));
    const int64_t before = spk_alloc_count();
    for (int i = 0; i < 30; i++)
        help_ok(it->next(it->self, &b));
    assert_non_null(b);
    assert_int_equal(spk_alloc_count(), before);
    spk_iterator_close(it);
    spk_train_set_close(s);
}

static void closing_early_is_safe(void **state)
{
    (void)state;
    spk_train_set *s;
    const spk_train_set_options o = train_options(4);
    help_ok(spk_train_set_open(&o, &s));
    for (int n = 0; n < 4; n++) {
        spk_iterator *it;
        const spk_batch *b;
        help_ok(spk_train_iterator(s, 1, &it));
        for (int i = 0; i < n; i++)
            help_ok(it->next(it->self, &b));
        spk_iterator_close(it);
    }
    spk_train_set_close(s);
    spk_iterator_close(NULL);
    spk_train_set_close(NULL);
}

static void logs_coverage(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_iterator *it;
    spk_train_coverage c;
    spk_train_set_options o = train_options(1);
    o.num_iters_per_epoch = 2;
    help_ok(spk_train_set_open(&o, &s));
    spk_text_clear(&help_log);
    help_ok(spk_train_iterator(s, 1, &it));
    spk_train_iterator_coverage(it, &c);
    assert_int_equal(c.n_batches, 2);
    assert_int_equal(c.n_items, 12);
    assert_int_equal(c.n_distinct, 12);
    assert_int_equal(c.n_utterances, N);
    assert_int_equal(help_said("coverage 40.0 % (12 of 30 utterances are used)"), 1);
    spk_iterator_close(it);
    spk_train_set_close(s);
}

/* ---- bad files ---- */

/* Runs epochs; the batch that fails first, or -1, and the message. */
static int64_t first_failure(int64_t max_bad, int workers, char *message, size_t room, int64_t *n_bad)
{
    spk_train_set *s;
    spk_train_set_options o = train_options(workers);
    o.max_bad_files = max_bad;
    help_ok(spk_train_set_open(&o, &s));
    int64_t at = 0;
    *n_bad = 0;
    for (int64_t e = 1; e <= 3; e++) {
        spk_iterator *it;
        const spk_batch *b;
        spk_train_coverage c;
        help_ok(spk_train_iterator(s, e, &it));
        spk_status status;
        while ((status = it->next(it->self, &b)) == SPK_OK && b) {
            for (int64_t i = 0; i < b->n; i++)
                assert_true(strcmp(b->ids[i], "s1u1") != 0 && strcmp(b->ids[i], "s4u0") != 0);
            at++;
        }
        spk_train_iterator_coverage(it, &c);
        *n_bad = c.n_bad_files;
        if (status != SPK_OK) {
            snprintf(message, room, "%s", spk_errmsg());
            help_refused(it->next(it->self, &b), status, message); /* and again */
            spk_iterator_close(it);
            spk_train_set_close(s);
            return at;
        }
        spk_iterator_close(it);
    }
    spk_train_set_close(s);
    return -1;
}

static void bad_files(void **state)
{
    (void)state;
    char *keep[2], message[2048], other[2048];
    const char *const names[] = {"audio/s1u1.flac", "audio/s4u0.flac"};
    size_t n[2];
    int64_t n_bad;
    for (int i = 0; i < 2; i++) {
        help_ok(spk_read_file(help_path(names[i]), &keep[i], &n[i]));
        help_text(names[i], "spoilt");
    }
    const int64_t at = first_failure(0, 1, message, sizeof message, &n_bad);
    assert_true(at >= 0);
    assert_non_null(strstr(message, "is not audio"));
    assert_true(strstr(message, "s1u1") || strstr(message, "s4u0"));
    assert_int_equal(first_failure(0, 4, other, sizeof other, &n_bad), at); /* the same place, the same words */
    assert_string_equal(message, other);

    spk_text_clear(&help_log);
    assert_true(first_failure(1, 3, message, sizeof message, &n_bad) >= 0);
    assert_non_null(strstr(message, "max_bad_files allows 1"));
    assert_int_equal(help_said("stands in for it (bad file 1, at most 1 are allowed)"), 1);

    spk_text_clear(&help_log);
    assert_int_equal(first_failure(2, 2, message, sizeof message, &n_bad), -1);
    assert_int_equal(n_bad, 2);
    assert_int_equal(help_said("stands in for it"), 2);
    for (int i = 0; i < 2; i++) {
        help_ok(spk_write_file(help_path(names[i]), keep[i], n[i]));
        spk_free(keep[i]);
    }
}

static int64_t three(void *self, int64_t batch)
{
    (void)self;
    (void)batch;
    return 3;
}

/* Items 1 and 2 of batch 1 fail; *self is the one that takes longer. */
static spk_status fail_late(void *self, spk_audio_reader *reader, void *own, int64_t batch, int64_t item, void *slot)
{
    (void)reader;
    (void)own;
    ((int64_t *)slot)[item] = 10 * batch + item;
    if (batch == 1 && item == *(const int64_t *)self) nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return batch == 1 && item > 0 ? spk_fail(SPK_E_VALUE, "item %lld", (long long)item) : SPK_OK;
}

static void the_first_failure_of_a_batch_is_told(void **state)
{
    (void)state;
    int64_t slow = 1;
    const spk_loader_job job = {.self = &slow, .n_batches = 5, .slot_bytes = 24, .n_items = three, .fill = fail_late};
    const spk_audio_options audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE};
    spk_loader *l;
    int64_t b;
    void *slot;
    double wait;
    for (; slow <= 2; slow++) {
        help_ok(spk_loader_open(&job, &audio, 3, &l));
        help_ok(spk_loader_next(l, &b, &slot, &wait));
        assert_memory_equal(slot, ((const int64_t[]){0, 1, 2}), 24);
        help_refused(spk_loader_next(l, &b, &slot, &wait), SPK_E_VALUE, "item 1");
        spk_loader_close(l);
    }
}

/* ---- trials ---- */

static spk_trial_set *open_trials(int64_t batch, int workers)
{
    spk_trial_set *s;
    spk_trial_set_options o;
    spk_trial_set_options_init(&o);
    o.dir = help_path("d");
    o.batch_size = batch;
    o.num_workers = workers;
    o.num_eval = 3;
    o.target_duration = 0.05;
    help_ok(spk_trial_set_open(&o, &s));
    return s;
}

/* Segments by trial equal segments by utterance; every utterance comes once, none is missing at the end. */
static void both_ways_agree(void **state)
{
    (void)state;
    for (int64_t batch = 7; batch <= 100; batch += 93) {
        spk_trial_set *s = open_trials(batch, 3);
        spk_iterator *by_trial, *by_utterance;
        const spk_batch *b;
        const size_t segment = sizeof(float) * 3 * T;
        const int64_t U = spk_trial_set_n_utterances(s);
        char *all = spk_new(segment * (size_t)U);
        assert_int_equal(U, N);
        help_ok(spk_trial_iterator(s, &by_utterance));
        int64_t u = 0;
        for (help_ok(by_utterance->split->next(by_utterance->split->self, &b)); b;
             help_ok(by_utterance->split->next(by_utterance->split->self, &b))) {
            const spk_array *x = spk_batch_find(b, "speech");
            assert_true(b->n_arrays == 1 && x->n_dims == 3 && x->dim[1] == 3 && x->dim[2] == T);
            for (int64_t i = 0; i < b->n; i++, u++) {
                assert_string_equal(b->ids[i], spk_trial_set_utterance(s, u));
                memcpy(all + segment * (size_t)u, (const char *)x->data + segment * (size_t)i, segment);
            }
        }
        assert_int_equal(u, U);
        help_ok(spk_trial_iterator(s, &by_trial));
        int64_t t = 0;
        for (help_ok(by_trial->next(by_trial->self, &b)); b; help_ok(by_trial->next(by_trial->self, &b))) {
            const char *x = spk_batch_find(b, "speech")->data, *y = spk_batch_find(b, "speech2")->data;
            const int64_t *labels = spk_batch_find(b, "spk_labels")->data;
            for (int64_t i = 0; i < b->n; i++, t++) {
                const spk_trial *trial = &by_trial->split->trials[t];
                assert_string_equal(b->ids[i], trial->id);
                assert_int_equal(labels[i], trial->label);
                assert_memory_equal(x + segment * (size_t)i, all + segment * (size_t)trial->enroll, segment);
                assert_memory_equal(y + segment * (size_t)i, all + segment * (size_t)trial->test, segment);
            }
        }
        assert_int_equal(t, spk_trial_set_n_trials(s));
        assert_int_equal(t, by_trial->split->n_trials);
        spk_iterator_close(by_trial);
        spk_iterator_close(by_utterance);
        spk_free(all);
        spk_trial_set_close(s);
    }
}

static void plain_lists_yield_utterances(void **state)
{
    (void)state;
    const spk_data_list list[] = {{help_path("d/wav.scp"), "speech", "sound"}};
    spk_trial_set_options o;
    spk_trial_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_trial_set_options_init(&o);
    o.utterances_only = true;
    o.lists = list;
    o.n_lists = 1;
    o.batch_size = 8;
    o.num_eval = 2;
    o.target_duration = 0.05;
    help_ok(spk_trial_set_open(&o, &s));
    help_ok(spk_trial_iterator(s, &it));
    assert_int_equal(it->n_batches, 4);
    assert_int_equal(it->split->n_trials, 0);
    int64_t u = 0;
    for (help_ok(it->next(it->self, &b)); b; help_ok(it->next(it->self, &b)))
        for (int64_t i = 0; i < b->n; i++)
            assert_string_equal(b->ids[i], spk_trial_set_utterance(s, u++));
    assert_int_equal(u, N);
    spk_iterator_close(it);
    spk_trial_set_close(s);
}

static void bad_audio_stops_validation(void **state)
{
    (void)state;
    char *keep;
    size_t n;
    help_ok(spk_read_file(help_path("audio/s2u1.flac"), &keep, &n));
    help_text("audio/s2u1.flac", "");
    spk_trial_set *s = open_trials(4, 2);
    spk_iterator *it;
    const spk_batch *b;
    help_ok(spk_trial_iterator(s, &it));
    spk_status status;
    while ((status = it->split->next(it->split->self, &b)) == SPK_OK && b)
        ;
    help_refused(status, SPK_E_FORMAT, "s2u1", "audio/s2u1.flac", "empty");
    spk_iterator_close(it);
    spk_trial_set_close(s);
    help_ok(spk_write_file(help_path("audio/s2u1.flac"), keep, n));
    spk_free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(batches_can_be_left_out),
        cmocka_unit_test(shares_of_others_are_known),
        cmocka_unit_test(a_crop_can_be_made_again_alone),
        cmocka_unit_test(allocates_nothing_when_warm),
        cmocka_unit_test(closing_early_is_safe),
        cmocka_unit_test(logs_coverage),
        cmocka_unit_test(bad_files),
        cmocka_unit_test(the_first_failure_of_a_batch_is_told),
        cmocka_unit_test(both_ways_agree),
        cmocka_unit_test(plain_lists_yield_utterances),
        cmocka_unit_test(bad_audio_stops_validation),
    };
    return cmocka_run_group_tests_name("loader", tests, setup, help_teardown);
}
