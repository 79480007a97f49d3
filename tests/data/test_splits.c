/* SPDX-License-Identifier: Apache-2.0 */
/* Training data in splits (multiple_iterator), and chunks of balanced batches (category_chunk). */
#include "data/data_help.h"

#include "data/train_set_impl.h"

enum { N_SPLITS = 3, N_SPEAKERS = 4, N_EACH = 9, N = N_SPEAKERS * N_EACH, T = 800 };

/* Utterance i of N, and the split that it is dealt to. */
static void name_of(int i, char out[32])
{
    snprintf(out, 32, "s%du%d", i % N_SPEAKERS, i / N_SPEAKERS);
}

static int split_of(const char *id)
{
    const int i = (id[3] - '0') * N_SPEAKERS + id[1] - '0';
    return i % 5 % N_SPLITS; /* of unequal sizes */
}

static int setup(void **state)
{
    static const char *const lists[] = {"wav", "utt2spk", "shape", "token"};
    if (help_setup(state)) return -1;
    spk_text wav[N_SPLITS] = {0}, speaker[N_SPLITS] = {0}, shape[N_SPLITS] = {0}, token[N_SPLITS] = {0}, whole[2] = {0};
    for (int i = 0; i < N; i++) {
        char id[32], name[64];
        name_of(i, id);
        snprintf(name, sizeof name, "audio/%s.wav", id);
        const int n = 900 + 40 * i, k = split_of(id);
        help_sound(name, HELP_WAV, 16000, 1, n, help_ramp);
        spk_text_addf(&wav[k], "%s %s\n", id, help_path(name));
        spk_text_addf(&speaker[k], "%s s%d\n", id, i % N_SPEAKERS);
        spk_text_addf(&shape[k], "%s %d,2\n", id, n);
        spk_text_addf(&token[k], "%s %d\n", id, i);
        spk_text_addf(&whole[0], "%s %s\n", id, help_path(name));
        spk_text_addf(&whole[1], "%s s%d\n", id, i % N_SPEAKERS);
    }
    for (int k = 0; k < N_SPLITS; k++) {
        spk_text *all[] = {&wav[k], &speaker[k], &shape[k], &token[k]};
        for (size_t l = 0; l < sizeof all / sizeof *all; l++) {
            char name[64];
            snprintf(name, sizeof name, "d/%s/split.%d", lists[l], k);
            help_text(name, spk_text_str(all[l]));
            snprintf(name, sizeof name, "d/%s/num_splits", lists[l]);
            help_text(name, "3\n");
            spk_text_clear(all[l]);
        }
    }
    help_text("all/wav/split.0", spk_text_str(&whole[0]));
    help_text("all/utt2spk/split.0", spk_text_str(&whole[1]));
    help_text("all/wav/num_splits", "1");
    help_text("all/utt2spk/num_splits", "1");
    spk_text_clear(&whole[0]);
    spk_text_clear(&whole[1]);
    return 0;
}

/* Options over the splits; the lists live in static memory. */
static spk_train_set_options options(spk_batch_rule rule)
{
    static char path[4][512];
    static const int64_t fold[] = {1000};
    static spk_data_list lists[3];
    static const char *shape[1];
    static const char *const names[] = {"d/wav", "d/utt2spk", "d/shape", "d/token"};
    for (int i = 0; i < 4; i++)
        snprintf(path[i], sizeof path[i], "%s", help_path(names[i]));
    lists[0] = (spk_data_list){path[0], "speech", "sound"};
    lists[1] = (spk_data_list){path[1], "spk_labels", "text"};
    lists[2] = (spk_data_list){path[3], "task_tokens", "text"};
    shape[0] = path[2];
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    o.multiple = true;
    o.lists = lists;
    o.n_lists = 3;
    o.batch_size = 3;
    o.target_duration = (double)T / 16000;
    o.seed = 5;
    o.rule = (spk_rule_options){.rule = rule,
                                .batch_bins = 4000,
                                .min_batch_size = 1,
                                .shape_file = shape,
                                .n_shape_files = 1,
                                .fold_length = fold,
                                .n_fold_lengths = 1,
                                .category_power = 0.5,
                                .scale = 1.2};
    return o;
}

/* What an epoch gave. */
typedef struct seen {
    int64_t n_batches, n_items;
    int64_t of_split[N_SPLITS]; /* batches of each */
    int order[N_SPLITS], n_order, used[N];
    uint64_t digest;
} seen;

