/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is told before each step: where the training stands, and the keys that its random layers draw from. */
#include "train/run_help.h"

#include "optim/optim_impl.h"

enum { MOST = 64, ITEMS = 8 };

typedef struct heard {
    spk_step_info info;
    uint64_t keys[ITEMS];
} heard;
static heard steps[MOST];
static int n_steps;

static void begin_step(void *self, const spk_step_info *info)
{
    (void)self;
    assert_true(n_steps < MOST && info->n > 0 && info->n <= ITEMS);
    steps[n_steps].info = *info;
    memcpy(steps[n_steps].keys, info->item_keys, (size_t)info->n * sizeof(uint64_t));
    n_steps++;
}

static void run(const char *folder, int64_t epochs, bool resume)
{
    begin(folder, epochs);
    model.m.begin_step = begin_step;
    setup.options.seed = 17;
    setup.resume = resume;
    assert_int_equal(train(), SPK_OK);
    end();
}

static void test_places(void **state)
{
    (void)state;
    char *folder = make_folder();
    n_steps = 0;
    run(folder, 2, false);
    assert_int_equal(n_steps, 10);
    for (int i = 0; i < n_steps; i++) {
        const spk_step_info *s = &steps[i].info;
        assert_int_equal(s->epoch, 1 + i / 5);
        assert_int_equal(s->step_in_epoch, i % 5);
        assert_int_equal(s->steps_per_epoch, 5);
        assert_int_equal(s->step, i);
        assert_int_equal(s->seed, 17);
    }
    drop_folder(folder);
}

/* A resumed training hears what the uninterrupted one heard. */
static void test_resumed(void **state)
{
    (void)state;
    char *folder = make_folder();
    n_steps = 0;
    run(folder, 3, false);
    heard whole[MOST];
    memcpy(whole, steps, sizeof whole);
    drop_folder(folder);
    folder = make_folder();
    n_steps = 0;
    run(folder, 1, false);
    run(folder, 3, true);
    assert_int_equal(n_steps, 15);
    for (int i = 0; i < n_steps; i++) {
        assert_int_equal(steps[i].info.epoch, whole[i].info.epoch);
        assert_int_equal(steps[i].info.step, whole[i].info.step);
        assert_memory_equal(steps[i].keys, whole[i].keys, (size_t)steps[i].info.n * sizeof(uint64_t));
    }
    drop_folder(folder);
}

/* ---- keys ---- */

static spk_scheduler *scheduler;
static spk_optim *optim;

static void keys_of(int64_t epoch, int64_t place, const char *const *ids, const int64_t *nth, uint64_t *keys)
{
    const float speech[2 * T] = {0};
    const int64_t labels[2] = {0, 1};
    const spk_array arrays[3] = {{.name = "speech", .dtype = SPK_F32, .n_dims = 2, .dim = {2, T}, .data = speech},
                                 {.name = "spk_labels", .dtype = SPK_I64, .n_dims = 2, .dim = {2, 1}, .data = labels},
                                 {.name = "nth", .dtype = SPK_I64, .n_dims = 2, .dim = {2, 1}, .data = nth}};
    const spk_batch batch = {.n = 2, .ids = ids, .n_arrays = nth ? 3 : 2, .arrays = arrays};
    spk_training t = {
        .setup = &setup, .model = &model.m, .optim = optim, .scheduler = scheduler, .epoch = epoch, .batch = place};
    spk_step step;
    model.calls = 0;
    model.nan_loss_from = 1; /* the step ends before the optimiser's */
    model.nan_loss_to = 1;
    n_steps = 0;
    assert_int_equal(spk_trainer_train_step(&t, &batch, &step), SPK_OK);
    memcpy(keys, steps[0].keys, 2 * sizeof *keys);
}

