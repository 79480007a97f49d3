/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: each utterance once a pass, the quota, carrying over, coverage, the same for any order of asking. */
#include "data/data_help.h"

#include "data/sampler_impl.h"

/* n utterances of C categories, dealt round robin; or, with `skew`, half of them of category 0. */
static int64_t *make_categories(int64_t n, int64_t C, bool skew)
{
    int64_t *c = spk_new(sizeof *c * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        c[i] = skew && i % 2 ? 0 : i % C;
    return c;
}

static spk_sampler *open_sampler(const int64_t *c, int64_t n, int64_t C, int64_t B, int64_t m, bool balanced, bool drop)
{
    const spk_sampler_options o = {
        .batch_size = B, .iters_per_epoch = m, .balanced = balanced, .drop_last = drop, .seed = 11};
    spk_sampler *s;
    help_ok(spk_sampler_open(c, n, C, &o, &s));
    return s;
}

/* Every batch keeps the quota and holds no utterance twice. */
static void check_batches(const spk_epoch_plan *p, const int64_t *c, int64_t n, int64_t C, int64_t q)
{
    int64_t *taken = spk_new(sizeof *taken * (size_t)C), *in = spk_new(sizeof *in * (size_t)n);
    for (int64_t b = 0; b < p->n_batches; b++) {
        memset(taken, 0, sizeof *taken * (size_t)C);
        for (int64_t i = p->first[b]; i < p->first[b + 1]; i++) {
            assert_true(++taken[c[p->item[i]]] <= q);
            assert_true(in[p->item[i]] != b + 1);
            in[p->item[i]] = b + 1;
        }
    }
    assert_int_equal(p->first[p->n_batches], p->n_items);
    spk_free(taken);
    spk_free(in);
}

static void quota_as_espnet(void **state)
{
    (void)state;
    static const struct {
        int64_t C, B, q;
    } cases[] = {{125, 64, 1}, {64, 64, 1}, {63, 64, 2}, {32, 64, 3}, {10, 64, 7}, {1, 4, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *c = make_categories(2000, cases[i].C, false);
        spk_sampler *s = open_sampler(c, 2000, cases[i].C, cases[i].B, 0, true, false);
        assert_int_equal(spk_sampler_quota(s), cases[i].q);
        spk_sampler_close(s);
        spk_free(c);
    }
}

static void pass_uses_each_once(void **state)
{
    (void)state;
    static const struct {
        int64_t n, C, B;
        double least; /* share of the utterances that a pass uses, full batches only */
    } cases[] = {{1500, 125, 64, 0.93}, {6400, 100, 64, 0.95}, {12, 4, 4, 0.99}, {1000, 10, 32, 0.95}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int drop = 0; drop < 2; drop++) {
            const int64_t n = cases[i].n, C = cases[i].C, B = cases[i].B;
            int64_t *c = make_categories(n, C, false);
            spk_sampler *s = open_sampler(c, n, C, B, 0, true, drop);
            spk_epoch_plan p;
            double used = 0;
            for (int64_t e = 1; e <= 5; e++) {
                help_ok(spk_sampler_plan(s, e, &p));
                check_batches(&p, c, n, C, spk_sampler_quota(s));
                assert_int_equal(p.distinct, p.n_items); /* none twice */
                for (int64_t b = 0; b < p.n_batches; b++) {
                    const int64_t size = p.first[b + 1] - p.first[b];
                    assert_true(size == B || (!drop && size < B && size >= 2));
                }
                used += (double)p.distinct / (double)n / 5;
                spk_epoch_plan_clear(&p);
            }
            print_message("%lld utterances of %lld, batch %lld, drop_last %d: coverage %.1f %%\n", (long long)n,
                          (long long)C, (long long)B, drop, 100 * used);
            assert_true(used >= (drop ? cases[i].least : 0.99));
            spk_sampler_close(s);
            spk_free(c);
        }
}

/* An endless sequence: all batches full, and over many epochs every utterance is drawn equally often. */
static void endless_sequence_loses_nothing(void **state)
{
    (void)state;
    for (int balanced = 0; balanced < 2; balanced++) {
        const int64_t n = 1500, C = 125, B = 64, m = 17;
        int64_t *c = make_categories(n, C, false), *count = spk_new(sizeof *count * (size_t)n);
        spk_sampler *s = open_sampler(c, n, C, B, m, balanced, true);
        spk_epoch_plan p;
        for (int64_t e = 1; e <= 30; e++) {
            help_ok(spk_sampler_plan(s, e, &p));
            assert_int_equal(p.n_batches, m);
            check_batches(&p, c, n, C, balanced ? 1 : B);
            for (int64_t i = 0; i < p.n_items; i++)
                count[p.item[i]]++;
            for (int64_t b = 0; b < m; b++)
                assert_int_equal(p.first[b + 1] - p.first[b], B);
            spk_epoch_plan_clear(&p);
        }
        /* 30 * 17 * 64 = 32640 = 21.76 passes */
        int64_t least = 100, most = 0;
        for (int64_t i = 0; i < n; i++) {
            least = count[i] < least ? count[i] : least;
            most = count[i] > most ? count[i] : most;
        }
        print_message("balanced %d: every utterance drawn %lld to %lld times in 21.8 passes\n", balanced,
                      (long long)least, (long long)most);
        assert_true(least >= 20 && most <= 23);
        spk_sampler_close(s);
        spk_free(c);
        spk_free(count);
    }
}

static bool same_plan(const spk_epoch_plan *a, const spk_epoch_plan *b)
{
    return a->n_batches == b->n_batches && a->n_items == b->n_items &&
           memcmp(a->first, b->first, sizeof *a->first * (size_t)(a->n_batches + 1)) == 0 &&
           memcmp(a->item, b->item, sizeof *a->item * (size_t)a->n_items) == 0 &&
           memcmp(a->nth, b->nth, sizeof *a->nth * (size_t)a->n_items) == 0;
}

/* A resumed run asks a fresh sampler for epoch 7 and gets the batches of the run that went through 1..6. */
static void resuming_gives_the_same(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        const int64_t n = 300, C = 30, B = 16, m = kind & 1 ? 7 : 0;
        int64_t *c = make_categories(n, C, false);
        spk_sampler *run = open_sampler(c, n, C, B, m, kind & 2, false),
                    *fresh = open_sampler(c, n, C, B, m, kind & 2, false);
        spk_epoch_plan a = {0}, b, one;
        for (int64_t e = 1; e <= 7; e++) {
            spk_epoch_plan_clear(&a);
            help_ok(spk_sampler_plan(run, e, &a));
        }
        help_ok(spk_sampler_plan(fresh, 7, &b));
        assert_true(same_plan(&a, &b));
        help_ok(spk_sampler_plan(run, 1, &one)); /* back, and forth again */
        assert_false(same_plan(&a, &one));
        spk_epoch_plan_clear(&b);
        help_ok(spk_sampler_plan(run, 7, &b));
        assert_true(same_plan(&a, &b));
        spk_epoch_plan_clear(&a);
        spk_epoch_plan_clear(&b);
        spk_epoch_plan_clear(&one);
        spk_sampler_close(run);
        spk_sampler_close(fresh);
        spk_free(c);
    }
}

static void seeds_and_epochs_differ(void **state)
{
    (void)state;
    int64_t *c = make_categories(300, 30, false);
    spk_epoch_plan p[3];
    for (int i = 0; i < 3; i++) {
        const spk_sampler_options o = {.batch_size = 16, .balanced = true, .seed = i == 2 ? 12 : 11};
        spk_sampler *s;
        help_ok(spk_sampler_open(c, 300, 30, &o, &s));
        help_ok(spk_sampler_plan(s, i == 1 ? 2 : 1, &p[i]));
        spk_sampler_close(s);
    }
    assert_false(same_plan(&p[0], &p[1]));
    assert_false(same_plan(&p[0], &p[2]));
    for (int i = 0; i < 3; i++)
        spk_epoch_plan_clear(&p[i]);
    spk_free(c);
}

/* ESPnet's `unsorted`: sizes B..2B-1 cut at floor(k n / N); drop_last: exactly B. */
static void plain_sizes(void **state)
{
    (void)state;
    static const struct {
        int64_t n, B, drop, n_batches, size[4];
    } cases[] = {{7, 4, 0, 1, {7}},
                 {10, 4, 0, 2, {5, 5}},
                 {11, 4, 0, 2, {5, 6}},
                 {11, 4, 1, 2, {4, 4}},
                 {12, 4, 0, 3, {4, 4, 4}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t *c = make_categories(cases[i].n, 1, false);
        spk_sampler *s = open_sampler(c, cases[i].n, 1, cases[i].B, 0, false, cases[i].drop);
        spk_epoch_plan p;
        help_ok(spk_sampler_plan(s, 3, &p));
        assert_int_equal(p.n_batches, cases[i].n_batches);
        for (int64_t b = 0; b < p.n_batches; b++)
            assert_int_equal(p.first[b + 1] - p.first[b], cases[i].size[b]);
        assert_int_equal(p.distinct, p.n_items);
        spk_epoch_plan_clear(&p);
        spk_sampler_close(s);
        spk_free(c);
    }
}

/* One speaker has half of all utterances: its surplus waits, does not pile up, and nothing else suffers. */
static void dominant_speaker(void **state)
{
    (void)state;
    const int64_t n = 400, C = 20, B = 16;
    int64_t *c = make_categories(n, C, true), *count = spk_new(sizeof *count * (size_t)n);
    spk_sampler *s = open_sampler(c, n, C, B, 10, true, true);
    spk_epoch_plan p;
    for (int64_t e = 1; e <= 40; e++) {
        help_ok(spk_sampler_plan(s, e, &p));
        check_batches(&p, c, n, C, spk_sampler_quota(s));
        for (int64_t i = 0; i < p.n_items; i++)
            count[p.item[i]]++;
        spk_epoch_plan_clear(&p);
    }
    for (int64_t i = 0; i < n; i++)
        assert_true(count[i] >= 1);
    spk_sampler_close(s);
    spk_free(c);
    spk_free(count);
}

static void refuses(void **state)
{
    (void)state;
    int64_t *c = make_categories(20, 2, false);
    spk_sampler *s;
    spk_sampler_options o = {.batch_size = 21, .balanced = true};
    help_refused(spk_sampler_open(c, 20, 2, &o, &s), SPK_E_VALUE, "batch_size is 21", "20 utterances");
    assert_null(s);
    o.batch_size = 0;
    help_refused(spk_sampler_open(c, 20, 2, &o, &s), SPK_E_VALUE, "batch_size is 0");
    /* 19 of speaker 0 and 1 of speaker 1: at most 6 + 1 of a batch of 10 */
    for (int i = 0; i < 20; i++)
        c[i] = i == 0;
    o = (spk_sampler_options){.batch_size = 10, .balanced = true, .drop_last = true};
    help_refused(spk_sampler_open(c, 20, 2, &o, &s), SPK_E_VALUE, "no batch of 10", "makes 7", "lower batch_size");
    o = (spk_sampler_options){.batch_size = 10, .balanced = true, .iters_per_epoch = 3};
    help_refused(spk_sampler_open(c, 20, 2, &o, &s), SPK_E_VALUE, "no batch of 10");
    o = (spk_sampler_options){.batch_size = 10, .balanced = true};
    help_ok(spk_sampler_open(c, 20, 2, &o, &s));
    spk_epoch_plan p;
    help_refused(spk_sampler_plan(s, 0, &p), SPK_E_VALUE, "count from 1");
    spk_sampler_close(s);
    o = (spk_sampler_options){.batch_size = 1, .balanced = true};
    help_ok(spk_sampler_open(c, 1, 2, &o, &s)); /* one utterance, one batch of one: that is what was asked for */
    help_ok(spk_sampler_plan(s, 1, &p));
    assert_int_equal(p.n_items, 1);
    spk_epoch_plan_clear(&p);
    spk_sampler_close(s);
    spk_free(c);
}

/* ---- groups ---- */

static spk_sampler *open_pk(const int64_t *c, int64_t n, int64_t C, int64_t B, int64_t K, int64_t m)
{
    const spk_sampler_options o = {.batch_size = B, .iters_per_epoch = m, .per_speaker = K, .seed = 11};
    spk_sampler *s;
    help_ok(spk_sampler_open(c, n, C, &o, &s));
    return s;
}

/* Batches are groups of K of one category, each of another; a category of fewer than K repeats its own. */
static void check_groups(const spk_epoch_plan *p, const int64_t *c, int64_t n, int64_t C, int64_t B, int64_t K)
{
    int64_t *in = spk_new(sizeof *in * (size_t)C);
    uint32_t *drawn = spk_new(sizeof *drawn * (size_t)n);
    for (int64_t b = 0; b < p->n_batches; b++) {
        const int64_t size = p->first[b + 1] - p->first[b];
        assert_true(size % K == 0 && size <= B && size >= 2 * K && p->largest >= size);
        for (int64_t i = p->first[b]; i < p->first[b + 1]; i++) {
            const int64_t leader = p->item[i - (i - p->first[b]) % K], speaker = c[p->item[i]];
            assert_int_equal(speaker, c[leader]);
            if (i % K == 0) assert_true(in[speaker] != b + 1);
            in[speaker] = b + 1;
            assert_int_equal(p->nth[i], drawn[p->item[i]]++); /* a repeated one is another crop */
        }
    }
    assert_int_equal(p->first[p->n_batches], p->n_items);
    spk_free(in);
    spk_free(drawn);
}

static void groups_are_of_one_speaker(void **state)
{
    (void)state;
    static const struct {
        int64_t n, C, B, K, m;
        double least; /* share of the utterances that an epoch uses */
    } cases[] = {{1000, 50, 20, 2, 0, 0.95},
                 {1000, 50, 30, 3, 0, 0.95},
                 {600, 20, 40, 2, 7, 0.3},
                 {30, 15, 20, 4, 0, 0.6}, /* two utterances each: every group has both twice */
                 {21, 7, 14, 2, 40, 1}};  /* several passes in an epoch */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int64_t n = cases[i].n, C = cases[i].C, B = cases[i].B, K = cases[i].K;
        int64_t *c = make_categories(n, C, false);
        spk_sampler *s = open_pk(c, n, C, B, K, cases[i].m), *other = open_pk(c, n, C, B, K, cases[i].m);
        spk_epoch_plan p, q, first;
        help_ok(spk_sampler_plan(s, 1, &first));
        for (int epoch = 2; epoch < 4; epoch++) {
            help_ok(spk_sampler_plan(s, epoch, &p));
            check_groups(&p, c, n, C, B, K);
            assert_true((double)p.distinct >= cases[i].least * (double)n);
            if (cases[i].m) assert_int_equal(p.n_batches, cases[i].m);
            if (epoch == 3) { /* the same when it is asked for at once, and not the first one's */
                help_ok(spk_sampler_plan(other, 3, &q));
                assert_int_equal(p.n_items, q.n_items);
                assert_memory_equal(p.item, q.item, (size_t)p.n_items * sizeof *p.item);
                assert_memory_equal(p.nth, q.nth, (size_t)p.n_items * sizeof *p.nth);
                assert_memory_not_equal(p.item, first.item, (size_t)(B * sizeof *p.item));
                spk_epoch_plan_clear(&q);
            }
            spk_epoch_plan_clear(&p);
        }
        spk_epoch_plan_clear(&first);
        spk_sampler_close(s);
        spk_sampler_close(other);
        spk_free(c);
    }
}

static void groups_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t B, K;
        const char *message;
    } cases[] = {{9, 2, "must be a multiple of per_speaker (2)"},
                 {4, 4, "at least 8"},
                 {22, 2, "takes 11 speakers, and there are 10; lower batch_size"}};
    int64_t *c = make_categories(100, 10, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const spk_sampler_options o = {.batch_size = cases[i].B, .per_speaker = cases[i].K};
        spk_sampler *s;
        assert_int_equal(spk_sampler_open(c, 100, 10, &o, &s), SPK_E_VALUE);
        if (!strstr(spk_errmsg(), cases[i].message)) fail_msg("%s", spk_errmsg());
    }
    spk_free(c);
}

