/* SPDX-License-Identifier: Apache-2.0 */
/* ska_tdnn against check figures of ESPnet 202611; what ska_tdnn and campplus refuse. */
#include "parts.h"

static const part_case cases[] = {
    {SPK_ENCODER,
     "ska_tdnn",
     "{ndim: 32, output_size: 12, ska_dim: 8, model_scale: 4}",
     "encoder.",
     4,
     37,
     16,
     {2.37461916e+3, 1.37734223e+4, 1.67009244e+0, 0, 0, 1.43616155e+3, 7.54838689e+3, -7.50663208e+1, 4.78435881e+3}},
};

static void parts_compute_what_espnet_computes(void **state)
{
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases);
}

/* ESPnet builds these and fails in the first forward pass (specification D11). */
static void what_cannot_run_is_refused_at_start(void **state)
{
    static const struct {
        const char *name, *conf;
        int64_t input_size;
        const char *message;
    } wrong[] = {
        {"ska_tdnn", "{}", 78, "multiple of 4"},
        {"ska_tdnn", "{model_scale: 1}", 80, "model_scale"},
        {"ska_tdnn", "{model_scale: 8, ndim: 7}", 80, "model_scale 8"},
        {"campplus", "{}", 84, "multiple of 8"},
        {"campplus", "{num_layers: [1, 2]}", 80, "num_layers has 2 entries but dilations has 3"},
        {"campplus", "{dilations: [1, 0, 2]}", 80, "must be from 1"},
        {"campplus", "{growth_rate: 1, bn_size: 1}", 80, "growth_rate"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const spk_part *part = spk_part_find(SPK_ENCODER, wrong[i].name);
        const spk_part_in in = {.input_size = wrong[i].input_size, .sample_rate = 16000};
        spk_yaml *yaml;
        int64_t size;
        assert_int_equal(spk_yaml_parse(wrong[i].conf, strlen(wrong[i].conf), "test", &yaml), SPK_OK);
        void *conf = spk_new(part->conf_bytes);
        spk_status status = spk_opts_read(part->options, part->n_options, yaml, "encoder_conf", conf);
        if (status == SPK_OK) {
            status = part->check(conf, &in, &size);
            spk_opts_clear(part->options, part->n_options, conf);
        }
        assert_int_equal(status, SPK_E_CONFIG);
        if (!strstr(spk_errmsg(), wrong[i].message)) fail_msg("%s", spk_errmsg());
        spk_free(conf);
        spk_yaml_free(yaml);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_compute_what_espnet_computes),
                                       cmocka_unit_test(what_cannot_run_is_refused_at_start)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
