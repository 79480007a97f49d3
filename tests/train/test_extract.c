/* SPDX-License-Identifier: Apache-2.0 */
/* Extraction: shapes, the average, all batches treated alike, an output folder that is wrong. */
#include "train/train_help.h"

#include <sys/stat.h>

#include "spk/arrays.h"

static fake_model model;
static fake_trials trials;

static void extract(const char *folder, const char *name, int64_t bs, bool average, spk_tensors *out)
{
    spk_extraction done;
    char *path = spk_path_join(folder, name);
    const spk_trainer_options options = {.sample_rate = 8};
    OK(spk_trainer_extract_embed_to(&model.m, &trials.it, &options, NULL, folder, name, bs, average, &done));
    assert_string_equal(done.path, path);
    assert_int_equal(done.n_utterances, trials.n_utterances);
    assert_true(fabs(done.audio_s - (double)(trials.n_utterances * trials.K * T) / 8) < 1e-9);
    OK(spk_npz_read(path, out));
    spk_free(path);
}

/* Every utterance's array is what the model gives for its segments, whatever the batch and its place in it. */
static void check_all(const spk_tensors *got, bool average)
{
    assert_int_equal(got->n, trials.n_utterances);
    for (int64_t u = 0; u < trials.n_utterances; u++) {
        const spk_ndarray *a = spk_tensors_find(got, trials.uid[u]);
        float want[MAX_K * E], mean[E] = {0};
        assert_non_null(a);
        assert_int_equal(a->dtype, SPK_F32);
        OK(fake_embed(&model, trials.wave[u], trials.K, T, NULL, want));
        for (int e = 0; e < E; e++) {
            double sum = 0;
            for (int64_t k = 0; k < trials.K; k++)
                sum += (double)want[k * E + e];
            mean[e] = (float)(sum / (double)trials.K);
        }
        assert_int_equal(a->n_dims, average ? 1 : 2);
        assert_int_equal(a->dim[a->n_dims - 1], E);
        if (!average) assert_int_equal(a->dim[0], trials.K);
        assert_memory_equal(a->data, average ? mean : want, (size_t)(average ? 1 : trials.K) * sizeof(float[E]));
    }
}

static void test_all_batches_alike(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 4, 9, 100};
    char *folder = make_folder();
    for (int i = 0; i < 16; i++) {
        spk_tensors got = {0};
        fake_model_init(&model, 1);
        fake_trials_init(&trials, 9, 3, 4, i & 1);
        trials.plain = i & 4;
        memcpy(trials.wave[8] + T, trials.wave[8], sizeof(float[T])); /* the last partial batch, a short file */
        extract(folder, "e.npz", sizes[i / 4], i & 2, &got);
        check_all(&got, i & 2);
        spk_tensors_clear(&got);
    }
    drop_folder(folder);
}

static void test_name_and_batch(void **state)
{
    (void)state;
    char *folder = make_folder();
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 9, 2, 4, false);
    OK(spk_trainer_extract_embed(&model.m, &trials.it, NULL, NULL, NULL, folder, 4, false));
    assert_true(holds(folder, "embeddings0.npz"));
    assert_int_equal(model.embed_calls, 3); /* 4, 4 and 1 utterances */
    assert_int_equal(model.largest_call, 8);
    assert_int_equal(trials.passes, 1);
    drop_folder(folder);
}

/* ---- refusals: nothing is read, nothing is left behind ---- */

static void refused(const char *folder, int64_t bs, spk_status code, const char *part)
{
    const spk_status status = spk_trainer_extract_embed(&model.m, &trials.it, NULL, NULL, NULL, folder, bs, false);
    if (status != code)
        fail_msg("status %s, not %s (%s)", spk_status_name(status), spk_status_name(code), spk_errmsg());
    assert_message(part);
}

static void test_folder(void **state)
{
    (void)state;
    char *folder = make_folder(), *missing = spk_path_join(folder, "no"), *file = spk_path_join(folder, "file");
    OK(spk_write_file(file, "x", 1));
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 9, 2, 4, false);
    refused(missing, 4, SPK_E_IO, "does not exist");
    refused(file, 4, SPK_E_IO, "is not a folder");
    refused(folder, 0, SPK_E_VALUE, "batch size");
    if (geteuid() != 0) {
        assert_int_equal(chmod(folder, 0500), 0);
        refused(folder, 4, SPK_E_IO, "write into the output folder");
        assert_int_equal(chmod(folder, 0700), 0);
    }
    assert_int_equal(model.embed_calls, 0);
    assert_int_equal(trials.i, 0);
    spk_free(missing);
    spk_free(file);
    drop_folder(folder);
}

static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    char *folder = make_folder();
    fake_model_init(&model, 1);
    fake_trials_init(&trials, 9, 2, 4, false);
    OK(spk_trainer_extract_embed(&model.m, &trials.it, NULL, NULL, NULL, folder, 4, false));
    size_t n = 0, m = 0;
    char *before = slurp(folder, "embeddings0.npz", &n);
    model.nan_for = trials.wave[7];
    refused(folder, 4, SPK_E_VALUE, "utterance spk2/utt1");
    model.nan_for = NULL;
    trials.i = 0;
    trials.other_audio_at = 7;
    refused(folder, 4, SPK_E_VALUE, "different audio");
    fake_trials_init(&trials, 9, 2, 4, true);
    trials.n_utterances = 0;
    refused(folder, 4, SPK_E_VALUE, "no utterances");
    char *after = slurp(folder, "embeddings0.npz", &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    assert_false(holds(folder, "embeddings0.npz.tmp"));
    spk_free(before);
    spk_free(after);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_batches_alike),
        cmocka_unit_test(test_name_and_batch),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