/* The shares of all ranks are the batch, groups stay whole, no share is too small, and who has none is idle. */
static void shares_are_the_batch(void **state)
{
    (void)state;
    static const int64_t sizes[] = {12, 7, 3, 2, 8};
    enum { MOST = 12, BATCHES = sizeof sizes / sizeof *sizes };
    static const struct {
        int n_ranks;
        int64_t group, least;
    } cases[] = {{2, 1, 2}, {3, 1, 1}, {4, 1, 2}, {4, 1, 1}, {16, 1, 2}, {2, 2, 2}, {3, 3, 2}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        int64_t owner[BATCHES][MOST], n_active[BATCHES] = {0}, least[BATCHES];
        memset(owner, 0xff, sizeof owner);
        for (int b = 0; b < BATCHES; b++)
            least[b] = MOST;
        for (int r = 0; r < cases[k].n_ranks; r++) {
            spk_epoch_plan p = {0};
            int64_t items[MOST];
            for (int b = 0; b < BATCHES; b++) {
                for (int64_t i = 0; i < sizes[b]; i++)
                    items[i] = 100 * b + i;
                spk_epoch_plan_add(&p, items, sizes[b]);
            }
            spk_epoch_plan_count(&p, 100 * BATCHES);
            const spk_share share = {r, cases[k].n_ranks, cases[k].group, cases[k].least};
            spk_epoch_plan_share(&p, &share);
            for (int b = 0; b < BATCHES; b++) {
                const int64_t n = p.first[b + 1] - p.first[b];
                assert_true(n > 0);
                if (p.idle[b]) continue;
                n_active[b]++;
                least[b] = n < least[b] ? n : least[b];
                for (int64_t i = p.first[b]; i < p.first[b + 1]; i++) {
                    assert_int_equal(p.item[i] / 100, b);
                    assert_int_equal(owner[b][p.item[i] % 100], -1);
                    owner[b][p.item[i] % 100] = r;
                }
            }
            spk_epoch_plan_clear(&p);
        }
        for (int b = 0; b < BATCHES; b++) {
            const int64_t groups = (sizes[b] + cases[k].group - 1) / cases[k].group;
            for (int64_t i = 0; i < sizes[b]; i++) {
                assert_true(owner[b][i] >= 0);
                assert_int_equal(owner[b][i], owner[b][i - i % cases[k].group]);
                if (cases[k].group == 1) assert_int_equal(owner[b][i], i % n_active[b]);
            }
            assert_true(n_active[b] == cases[k].n_ranks || (n_active[b] + 1) * cases[k].least > groups);
            assert_true(n_active[b] == 1 || least[b] >= cases[k].least);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quota_as_espnet),
        cmocka_unit_test(pass_uses_each_once),
        cmocka_unit_test(endless_sequence_loses_nothing),
        cmocka_unit_test(resuming_gives_the_same),
        cmocka_unit_test(seeds_and_epochs_differ),
        cmocka_unit_test(plain_sizes),
        cmocka_unit_test(dominant_speaker),
        cmocka_unit_test(refuses),
        cmocka_unit_test(groups_are_of_one_speaker),
        cmocka_unit_test(groups_that_cannot_be_are_refused),
        cmocka_unit_test(shares_are_the_batch),
    };
    return cmocka_run_group_tests_name("sampler", tests, help_setup, help_teardown);
}
