/* SPDX-License-Identifier: Apache-2.0 */
/* What preprocessor_conf says of augmentation: ESPnet's forms, what is filled in, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/base_impl.h"
#include "spk/config.h"

static spk_status parse(const char *text, spk_config *c)
{
    return spk_config_parse(text, strlen(text), "conf.yaml", c);
}

static void as_the_recipes_have_it(void **state)
{
    (void)state;
    spk_config c;
    spk_augment_options a;
    assert_int_equal(parse("preprocessor_conf:\n"
                           "  noise_apply_prob: 0.5\n"
                           "  noise_info:\n"
                           "    - [1.0, 'dump/raw/musan_speech.scp', [4, 7], [13, 20]]\n"
                           "    - [0.5, 'dump/raw/musan_noise.scp', [1, 1], [0, 15]]\n"
                           "    - [2, babble, 3, -2.5]\n"
                           "  rir_apply_prob: 0.5\n"
                           "  rir_scp: dump/raw/rirs.scp\n"
                           "  short_noise_thres: 0.5\n"
                           "  volume_db_range: [-6, 6]\n"
                           "  speed_perturb_factors: 0.9 1.0 1.1\n"
                           "  augment_cache_size: 64MB\n",
                           &c),
                     SPK_OK);
    spk_config_augment(&c, &a);
    assert_true(a.noise_apply_prob == 0.5 && a.rir_apply_prob == 0.5 && a.volume_apply_prob == 1);
    assert_true(a.noise_power_floor == 1e-4 && !a.rir_align && !a.speed_same_classes);
    assert_int_equal(a.n_noise, 3);
    assert_string_equal(a.noise[0].scp, "dump/raw/musan_speech.scp");
    assert_true(a.noise[0].weight == 1 && a.noise[0].n_min == 4 && a.noise[0].n_max == 7);
    assert_true(a.noise[1].weight == 0.5 && a.noise[1].snr_lo == 0 && a.noise[1].snr_hi == 15);
    assert_null(a.noise[2].scp);
    assert_true(a.noise[2].n_min == 3 && a.noise[2].n_max == 3 && a.noise[2].snr_lo == -2.5);
    assert_true(a.n_speed == 3 && a.speed[0] == 0.9 && a.speed[1] == 1 && a.speed[2] == 1.1);
    assert_true(a.volume_lo == -6 && a.volume_hi == 6);
    assert_int_equal(a.cache_bytes, 64000000);
    assert_string_equal(a.rir_scp, "dump/raw/rirs.scp");
    spk_config_clear(&c);
}

static void what_is_not_given(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double noise, rir, volume;
        int64_t kinds;
    } cases[] = {
        {"batch_size: 20\n", 0, 0, 0, 0},
        {"preprocessor_conf: {noise_info: [[1, a.scp, [1, 1], [0, 5]]]}\n", 1, 0, 0, 1},
        {"preprocessor_conf: {noise_scp: a.scp, noise_db_range: '5_15'}\n", 1, 0, 0, 1},
        {"preprocessor_conf: {noise_apply_prob: 0.4}\n", 0.4, 0, 0, 1}, /* babble */
        {"preprocessor_conf: {rir_scp: r.scp}\n", 0, 1, 0, 0},
        {"rir_scp: r.scp\n", 0, 1, 0, 0}, /* the task's option is the same setting */
        {"preprocessor_conf: {volume_db_range: [0, 3], volume_apply_prob: 0.2}\n", 0, 0, 0.2, 0},
        {"preprocessor_conf: {noise_apply_prob: 0, rir_apply_prob: 0, rir_scp: r, noise_info: [[1, a, 1, 0]]}\n", 0, 0,
         0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_config c;
        spk_augment_options a;
        if (parse(cases[i].text, &c) != SPK_OK) fail_msg("%s: %s", cases[i].text, spk_errmsg());
        spk_config_augment(&c, &a);
        if (a.noise_apply_prob != cases[i].noise || a.rir_apply_prob != cases[i].rir ||
            a.volume_apply_prob != cases[i].volume || a.n_noise != cases[i].kinds)
            fail_msg("%s", cases[i].text);
        char *text = spk_config_dump(&c); /* read again it is the same */
        spk_config again;
        spk_augment_options b;
        assert_int_equal(parse(text, &again), SPK_OK);
        spk_config_augment(&again, &b);
        assert_true(a.noise_apply_prob == b.noise_apply_prob && a.rir_apply_prob == b.rir_apply_prob &&
                    a.volume_apply_prob == b.volume_apply_prob && a.n_noise == b.n_noise);
        spk_config_free_text(text);
        spk_config_clear(&again);
        spk_config_clear(&c);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"preprocessor_conf: {noise_info: 5}", "conf.yaml:1:33: preprocessor_conf.noise_info: needs a list of entries"},
        {"preprocessor_conf:\n  noise_info:\n    - [1, a, [1, 1]]",
         "conf.yaml:3:7: preprocessor_conf.noise_info: an entry needs four parts"},
        {"preprocessor_conf: {noise_info: [[x, a, [1, 1], [0, 5]]]}", "the weight is no number"},
        {"preprocessor_conf: {noise_info: [[1, [a], [1, 1], [0, 5]]]}", "the list is no file name"},
        {"preprocessor_conf: {noise_info: [[1, a, [2, 1], [0, 5]]]}", "the numbers of recordings are no range"},
        {"preprocessor_conf: {noise_info: [[1, a, [0, 1], [0, 5]]]}", "must be whole, from 1 on"},
        {"preprocessor_conf: {noise_info: [[1, a, [1, 1.5], [0, 5]]]}", "must be whole, from 1 on"},
        {"preprocessor_conf: {noise_info: [[1, a, [1, 1], [5, 0]]]}", "the ratios are no range of dB"},
        {"preprocessor_conf: {noise_info: [[1, a, [1, 1], [0, 5, 7]]]}", "the ratios are no range of dB"},
        {"preprocessor_conf: {noise_info: [[1, a, [1, 1], [0, .inf]]]}", "the ratios are no range of dB"},
        {"preprocessor_conf: {noise_info: [], noise_scp: a}", "both name noises"},
        {"preprocessor_conf: {noise_scp: a, noise_db_range: loud}", "'loud' is no range of dB such as 13_15"},
        {"preprocessor_conf: {speed_perturb_factors: [0.9, fast]}", "'fast' is no number"},
        {"preprocessor_conf: {rir_scp: a}\nrir_scp: b",
         "conf.yaml:2:1: rir_scp: b disagrees with preprocessor_conf.rir_scp, which is a"},
        {"preprocessor_conf: {noise_apply_prob: 1.5}", "must be from 0 to 1"},
        {"preprocessor_conf: {augment_cache_size: much}", "a size such as 10MB"},
        {"preprocessor_conf: {noise_aply_prob: 1}", "did you mean 'noise_apply_prob'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_config c;
        if (parse(cases[i].text, &c) != SPK_E_CONFIG) fail_msg("%s was not refused", cases[i].text);
        if (!strstr(spk_errmsg(), cases[i].message)) fail_msg("%s: %s", cases[i].text, spk_errmsg());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_recipes_have_it),
        cmocka_unit_test(what_is_not_given),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("augmentation in preprocessor_conf", tests, NULL, NULL);
}
