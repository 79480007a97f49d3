/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused by name, what options ask of each other, how batches are made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "config/words.h"
#include "spk/config.h"

static const char good[] = "frontend: melspec_torch\nencoder: ecapa_tdnn\noptim: Adam\noutput_dir: exp\n"
                           "train_dir: train\nvalid_dir: valid\n";

/* `good` with `more` behind it; lines of `more` replace those of `good` with the same key. */
static spk_status check(const char *more, bool *usage)
{
    spk_text text = {0};
    spk_config c;
    for (const char *line = good; *line; line = strchr(line, '\n') + 1) {
        char *key = spk_strndup(line, strcspn(line, ":") + 1);
        if (!strstr(more, key)) spk_text_addn(&text, line, strcspn(line, "\n") + 1);
        spk_free(key);
    }
    spk_text all = {0};
    spk_text_addf(&all, "%s\n%s", more, spk_text_str(&text));
    if (spk_config_parse(spk_text_str(&all), all.n, "conf.yaml", &c) != SPK_OK) fail_msg("%s", spk_errmsg());
    const spk_status status = spk_config_check(&c, SPK_CONFIG_TRAIN, usage);
    spk_config_clear(&c);
    spk_text_clear(&text);
    spk_text_clear(&all);
    return status;
}

static void accepted(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "cudnn_enabled: false\ncudnn_benchmark: true\ncudnn_deterministic: false\nuse_tf32: true",
        "num_att_plot: 7\nuse_tensorboard: true\nwandb_project: x\nadapter: houlsby\nchunk_length: 300-400",
        "optim: SGD\nscheduler: CosineAnnealingWarmupRestarts",
        "iterator_type: category\nbatch_type: catbel",
        "iterator_type: category\nfold_length: [80000]",
        "iterator_type: category_chunk\nvalid_iterator_type: category_chunk\ncategory_sample_size: 3",
        "valid_iterator_type: chunk\nmultiple_iterator: true",
        "dist_world_size: 1\ndist_rank: 0\nmultiprocessing_distributed: true",
        "preprocessor_conf: {noise_apply_prob: 0, rir_apply_prob: 0, rir_scp: a, noise_info: [[1, a, [1, 1], [0, 5]]]}",
        "best_model_criterion: [[valid, eer, min], [train, loss, min], [train, accuracy, max]]",
        "accum_grad: 4\npatience: 3\nnbest_averaging_interval: 2\nkeep_nbest_models: [3, 5]\naverage_last: 4",
        "early_stopping_criterion: [valid, mindcf, min]\npatience: 1",
        "train_shape_file: [nowhere]\nvalid_batch_type: sorted",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool usage = true;
        if (check(cases[i], &usage) != SPK_OK) fail_msg("%s: %s", cases[i], spk_errmsg());
        assert_false(usage);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"use_deepspeed: true", "use_deepspeed: true is not supported yet; leave it at false"},
        {"optim: lbfgs", "optim: lbfgs is not supported yet; use adam, adamw, sgd"},
        {"scheduler: lambdalr", "scheduler: lambdalr is not supported yet; use none, reducelronplateau"},
        {"iterator_type: task",
         "iterator_type: task is not supported yet; use sequence, category, category_chunk or chunk"},
        {"use_wandb: true", "use_wandb: true is not supported yet"},
        {"train_dtype: float16", "train_dtype: float16: weights of 16 bits lose the optimiser's small steps"},
        {"train_dtype: bfloat16", "use float32, and use_amp true for products in bfloat16"},
        {"train_dtype: float64\nuse_amp: true", "use_amp: products in bfloat16 have no use in a training in float64"},
        {"dist_rank: 2", "dist_rank: 2 is not supported yet; use none or 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool usage = true;
        if (check(cases[i].text, &usage) != SPK_E_UNSUPPORTED) fail_msg("%s was not refused", cases[i].text);
        if (!strstr(spk_errmsg(), cases[i].message)) fail_msg("%s: %s", cases[i].text, spk_errmsg());
        assert_false(usage);
    }
}

