/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: every kind of value, and every kind of message about a wrong one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/opt_impl.h"

typedef struct thing {
    bool log;
    int64_t ndim, patience, bytes;
    double lr, clip;
    char *name, *word;
    int mode;
    spk_int_list dilations;
    spk_str_list files;
    double betas[2];
    spk_yaml *tree;
    spk_triple_list data;
} thing;

#define AT(field) offsetof(thing, field)
static const spk_opt table[] = {
    {"log", SPK_OPT_BOOL, AT(log), "true", 0, 0, NULL, "", 0},
    {"ndim", SPK_OPT_INT, AT(ndim), "1024", 8, 4096, NULL, "", 0},
    {"patience", SPK_OPT_INT, AT(patience), "none", 0, INFINITY, NULL, "", SPK_OPT_NULLABLE},
    {"bytes", SPK_OPT_INT, AT(bytes), "0", 0, INFINITY, NULL, "", SPK_OPT_SIZE},
    {"lr", SPK_OPT_FLOAT, AT(lr), "1e-3", 0, INFINITY, NULL, "", 0},
    {"clip", SPK_OPT_FLOAT, AT(clip), "none", 0, 1, NULL, "", SPK_OPT_NULLABLE},
    {"name", SPK_OPT_STR, AT(name), "none", 0, 0, NULL, "", SPK_OPT_NULLABLE},
    {"word", SPK_OPT_STR, AT(word), "Alpha", 0, 0, "Alpha|beta|gamma", "", 0},
    {"mode", SPK_OPT_CHOICE, AT(mode), "mn", 0, 0, "mn|mvn|none", "", 0},
    {"dilations", SPK_OPT_INTS, AT(dilations), "[2, 3]", 1, 9, NULL, "", 0},
    {"files", SPK_OPT_STRS, AT(files), "[]", 0, 0, NULL, "", 0},
    {"betas", SPK_OPT_FLOATS2, AT(betas), "[0.9, 0.999]", 0, 1, NULL, "", 0},
    {"tree", SPK_OPT_TREE, AT(tree), "{}", 0, 0, NULL, "", SPK_OPT_MAP},
    {"data", SPK_OPT_TRIPLES, AT(data), "[]", 0, 0, NULL, "", 0},
};
enum { N = SPK_COUNT(table) };

static spk_status read_text(const char *text, thing *t)
{
    spk_yaml *map = NULL;
    if (spk_yaml_parse(text, strlen(text), "conf.yaml", &map) != SPK_OK) return SPK_E_FORMAT;
    const spk_status status = spk_opts_read(table, N, map, "encoder_conf", t);
    spk_yaml_free(map);
    return status;
}

static void defaults(void **state)
{
    (void)state;
    thing t;
    assert_int_equal(spk_opts_read(table, N, NULL, "", &t), SPK_OK);
    assert_true(t.log);
    assert_int_equal(t.ndim, 1024);
    assert_true(t.patience == SPK_NONE);
    assert_true(t.lr == 1e-3 && isnan(t.clip));
    assert_null(t.name);
    assert_string_equal(t.word, "Alpha");
    assert_int_equal(t.mode, 0);
    assert_int_equal(t.dilations.n, 2);
    assert_int_equal(t.dilations.v[1], 3);
    assert_true(t.betas[1] == 0.999);
    assert_int_equal(t.tree->kind, SPK_YAML_MAP);
    spk_opts_clear(table, N, &t);
}

static void all_kinds(void **state)
{
    (void)state;
    thing t;
    assert_int_equal(read_text("log: no\nndim: '256'\npatience: 3\nbytes: 1.5MB\nlr: 5e-4\nclip: None\nname: 12\n"
                               "word: BETA\nmode: NONE\ndilations: 4\nfiles: [a, b]\nbetas: [0, 1]\n"
                               "tree: {a: {b: 1}}\ndata: ['p,speech,sound', [q, spk_labels, text]]\n",
                               &t),
                     SPK_OK);
    assert_false(t.log);
    assert_int_equal(t.ndim, 256);
    assert_int_equal(t.patience, 3);
    assert_int_equal(t.bytes, 1500000);
    assert_true(t.lr == 5e-4 && isnan(t.clip));
    assert_string_equal(t.name, "12");
    assert_string_equal(t.word, "beta");
    assert_int_equal(t.mode, 2);
    assert_int_equal(t.dilations.n, 1);
    assert_string_equal(t.files.v[1], "b");
    assert_true(t.betas[1] == 1.0);
    assert_non_null(spk_yaml_get(spk_yaml_get(t.tree, "a"), "b"));
    assert_int_equal(t.data.n, 2);
    assert_string_equal(t.data.v[0].part[1], "speech");
    assert_string_equal(t.data.v[1].part[0], "q");
    spk_opts_clear(table, N, &t);
    /* one triple may stand alone */
    assert_int_equal(read_text("data: [a, b, c]\n", &t), SPK_OK);
    assert_int_equal(t.data.n, 1);
    spk_opts_clear(table, N, &t);
}

