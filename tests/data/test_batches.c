/* SPDX-License-Identifier: Apache-2.0 */
/* Batches by length against ESPnet's, power-law draws, chunks; and sets that are opened with them. */
#include "data/data_help.h"

#include "data/train_set_impl.h"

/* ---- ESPnet's batches ---- */

static int64_t ten[] = {5, 12, 7, 30, 9, 22, 14, 3, 18, 26}; /* a to j */

static spk_shapes shapes_of(int64_t *length, int64_t n, int64_t **row, int64_t *width)
{
    *row = length;
    return (spk_shapes){.n = n, .n_files = 1, .length = row, .width = width};
}

static void as_text(const spk_epoch_plan *p, char *out)
{
    for (int64_t b = 0; b < p->n_batches; b++) {
        if (b) *out++ = ' ';
        for (int64_t i = p->first[b]; i < p->first[b + 1]; i++)
            *out++ = (char)('a' + p->item[i]);
    }
    *out = '\0';
}

static void espnet_figures(void **state)
{
    (void)state;
    static const int64_t fold[] = {10};
    static const struct {
        spk_batch_rule rule;
        int64_t width, least;
        bool ascending_in, ascending_batches, drop;
        const char *batches;
    } cases[] = {
        {SPK_RULE_UNSORTED, 1, 1, false, false, false, "abcde fghij"},
        {SPK_RULE_UNSORTED, 1, 1, false, false, true, "abcd efgh"},
        {SPK_RULE_SORTED, 1, 1, false, false, false, "djfig becah"},
        {SPK_RULE_SORTED, 1, 1, true, false, false, "gifjd haceb"},
        {SPK_RULE_FOLDED, 1, 1, false, false, false, "d j fi gb ecah"},
        {SPK_RULE_FOLDED, 1, 2, false, false, false, "dj fi gb ecah"},
        {SPK_RULE_LENGTH, 1, 1, false, false, false, "dj fig becah"},
        {SPK_RULE_LENGTH, 1, 1, true, true, false, "haceb gif jd"},
        {SPK_RULE_NUMEL, 2, 1, false, false, false, "d j f ig be cah"},
        {SPK_RULE_NUMEL, 2, 2, false, false, false, "djf ig be cah"}, /* d, alone, goes to the last before it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *row, width = cases[i].width;
        const spk_shapes s = shapes_of(ten, 10, &row, &width);
        const spk_rule_options o = {.rule = cases[i].rule,
                                    .batch_bins = 40,
                                    .min_batch_size = cases[i].least,
                                    .fold_length = fold,
                                    .n_fold_lengths = 1,
                                    .ascending_in_batch = cases[i].ascending_in,
                                    .ascending_batches = cases[i].ascending_batches};
        spk_epoch_plan p;
        char text[64];
        help_ok(spk_batches_make(&s, &o, 4, cases[i].drop, &p));
        as_text(&p, text);
        assert_string_equal(text, cases[i].batches);
        spk_epoch_plan_clear(&p);
    }
    /* seven, batch 4: one batch of seven */
    int64_t *row, width = 1;
    const spk_shapes s = shapes_of(ten, 7, &row, &width);
    spk_epoch_plan p;
    help_ok(spk_batches_make(&s, &(spk_rule_options){.rule = SPK_RULE_UNSORTED}, 4, false, &p));
    assert_true(p.n_batches == 1 && p.n_items == 7);
    spk_epoch_plan_clear(&p);
    help_refused(spk_batches_make(&s, &(spk_rule_options){.rule = SPK_RULE_SORTED}, 8, false, &p), SPK_E_VALUE,
                 "only 7 utterances");
    help_refused(spk_batches_make(&s, &(spk_rule_options){.rule = SPK_RULE_FOLDED}, 4, false, &p), SPK_E_VALUE,
                 "needs fold_length");
}

/* Every utterance is in one batch, whatever the lengths; with drop_last the rest is one batch's. */
static void none_is_lost(void **state)
{
    (void)state;
    static const int64_t fold[] = {50};
    spk_rng r = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int round = 0; round < 200; round++) {
        int64_t length[60], *row, width = 1 + round % 3, seen[60] = {0};
        const int64_t n = 5 + spk_rng_below(&r, 55);
        for (int64_t i = 0; i < n; i++)
            length[i] = 1 + spk_rng_below(&r, 200);
        const spk_shapes s = shapes_of(length, n, &row, &width);
        const spk_rule_options o = {.rule = SPK_RULE_UNSORTED + (spk_batch_rule)(round % 5),
                                    .batch_bins = 50 + spk_rng_below(&r, 900),
                                    .min_batch_size = 1 + round % 4,
                                    .fold_length = fold,
                                    .n_fold_lengths = 1,
                                    .ascending_in_batch = round % 2};
        spk_epoch_plan p;
        help_ok(spk_batches_make(&s, &o, 5, false, &p));
        for (int64_t i = 0; i < p.n_items; i++)
            seen[p.item[i]]++;
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(seen[i], 1);
        for (int64_t b = 0; b < p.n_batches; b++)
            assert_true(p.n_batches == 1 ||
                        p.first[b + 1] - p.first[b] >= (o.rule >= SPK_RULE_FOLDED ? o.min_batch_size : 1));
        spk_epoch_plan_clear(&p);
    }
}

