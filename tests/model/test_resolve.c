/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A saved configuration means the same wherever it is read: every part's options come out of a dump as they went in,
 * with and without ESPnet's version, and what ESPnet does not know stays out of files that it may read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/espnet_names_impl.h"
#include "model/net_impl.h"

static spk_text said;

static void hear(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    (void)level;
    (void)tag;
    spk_text_addf(&said, "%s\n", line);
}

/* The dump of a configuration after the network of `text` has settled it, and the network's options: new strings. */
static void settle(const char *text, char **dump, char **options)
{
    spk_config c;
    spk_net *net = NULL;
    spk_text all = {0};
    const spk_net_options o = {.n_threads = 1};
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK) print_error("%s\n", spk_errmsg());
    if (spk_net_new(&c, &o, &net) != SPK_OK) print_error("%s: %s\n", text, spk_errmsg());
    assert_non_null(net);
    spk_net_log_choices(net, &c);
    spk_net_resolve(net, &c);
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++) {
        spk_yaml *map = spk_net_resolved_conf(net, kind);
        if (map) spk_yaml_print(map, &all);
        spk_yaml_free(map);
    }
    char *d = spk_config_dump(&c);
    *dump = spk_strdup(d);
    *options = spk_strdup(spk_text_str(&all));
    spk_config_free_text(d);
    spk_text_clear(&all);
    spk_net_free(net);
    spk_config_clear(&c);
}

#define FRONT "frontend: melspec_torch\nfrontend_conf: {f_min: 20, log: true}\n"
#define ECAPA "encoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n"

static const char *const models[] = {
    FRONT ECAPA "spk_num: 7\n",
    FRONT ECAPA "spk_num: 7\npool_lengths: frontend\n",
    FRONT ECAPA "spk_num: 7\nversion: '202611'\n",
    FRONT ECAPA "spk_num: 7\nversion: '202611'\npool_lengths: none\n",
    FRONT "encoder: resnet\nencoder_conf: {m_channels: 4}\npooling: stats\nspk_num: 7\n",
    FRONT "encoder: mfaconformer\nencoder_conf: {output_size: 16, num_blocks: 1, linear_units: 16}\nspk_num: 7\n",
    FRONT "encoder: mfaconformer\nencoder_conf: {output_size: 16, num_blocks: 1, linear_units: 16}\nspk_num: 7\n"
          "pool_lengths: frontend\n",
    FRONT "encoder: mfaconformer\nencoder_conf: {output_size: 16, num_blocks: 1, linear_units: 16}\nspk_num: 7\n"
          "version: '202611'\n",
    FRONT "encoder: ska_tdnn\nencoder_conf: {ndim: 16, output_size: 12, ska_dim: 8}\nprojector: ska_tdnn\n"
          "projector_conf: {output_size: 8}\nspk_num: 7\n",
    FRONT "encoder: xvector\nencoder_conf: {ndim: 16, output_size: 12}\npooling: stats\nprojector: xvector\n"
          "projector_conf: {output_size: 8}\nloss: softmax\nspk_num: 7\n",
    "frontend: asteroid_frontend\nencoder: rawnet3\nencoder_conf: {ndim: 16, output_size: 12}\nspk_num: 7\n",
    "frontend: default\nencoder: identity\npooling: mean\nspk_num: 7\n",
    "frontend: kaldi_fbank\nfrontend_conf: {preset: wespeaker}\nencoder: campplus\npooling: tstp\nprojector: linear\n"
    "projector_conf: {output_size: 8}\n"
    "spk_num: 7\n",
    "frontend: mfcc\nencoder: identity\npooling: astp\nspk_num: 7\n",
    FRONT ECAPA "loss: aamsoftmax_sc_topk\nspk_num: 7\n",
    FRONT ECAPA "loss: aamsoftmax_sc_topk\nspk_num: 7\nversion: '202611'\n",
    FRONT ECAPA "loss: aamsoftmax_sc_topk\nspk_num: 7\npool_lengths: frontend\n",
    FRONT ECAPA "loss: aamsoftmax_sc_topk\nloss_conf: {penalty: false}\nspk_num: 7\npool_lengths: frontend\n",
    FRONT ECAPA "loss: sphereface2\nspk_num: 7\n",
    FRONT ECAPA "loss: amsoftmax\nspk_num: 7\n",
    FRONT ECAPA
    "normalize: utterance_mvn\nspecaug: specaug\nspecaug_conf: {time_mask_width_range: [0, 5]}\nspk_num: 7\n",
};