static void messages(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"log: true\nndmi: 3\n", "conf.yaml:2:1: unknown key 'ndmi' in encoder_conf; did you mean 'ndim'?"},
        {"  xyzzyx: 3\n", "conf.yaml:1:3: unknown key 'xyzzyx' in encoder_conf; known are log, ndim, "},
        {"lr: fast\n", "conf.yaml:1:5: encoder_conf.lr: 'fast' is not a number"},
        {"lr: .nan\n", "conf.yaml:1:5: encoder_conf.lr: '.nan' is not a number"},
        {"lr: [1]\n", "conf.yaml:1:5: encoder_conf.lr: needs a number, not a list"},
        {"lr:\n", "encoder_conf.lr: needs a number, not nothing"},
        {"lr: -1\n", "conf.yaml:1:5: encoder_conf.lr: -1 is out of range: it must be at least 0"},
        {"ndim: 7\n", "encoder_conf.ndim: 7 is out of range: it must be from 8 to 4096"},
        {"ndim: 25.5\n", "'25.5' is not a whole number"},
        {"ndim: {a: 1}\n", "needs a whole number, not a map"},
        {"log: maybe\n", "'maybe' is not true or false"},
        {"bytes: 10XB\n", "'10XB' is not a size such as 10MB"},
        {"word: bata\n", "'bata' is not known; did you mean 'beta'? (one of Alpha, beta, gamma)"},
        {"mode: zzzzzz\n", "'zzzzzz' is not known; it must be one of mn, mvn, none"},
        {"dilations: [1, x]\n", "conf.yaml:1:16: encoder_conf.dilations: 'x' is not a whole number"},
        {"dilations: [10]\n", "10 is out of range: it must be from 1 to 9"},
        {"files: [[a]]\n", "needs text, not a list"},
        {"betas: [1]\n", "needs a list of two numbers, not a list"},
        {"betas: [1, 2]\n", "2 is out of range"},
        {"tree: 3\n", "'3' is not a map such as {key: value}"},
        {"data: ['a,b']\n", "'a,b' is not three words with commas between"},
        {"[1, 2]\n", "encoder_conf: needs a map of keys and values, not a list"},
    };
    for (int i = 0; i < SPK_COUNT(cases); i++) {
        thing t;
        assert_int_equal(read_text(cases[i].text, &t), SPK_E_CONFIG);
        if (!strstr(spk_errmsg(), cases[i].message)) fail_msg("%s: %s", cases[i].text, spk_errmsg());
    }
}

static void required(void **state)
{
    (void)state;
    static const spk_opt one[] = {{"size", SPK_OPT_INT, 0, NULL, 0, 0, NULL, "how large", SPK_OPT_REQUIRED}};
    int64_t x;
    assert_int_equal(spk_opts_read(one, 1, NULL, "encoder_conf", &x), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "encoder_conf.size is missing: how large");
}

static void set_from_text(void **state)
{
    (void)state;
    thing t;
    assert_int_equal(spk_opts_read(table, N, NULL, "", &t), SPK_OK);
    assert_int_equal(spk_opts_set(&table[4], "1e-2", "--lr", &t), SPK_OK);
    assert_true(t.lr == 0.01);
    assert_int_equal(spk_opts_set(&table[10], "x", "--files", &t), SPK_OK);
    assert_int_equal(spk_opts_set(&table[10], "y", "--files", &t), SPK_OK);
    assert_int_equal(t.files.n, 2);
    assert_int_equal(spk_opts_set(&table[9], "5,6", "--dilations", &t), SPK_OK);
    assert_int_equal(t.dilations.n, 4);
    assert_int_equal(spk_opts_set(&table[4], "fast", "--lr", &t), SPK_E_CONFIG);
    assert_string_equal(spk_errmsg(), "--lr: 'fast' is not a number");
    assert_true(t.lr == 0.01);
    spk_opts_clear(table, N, &t);
}

/* What is dumped reads back the same, and numbers are numbers for PyYAML too. */
static void dump(void **state)
{
    (void)state;
    thing t, again;
    spk_text text = {0}, text2 = {0};
    assert_int_equal(read_text("lr: 1e-5\nname: '3'\ndata: [a, b, c]\ntree: {eps: 1e-8, s: '1e-8'}\n", &t), SPK_OK);
    spk_yaml *map = spk_opts_dump(table, N, &t);
    spk_yaml_print(map, &text);
    spk_yaml_free(map);
    assert_non_null(strstr(spk_text_str(&text), "lr: 1.0e-05\n"));
    assert_non_null(strstr(spk_text_str(&text), "eps: 1.0e-08\n"));
    assert_int_equal(read_text(spk_text_str(&text), &again), SPK_OK);
    map = spk_opts_dump(table, N, &again);
    spk_yaml_print(map, &text2);
    spk_yaml_free(map);
    assert_string_equal(spk_text_str(&text), spk_text_str(&text2));
    assert_string_equal(spk_yaml_get(again.tree, "s")->text, "1e-8");
    assert_true(spk_yaml_get(again.tree, "s")->quoted);
    spk_text_clear(&text);
    spk_text_clear(&text2);
    spk_opts_clear(table, N, &t);
    spk_opts_clear(table, N, &again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(all_kinds),     cmocka_unit_test(messages),
        cmocka_unit_test(required), cmocka_unit_test(set_from_text), cmocka_unit_test(dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