static void test_keys(void **state)
{
    (void)state;
    static const char *const ab[2] = {"a", "b"}, *const ba[2] = {"b", "a"}, *const aa[2] = {"a", "a"};
    const int64_t first[2] = {0, 0}, again[2] = {0, 1};
    uint64_t k[2], other[2];
    begin("unused", 1);
    assert_int_equal(spk_scheduler_new(NULL, NULL, 0.1, &scheduler), SPK_OK);
    assert_int_equal(spk_optim_new("sgd", NULL, N_P, &optim), SPK_OK);
    model.m.begin_step = begin_step;
    keys_of(1, 0, ab, first, k);
    keys_of(1, 3, ba, first, other); /* another batch, another place: the utterance's key stays */
    assert_true(k[0] == other[1] && k[1] == other[0] && k[0] != k[1]);
    keys_of(2, 0, ab, first, other);
    assert_true(k[0] != other[0] && k[1] != other[1]);
    keys_of(1, 0, aa, again, other);
    assert_true(other[0] == k[0] && other[1] != k[0]);
    keys_of(1, 0, aa, NULL, other); /* an iterator that does not count: the place keeps them apart */
    assert_true(other[0] != other[1]);
    spk_scheduler_free(scheduler);
    spk_optim_free(optim);
    end();
}

/* ---- lengths ---- */

static int64_t told[2];
static int n_told;

static void set_lengths(void *self, const int64_t *lengths, int64_t n)
{
    (void)self;
    assert_int_equal(n, 2);
    memcpy(told, lengths, sizeof told);
    n_told++;
}

static spk_status step_of_lengths(const int64_t *lengths)
{
    static const char *const ids[2] = {"a", "b"};
    const float speech[2 * T] = {0};
    const int64_t labels[2] = {0, 1};
    const spk_array arrays[3] = {
        {.name = "speech", .dtype = SPK_F32, .n_dims = 2, .dim = {2, T}, .data = speech},
        {.name = "spk_labels", .dtype = SPK_I64, .n_dims = 2, .dim = {2, 1}, .data = labels},
        {.name = "speech_lengths", .dtype = SPK_I64, .n_dims = 1, .dim = {2}, .data = lengths}};
    const spk_batch batch = {.n = 2, .ids = ids, .n_arrays = lengths ? 3 : 2, .arrays = arrays};
    spk_training t = {.setup = &setup, .model = &model.m, .optim = optim, .scheduler = scheduler, .epoch = 1};
    spk_step step;
    model.calls = 0;
    model.nan_loss_from = 1;
    model.nan_loss_to = 1;
    return spk_trainer_train_step(&t, &batch, &step);
}

/* The model hears of lengths with each batch that has them; one that cannot is given none. */
static void test_lengths(void **state)
{
    (void)state;
    const int64_t some[2] = {T - 3, T}, full[2] = {T, T}, longer[2] = {T, T + 1}, none[2] = {0, T};
    begin("unused", 1);
    assert_int_equal(spk_scheduler_new(NULL, NULL, 0.1, &scheduler), SPK_OK);
    assert_int_equal(spk_optim_new("sgd", NULL, N_P, &optim), SPK_OK);
    assert_int_equal(step_of_lengths(full), SPK_OK);
    assert_int_equal(step_of_lengths(some), SPK_E_UNSUPPORTED);
    assert_non_null(strstr(spk_errmsg(), "utterance a: this model takes utterances of one length only"));
    model.m.set_lengths = set_lengths;
    assert_int_equal(step_of_lengths(some), SPK_OK);
    assert_true(n_told == 1 && told[0] == T - 3 && told[1] == T);
    assert_int_equal(step_of_lengths(NULL), SPK_OK);
    assert_int_equal(n_told, 1);
    assert_int_equal(step_of_lengths(longer), SPK_E_VALUE);
    assert_non_null(strstr(spk_errmsg(), "utterance b: its length is 13 in a batch of 12"));
    assert_int_equal(step_of_lengths(none), SPK_E_VALUE);
    spk_scheduler_free(scheduler);
    spk_optim_free(optim);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