/* Passes follow each other; an epoch is the next m batches. */
static void epochs_follow_each_other(void **state)
{
    (void)state;
    for (int within = 0; within < 2; within++)
        for (int64_t m = 0; m <= 8; m += 4) {
            int64_t *row, width = 1, count[10] = {0};
            const spk_shapes s = shapes_of(ten, 10, &row, &width);
            spk_epoch_plan p, again;
            help_ok(spk_batches_make(
                &s, &(spk_rule_options){.rule = SPK_RULE_NUMEL, .batch_bins = 20, .min_batch_size = 1}, 4, false, &p));
            const int64_t N = p.n_batches;
            assert_int_equal(N, 6);
            spk_fixed *f = spk_fixed_new(&p, within, m, 3);
            int64_t total = 0;
            char first[64], second[64];
            const int64_t n_epochs = m == 4 ? 6 : m == 8 ? 3 : 4;
            for (int64_t e = 1; e <= n_epochs; e++) {
                spk_fixed_plan(f, e, &p);
                if (e == 1) as_text(&p, first);
                if (e == 2) as_text(&p, second);
                if (m > 0) assert_int_equal(p.n_batches, m);
                for (int64_t i = 0; i < p.n_items; i++)
                    count[p.item[i]]++;
                total += p.n_items;
                spk_epoch_plan_clear(&p);
            }
            assert_string_not_equal(first, second);
            if (!within || m == 0) {
                for (int64_t i = 0; i < 10; i++)
                    assert_int_equal(count[i], 4); /* whole passes */
                assert_int_equal(total, 40);
            }
            spk_fixed_plan(f, 1, &again);
            char text[64];
            as_text(&again, text);
            assert_string_equal(text, first);
            spk_epoch_plan_clear(&again);
            spk_fixed_free(f);
        }
}

/* ---- power-law draws ---- */

static int64_t xy[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1}; /* x: a to h, y: i, j */

