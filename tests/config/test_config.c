/* SPDX-License-Identifier: Apache-2.0 */
/* A training's configuration: files of ESPnet, merging with the command line, and the dump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config_impl.h"
#include "config/words.h"

static spk_status parse(const char *text, spk_config *c)
{
    return spk_config_parse(text, strlen(text), "conf.yaml", c);
}

static void expect_message(const char *text, const char *message)
{
    spk_config c;
    assert_int_not_equal(parse(text, &c), SPK_OK);
    if (!strstr(spk_errmsg(), message)) fail_msg("%s: %s", text, spk_errmsg());
}

static void defaults(void **state)
{
    (void)state;
    spk_config c;
    spk_config_init(&c);
    assert_int_equal(c.max_epoch, 40);
    assert_int_equal(c.batch_size, 20);
    assert_true(c.num_iters_per_epoch == SPK_NONE);
    assert_string_equal(c.optim, "adadelta");
    assert_string_equal(c.encoder, "rawnet3");
    assert_null(c.frontend);
    assert_string_equal(c.spk2utt, "");
    assert_int_equal(c.best_model_criterion.n, 4);
    assert_string_equal(c.pool_lengths, "encoder");
    assert_int_equal(c.preprocess.num_eval, 10);
    assert_true(c.preprocess.noise_apply_prob == 0);
    assert_true(c.i_channel == SPK_NONE);
    spk_config_clear(&c);
}

static void unknown_and_wrong(void **state)
{
    (void)state;
    expect_message("max_epcoh: 3\n", "conf.yaml:1:1: unknown key 'max_epcoh'; did you mean 'max_epoch'?");
    expect_message("seed: 1\nseed: 2\n", "conf.yaml:2:1: key 'seed' stands twice");
    expect_message("batch_size: many\n", "conf.yaml:1:13: batch_size: 'many' is not a whole number");
    expect_message("batch_size: 0\n", "conf.yaml:1:13: batch_size: 0 is out of range: it must be at least 1");
    expect_message("use_amp: perhaps\n", "use_amp: 'perhaps' is not true or false");
    expect_message("encoder: ecapa_tdn\n", "did you mean 'ecapa_tdnn'?");
    expect_message("optim_conf: 3\n", "optim_conf: '3' is not a map");
    expect_message("preprocessor_conf: {num_evil: 3}\n",
                   "conf.yaml:1:21: unknown key 'num_evil' in preprocessor_conf; did you mean 'num_eval'?");
    expect_message("preprocessor_conf: {num_eval: 0}\n", "preprocessor_conf.num_eval: 0 is out of range");
    expect_message("num_eval: 4\npreprocessor_conf: {num_eval: 3}\n",
                   "conf.yaml:1:1: num_eval: 4 disagrees with preprocessor_conf.num_eval, which is 3");
    expect_message("channel: left\n", "conf.yaml:1:1: channel: 'left' is neither a channel number from 0 nor mean");
    expect_message("- a\n- b\n", "needs a map of keys and values");
}

/* ---- what ESPnet writes ---- */

