/* SPDX-License-Identifier: Apache-2.0 */
/* Steps from several batches, and means of snapshots. */
#include "train/run_help.h"

#include "train/average_impl.h"

/* ---- accum_grad ---- */

/* 8 batches of 8 two at a time make the steps of 4 batches of 16, as far as float32 sums agree. */
typedef struct doubled {
    spk_iterator it;
    fake_train half;
    int64_t left;
    float speech[16 * T];
    int64_t labels[16];
    const char *id[16];
    char ids[16][32];
    spk_array arrays[2];
    spk_batch b;
} doubled;
static doubled wide;
static bool is_wide, is_blind; /* blind: the iterator does not know its length */

static spk_status wide_next(void *self, const spk_batch **out)
{
    doubled *d = self;
    *out = NULL;
    for (int h = 0; h < 2; h++) {
        const spk_batch *b;
        SPK_TRY(d->half.it.next(&d->half, &b));
        if (!b) return SPK_OK;
        memcpy(d->speech + h * 8 * T, d->half.speech, sizeof d->half.speech);
        memcpy(d->labels + h * 8, d->half.labels, sizeof d->half.labels);
        for (int i = 0; i < 8; i++) {
            snprintf(d->ids[h * 8 + i], 32, "%s", b->ids[i]);
            d->id[h * 8 + i] = d->ids[h * 8 + i];
        }
    }
    d->arrays[0] = (spk_array){"speech", SPK_F32, 2, {16, T}, d->speech};
    d->arrays[1] = (spk_array){"spk_labels", SPK_I64, 2, {16, 1}, d->labels};
    d->b = (spk_batch){.n = 16, .ids = d->id, .n_arrays = 2, .arrays = d->arrays};
    *out = &d->b;
    return SPK_OK;
}

static spk_status build(void *data, const char *mode, int64_t epoch, spk_iterator **out)
{
    if (strcmp(mode, "train") != 0) return build_iter(data, mode, epoch, out);
    fake_train_init(&wide.half, epoch, n_batches);
    wide.it = (spk_iterator){.self = &wide, .next = wide_next, .n_batches = n_batches / 2};
    *out = is_wide ? &wide.it : &wide.half.it;
    if (is_blind) (*out)->n_batches = -1;
    return SPK_OK;
}

static void run(const char *folder, int64_t n, int64_t accum, bool in_wide, float p[N_P])
{
    begin(folder, 2);
    setup.overwrite = true;
    setup.build_iter = build;
    setup.optim = "sgd";
    setup.optim_conf = "{lr: 0.1}";
    setup.scheduler = NULL;
    setup.scheduler_conf = NULL;
    setup.grad_clip = 0.05; /* so that a wrong norm shows */
    setup.accum_grad = accum;
    is_wide = in_wide;
    n_batches = n;
    OK(train());
    memcpy(p, model.p, sizeof(float[N_P]));
}

static double distance(const float *a, const float *b)
{
    double sum = 0;
    for (int i = 0; i < N_P; i++)
        sum += (double)(a[i] - b[i]) * (double)(a[i] - b[i]);
    return sqrt(sum);
}

static void test_accumulation(void **state)
{
    (void)state;
    static const double FLOAT_SUMS = 1e-6; /* the order of additions in float32 */
    char *folder = make_folder();
    float one[N_P], two[N_P], blind[N_P];
    run(folder, 8, 1, true, one);
    run(folder, 8, 2, false, two);
    if (distance(one, two) > FLOAT_SUMS) fail_msg("two batches a step differ by %g", distance(one, two));
    run(folder, 8, 1, false, one);
    assert_true(distance(one, two) > 1e-3); /* and are something else than a step a batch */
    /* 7 batches in threes: three steps an epoch; the last is of one batch, at its full size, and nothing is left. */
    run(folder, 7, 3, false, two);
    assert_non_null(strstr(spk_text_str(&lines), "2epoch results: [train] iter_time="));
    assert_non_null(strstr(spk_text_str(&lines), "total_count=14"));
    is_blind = true;
    run(folder, 7, 3, false, blind); /* where the end comes unforeseen */
    is_blind = false;
    assert_memory_equal(two, blind, sizeof two);
    run(folder, 1, 3, false, two); /* fewer batches than a step asks for */
    run(folder, 1, 1, false, one);
    if (distance(one, two) > FLOAT_SUMS) fail_msg("a rest is scaled wrongly: %g", distance(one, two));
    end();
    drop_folder(folder);
}

/* A loss that is not finite spoils its step and no other. */
static void test_bad_batch(void **state)
{
    (void)state;
    char *folder = make_folder();
    float good[N_P];
    run(folder, 2, 2, false, good);
    begin(folder, 1);
    setup.overwrite = true;
    setup.accum_grad = 2;
    n_batches = 5;
    model.nan_loss_from = model.nan_loss_to = 3;
    OK(train());
    assert_true(was_said("1epoch, batch 3: the loss is"));
    assert_null(strstr(spk_text_str(&lines), "loss=nan"));
    end();
    drop_folder(folder);
}

/* ---- means ---- */