static void catpow_figures(void **state)
{
    (void)state;
    const spk_catpow_source source = {10, ten, xy, NULL};
    spk_rule_options o = {.rule = SPK_RULE_CATPOW,
                          .batch_bins = 40,
                          .min_batch_size = 1,
                          .category_power = 0.5,
                          .dataset_power = 1,
                          .scale = 1.2};
    spk_catpow *c;
    spk_epoch_plan p, again;
    help_ok(spk_catpow_open(&source, &o, false, 0, 1, &c));
    assert_true(fabs(spk_catpow_probability(c, 0, 0) - .603577) < 5e-7);
    assert_true(fabs(spk_catpow_probability(c, 0, 1) - .396423) < 5e-7);
    assert_int_equal(spk_catpow_draws(c), 11);
    help_ok(spk_catpow_plan(c, 3, &p));
    assert_int_equal(p.n_items, 11);
    help_ok(spk_catpow_plan(c, 2, &again));
    spk_epoch_plan_clear(&again);
    help_ok(spk_catpow_plan(c, 3, &again));
    assert_memory_equal(p.item, again.item, sizeof *p.item * 11);
    spk_epoch_plan_clear(&again);
    for (int64_t b = 0; b + 1 < p.n_batches; b++) { /* full by the last one, not before */
        int64_t bins = 0;
        for (int64_t i = p.first[b]; i < p.first[b + 1]; i++) {
            assert_true(bins <= 40);
            bins += ten[p.item[i]];
        }
        assert_true(bins > 40);
    }
    spk_epoch_plan_clear(&p);
    spk_catpow_close(c);

    /* so many batches an epoch; drawn as often as said; within a category each as often as the others */
    o.max_batch_size = 5;
    help_ok(spk_catpow_open(&source, &o, true, 1000, 1, &c));
    help_ok(spk_catpow_plan(c, 1, &p));
    assert_int_equal(p.n_batches, 1000);
    assert_true(p.largest <= 5);
    int64_t count[10] = {0};
    for (int64_t i = 0; i < p.n_items; i++)
        count[p.item[i]]++;
    int64_t of_y = count[8] + count[9];
    assert_true(fabs((double)of_y / (double)p.n_items - .396423) < 0.03);
    assert_true(llabs(count[8] - count[9]) <= 1 && llabs(count[0] - count[7]) <= 1);
    assert_true(p.distinct == 10);
    spk_epoch_plan_clear(&p);
    spk_catpow_close(c);
}

static void data_sets_are_balanced(void **state)
{
    (void)state;
    static const int64_t dataset[] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 1};
    const spk_catpow_source source = {10, ten, xy, dataset};
    const spk_rule_options o = {.rule = SPK_RULE_CATPOW_DATASET,
                                .batch_bins = 40,
                                .min_batch_size = 1,
                                .category_power = 0,
                                .dataset_power = 0.5,
                                .scale = 1};
    spk_catpow *c;
    help_ok(spk_catpow_open(&source, &o, false, 0, 1, &c));
    const double a = sqrt(72), b = sqrt(74); /* 5 12 7 30 18 and 9 22 14 3 26 */
    assert_true(fabs(spk_catpow_probability(c, 0, 0) - a / (a + b) / 2) < 1e-12);
    assert_true(fabs(spk_catpow_probability(c, 1, 1) - b / (a + b) / 2) < 1e-12);
    spk_catpow_close(c);
    int64_t none[] = {0, 0};
    const spk_catpow_source empty = {2, none, none, NULL};
    help_refused(spk_catpow_open(&empty, &o, false, 0, 1, &c), SPK_E_VALUE, "no length");
}

/* ---- chunks ---- */