static void contradictions(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"val_scheduler_criterion: [valid, acc]", "conf.yaml:1:1: val_scheduler_criterion: there is no valid.acc"},
        {"output_dir: none", "output_dir is missing; give --output_dir DIR"},
        {"train_dir: none", "training data are missing; give --train_dir DIR"},
        {"valid_dir: none", "trials for validation are missing; give --valid_dir DIR"},
        {"train_data_path_and_name_and_type: ['a,speech,sound']", "both say where the training data are"},
        {"train_dir: none\ntrain_data_path_and_name_and_type: ['a,speech,sound']", "there is no entry for spk_labels"},
        {"train_dir: none\ntrain_data_path_and_name_and_type: ['a,speech,sound', 'b,spk_labels,text']",
         "spk2utt is missing"},
        {"valid_dir: none\nvalid_data_path_and_name_and_type: ['a,speech,sound', 'b,speech2,sound']",
         "there is no entry for spk_labels; add --valid_data_path_and_name_and_type PATH,spk_labels,text"},
        {"valid_dir: none\nvalid_data_path_and_name_and_type: ['a,speeech,sound']", "did you mean speech"},
        {"valid_dir: none\nvalid_data_path_and_name_and_type: ['a,speech,sound', 'b,speech,sound']",
         "speech is given twice (a and b)"},
        {"best_model_criterion: [[valid, err, min]]", "there is no valid.err"},
        {"best_model_criterion: [[valid, eer, least]]", "'least' in valid,eer,least must be min or max"},
        {"early_stopping_criterion: [valid, err, min]", "early_stopping_criterion: there is no valid.err"},
        {"early_stopping_criterion: [valid, eer, low]", "'low' in valid,eer,low must be min or max"},
        {"batch_type: catbel", "catbel needs iterator_type category"},
        {"batch_type: pk", "pk needs iterator_type category"},
        {"batch_type: catpow", "catpow needs iterator_type category"},
        {"fold_length: [80000, 150]", "2 values for 0 shape files"},
        {"min_batch_size: 4\nmax_batch_size: 3", "conf.yaml:2:1: max_batch_size: 3 is below min_batch_size, 4"},
        {"iterator_type: category_chunk\nchunk_shift_ratio: 0", "conf.yaml:2:1: chunk_shift_ratio: must be above 0"},
        {"iterator_type: category_chunk\nbatch_type: pk", "pk needs iterator_type category"},
        {"iterator_type: chunk\nchunk_shift_ratio: 0", "conf.yaml:2:1: chunk_shift_ratio: must be above 0"},
        {"iterator_type: category\nbatch_type: pk\nper_speaker: 3", "20 is no multiple of per_speaker (3)"},
        {"iterator_type: category\nbatch_type: pk\nper_speaker: 20", "set it to 40"},
        {"preprocessor_conf: {rir_apply_prob: 0.5}", "rir_apply_prob is 0.5 and there is no rir_scp"},
        {"preprocessor_conf: {volume_apply_prob: 0.5}", "volume_db_range must be given"},
        {"preprocessor_conf: {volume_db_range: [3, -3]}", "volume_db_range must be given"},
        {"resume: true\noverwrite: true", "conf.yaml:2:1: overwrite: a training is either resumed or overwritten"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (check(cases[i].text, NULL) != SPK_E_CONFIG) fail_msg("%s: status", cases[i].text);
        if (!strstr(spk_errmsg(), cases[i].message)) fail_msg("%s: %s", cases[i].text, spk_errmsg());
    }
    assert_int_equal(check("init_param: [a.pth, 'b.pth:a:b:c:d']", NULL), SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "'b.pth:a:b:c:d' is not FILE"));
    assert_int_equal(check("init_param: [a.pth, 'b.pth:a:b:c', 'c.pth:::loss']", NULL), SPK_OK);
    assert_int_equal(check("valid_dir: none\nvalid_data_path_and_name_and_type: ['a,speech,json']", NULL),
                     SPK_E_UNSUPPORTED);
    assert_int_equal(check("train_dir: none\nspk2utt: s\ntrain_data_path_and_name_and_type: ['a,speech,hdf5', "
                           "'b,spk_labels,text']",
                           NULL),
                     SPK_OK);
    assert_int_equal(check("frontend: melspec_torch\ntrain_dir: none\n"
                           "train_data_path_and_name_and_type: ['a,speech,npy']",
                           NULL),
                     SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "a is given as npy, which are features, but the frontend takes sound"));
    assert_int_equal(check("frontend: none\ntrain_dir: none\n"
                           "train_data_path_and_name_and_type: ['a,speech,sound']",
                           NULL),
                     SPK_E_CONFIG);
    assert_non_null(strstr(spk_errmsg(), "a is given as sound, but the model has no frontend for it"));
}

