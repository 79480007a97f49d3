/* SPDX-License-Identifier: Apache-2.0 */
/* YAML trees: parsing, places in messages, anchors, resolution of words, printing and reading back. */
#include "formats_test.h"

#include <math.h>

#include "formats/yaml_impl.h"

static spk_yaml *parsed(const char *text)
{
    spk_yaml *root = NULL;
    assert_ok(spk_yaml_parse(text, strlen(text), "c.yaml", &root));
    return root;
}

static void refused(const char *text, const char *message)
{
    spk_yaml *root = NULL;
    assert_fails(spk_yaml_parse(text, strlen(text), "c.yaml", &root), SPK_E_CONFIG, message);
    assert_null(root);
}

static void reads_a_tree_with_places(void **state)
{
    (void)state;
    char where[64];
    spk_yaml *root = parsed("encoder: ecapa_tdnn\nencoder_conf:\n    ndim: 64\n    list: [1, 'two', null]\nempty:\n");
    assert_int_equal(root->kind, SPK_YAML_MAP);
    assert_int_equal(root->n, 3);
    assert_string_equal(spk_yaml_get(root, "encoder")->text, "ecapa_tdnn");
    const spk_yaml *ndim = spk_yaml_get(spk_yaml_get(root, "encoder_conf"), "ndim");
    assert_string_equal(spk_yaml_where(ndim, where, sizeof where), "c.yaml:3:11");
    const spk_yaml *list = spk_yaml_get(spk_yaml_get(root, "encoder_conf"), "list");
    assert_int_equal(list->n, 3);
    assert_true(list->item[1]->quoted);
    assert_true(spk_yaml_is_null(list->item[2]));
    assert_true(spk_yaml_is_null(spk_yaml_get(root, "empty")));
    assert_int_equal(root->key_line[2], 5);
    assert_int_equal(root->key_column[2], 1);
    assert_null(spk_yaml_get(root, "none"));
    assert_null(spk_yaml_get(list, "none"));
    spk_yaml_free(root);
}

static void empty_documents_are_empty_maps(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# only a comment\n", "---\n", "---\n...\n", "{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        spk_yaml *root = parsed(texts[i]);
        assert_int_equal(root->kind, SPK_YAML_MAP);
        assert_int_equal(root->n, 0);
        spk_yaml_free(root);
    }
}

static void names_line_and_column_of_mistakes(void **state)
{
    (void)state;
    refused("a: 1\nb:\n  x: 1\n  y: 2\n  x: 3\n", "c.yaml:5:3: key 'x' stands twice (first at line 3)");
    refused("a: 1\n---\nb: 2\n", "c.yaml:2:1: a second document");
    refused("a: [1, 2\nb: 3\n", "c.yaml:2:");
    refused("a: b: c\n", "c.yaml:1:5: not valid YAML");
    refused("a: *nothing\n", "c.yaml:1:4: there is no anchor '&nothing'");
    refused("a: &x [1, *x]\n", "c.yaml:1:11: an alias stands inside the node");
    refused("[1, 2]: 3\n", "c.yaml:1:1: the key of a map must be a word");
    refused("a: !!python/object/apply:os.system [ls]\n", "python/object/apply:os.system");
    refused("a: \"x\\0y\"\n", "NUL");
    refused("<<: 3\n", "c.yaml:1:5: '<<' takes a map");
    refused("a: \xff\n", "UTF-8");
    refused("a: \t- x\n\tb", "c.yaml:");
    spk_yaml *root;
    assert_fails(spk_yaml_load("/nowhere/c.yaml", &root), SPK_E_IO, "/nowhere/c.yaml: cannot open");
}

