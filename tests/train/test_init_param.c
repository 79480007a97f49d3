/* SPDX-License-Identifier: Apache-2.0 */
/* Weights to begin with: whole files, parts of them, classes by name, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "spk/net.h"
#include "spk/state.h"
#include "train/init_param_impl.h"

static char folder[] = "/tmp/spk_init_XXXXXX";
static char *file; /* weights of a model with the classes ann, bob, cem */
static spk_text said;

static void hear(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    (void)level;
    (void)tag;
    spk_text_addf(&said, "%s\n", line);
}

static bool was_said(const char *part)
{
    return strstr(spk_text_str(&said), part) != NULL;
}

static spk_net *make(int64_t classes, int64_t size, int64_t seed)
{
    spk_net *net = NULL;
    spk_config c;
    const spk_net_options o = {.n_threads = 1};
    char *text = spk_strf("frontend: melspec_torch\nencoder: ecapa_tdnn\nencoder_conf: {ndim: 8, output_size: 6, "
                          "model_scale: 4}\nprojector_conf: {output_size: %lld}\nspk_num: %lld\nseed: %lld\n",
                          (long long)size, (long long)classes, (long long)seed);
    assert_int_equal(spk_config_parse(text, strlen(text), "test.yaml", &c), SPK_OK);
    assert_int_equal(spk_net_new(&c, &o, &net), SPK_OK);
    spk_config_clear(&c);
    spk_free(text);
    return net;
}

static spk_tensors state_of(spk_net *net)
{
    spk_tensors t = {0};
    spk_model *m = spk_net_model(net);
    assert_int_equal(m->save_state(m->self, &t), SPK_OK);
    return t;
}

static spk_status apply(spk_net *net, const char *behind, const spk_class_names *speakers, bool ignore)
{
    char *text = spk_strf("%s%s", file, behind);
    spk_text_clear(&said);
    const spk_status status = spk_init_param_apply(spk_net_model(net), text, speakers, ignore);
    spk_free(text);
    return status;
}

static bool equal(const spk_tensors *a, const spk_tensors *b, const char *name)
{
    const spk_ndarray *x = spk_tensors_find(a, name), *y = spk_tensors_find(b, name);
    assert_non_null(x);
    assert_non_null(y);
    return spk_ndarray_count(x) == spk_ndarray_count(y) &&
           memcmp(x->data, y->data, (size_t)spk_ndarray_count(x) * sizeof(float)) == 0;
}

static const char *const abc[] = {"ann", "bob", "cem"}, *const cdab[] = {"cem", "dee", "ann", "eve"};
static const spk_class_names three = {3, abc}, four = {4, cdab}, nobody = {0, NULL};

static void a_whole_file_is_taken(void **state)
{
    (void)state;
    spk_net *net = make(3, 5, 2);
    spk_tensors want = {0}, got;
    assert_int_equal(spk_weights_read(file, &want), SPK_OK);
    assert_int_equal(apply(net, "", &three, false), SPK_OK);
    got = state_of(net);
    for (int64_t i = 0; i < want.n; i++)
        assert_true(equal(&got, &want, want.item[i].name));
    assert_true(was_said("3 kept, 0 new, 0 dropped"));
    spk_tensors_clear(&got);
    spk_tensors_clear(&want);
    spk_net_free(net);
}

static void a_part_is_taken_by_its_prefix(void **state)
{
    (void)state;
    spk_net *net = make(3, 5, 2);
    spk_tensors want = {0}, before = state_of(net), got;
    assert_int_equal(spk_weights_read(file, &want), SPK_OK);
    assert_int_equal(apply(net, ":encoder:encoder", &three, false), SPK_OK);
    got = state_of(net);
    assert_true(equal(&got, &want, "encoder.conv.weight"));
    assert_true(equal(&got, &before, "projector.fc.weight"));
    assert_true(equal(&got, &before, "loss.weight"));
    spk_tensors_clear(&got);
    /* One layer from another one. */
    assert_int_equal(apply(net, ":encoder.layer1.bn1:encoder.layer2.bn1", &three, false), SPK_OK);
    got = state_of(net);
    assert_true(equal(&got, &want, "encoder.layer3.bn1.weight"));
    spk_tensors_clear(&got);
    /* Excluded names keep what they have; prefixes of names end at a dot elsewhere. */
    assert_int_equal(apply(net, ":::encoder,loss", &three, false), SPK_OK);
    got = state_of(net);
    assert_true(equal(&got, &want, "projector.fc.weight"));
    assert_true(equal(&got, &before, "loss.weight"));
    spk_tensors_clear(&got);
    assert_int_equal(apply(net, ":enc:enc", &three, false), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "begin with 'enc.'"));
    assert_int_equal(apply(net, ":a:b:c:d", &three, false), SPK_E_CONFIG);
    spk_tensors_clear(&before);
    spk_tensors_clear(&want);
    spk_net_free(net);
}