/* An epoch from batch `skip` on, as rank r of R: every batch is of one split, and each split comes once. */
static void run(spk_train_set *s, int64_t epoch, int64_t skip, bool one_split, seen *out)
{
    spk_iterator *it;
    const spk_batch *b;
    *out = (seen){0};
    help_ok(spk_train_iterator(s, epoch, &it));
    if (skip > 0) help_ok((it->skip)(it->self, skip));
    while (help_ok(it->next(it->self, &b)), b) {
        const int k = split_of(b->ids[0]);
        const spk_array *x = spk_batch_find(b, "speech");
        for (int64_t i = 0; i < b->n; i++) {
            if (one_split) assert_int_equal(split_of(b->ids[i]), k);
            if (!b->idle) out->used[(b->ids[i][3] - '0') * N_SPEAKERS + b->ids[i][1] - '0']++;
            assert_int_equal(((const int64_t *)spk_batch_find(b, "spk_labels")->data)[i], b->ids[i][1] - '0');
        }
        if (one_split && (out->n_order == 0 || out->order[out->n_order - 1] != k)) {
            assert_true(out->n_order < N_SPLITS);
            out->order[out->n_order++] = k;
        }
        out->of_split[k]++;
        out->n_batches++;
        out->n_items += b->n;
        out->digest = out->digest * 31 + spk_hash(x->data, sizeof(float) * (size_t)(b->n * x->dim[1]));
    }
    assert_int_equal(out->n_batches, it->n_batches - skip);
    spk_iterator_close(it);
}

/* ---- splits ---- */

/* Every way to make batches: all utterances once in an epoch, the same for any number of threads, and after a skip. */
static void all_rules(void **state)
{
    (void)state;
    int orders = 0, last = -1;
    for (spk_batch_rule rule = SPK_RULE_NONE; rule <= SPK_RULE_CATPOW; rule++) {
        spk_train_set_options o = options(rule);
        spk_train_set *s, *four;
        help_ok(spk_train_set_open(&o, &s));
        assert_int_equal(spk_train_set_n_utterances(s), N);
        o.num_workers = 4;
        help_ok(spk_train_set_open(&o, &four));
        for (int64_t epoch = 1; epoch <= 6; epoch++) {
            seen a, b, rest;
            run(s, epoch, 0, true, &a);
            run(four, epoch, 0, true, &b);
            assert_true(a.digest == b.digest);
            assert_int_equal(a.n_order, N_SPLITS);
            for (int i = 0; i < N && rule != SPK_RULE_CATPOW; i++)
                assert_int_equal(a.used[i], 1);
            run(four, epoch, a.n_batches - 2, true, &rest);
            assert_int_equal(rest.n_batches, 2);
            orders += a.order[0] != last;
            last = a.order[0];
        }
        spk_train_set_close(s);
        spk_train_set_close(four);
    }
    assert_true(orders > 6); /* the splits' order changes from epoch to epoch */
}

/* floor((m + k) / splits), as ESPnet deals them out; over the epochs nothing is lost. */
static void iterations(void **state)
{
    (void)state;
    for (int64_t m = N_SPLITS; m <= 11; m++) {
        spk_train_set_options o = options(m % 2 ? SPK_RULE_NONE : SPK_RULE_SORTED);
        spk_train_set *s;
        int used[N] = {0};
        o.num_iters_per_epoch = m;
        help_ok(spk_train_set_open(&o, &s));
        for (int64_t epoch = 1; epoch <= 15; epoch++) {
            seen e;
            run(s, epoch, 0, true, &e);
            assert_int_equal(e.n_batches, m);
            for (int k = 0; k < N_SPLITS; k++)
                assert_int_equal(e.of_split[k], (m + k) / N_SPLITS);
            for (int i = 0; i < N; i++)
                used[i] += e.used[i];
        }
        for (int i = 0; i < N; i++)
            assert_true(used[i] > 0);
        /* epochs in any order are the same */
        seen a, b;
        run(s, 9, 0, true, &a);
        run(s, 4, 0, true, &b);
        run(s, 9, 0, true, &b);
        assert_true(a.digest == b.digest);
        spk_train_set_close(s);
    }
    spk_train_set_options o = options(SPK_RULE_NONE);
    spk_train_set *s;
    o.num_iters_per_epoch = 2;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "num_iters_per_epoch is 2 and there are 3 splits",
                 "give 3 or more");
}