static void write_state(const char *folder, int64_t epoch, float value, int64_t count)
{
    const int64_t dim[1] = {3};
    spk_tensors state = {0};
    spk_ndarray *a;
    char *name = spk_strf("%depoch.pth", (int)epoch), *path = spk_path_join(folder, name);
    OK(spk_tensors_add(&state, "w", SPK_F32, 1, dim, &a));
    for (int i = 0; i < 3; i++)
        ((float *)a->data)[i] = value * (float)(i + 1);
    OK(spk_tensors_add(&state, "bn.num_batches_tracked", SPK_I64, 0, NULL, &a));
    *(int64_t *)a->data = count;
    OK(spk_pth_write(path, &state));
    spk_tensors_clear(&state);
    spk_free(name);
    spk_free(path);
}

static void expect_mean(const char *folder, const char *name, double value, int64_t count)
{
    spk_tensors state;
    char *path = spk_path_join(folder, name);
    OK(spk_pth_read(path, &state));
    const spk_ndarray *w = spk_tensors_find(&state, "w"), *n = spk_tensors_find(&state, "bn.num_batches_tracked");
    for (int i = 0; i < 3; i++)
        if (((float *)w->data)[i] != (float)(value * (i + 1)))
            fail_msg("%s[%d] is %g, not %g", name, i, (double)((float *)w->data)[i], value * (i + 1));
    assert_int_equal(*(int64_t *)n->data, count);
    spk_tensors_clear(&state);
    spk_free(path);
}

static void test_mean(void **state)
{
    (void)state;
    static const int64_t epochs[] = {4, 1, 3};
    char *folder = make_folder();
    write_state(folder, 1, 3.0F, 10);
    write_state(folder, 3, 1.5F, 30);
    write_state(folder, 4, -1.0F, 40);
    OK(spk_average_write(folder, epochs, 3, "mean.pth"));
    expect_mean(folder, "mean.pth", 3.5 / 3, 40); /* whole numbers: the latest epoch's */
    assert_int_equal(spk_average_write(folder, (const int64_t[]){1, 2}, 2, "x.pth"), SPK_E_IO);
    assert_message("2epoch.pth");
    assert_false(holds(folder, "x.pth"));
    drop_folder(folder);
}

static const double *eers;

static spk_status given_eer(spk_training *t, spk_iterator *iterator)
{
    (void)iterator;
    const spk_stat stat = {"eer", eers[t->epoch - 1], false};
    return spk_reporter_register(t->reporter, &stat, 1, 0.0);
}

static void train_with(const char *folder, const double *values, int64_t epochs)
{
    static const int64_t sizes[] = {1, 2, 9};
    static const spk_criterion list[] = {{"valid", "eer", "min"}, {"train", "accuracy", "max"}};
    spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
    hooks.validate_one_epoch = given_eer;
    eers = values;
    begin(folder, epochs);
    setup.keep_nbest_models = 9;
    setup.average_nbest = sizes;
    setup.n_average_nbest = 3;
    setup.nbest_averaging_interval = 2;
    setup.best_model_criterion = list;
    setup.n_best_model_criterion = 2;
    setup.average_last = 3;
    OK(spk_trainer_run(&hooks, &setup));
}

static void same_mean(const char *folder, const char *name, const int64_t *epochs, int64_t n)
{
    size_t a = 0, b = 0;
    OK(spk_average_write(folder, epochs, n, "expected.pth"));
    char *x = slurp(folder, name, &a), *y = slurp(folder, "expected.pth", &b);
    if (a != b || memcmp(x, y, a) != 0) fail_msg("%s is not the mean of its epochs", name);
    spk_free(x);
    spk_free(y);
}

static void test_best(void **state)
{
    (void)state;
    static const double values[] = {9, 5, NAN, 5, 7};
    char *folder = make_folder();
    train_with(folder, values, 5);
    assert_link(folder, "valid.eer.ave_1best.pth", "2epoch.pth");
    same_mean(folder, "valid.eer.ave_2best.pth", (const int64_t[]){2, 4}, 2);
    same_mean(folder, "valid.eer.ave_4best.pth", (const int64_t[]){1, 2, 4, 5}, 4); /* of 9: all that have a value */
    assert_link(folder, "valid.eer.ave.pth", "valid.eer.ave_4best.pth");
    assert_link(folder, "train.accuracy.ave.pth", "train.accuracy.ave_5best.pth");
    same_mean(folder, "train.accuracy.ave_5best.pth", (const int64_t[]){1, 2, 3, 4, 5}, 5);
    same_mean(folder, "valid.eer.ave_2best.till2epoch.pth", (const int64_t[]){1, 2}, 2);
    same_mean(folder, "valid.eer.ave_1best.till4epoch.pth", (const int64_t[]){2}, 1);
    assert_link(folder, "valid.eer.ave.till4epoch.pth", "valid.eer.ave_3best.till4epoch.pth");
    same_mean(folder, "ave_last3.pth", (const int64_t[]){3, 4, 5}, 3);
    begin(folder, 1); /* and all of it goes when the folder is used anew */
    setup.overwrite = true;
    OK(train());
    assert_false(holds(folder, "valid.eer.ave.pth"));
    assert_false(holds(folder, "valid.eer.ave_2best.till2epoch.pth"));
    assert_false(holds(folder, "ave_last3.pth"));
    end();
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_bad_batch),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