static const float *row(const spk_tensors *t, int64_t i)
{
    return (const float *)spk_tensors_find(t, "loss.weight")->data + i * 5;
}

static void classes_move_by_name(void **state)
{
    (void)state;
    spk_net *net = make(4, 5, 2);
    spk_tensors want = {0}, before = state_of(net), got;
    assert_int_equal(spk_weights_read(file, &want), SPK_OK);
    assert_int_equal(apply(net, "", &four, false), SPK_OK);
    got = state_of(net);
    assert_memory_equal(row(&got, 0), row(&want, 2), 5 * sizeof(float));   /* cem */
    assert_memory_equal(row(&got, 2), row(&want, 0), 5 * sizeof(float));   /* ann */
    assert_memory_equal(row(&got, 1), row(&before, 1), 5 * sizeof(float)); /* dee is new */
    assert_memory_equal(row(&got, 3), row(&before, 3), 5 * sizeof(float));
    assert_true(was_said("2 kept, 2 new, 1 dropped"));
    spk_tensors_clear(&got);
    /* Without names another number of classes does not fit; the rest does. */
    assert_int_equal(apply(net, "", &nobody, false), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "'loss.weight': the model has another shape there"));
    assert_int_equal(apply(net, "", &nobody, true), SPK_OK);
    assert_true(was_said("'loss.weight' is passed over"));
    spk_tensors_clear(&before);
    spk_tensors_clear(&want);
    spk_net_free(net);
}

static void rename_to(char **name, const char *other)
{
    spk_free(*name);
    *name = spk_strdup(other);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    spk_net *net = make(3, 6, 2); /* another embedding size */
    spk_tensors before = state_of(net), got, cut = {0};
    char *less = spk_path_join(folder, "less.pth"), *keep = file;
    assert_int_equal(apply(net, "", &three, false), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "'projector.fc.weight'"));
    got = state_of(net);
    assert_true(equal(&got, &before, "encoder.conv.weight")); /* nothing has changed */
    spk_tensors_clear(&got);
    spk_net_free(net);
    /* A file without the loss is enough; one without an encoder's layer is not. */
    net = make(3, 5, 2);
    assert_int_equal(spk_weights_read(file, &cut), SPK_OK);
    for (int64_t i = 0; i < cut.n; i++)
        if (strcmp(cut.item[i].name, "loss.weight") == 0) rename_to(&cut.item[i].name, "loss.other");
    file = less;
    assert_int_equal(spk_pth_write(less, &cut), SPK_OK);
    assert_int_equal(apply(net, "", &three, false), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "'loss.other': the model has no such weights"));
    assert_int_equal(apply(net, ":::loss", &three, false), SPK_OK);
    for (int64_t i = 0; i < cut.n; i++)
        if (strcmp(cut.item[i].name, "encoder.conv.bias") == 0) rename_to(&cut.item[i].name, "loss.x");
    assert_int_equal(spk_pth_write(less, &cut), SPK_OK);
    assert_int_equal(apply(net, ":::loss", &three, false), SPK_E_MISMATCH);
    assert_non_null(strstr(spk_errmsg(), "'encoder.conv.bias': missing in the file"));
    file = keep;
    spk_free(less);
    spk_tensors_clear(&cut);
    spk_tensors_clear(&before);
    spk_net_free(net);
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    file = spk_path_join(folder, "w.pth");
    char *names = spk_path_join(folder, "speakers.txt");
    spk_net *net = make(3, 5, 1);
    spk_tensors t = state_of(net);
    if (spk_pth_write(file, &t) != SPK_OK || spk_write_file(names, "ann\nbob\ncem\n", 12) != SPK_OK) return -1;
    spk_tensors_clear(&t);
    spk_net_free(net);
    spk_free(names);
    spk_log_listen(hear, NULL, SPK_LOG_INFO);
    return 0;
}

static int end(void **state)
{
    static const char *const names[] = {"w.pth", "less.pth", "speakers.txt"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        char *path = spk_path_join(folder, names[i]);
        unlink(path);
        spk_free(path);
    }
    rmdir(folder);
    spk_free(file);
    spk_log_listen(NULL, NULL, SPK_LOG_INFO);
    spk_text_clear(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_taken), cmocka_unit_test(a_part_is_taken_by_its_prefix),
        cmocka_unit_test(classes_move_by_name), cmocka_unit_test(what_does_not_fit_is_refused)};
    return cmocka_run_group_tests(tests, begin, end);
}