/* One split is what there is without splits. */
static void one_split(void **state)
{
    (void)state;
    seen a, b;
    spk_train_set *s;
    spk_train_set_options o = options(SPK_RULE_NONE);
    char lists[2][512], folders[2][512];
    static const char *const names[] = {"all/wav", "all/utt2spk"};
    for (int l = 0; l < 2; l++) {
        char name[64];
        snprintf(name, sizeof name, "%s/split.0", names[l]);
        snprintf(folders[l], sizeof folders[l], "%s", help_path(names[l]));
        snprintf(lists[l], sizeof lists[l], "%s", help_path(name));
    }
    o.rule.n_shape_files = 0;
    for (int multiple = 0; multiple < 2; multiple++) {
        const spk_data_list two[] = {{multiple ? folders[0] : lists[0], "speech", "sound"},
                                     {multiple ? folders[1] : lists[1], "spk_labels", "text"}};
        o.multiple = multiple;
        o.lists = two;
        o.n_lists = 2;
        o.category = true;
        help_ok(spk_train_set_open(&o, &s));
        run(s, 3, 0, false, multiple ? &a : &b);
        spk_train_set_close(s);
    }
    assert_true(a.digest == b.digest);
}

/* The shares of three processes are together what one has. */
static void ranks(void **state)
{
    (void)state;
    spk_train_set_options o = options(SPK_RULE_NONE);
    spk_train_set *s;
    seen alone, share;
    int used[N] = {0};
    o.batch_size = 6;
    help_ok(spk_train_set_open(&o, &s));
    run(s, 2, 0, true, &alone);
    for (int rank = 0; rank < 3; rank++) {
        spk_train_set_share(s, rank, 3, false);
        run(s, 2, 0, true, &share);
        assert_int_equal(share.n_batches, alone.n_batches);
        for (int i = 0; i < N; i++)
            used[i] += share.used[i];
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(used[i], alone.used[i]);
    spk_train_set_close(s);
}

/* Copies at other speeds belong to the split of their recording. */
static void speeds(void **state)
{
    (void)state;
    static const double factor[] = {0.9, 1.0};
    spk_train_set_options o = options(SPK_RULE_LENGTH);
    spk_train_set *s;
    spk_epoch_plan p;
    o.augment.speed = factor;
    o.augment.n_speed = 2;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_utterances(s), 2 * N);
    help_ok(spk__train_set_plan(s, 1, &p));
    assert_int_equal(p.distinct, 2 * N);
    for (int64_t b = 0; b < p.n_batches; b++)
        for (int64_t i = p.first[b]; i < p.first[b + 1]; i++)
            assert_int_equal(split_of(s->id[s->base[p.item[i]]]), split_of(s->id[s->base[p.item[p.first[b]]]]));
    spk_epoch_plan_clear(&p);
    spk_train_set_close(s);
}

/* Whole utterances in splits, whose labels are numbers. */
static void whole_utterances(void **state)
{
    (void)state;
    char path[512];
    for (int k = 0; k < N_SPLITS; k++) {
        spk_text numbers = {0};
        char name[64];
        for (int i = 0; i < N; i++) {
            char id[32];
            name_of(i, id);
            if (split_of(id) == k) spk_text_addf(&numbers, "%s %d\n", id, i % N_SPEAKERS);
        }
        snprintf(name, sizeof name, "d/number/split.%d", k);
        help_text(name, spk_text_str(&numbers));
        spk_text_clear(&numbers);
    }
    help_text("d/number/num_splits", "3");
    snprintf(path, sizeof path, "%s", help_path("d/number"));
    for (spk_batch_rule rule = SPK_RULE_NONE; rule <= SPK_RULE_LENGTH; rule++) {
        spk_train_set_options o = options(rule);
        spk_train_set *s;
        seen a;
        o.whole = true;
        o.spk_num = N_SPEAKERS;
        o.rule.n_shape_files = 0;
        help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "d/utt2spk/split.0:1: the label of 's0u0' is 's0'");
        const spk_data_list lists[] = {o.lists[0], {path, "spk_labels", "text_int"}};
        o.lists = lists;
        o.n_lists = 2;
        help_ok(spk_train_set_open(&o, &s));
        run(s, 1, 0, true, &a);
        for (int i = 0; i < N; i++)
            assert_int_equal(a.used[i], 1);
        spk_train_set_close(s);
    }
}