static void chunks_lie_in_crops(void **state)
{
    (void)state;
    static const int64_t lengths[] = {300, 500, 1000};
    const spk_rule_options o = {
        .chunk_length = lengths, .n_chunk_lengths = 3, .chunk_shift_ratio = 0.5, .num_cache_chunks = 20};
    spk_chunks *c;
    spk_epoch_plan p = {0};
    spk_text_clear(&help_log);
    help_ok(spk_chunks_open(&o, &(spk_chunk_source){.n = 1, .T = 1000, .rate = 16000}, 8, 1, &c));
    assert_int_equal(help_said("1 of 3 values of chunk_length are not below a crop's 1000 samples"), 1);
    assert_int_equal(spk_chunks_longest(c), 500);
    for (int64_t u = 0; u < 50; u++)
        spk_epoch_plan_add(&p, (int64_t[]){u % 40}, 1);
    spk_epoch_plan_count(&p, 40);
    help_ok(spk_chunks_expand(c, 1, 40, &p));
    int64_t of_length[2] = {0};
    for (int64_t b = 0; b < p.n_batches; b++) {
        assert_int_equal(p.first[b + 1] - p.first[b], 8);
        const int64_t W = p.chunk_length[b];
        of_length[W == 500]++;
        for (int64_t i = p.first[b]; i < p.first[b + 1]; i++) {
            assert_true(p.offset[i] >= 0 && p.offset[i] + W <= 1000);
            assert_true(p.crop[i] == 0 || p.item[i] < 10);
        }
    }
    assert_true(of_length[0] > 3 && of_length[1] > 3);
    assert_true(p.n_left_out < 16);
    print_message("%lld batches, %lld chunks left out\n", (long long)p.n_batches, (long long)p.n_left_out);
    spk_epoch_plan_clear(&p);
    spk_epoch_plan_add(&p, (int64_t[]){0}, 1);
    spk_epoch_plan_count(&p, 1);
    help_refused(spk_chunks_expand(c, 1, 1, &p), SPK_E_VALUE, "make no batch of 8");
    spk_chunks_close(c);
    help_refused(spk_chunks_open(&o, &(spk_chunk_source){.n = 1, .T = 300, .rate = 16000}, 8, 1, &c), SPK_E_VALUE,
                 "no chunk is shorter than a crop (300 samples");
}

/* ---- whole sets ---- */

enum { N_SPEAKERS = 4, N_EACH = 5, N = N_SPEAKERS * N_EACH, T = 800 };

static int setup(void **state)
{
    if (help_setup(state)) return -1;
    spk_text wav = {0}, utt2spk = {0}, shape = {0}, dataset = {0};
    for (int s = 0; s < N_SPEAKERS; s++)
        for (int u = 0; u < N_EACH; u++) {
            char name[64];
            const int n = 900 + 400 * u + 10 * s;
            snprintf(name, sizeof name, "audio/s%du%d.wav", s, u);
            help_sound(name, HELP_WAV, 16000, 1, n, help_ramp);
            spk_text_addf(&wav, "s%du%d %s\n", s, u, help_path(name));
            spk_text_addf(&utt2spk, "s%du%d s%d\n", s, u, s);
            spk_text_addf(&shape, "s%du%d %d,2\n", s, u, n);
            spk_text_addf(&dataset, "s%du%d %s\n", s, u, u < 2 ? "one" : "two");
        }
    help_text("d/wav.scp", spk_text_str(&wav));
    help_text("d/utt2spk", spk_text_str(&utt2spk));
    help_text("d/shape", spk_text_str(&shape));
    help_text("d/utt2dataset", spk_text_str(&dataset));
    spk_text *all[] = {&wav, &utt2spk, &shape, &dataset};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        spk_text_clear(all[i]);
    return 0;
}

static spk_train_set_options options(spk_batch_rule rule)
{
    static const int64_t fold[] = {1000};
    static char dir[512];
    snprintf(dir, sizeof dir, "%s", help_path("d"));
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    o.dir = dir;
    o.batch_size = 6;
    o.target_duration = (double)T / 16000;
    o.seed = 5;
    o.rule = (spk_rule_options){.rule = rule,
                                .batch_bins = 6000,
                                .min_batch_size = 1,
                                .fold_length = fold,
                                .n_fold_lengths = 1,
                                .category_power = 0.5,
                                .dataset_power = 0.5,
                                .scale = 1.2};
    return o;
}

/* Batches and what is in them; ids of speakers fit the labels. */
static uint64_t run(const spk_train_set_options *o, int64_t *n_batches, int64_t *n_items)
{
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    uint64_t digest = 0;
    *n_batches = *n_items = 0;
    help_ok(spk_train_set_open(o, &s));
    help_ok(spk_train_iterator(s, 2, &it));
    while (help_ok(it->next(it->self, &b)), b) {
        const spk_array *x = spk_batch_find(b, "speech"), *label = spk_batch_find(b, "spk_labels");
        assert_true(b->n >= 2);
        for (int64_t i = 0; i < b->n; i++)
            assert_int_equal(((const int64_t *)label->data)[i], strchr(b->ids[i], 's')[1] - '0');
        digest = digest * 31 + spk_hash(x->data, sizeof(float) * (size_t)(b->n * x->dim[1])) + (uint64_t)x->dim[1];
        ++*n_batches;
        *n_items += b->n;
    }
    assert_int_equal(*n_batches, it->n_batches);
    spk_iterator_close(it);
    spk_train_set_close(s);
    return digest;
}