/* Parts that this build has. */
static bool can_build(const char *text)
{
    spk_config c;
    bool there = true;
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK) return false;
    const char *const name[SPK_N_PARTS] = {c.frontend, c.specaug,   c.normalize, c.encoder,
                                           c.pooling,  c.projector, c.loss};
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++)
        there = there && (!name[kind] || spk_part_find(kind, name[kind]));
    spk_config_clear(&c);
    return there;
}

static void a_saved_configuration_means_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char *first, *second, *before, *after;
        if (!can_build(models[i])) {
            print_message("skipped, a part is missing: %s", models[i]);
            continue;
        }
        settle(models[i], &first, &before);
        settle(first, &second, &after);
        if (strcmp(before, after) != 0) print_error("of %s before:\n%s\nafter:\n%s\n", models[i], before, after);
        assert_string_equal(before, after);
        assert_string_equal(first, second);
        spk_free(first);
        spk_free(second);
        spk_free(before);
        spk_free(after);
    }
}

static bool holds(const char *text, const char *part)
{
    char *dump, *options;
    settle(text, &dump, &options);
    const bool found = strstr(dump, part) != NULL;
    spk_free(dump);
    spk_free(options);
    return found;
}

static void versions_and_pool_lengths_travel(void **state)
{
    (void)state;
    assert_true(holds(models[0], "pool_lengths: encoder\n"));
    assert_false(holds(models[0], "\nversion:"));
    assert_true(holds(models[0], "\nspk_version: "));
    assert_true(holds(models[1], "pool_lengths: frontend\n"));
    assert_true(holds(models[1], "\nversion: '202611'"));
    assert_true(holds(models[2], "pool_lengths: frontend\n"));
    assert_true(holds(models[3], "pool_lengths: none\n")); /* the explicit key wins over version */
    assert_false(holds(models[3], "\nversion:"));
    /* ESPnet's type checks take no 20.0, and no option of ours. */
    assert_true(holds(models[1], "f_min: 20\n"));
    assert_false(holds(models[1], "num_blocks"));
    assert_true(holds(models[0], "num_blocks"));
    assert_true(strstr(spk_text_str(&said), "pool_lengths: encoder") != NULL);
    assert_true(strstr(spk_text_str(&said), "pool_lengths: frontend") != NULL);
}

static void defaults_of_the_version_travel(void **state)
{
    (void)state;
    const char *conformer = FRONT "encoder: mfaconformer\nencoder_conf: {output_size: 16, num_blocks: 1}\nspk_num: 7\n";
    const char *topk = FRONT ECAPA "loss: aamsoftmax_sc_topk\nspk_num: 7\n";
    if (can_build(conformer)) {
        char *mixed = spk_strf("%spool_lengths: frontend\n", conformer),
             *theirs = spk_strf("%sversion: '1'\n", conformer);
        assert_true(holds(conformer, "rel_pos_type: latest"));
        assert_true(holds(mixed, "rel_pos_type: latest")); /* beside the version that would say legacy */
        assert_false(holds(theirs, "rel_pos_type"));
        assert_true(strstr(spk_text_str(&said), "rel_pos_type: latest (ESPnet 202611: legacy") != NULL);
        spk_free(mixed);
        spk_free(theirs);
    }
    if (can_build(topk)) {
        char *theirs = spk_strf("%sversion: '202611'\n", topk);
        char *spelled = spk_strf("%sversion: '202611'\nloss_conf: {penalty: false}\n", topk);
        assert_true(holds(topk, "penalty: true"));
        assert_false(holds(theirs, "penalty"));
        assert_false(holds(spelled, "penalty")); /* ESPnet has no such option, and says the same without */
        spk_free(theirs);
        spk_free(spelled);
    }
}

static void names_of_espnet(void **state)
{
    (void)state;
    assert_true(spk_espnet_has_part(SPK_ENCODER, "identity"));
    assert_false(spk_espnet_has_part(SPK_ENCODER, "campplus"));
    assert_true(spk_espnet_has_option(SPK_ENCODER, "resnet", "resnet_type"));
    assert_false(spk_espnet_has_option(SPK_ENCODER, "resnet", "resnet"));
    assert_false(spk_espnet_has_option(SPK_ENCODER, "identity", "x"));
    assert_true(spk_espnet_has_option(SPK_LOSS, "aamsoftmax", "easy_margin"));
}

static int clear(void **state)
{
    (void)state;
    spk_log_listen(NULL, NULL, SPK_LOG_INFO);
    spk_text_clear(&said);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_configuration_means_the_same), cmocka_unit_test(versions_and_pool_lengths_travel),
        cmocka_unit_test(defaults_of_the_version_travel), cmocka_unit_test(names_of_espnet)};
    spk_log_listen(hear, NULL, SPK_LOG_INFO);
    return cmocka_run_group_tests(tests, NULL, clear);
}