static void refused(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_train_set_options o = options(SPK_RULE_NONE);
    help_text("d/utt2spk/num_splits", "2");
    help_refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "d/utt2spk/split.2: is there", "num_splits says 2");
    help_text("d/utt2spk/num_splits", "4");
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "d/utt2spk/split.3: is not there", "num_splits says 4");
    help_text("d/utt2spk/split.3", "x s1\n");
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "d/wav has 3 splits and ", "d/utt2spk has 4");
    unlink(help_path("d/utt2spk/split.3"));
    help_text("d/utt2spk/num_splits", "three");
    help_refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "num_splits: 'three' is no number of splits");
    unlink(help_path("d/utt2spk/num_splits"));
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "d/utt2spk/num_splits: is not there", "multiple_iterator");
    help_text("d/utt2spk/num_splits", "3");
    help_text("d/shape/num_splits", "2");
    unlink(help_path("d/shape/split.2"));
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "d/shape has 2");
    o.rule.n_shape_files = 0;
    const spk_data_list *lists = o.lists;
    char file[512];
    snprintf(file, sizeof file, "%s", help_path("d/wav/split.0"));
    spk_data_list other[] = {{file, "speech", "sound"}, lists[1]};
    o.lists = other;
    o.n_lists = 2;
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "wav/split.0: is no folder", "num_splits");
    o.lists = lists;
    o.n_lists = 3;
    /* one utterance in two splits, and a speaker that is not known */
    char *data, *keep;
    size_t n;
    help_ok(spk_read_file(help_path("d/utt2spk/split.1"), &data, &n));
    help_ok(spk_read_file(help_path("d/wav/split.1"), &keep, &n));
    spk_text twice = {0}, spoken = {0};
    spk_text_addf(&twice, "s0u0 %s\n%s", help_path("audio/s0u0.wav"), keep);
    spk_text_addf(&spoken, "s0u0 s0\n%s", data);
    help_text("d/wav/split.1", spk_text_str(&twice));
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "d/wav/split.1:1: 's0u0' is not in", "utt2spk/split.1");
    help_text("d/utt2spk/split.1", spk_text_str(&spoken));
    help_refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "d/wav/split.1:1: utterance 's0u0' is in",
                 "d/wav/split.0:1 already");
    help_text("d/wav/split.1", keep);
    help_text("d/utt2spk/split.1", data);
    char speakers[512];
    snprintf(speakers, sizeof speakers, "%s", help_text("spk2utt", "s0\ns1\ns2\n"));
    o.spk2utt = speakers;
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "d/utt2spk/split.0:", "speaker 's3' of utterance 's3u",
                 "spk2utt");
    spk_text_clear(&twice);
    spk_text_clear(&spoken);
    spk_free(data);
    spk_free(keep);
}

/* ---- category_chunk ---- */