/* The same mistakes on the command line are usage errors. */
static void on_command_line(void **state)
{
    (void)state;
    spk_config c;
    spk_config_request request;
    bool usage = false;
    words w;
    char *const *argv = words_split(
        &w, "--frontend=melspec_torch --encoder ecapa_tdnn --optim adam --use_adapter true --output_dir exp");
    assert_int_equal(spk_config_load(9, argv, &c, &request), SPK_OK);
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_MODEL, &usage), SPK_OK);
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_TRAIN, &usage), SPK_E_UNSUPPORTED);
    assert_true(usage);
    assert_string_equal(spk_errmsg(), "--use_adapter: true is not supported yet; leave it at false");
    spk_config_clear(&c);
    assert_int_equal(spk_config_load(5, argv, &c, &request), SPK_OK);
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_TRAIN, &usage), SPK_E_CONFIG);
    assert_true(usage);
    spk_config_clear(&c);
}

static void batching(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        spk_batch_kind kind;
        bool note;
    } cases[] = {
        {"iterator_type: category", SPK_BATCH_CATBEL, true},
        {"iterator_type: category\nbatch_type: catbel", SPK_BATCH_CATBEL, false},
        {"iterator_type: category\nbatch_type: unsorted", SPK_BATCH_SHUFFLED, false},
        {"iterator_type: category\nbatch_type: pk", SPK_BATCH_PK, false},
        {"seed: 1", SPK_BATCH_SHUFFLED, true},
        {"batch_type: unsorted", SPK_BATCH_SHUFFLED, false},
        {"fold_length: [80000]", SPK_BATCH_BY_RULE, false},
        {"batch_type: numel", SPK_BATCH_BY_RULE, false},
        {"iterator_type: category\nbatch_type: catpow", SPK_BATCH_BY_RULE, false},
        {"iterator_type: category\nbatch_type: length", SPK_BATCH_BY_RULE, true},
        {"iterator_type: chunk\nchunk_length: 300-302,500", SPK_BATCH_SHUFFLED, false},
        {"iterator_type: category_chunk\nbatch_type: catbel\nchunk_length: 300-302,500", SPK_BATCH_CATBEL, false},
        {"iterator_type: category_chunk\nbatch_type: catpow\nchunk_length: 300-302,500", SPK_BATCH_BY_RULE, false},
        {"iterator_type: category_chunk\nchunk_length: 300-302,500", SPK_BATCH_CATBEL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_config c;
        spk_batching b;
        assert_int_equal(spk_config_parse(cases[i].text, strlen(cases[i].text), "conf.yaml", &c), SPK_OK);
        spk_config_batching(&c, true, &b);
        assert_int_equal(b.kind, cases[i].kind);
        assert_int_equal(b.note != NULL, cases[i].note);
        assert_int_equal(b.batch_size, 20);
        assert_int_equal(b.rule.n_chunk_lengths, strstr(cases[i].text, "chunk") ? 4 : 0);
        assert_int_equal(b.rule.category_sample_size, strstr(cases[i].text, "category_chunk") ? 10 : 0);
        if (b.rule.n_chunk_lengths) assert_true(b.rule.chunk_length[1] == 301 && b.rule.chunk_length[3] == 500);
        spk_config_batching(&c, false, &b);
        assert_int_equal(b.kind, SPK_BATCH_IN_ORDER);
        assert_false(b.drop_last);
        assert_int_equal(b.batch_size, 20);
        spk_config_clear(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),        cmocka_unit_test(refused),  cmocka_unit_test(contradictions),
        cmocka_unit_test(on_command_line), cmocka_unit_test(batching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