static void limits_depth_and_size(void **state)
{
    (void)state;
    spk_text t = {0};
    for (int i = 0; i < 2000; i++)
        spk_text_add(&t, "[");
    refused(t.s, "c.yaml:1:");
    spk_text_clear(&t);
    spk_text_add(&t, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++) {
        spk_text_addf(&t, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            spk_text_addf(&t, "%s*a%d", j ? ", " : "", i - 1);
        spk_text_add(&t, "]\n");
    }
    refused(t.s, "too large");
    spk_text_clear(&t);
}

static void applies_anchors_and_merge_keys(void **state)
{
    (void)state;
    spk_yaml *root = parsed("base: &b {lr: 1, wd: 2, sub: &s [7]}\nmore: &m {lr: 5, mom: 9}\n"
                            "one:\n  <<: *b\n  lr: 3\ntwo: {<<: [*m, *b], own: *s}\n"
                            "three: {<<: {k: &late 4}}\nfour: *late\n? &key five\n: *key\n");
    const spk_yaml *one = spk_yaml_get(root, "one"), *two = spk_yaml_get(root, "two");
    assert_int_equal(one->n, 3);
    assert_string_equal(spk_yaml_get(one, "lr")->text, "3");
    assert_string_equal(spk_yaml_get(one, "wd")->text, "2");
    assert_int_equal(two->n, 5);
    assert_string_equal(spk_yaml_get(two, "lr")->text, "5");
    assert_string_equal(spk_yaml_get(two, "own")->item[0]->text, "7");
    assert_string_equal(spk_yaml_get(root, "four")->text, "4");
    assert_string_equal(spk_yaml_get(root, "five")->text, "five");
    spk_yaml_free(root);
}

static void resolves_words(void **state)
{
    (void)state;
    spk_yaml node = {.kind = SPK_YAML_SCALAR};
    static const struct {
        const char *text;
        double value;
    } numbers[] = {{"1e-3", 1e-3},  {"1.0e-3", 1e-3},     {"1e5", 1e5},     {"-.5", -.5}, {"5.", 5},
                   {"1_000", 1000}, {"0x1F", 31},         {"010", 8},       {"0b101", 5}, {"1:30", 90},
                   {"-1:00", -60},  {"1:30.5", 90.5},     {"+3", 3},        {"-0", 0},    {".inf", INFINITY},
                   {"1.5", 1.5},    {"-.Inf", -INFINITY}, {"5.0E-05", 5e-5}};
    static const char *const words[] = {"1e",  "e5",   ".",   "-",     "1.2.3", "0x",       "nan",
                                        "inf", "1:99", "08",  "_1",    "- 1",   "1 ",       "ecapa",
                                        "--",  "1-2",  "0b2", "1e5e5", "12:",   "Infinity", "0x1p3"};
    double d;
    int64_t i;
    bool b;
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        char *copy = node.text = spk_strdup(numbers[k].text);
        node.quoted = false;
        if (!spk_yaml_double(&node, &d) || d != numbers[k].value)
            fail_msg("%s does not read as %g", numbers[k].text, numbers[k].value);
        node.quoted = true;
        assert_false(spk_yaml_double(&node, &d) || spk_yaml_int(&node, &i) || spk_yaml_bool(&node, &b));
        spk_free(copy);
    }
    node.quoted = false;
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        char *copy = node.text = spk_strdup(words[k]);
        if (spk_yaml_double(&node, &d) || spk_yaml_int(&node, &i) || spk_yaml_bool(&node, &b) ||
            spk_yaml_is_null(&node))
            fail_msg("%s reads as more than a word", words[k]);
        spk_free(copy);
    }
    char big[] = "9223372036854775807", bigger[] = "9223372036854775808", yes[] = "Yes", off[] = "off", real[] = "3.0";
    node.text = big;
    assert_true(spk_yaml_int(&node, &i) && i == INT64_MAX);
    node.text = bigger;
    assert_false(spk_yaml_int(&node, &i));
    assert_true(spk_yaml_double(&node, &d) && d == 9223372036854775808.0);
    node.text = real;
    assert_false(spk_yaml_int(&node, &i));
    node.text = yes;
    assert_true(spk_yaml_bool(&node, &b) && b);
    node.text = off;
    assert_true(spk_yaml_bool(&node, &b) && !b);
}