static void sets_with_rules(void **state)
{
    (void)state;
    static const int64_t chunk[] = {200, 300};
    for (spk_batch_rule rule = SPK_RULE_NONE; rule <= SPK_RULE_CATPOW_DATASET; rule++) {
        spk_train_set_options o = options(rule);
        int64_t n, items, n4, items4;
        if (rule == SPK_RULE_NONE) {
            o.rule = (spk_rule_options){
                .chunk_length = chunk, .n_chunk_lengths = 2, .chunk_shift_ratio = 0.5, .num_cache_chunks = 10};
        }
        o.num_workers = 1;
        const uint64_t digest = run(&o, &n, &items);
        o.num_workers = 4;
        assert_true(digest == run(&o, &n4, &items4));
        if (rule >= SPK_RULE_UNSORTED && rule <= SPK_RULE_NUMEL) assert_int_equal(items, N);
        print_message("rule %d: %lld batches, %lld items\n", (int)rule, (long long)n, (long long)items);
        o.num_iters_per_epoch = 3;
        run(&o, &n, &items);
        if (rule != SPK_RULE_NONE) assert_int_equal(n, 3); /* of chunks: samples */
        o.num_iters_per_epoch = 0;
        if (rule == SPK_RULE_NONE) continue;
        /* the same lengths from a file */
        char path[512];
        snprintf(path, sizeof path, "%s", help_path("d/shape"));
        const char *shape[1] = {path};
        o.rule.shape_file = shape;
        o.rule.n_shape_files = 1;
        if (rule != SPK_RULE_NUMEL) assert_true(digest == run(&o, &n4, &items4));
    }
}

static void refused(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_train_set_options o = options(SPK_RULE_LENGTH);
    static char path[512];
    const char *shape[1] = {path};
    snprintf(path, sizeof path, "%s", help_text("bad_shape", "s0u0 900\n"));
    o.rule.shape_file = shape;
    o.rule.n_shape_files = 1;
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "bad_shape: has no line for utterance 's0u1'");
    help_text("bad_shape", "s0u0 9x0\n");
    help_refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "bad_shape:1: '9x0' is no shape");
    help_text("bad_shape", "s0u0 90,3\ns0u1 80,2\n");
    help_refused(spk_train_set_open(&o, &s), SPK_E_MISMATCH, "bad_shape:2", "'s0u1'");
    o.rule.n_shape_files = 0;
    o.rule.max_batch_size = 1;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "max_batch_size is 1");
    o = options(SPK_RULE_CATPOW_DATASET);
    help_text("d/utt2dataset.keep", "");
    assert_int_equal(rename(help_path("d/utt2dataset"), help_path("d/utt2dataset.keep")), 0);
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "utt2dataset", "catpow_balance_dataset needs it");
    o = options(SPK_RULE_CATPOW);
    o.drop_last_iter = true;
    o.rule.batch_bins = 10000000;
    help_ok(spk_train_set_open(&o, &s));
    spk_iterator *it;
    help_refused(spk_train_iterator(s, 1, &it), SPK_E_VALUE, "would have no batch", "lower batch_bins");
    spk_train_set_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(espnet_figures),           cmocka_unit_test(none_is_lost),
        cmocka_unit_test(epochs_follow_each_other), cmocka_unit_test(catpow_figures),
        cmocka_unit_test(data_sets_are_balanced),   cmocka_unit_test(chunks_lie_in_crops),
        cmocka_unit_test(sets_with_rules),          cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("batches by other rules", tests, setup, help_teardown);
}