/* What chunks are cut of: one after the other the crops of balanced batches. */
static void chunks_of_batches(void **state)
{
    (void)state;
    static const int64_t length[] = {200, 300};
    spk_train_set_options o = options(SPK_RULE_NONE);
    spk_train_set *s;
    spk_epoch_plan crops, p;
    char path[2][512];
    snprintf(path[0], sizeof path[0], "%s", help_path("all/wav/split.0"));
    snprintf(path[1], sizeof path[1], "%s", help_path("all/utt2spk/split.0"));
    const spk_data_list two[] = {{path[0], "speech", "sound"}, {path[1], "spk_labels", "text"}};
    o.multiple = false;
    o.lists = two;
    o.n_lists = 2;
    o.category = true;
    o.batch_size = 7;
    o.rule.chunk_length = length;
    o.rule.n_chunk_lengths = 1;
    o.rule.chunk_shift_ratio = 0.5;
    o.rule.num_cache_chunks = 20;
    o.rule.category_sample_size = 4;
    help_ok(spk_train_set_open(&o, &s));
    spk_chunks *chunks = s->chunks;
    s->chunks = NULL;
    help_ok(spk__train_set_plan(s, 1, &crops));
    s->chunks = chunks;
    for (int64_t b = 0; b < crops.n_batches; b++) {
        int of_speaker[N_SPEAKERS] = {0};
        assert_true(crops.first[b + 1] - crops.first[b] <= 4);
        for (int64_t i = crops.first[b]; i < crops.first[b + 1]; i++)
            assert_true(++of_speaker[s->label[crops.item[i]]] <= 1); /* 4 speakers, 4 in a batch */
    }
    assert_int_equal(crops.distinct, N);
    help_ok(spk__train_set_plan(s, 1, &p));
    /* of 800 samples, chunks of 200 that begin every 100: 7 of each crop */
    assert_int_equal(p.n_items + p.n_left_out, 7 * N);
    assert_int_equal(p.n_batches, 7 * N / 7);
    assert_int_equal(p.distinct, N);
    spk_epoch_plan_clear(&crops);
    spk_epoch_plan_clear(&p);
    /* two lengths, threads, a skip, an epoch of so many batches of crops */
    spk_train_set_close(s);
    o.rule.n_chunk_lengths = 2;
    o.num_iters_per_epoch = 5;
    seen a, b, rest;
    help_ok(spk_train_set_open(&o, &s));
    run(s, 2, 0, false, &a);
    spk_train_set_close(s);
    o.num_workers = 4;
    help_ok(spk_train_set_open(&o, &s));
    run(s, 2, 0, false, &b);
    run(s, 2, 3, false, &rest);
    assert_true(a.digest == b.digest && rest.n_batches == a.n_batches - 3);
    help_ok(spk__train_set_plan(s, 2, &p));
    const int64_t n = p.n_items + p.n_left_out; /* 7 chunks of 200, or 4 of 300 */
    assert_true(n >= 4 * 5 * 4 && n <= 7 * 5 * 4);
    spk_epoch_plan_clear(&p);
    /* the shares of two processes are together what one has */
    int used[N] = {0};
    for (int rank = 0; rank < 2; rank++) {
        spk_train_set_share(s, rank, 2, false);
        run(s, 2, 0, false, &b);
        for (int i = 0; i < N; i++)
            used[i] += b.used[i];
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(used[i], a.used[i]);
    spk_train_set_close(s);
    /* speakers that are unequally many: still none is left out, though a batch may be of one */
    o.rule.category_sample_size = 3;
    o.num_iters_per_epoch = 0;
    o.drop_last_iter = true;
    help_ok(spk_train_set_open(&o, &s));
    chunks = s->chunks;
    s->chunks = NULL;
    for (int64_t epoch = 1; epoch <= 20; epoch++) {
        help_ok(spk__train_set_plan(s, epoch, &p));
        assert_int_equal(p.distinct, N);
        spk_epoch_plan_clear(&p);
    }
    s->chunks = chunks;
    spk_train_set_close(s);
    o.rule.category_sample_size = 50;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "category_sample_size 50");
    o.rule.category_sample_size = 4;
    o.batch_size = 500;
    help_ok(spk_train_set_open(&o, &s));
    spk_iterator *it;
    help_refused(spk_train_iterator(s, 1, &it), SPK_E_VALUE, "would have no batch", "lower batch_size");
    spk_train_set_close(s);
}

/* Figures of ESPnet 202611's CategoryChunkIterFactory: batches of chunks of so many crops of 8000 samples. */
static void espnet_counts(void **state)
{
    (void)state;
    static const struct {
        int64_t B, W, cache, n_crops, n_batches;
        double ratio;
    } cases[] = {{6, 4000, 1024, 24, 12, 0.5},
                 {6, 4000, 1, 20, 10, 0.5},
                 {5, 3000, 30, 24, 33, 0.25},
                 {7, 2000, 16, 24, 24, 0.5},
                 {4, 7999, 9, 24, 6, 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spk_rule_options o = {.chunk_length = &cases[i].W,
                                    .n_chunk_lengths = 1,
                                    .category_sample_size = 4,
                                    .chunk_shift_ratio = cases[i].ratio,
                                    .num_cache_chunks = cases[i].cache};
        spk_chunks *c;
        spk_epoch_plan p = {0};
        help_ok(spk_chunks_open(&o, &(spk_chunk_source){.n = 1, .T = 8000, .rate = 16000}, cases[i].B, 0, &c));
        for (int64_t u = 0; u < cases[i].n_crops; u += 4)
            spk_epoch_plan_add(&p, (int64_t[]){u, u + 1, u + 2, u + 3}, 4);
        spk_epoch_plan_count(&p, cases[i].n_crops);
        help_ok(spk_chunks_expand(c, 1, cases[i].n_crops, &p));
        assert_int_equal(p.n_batches, cases[i].n_batches);
        spk_epoch_plan_clear(&p);
        spk_chunks_close(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rules),     cmocka_unit_test(iterations),
        cmocka_unit_test(one_split),     cmocka_unit_test(ranks),
        cmocka_unit_test(speeds),        cmocka_unit_test(chunks_of_batches),
        cmocka_unit_test(espnet_counts), cmocka_unit_test(whole_utterances),
        cmocka_unit_test(refused), /* changes the lists */
    };
    return cmocka_run_group_tests_name("splits and balanced chunks", tests, setup, help_teardown);
}
