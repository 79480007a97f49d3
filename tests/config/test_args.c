/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines with positional words, files of --config, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/args_impl.h"
#include "config/words.h"

typedef struct options {
    char *model, *format, *channel, *config, *model_tag;
    bool whole, json, use_amp;
    int64_t num_eval, batch, ngpu;
    spk_triple_list data;
} options;

#define AT(field) offsetof(options, field)
static const spk_opt table[] = {
    {"model", SPK_OPT_STR, AT(model), "none", 0, 0, NULL, "folder", SPK_OPT_NULLABLE},
    {"format", SPK_OPT_STR, AT(format), "npz", 0, 0, "npz|npy|ark", "how to write", 0},
    {"channel", SPK_OPT_STR, AT(channel), "none", 0, 0, NULL, "which", SPK_OPT_NULLABLE},
    {"config", SPK_OPT_STR, AT(config), "none", 0, 0, NULL, "a YAML file", SPK_OPT_NULLABLE},
    {"model_tag", SPK_OPT_STR, AT(model_tag), "none", 0, 0, NULL, "a published model", SPK_OPT_NULLABLE},
    {"whole", SPK_OPT_BOOL, AT(whole), "false", 0, 0, NULL, "whole utterances", 0},
    {"json", SPK_OPT_BOOL, AT(json), "false", 0, 0, NULL, "one object", 0},
    {"use_amp", SPK_OPT_BOOL, AT(use_amp), "false", 0, 0, NULL, "mixed precision", 0},
    {"num_eval", SPK_OPT_INT, AT(num_eval), "10", 1, INFINITY, NULL, "segments", 0},
    {"valid_batch_size", SPK_OPT_INT, AT(batch), "1", 1, INFINITY, NULL, "utterances", 0},
    {"ngpu", SPK_OPT_INT, AT(ngpu), "0", 0, INFINITY, NULL, "devices", 0},
    {"data_path_and_name_and_type", SPK_OPT_TRIPLES, AT(data), "[]", 0, 0, NULL, "lists", 0},
};
enum { N = SPK_COUNT(table) };
static const spk_opt_meta meta[N] = {[0] = {.group = "What"},
                                     [4] = {NULL, SPK_SUPPORT_ONLY, NULL, 0},
                                     [7] = {"Known", SPK_SUPPORT_ONLY, NULL, 0},
                                     [10] = {NULL, SPK_SUPPORT_ONLY, "0|1", 0}};
static const spk_args_spec extract = {.command = "spk extract",
                                      .usage = "IN...",
                                      .about = "Embeds.",
                                      .words = "files",
                                      .max_words = -1,
                                      .options = {table, meta, N}};

static spk_status parse(options *o, spk_args *a, const char *line)
{
    words w;
    char *const *argv = words_split(&w, line);
    return spk_args_parse(&extract, w.n, argv, o, a);
}

static void words_and_options(void **state)
{
    (void)state;
    options o;
    spk_args a;
    int64_t channel;
    assert_int_equal(parse(&o, &a, "a.wav --model exp --whole b.wav --json --format=NPY - --channel 1 -- --odd.wav"),
                     SPK_OK);
    assert_int_equal(a.words.n, 4);
    assert_string_equal(a.words.v[1], "b.wav");
    assert_string_equal(a.words.v[2], "-");
    assert_string_equal(a.words.v[3], "--odd.wav");
    assert_string_equal(o.model, "exp");
    assert_string_equal(o.format, "npy");
    assert_true(o.whole && o.json);
    assert_true(spk_args_given(&a, "whole"));
    assert_false(spk_args_given(&a, "num_eval"));
    assert_int_equal(o.num_eval, 10);
    assert_int_equal(spk_channel_parse(o.channel, a.given, &channel), SPK_OK);
    assert_int_equal(channel, 1);
    spk_opts_clear(table, N, &o);
    spk_args_clear(&a);
}

static void expect(spk_status status, const char *message, bool usage, const char *line)
{
    options o;
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
    expect(SPK_E_UNSUPPORTED, "--ngpu: 2 is not supported yet; use 0 or 1", true, "--ngpu 2");
    expect(SPK_E_UNSUPPORTED, "--use_amp: true is not supported yet; leave it at false", true, "--use_amp");
    expect(SPK_E_IO, "no-such.yaml", false, "--config no-such.yaml");
}

static void config_file(void **state)
{
    (void)state;
    static const char text[] = "num_eval: 4\nvalid_batch_size: 8\nuse_amp: true\n";
    const char *path = "/tmp/spk_test_args.yaml";
    options o;
    spk_args a;
    assert_int_equal(spk_write_file(path, text, sizeof text - 1), SPK_OK);
    expect(SPK_E_UNSUPPORTED, "spk_test_args.yaml:3:1: use_amp: true is not supported yet", false,
           "--config /tmp/spk_test_args.yaml");
    assert_int_equal(parse(&o, &a, "--config /tmp/spk_test_args.yaml --num_eval 5 --use_amp=false"), SPK_OK);
    assert_int_equal(o.num_eval, 5);
    assert_int_equal(o.batch, 8);
    spk_opts_clear(table, N, &o);
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
    static const spk_opt rows[] = {
        {"batch", SPK_OPT_INT, offsetof(small, batch), "32", 1, INFINITY, NULL, "utterances", 0},
        {"file", SPK_OPT_STR, offsetof(small, config), NULL, 0, 0, NULL, "what to read", SPK_OPT_REQUIRED},
    };
    spk_args_spec spec = {.command = "spk bench", .usage = "--file F", .about = "Measure.", .options = {rows, NULL, 2}};
    small s;
    spk_args a;
    words w;
    char *const *argv = words_split(&w, "--batch 3 --file f word");
    assert_int_equal(spk_args_parse(&spec, 4, argv, &s, &a), SPK_OK);
    assert_int_equal(s.batch, 3);
    spk_opts_clear(rows, 2, &s);
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
    spk_opts_clear(rows, 2, &s);
    spk_args_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_options),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(config_file),
        cmocka_unit_test(small_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
