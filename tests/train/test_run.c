/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration makes of data sets, and what is refused before any data is looked for. */
#include "train/train_help.h"

#include "train/run_impl.h"

static spk_config read_config(const char *text)
{
    spk_config c;
    OK(spk_config_parse(text, strlen(text), "conf.yaml", &c));
    return c;
}

static void test_options(void **state)
{
    (void)state;
    spk_config c = read_config("preprocessor_conf: {target_duration: 2.5, sample_rate: 8000, num_eval: 4}\n"
                               "iterator_type: category\nbatch_type: catbel\nbatch_size: 12\nvalid_batch_size: 7\n"
                               "drop_last_iter: true\nnum_iters_per_epoch: 17\nseed: 9\nnum_workers: 3\n"
                               "spk2utt: s\nspk_num: 5\nchannel: mean\nmax_bad_files: 2\n"
                               "train_data_path_and_name_and_type: [[w.scp, speech, sound], [u, spk_labels, text]]\n"
                               "valid_dir: v\n");
    spk_data_list lists[4];
    spk_train_set_options t;
    spk_trial_set_options v;
    spk_run_train_options(&c, lists, &t);
    assert_int_equal(t.n_lists, 2);
    assert_string_equal(t.lists[1].path, "u");
    assert_string_equal(t.lists[1].name, "spk_labels");
    assert_string_equal(t.spk2utt, "s");
    assert_int_equal(t.spk_num, 5);
    assert_true(t.target_duration == 2.5 && t.audio.sample_rate == 8000 && t.audio.channel == SPK_CHANNEL_MEAN);
    assert_true(t.category && t.drop_last_iter);
    assert_true(t.batch_size == 12 && t.num_iters_per_epoch == 17 && t.seed == 9 && t.num_workers == 3);
    assert_int_equal(t.max_bad_files, 2);
    spk_run_trial_options(&c, lists, &v);
    assert_int_equal(v.n_lists, 0);
    assert_string_equal(v.dir, "v");
    assert_true(v.num_eval == 4 && v.batch_size == 7 && v.target_duration == 2.5 && v.audio.sample_rate == 8000);
    spk_config_clear(&c);
    c = read_config("optim: adam\n");
    spk_run_train_options(&c, lists, &t);
    assert_true(!t.category && t.num_iters_per_epoch == 0 && t.spk_num == 0 && !t.spk2utt && !t.dir);
    assert_int_equal(t.audio.channel, SPK_CHANNEL_REFUSE);
    spk_config_clear(&c);
}

static void refused(const char *text, spk_status code, const char *part)
{
    spk_run r;
    spk_config c = read_config(text);
    const spk_status status = spk_run_open(&c, NULL, &r);
    if (status != code)
        fail_msg("status %s, not %s (%s)", spk_status_name(status), spk_status_name(code), spk_errmsg());
    assert_message(part);
    spk_config_clear(&c);
}

#define MODEL                                                                                                          \
    "frontend: melspec_torch\nencoder: ecapa_tdnn\npooling: chn_attn_stat\nprojector: rawnet3\nloss: aamsoftmax\n"     \
    "train_dir: no/such\nvalid_dir: no/such\n"

static void test_refusals(void **state)
{
    (void)state;
    char *folder = make_folder(), *text;
    refused(MODEL "optim: adam\n", SPK_E_CONFIG, "output_dir");
    text = spk_strf(MODEL "optim: adam\noptim_conf: {lr: 0.1, momentun: 0.9}\noutput_dir: %s/x\n", folder);
    refused(text, SPK_E_CONFIG, "momentun");
    assert_false(holds(folder, "x"));
    spk_free(text);
    text = spk_strf(MODEL "optim: adam\noutput_dir: %s/x\n", folder);
    refused(text, SPK_E_IO, "no/such");
    spk_free(text);
    drop_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