static void espnet_config(void **state)
{
    (void)state;
    spk_config c;
    bool usage;
    if (spk_config_read("tests/config/espnet_config.yaml", &c) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_equal(c.max_epoch, 30);
    assert_int_equal(c.keep_nbest_models.n, 1);
    assert_int_equal(c.keep_nbest_models.v[0], 3);
    assert_true(c.grad_clip == 9999);
    assert_int_equal(c.valid_data_path_and_name_and_type.n, 3);
    assert_string_equal(c.valid_data_path_and_name_and_type.v[1].part[0], "dump/raw/valid/trial2.scp");
    assert_string_equal(c.best_model_criterion.v[0].part[1], "eer");
    assert_int_equal(c.preprocess.num_eval, 3);
    assert_string_equal(c.version, "202611");
    assert_string_equal(c.pool_lengths, "frontend");
    assert_string_equal(c.scheduler, "cosineannealingwarmuprestarts");
    if (spk_config_check(&c, SPK_CONFIG_TRAIN, &usage) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);
}

/* Keys of older releases are known. */
static void older_releases(void **state)
{
    (void)state;
    spk_config c;
    bool usage;
    assert_int_equal(parse("use_lora: false\nsave_lora_only: true\nlora_conf: {}\nversion: '202310'\nrequired:\n- "
                           "output_dir\ndistributed: true\npool_lengths: encoder\nfrontend: melspec_torch\n"
                           "encoder: ecapa_tdnn\n",
                           &c),
                     SPK_OK);
    assert_string_equal(c.pool_lengths, "encoder");
    assert_int_equal(spk_config_check(&c, SPK_CONFIG_MODEL, &usage), SPK_OK);
    spk_config_clear(&c);
}

/* The measured configurations load. */
static void peers(void **state)
{
    (void)state;
    static const char *const files[] = {"ecapa512", "ecapa1024", "train_ecapa256", "rawnet3",
                                        "resnet34", "ska_tdnn",  "xvector",        "mfaconformer"};
    const char *shared = getenv("SPK_SHARED");
    for (int i = 0; i < SPK_COUNT(files); i++) {
        spk_config c;
        char *path = spk_strf("%s/peers/conf/%s.yaml", shared ? shared : "../shared", files[i]);
        if (!spk_is_file(path)) {
            print_message("skipped: %s is not here\n", path);
            spk_free(path);
            skip();
        }
        if (spk_config_read(path, &c) != SPK_OK) fail_msg("%s", spk_errmsg());
        if (spk_config_check(&c, SPK_CONFIG_MODEL, NULL) != SPK_OK) fail_msg("%s: %s", files[i], spk_errmsg());
        spk_config_clear(&c);
        spk_free(path);
    }
}

/* ---- files and the command line ---- */

static char *write_config(const char *text)
{
    const char *folder = getenv("TMPDIR");
    char *path = spk_strf("%s/spk_test_config_%p.yaml", folder ? folder : "/tmp", (const void *)&text);
    assert_int_equal(spk_write_file(path, text, strlen(text)), SPK_OK);
    return path;
}

static void merging(void **state)
{
    (void)state;
    char *path =
        write_config("max_epoch: 7\nseed: 3\noptim_conf: {lr: 0.1, a: {b: 1, c: 2}}\nencoder_conf: {ndim: 64}\n"
                     "train_data_path_and_name_and_type: ['a,speech,sound', 'b,spk_labels,text']\n"
                     "resume: true\nkeep_nbest_models: 3\n");
    words w;
    char *line = spk_strf("--config %s --max_epoch 9 --optim_conf lr=1e-3 --optim_conf a.b=5 --encoder_conf "
                          "{model_scale:~4} --train_data_path_and_name_and_type=x,speech,sound --keep_nbest_models 1 2 "
                          "--resume --init_param --use_matplotlib no",
                          path);
    char *const *argv = words_split(&w, line);
    spk_config c;
    spk_config_request request;
    spk_free(line);
    if (spk_config_load(w.n, argv, &c, &request) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_equal(c.max_epoch, 9);
    assert_int_equal(c.seed, 3);
    assert_string_equal(spk_yaml_get(c.optim_conf, "lr")->text, "1e-3");
    assert_string_equal(spk_yaml_get(spk_yaml_get(c.optim_conf, "a"), "b")->text, "5");
    assert_string_equal(spk_yaml_get(spk_yaml_get(c.optim_conf, "a"), "c")->text, "2");
    assert_int_equal(c.encoder_conf->n, 2);
    assert_int_equal(c.train_data_path_and_name_and_type.n, 1);
    assert_string_equal(c.train_data_path_and_name_and_type.v[0].part[0], "x");
    assert_int_equal(c.keep_nbest_models.n, 2);
    assert_true(c.resume);
    assert_int_equal(c.init_param.n, 0);
    assert_false(c.use_matplotlib);
    assert_false(request.help || request.usage || request.print_config);
    spk_config_clear(&c);
    remove(path);
    spk_free(path);
}

/* An ESPnet config.yaml names lists: a folder on the command line replaces them, and lists there replace a folder. */
static void data_on_command_line(void **state)
{
    (void)state;
    spk_config c;
    spk_config_request request;
    words w;
    char *const *argv =
        words_split(&w, "--config tests/config/espnet_config.yaml --train_dir t --valid_dir v --output_dir o");
    if (spk_config_load(w.n, argv, &c, &request) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_string_equal(c.train_dir, "t");
    assert_int_equal(c.train_data_path_and_name_and_type.n + c.valid_data_path_and_name_and_type.n, 0);
    assert_string_equal(c.spk2utt, "");
    if (spk_config_check(&c, SPK_CONFIG_TRAIN, &request.usage) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_config_clear(&c);

    char *path = write_config("train_dir: t\nvalid_dir: v\nspk2utt: list\n");
    char *line = spk_strf("--config %s --train_data_path_and_name_and_type a,speech,sound", path);
    argv = words_split(&w, line);
    if (spk_config_load(w.n, argv, &c, &request) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_null(c.train_dir);
    assert_string_equal(c.valid_dir, "v");
    assert_string_equal(c.spk2utt, "list");
    spk_config_clear(&c);
    spk_free(line);
    remove(path);
    spk_free(path);

    argv = words_split(&w, "--config tests/config/espnet_config.yaml --train_dir t --output_dir o "
                           "--train_data_path_and_name_and_type a,speech,sound");
    if (spk_config_load(w.n, argv, &c, &request) != SPK_OK) fail_msg("%s", spk_errmsg());
    assert_int_not_equal(spk_config_check(&c, SPK_CONFIG_TRAIN, &request.usage), SPK_OK);
    assert_non_null(strstr(spk_errmsg(), "both say where the training data are"));
    spk_config_clear(&c);
}

static void expect_usage(bool usage, const char *message, const char *line)
{
    spk_config c;
    spk_config_request request;
    words w;
    char *const *argv = words_split(&w, line);
    if (spk_config_load(w.n, argv, &c, &request) == SPK_OK) fail_msg("%s was accepted", line);
    if (!strstr(spk_errmsg(), message)) fail_msg("%s", spk_errmsg());
    assert_int_equal(request.usage, usage);
}

static void mistakes(void **state)
{
    (void)state;
    expect_usage(true, "--max_ep is short for --max_epoch: write it out", "--max_ep 9");
    expect_usage(true, "--cudnn is short for --cudnn_enabled or --cudnn_benchmark or", "--cudnn 9");
    expect_usage(true, "unknown option --max_epcoh; did you mean --max_epoch?", "--max_epcoh 9");
    expect_usage(true, "unknown option --zzz; spk train --help", "--zzz");
    expect_usage(true, "unknown option --version", "--version 1");
    expect_usage(true, "--max_epoch needs a value", "--max_epoch --seed 1");
    expect_usage(true, "--max_epoch: 'x' is not a whole number", "--max_epoch=x");
    expect_usage(true, "--resume: 'maybe' is not true or false", "--resume maybe");
    expect_usage(true, "'stray' is not expected here", "stray");
    expect_usage(true, "'-x' is no option", "-x");
    expect_usage(true, "--optim_conf: 'lr' is neither key=value", "--optim_conf lr");
    expect_usage(true, "--early_stopping_criterion: needs 3 words, not 2", "--early_stopping_criterion a b");
    expect_usage(true, "--channel: 'left' is neither", "--channel left");
    expect_usage(true, "--preprocessor_conf: unknown key 'num_evil'", "--preprocessor_conf num_evil=3");
    expect_usage(true, "--preprocessor_conf: preprocessor_conf.num_eval: 'x'", "--preprocessor_conf num_eval=x");
    expect_usage(false, "no-such-file.yaml: cannot", "--config no-such-file.yaml");
    char *path = write_config("max_epoch: x\n");
    char *line = spk_strf("--config %s", path);
    expect_usage(false, ":1:12: max_epoch: 'x' is not a whole number", line);
    spk_free(line);
    remove(path);
    spk_free(path);
}

static void requests(void **state)
{
    (void)state;
    spk_config c;
    spk_config_request request;
    words w;
    char *const *argv = words_split(&w, "--zzz --help");
    assert_int_equal(spk_config_load(w.n, argv, &c, &request), SPK_OK);
    assert_true(request.help);
    spk_config_clear(&c);
    argv = words_split(&w, "--print_config");
    assert_int_equal(spk_config_load(w.n, argv, &c, &request), SPK_OK);
    assert_true(request.print_config);
    char *text = spk_config_dump(&c);
    assert_non_null(strstr(text, "print_config: false\n"));
    spk_config_free_text(text);
    spk_config_clear(&c);
    text = spk_config_help();
    for (int i = 0; i < spk__config_options.n; i++) {
        if (spk__config_options.table[i].flags & SPK_OPT_FILE_ONLY) continue;
        char *option = spk_strf("  --%s ", spk__config_options.table[i].key);
        if (!strstr(text, option)) fail_msg("help lacks %s", option);
        spk_free(option);
    }
    spk_config_free_text(text);
}

/* ---- the dump ---- */

static void expect_same_again(const spk_config *c)
{
    spk_config again;
    char *text = spk_config_dump(c);
    if (parse(text, &again) != SPK_OK) fail_msg("%s", spk_errmsg());
    char *second = spk_config_dump(&again);
    assert_string_equal(text, second);
    spk_config_free_text(text);
    spk_config_free_text(second);
    spk_config_clear(&again);
}

static void dump(void **state)
{
    (void)state;
    spk_config c;
    spk_config_init(&c);
    char *text = spk_config_dump(&c);
    assert_null(strstr(text, "\nversion:"));
    assert_non_null(strstr(text, "\npool_lengths: encoder\n"));
    assert_non_null(strstr(text, "\nspk_version: "));
    assert_non_null(strstr(text, "\nrequired:\n"));
    assert_non_null(strstr(text, "\ndistributed: false\n"));
    assert_non_null(strstr(text, "    noise_apply_prob: 0.0\n"));
    spk_config_free_text(text);
    expect_same_again(&c);
    spk_config_clear(&c);
    assert_int_equal(spk_config_read("tests/config/espnet_config.yaml", &c), SPK_OK);
    text = spk_config_dump(&c);
    assert_non_null(strstr(text, "\nversion: '202611'\n"));
    spk_config_free_text(text);
    expect_same_again(&c);
    spk_config_clear(&c);
    assert_int_equal(parse("channel: mean\ngrad_clip_type: .inf\nspk2utt: '12'\nlog_interval: 5\nwandb_name: 'a: b'\n"
                           "max_cache_size: 10MB\noptim_conf: {lr: 1e-3}\npool_lengths: none\n",
                           &c),
                     SPK_OK);
    assert_int_equal(c.i_channel, SPK_CONFIG_CHANNEL_MEAN);
    assert_int_equal(c.max_cache_size, 10000000);
    expect_same_again(&c);
    spk_config_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(unknown_and_wrong),
        cmocka_unit_test(espnet_config),
        cmocka_unit_test(older_releases),
        cmocka_unit_test(peers),
        cmocka_unit_test(merging),
        cmocka_unit_test(data_on_command_line),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(requests),
        cmocka_unit_test(dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