static void assert_same(const spk_yaml *a, const spk_yaml *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->n, b->n);
    if (a->kind == SPK_YAML_SCALAR) {
        assert_int_equal(spk_yaml_is_null(a), spk_yaml_is_null(b));
        if (!spk_yaml_is_null(a)) assert_string_equal(a->text, b->text);
        double x = 0, y = 0;
        assert_int_equal(spk_yaml_double(a, &x), spk_yaml_double(b, &y));
    }
    for (int64_t i = 0; i < a->n; i++) {
        if (a->key) assert_string_equal(a->key[i], b->key[i]);
        assert_same(a->item[i], b->item[i]);
    }
}

static void prints_what_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a: 1\nb: 'true'\nc: \"5\"\nd: 'plain'\ne: ''\nf:\n",
        "a: [[1, 2], [], {}, {x: y}]\nb: {c: {d: {e: [1, {f: g}]}}}\n",
        "a: \"line\\nbreak\\ttab \\u00e9 \\u2028 \\x85 end \"\nb: ' lead'\nc: '# no comment'\nd: 'x: y'\ne: '- item'\n",
        "a: |\n  block\n   text\n\nb: >\n  folded\n  text\n'5': '1e-3'\n'': x\n'<<': 3\n'yes': no\n",
        "- a\n- b: 1\n  c: 2\n- - x\n  - y\n",
        "just text\n",
        "'~'\n",
        "d: '2001-02-03'\ne: '='\nf: '&x'\ng: '*'\nh: '%'\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        spk_text out = {0};
        spk_yaml *first = parsed(texts[i]);
        spk_yaml_print(first, &out);
        spk_yaml *second = NULL;
        if (spk_yaml_parse(out.s, out.n, "again", &second) != SPK_OK) fail_msg("%s\n%s", spk_errmsg(), out.s);
        assert_same(first, second);
        spk_yaml_free(first);
        spk_yaml_free(second);
        spk_text_clear(&out);
    }
}

static void prints_like_espnet(void **state)
{
    (void)state;
    spk_text out = {0};
    spk_yaml *root = spk_yaml_new_map("--option"), *list = spk_yaml_new_list(NULL), *pair = spk_yaml_new_list(NULL);
    spk_yaml_append(pair, spk_yaml_new_scalar(NULL, "wav.scp", false));
    spk_yaml_append(pair, spk_yaml_new_scalar(NULL, "sound", false));
    spk_yaml_append(list, pair);
    spk_yaml_set(root, "lr", spk_yaml_new_scalar("--lr", "1", false));
    spk_yaml_set(root, "lr", spk_yaml_new_scalar("--lr", "0.001", false));
    spk_yaml_set(root, "data", list);
    spk_yaml_set(root, "version", spk_yaml_new_scalar(NULL, "202611", true));
    spk_yaml_set(root, "none", spk_yaml_new_scalar(NULL, "", false));
    spk_yaml *copy = spk_yaml_copy(root);
    spk_yaml_free(root);
    spk_yaml_set(copy, "more", spk_yaml_new_map(NULL));
    spk_yaml_print(copy, &out);
    assert_string_equal(out.s,
                        "lr: 0.001\ndata:\n-   - wav.scp\n    - sound\nversion: '202611'\nnone: null\nmore: {}\n");
    char where[64];
    assert_string_equal(spk_yaml_where(spk_yaml_get(copy, "lr"), where, sizeof where), "--lr");
    spk_yaml_free(copy);
    spk_text_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_a_tree_with_places),
                                       cmocka_unit_test(empty_documents_are_empty_maps),
                                       cmocka_unit_test(names_line_and_column_of_mistakes),
                                       cmocka_unit_test(limits_depth_and_size),
                                       cmocka_unit_test(applies_anchors_and_merge_keys),
                                       cmocka_unit_test(resolves_words),
                                       cmocka_unit_test(prints_what_reads_back),
                                       cmocka_unit_test(prints_like_espnet)};
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
