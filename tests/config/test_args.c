/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines with positional words, and the options of extract and validate. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/extract_impl.h"
#include "config/words.h"

static spk_status parse(spk_extract_options *o, spk_args *a, const char *line)
{
    words w;
    char *const *argv = words_split(&w, line);
    return spk_args_parse(&spk_extract_spec, w.n, argv, o, a);
}

static void words_and_options(void **state)
{
    (void)state;
    spk_extract_options o;
    spk_args a;
    int64_t channel;
    assert_int_equal(
        parse(&o, &a, "a.wav --model exp --whole b.wav --json --format=NPY --quiet yes - --channel 1 -- --odd.wav"),
        SPK_OK);
    assert_int_equal(a.words.n, 4);
    assert_string_equal(a.words.v[1], "b.wav");
    assert_string_equal(a.words.v[2], "-");
    assert_string_equal(a.words.v[3], "--odd.wav");
    assert_string_equal(o.model, "exp");
    assert_string_equal(o.format, "npy");
    assert_true(o.whole && o.json && o.quiet);
    assert_true(spk_args_given(&a, "whole"));
    assert_false(spk_args_given(&a, "num_eval"));
    assert_int_equal(o.num_eval, 10);
    assert_int_equal(spk_channel_parse(o.channel, a.given, &channel), SPK_OK);
    assert_int_equal(channel, 1);
    spk_extract_options_clear(&o);
    spk_args_clear(&a);
}

static void espnet_options(void **state)
{
    (void)state;
    spk_extract_options o;
    spk_args a;
    assert_int_equal(parse(&o, &a,
                           "--spk_train_config c --spk_model_file m --num_eval 3 --data_path_and_name_and_type "
                           "a,speech,sound --data_path_and_name_and_type b,speech2,sound --valid_batch_size 40 "
                           "--average_embd true --shape_file s --fold_length 120000 --num_cohort_spk 100 --use_wandb "
                           "false --wandb_model_log_interval -1 --max_cache_size 0.0"),
                     SPK_OK);
    assert_int_equal(o.data_path_and_name_and_type.n, 2);
    assert_int_equal(o.valid_batch_size, 40);
    assert_true(o.average_embd);
    spk_extract_options_clear(&o);
    spk_args_clear(&a);
}

static void expect(spk_status status, const char *message, bool usage, const char *line)
{
    spk_extract_options o;
    spk_args a;
    assert_int_equal(parse(&o, &a, line), status);
    if (!strstr(spk_errmsg(), message)) fail_msg("%s", spk_errmsg());
    assert_int_equal(a.usage, usage);
    spk_args_clear(&a);
}

static void mistakes(void **state)
{
    (void)state;
    expect(SPK_E_CONFIG, "unknown option --modle; did you mean --model?", true, "--modle x");
    expect(SPK_E_CONFIG, "--num_ev is short for --num_eval: write it out", true, "--num_ev 3");
    expect(SPK_E_CONFIG, "--format: 'np' is not known", true, "--format np");
    expect(SPK_E_CONFIG, "--num_eval needs a value", true, "--num_eval");
    expect(SPK_E_UNSUPPORTED, "--model_tag: x is not supported yet; leave it at none", true, "--model_tag x");
    expect(SPK_E_UNSUPPORTED, "--ngpu: 2 is not supported yet", true, "--ngpu 2");
    expect(SPK_E_UNSUPPORTED, "--use_amp: true is not supported yet", true, "--use_amp");
    expect(SPK_E_IO, "no-such.yaml", false, "--config no-such.yaml");
}

static void config_file(void **state)
{
    (void)state;
    static const char text[] = "num_eval: 4\nvalid_batch_size: 8\nuse_amp: true\n";
    const char *path = "/tmp/spk_test_args.yaml";
    spk_extract_options o;
    spk_args a;
    assert_int_equal(spk_write_file(path, text, sizeof text - 1), SPK_OK);
    expect(SPK_E_UNSUPPORTED, "spk_test_args.yaml:3:1: use_amp: true is not supported yet", false,
           "--config /tmp/spk_test_args.yaml");
    assert_int_equal(parse(&o, &a, "--config /tmp/spk_test_args.yaml --num_eval 5 --use_amp=false"), SPK_OK);
    assert_int_equal(o.num_eval, 5);
    assert_int_equal(o.valid_batch_size, 8);
    spk_extract_options_clear(&o);
    spk_args_clear(&a);
    remove(path);
}

/* A table without words and without the second column. */
static void small_table(void **state)
{
    (void)state;
    typedef struct small {
        int64_t batch;
        char *config;
    } small;
    static const spk_opt table[] = {
        {"batch", SPK_OPT_INT, offsetof(small, batch), "32", 1, INFINITY, NULL, "utterances", 0},
        {"file", SPK_OPT_STR, offsetof(small, config), NULL, 0, 0, NULL, "what to read", SPK_OPT_REQUIRED},
    };
    spk_args_spec spec = {
        .command = "spk bench", .usage = "--file F", .about = "Measure.", .options = {table, NULL, 2}};
    small s;
    spk_args a;
    words w;
    char *const *argv = words_split(&w, "--batch 3 --file f word");
    assert_int_equal(spk_args_parse(&spec, 4, argv, &s, &a), SPK_OK);
    assert_int_equal(s.batch, 3);
    spk_opts_clear(table, 2, &s);
    spk_args_clear(&a);
    assert_int_equal(spk_args_parse(&spec, 5, argv, &s, &a), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "'word' is not expected here; spk bench --help lists the options");
    spk_args_clear(&a);
    assert_int_equal(spk_args_parse(&spec, 2, argv, &s, &a), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "--file is missing: what to read");
    assert_true(a.usage);
    spk_args_clear(&a);
    spec.words = "two files", spec.min_words = 2, spec.max_words = 2;
    assert_int_equal(spk_args_parse(&spec, 5, argv, &s, &a), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "spk bench needs two files; spk bench --help says more");
    spk_args_clear(&a);
    char *help = spk_args_help(&spec);
    assert_non_null(strstr(help, "usage: spk bench --file F\n"));
    assert_non_null(strstr(help, "  --batch N "));
    assert_non_null(strstr(help, "utterances (default 32)"));
    assert_non_null(strstr(help, "what to read (required)"));
    assert_null(strstr(help, " \n"));
    spk_free(help);
    argv = words_split(&w, "--help");
    assert_int_equal(spk_args_parse(&spec, w.n, argv, &s, &a), SPK_OK);
    assert_true(a.help);
    spk_opts_clear(table, 2, &s);
    spk_args_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_options), cmocka_unit_test(espnet_options), cmocka_unit_test(mistakes),
        cmocka_unit_test(config_file),       cmocka_unit_test(small_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
