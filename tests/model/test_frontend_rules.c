/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds for every frontend of fixed filters: an utterance has the same features in a batch as alone; dither is drawn
 * in training only, by seed, step, item and position; bands and rates that make no sense are refused; options are settled;
 * tables that are stored must be those of the options; 8 kHz works throughout.
 */
#include "frontends.h"

#include "model/net_impl.h"
#include "spk/state.h"

static const struct {
    const char *name, *conf;
} all[] = {{"melspec_torch", "{log: true, normalize: mn}"},
           {"melspec_torch", "{}"},
           {"default", "{}"},
           {"default", "{center: false, hop_length: 100}"},
           {"kaldi_fbank", "{preset: wespeaker}"},
           {"kaldi_fbank", "{preset: sherpa, use_energy: true}"},
           {"mfcc", "{cmn: true}"},
           {"speechbrain_fbank", "{top_db: 30}"},
           {"sliding_window", "{}"}};

/* ---- lengths ---- */

static void an_utterance_in_a_batch_is_as_alone(void **state)
{
    (void)state;
    static const int64_t len[4] = {SAMPLES, 2900, 1111, 512};
    double *x = signals(), *batch = spk_new(4 * SAMPLES * sizeof *batch);
    for (int64_t i = 0; i < 4 * SAMPLES; i++) /* what lies behind an end is nobody's business */
        batch[i] = i % SAMPLES < len[i / SAMPLES] ? x[i % SAMPLES] : 77;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        frontend_run r = {.name = all[i].name,
                          .conf = all[i].conf,
                          .rate = 16000,
                          .real = SPK_F32,
                          .n = 4,
                          .samples = SAMPLES,
                          .wave = batch,
                          .len = len};
        run_frontend(&r);
        for (int64_t n = 0; n < 4; n++) {
            frontend_run one = r;
            one.n = 1;
            one.samples = len[n];
            one.len = NULL;
            one.wave = x;
            run_frontend(&one);
            assert_int_equal(one.frames, r.out_len[n]);
            const double *mine = r.out + n * r.frames * r.size;
            for (int64_t k = 0; k < r.frames * r.size; k++) {
                const double want = k < one.frames * one.size ? one.out[k] : 0;
                if (fabs(mine[k] - want) > 1e-5 * (1 + fabs(want)))
                    fail_msg("%s %s: item %lld value %lld is %g in the batch and %g alone", r.name, r.conf,
                             (long long)n, (long long)k, mine[k], want);
            }
            spk_free(one.out);
        }
        spk_free(r.out);
    }
    spk_free(batch);
    spk_free(x);
}

/* ---- dither ---- */

static double distance(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += fabs(a[i] - b[i]);
    return sum / (double)n;
}

static void dither_is_drawn_in_training_only(void **state)
{
    (void)state;
    static const uint64_t items[2] = {11, 22}, swapped[2] = {22, 11};
    double *x = signals();
    memcpy(x + SAMPLES, x, SAMPLES * sizeof *x);
    const frontend_run base = {.name = "kaldi_fbank",
                               .conf = "{preset: wespeaker, cmn: false, dither: 30}",
                               .rate = 16000,
                               .real = SPK_F32,
                               .n = 2,
                               .samples = SAMPLES,
                               .wave = x,
                               .draws = {.seed = 1, .step = 2, .item = items}};
    frontend_run eval = base, train = base, again = base, step = base, seed = base, item = base, exact = base;
    train.train = again.train = step.train = seed.train = item.train = exact.train = true;
    step.draws.step = 3;
    seed.draws.seed = 4;
    item.draws.item = swapped;
    exact.real = SPK_F64;
    frontend_run *const each[] = {&eval, &train, &again, &step, &seed, &item, &exact};
    for (int i = 0; i < 7; i++)
        run_frontend(each[i]);
    const int64_t n = eval.frames * eval.size;
    assert_true(distance(eval.out, eval.out + n, n) == 0);
    assert_true(distance(train.out, again.out, 2 * n) == 0);
    assert_true(distance(train.out, exact.out, 2 * n) < 1e-3);
    assert_true(distance(train.out, eval.out, 2 * n) > 0.01);
    assert_true(distance(train.out, train.out + n, n) > 0.01);
    assert_true(distance(train.out, step.out, 2 * n) > 0.01);
    assert_true(distance(train.out, seed.out, 2 * n) > 0.01);
    assert_true(distance(train.out, item.out + n, n) == 0);
    assert_true(distance(train.out + n, item.out, n) == 0);
    for (int i = 0; i < 7; i++)
        spk_free(each[i]->out);
    spk_free(x);
}

/* The energy of silence with dither is that of the noise. */
static void dither_has_the_deviation_that_was_asked_for(void **state)
{
    (void)state;
    double *x = spk_new(SAMPLES * sizeof *x), sum = 0;
    frontend_run r = {.name = "kaldi_fbank",
                      .conf = "{dither: 3, use_energy: true, remove_dc_offset: false, num_mel_bins: 4}",
                      .rate = 16000,
                      .train = true,
                      .real = SPK_F32,
                      .n = 1,
                      .samples = SAMPLES,
                      .wave = x};
    run_frontend(&r);
    for (int64_t t = 0; t < r.frames; t++)
        sum += exp(r.out[t * r.size]) / 400 / (double)r.frames;
    if (fabs(sum - 9) > 0.9) fail_msg("the variance of the dither is %g, should be 9", sum);
    spk_free(r.out);
    spk_free(x);
}

/* ---- what is refused ---- */

static void bands_and_rates_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *conf;
        int64_t rate;
        const char *said;
    } cases[] = {
        {"melspec_torch", "{f_max: 8001}", 16000, "f_max"},
        {"melspec_torch", "{}", 8000, "set f_max to 4000 or less"},
        {"melspec_torch", "{f_max: 3800, sample_rate: 16000}", 8000, "sample_rate"},
        {"melspec_torch", "{f_min: 7600}", 16000, "f_min"},
        {"melspec_torch", "{win_length: 513}", 16000, "win_length"},
        {"melspec_torch", "{window_fn: kaiser}", 16000, "window_fn"},
        {"melspec_torch", "{normalize: mvn}", 16000, "normalize"},
        {"default", "{fmax: 8001}", 16000, "fmax"},
        {"default", "{fs: 16k}", 8000, "fs"},
        {"default", "{fs: fast}", 8000, "fs"},
        {"default", "{apply_stft: false}", 16000, "apply_stft"},
        {"default", "{onesided: false}", 16000, "onesided"},
        {"default", "{frontend_conf: {use_wpe: true}}", 16000, "use_wpe"},
        {"default", "{frontend_conf: {use_wpe: false, use_beamformer: true}}", 16000, "use_beamformer"},
        {"default", "{win_length: 600}", 16000, "win_length"},
        {"kaldi_fbank", "{high_freq: 8001}", 16000, "high_freq"},
        {"kaldi_fbank", "{high_freq: -7990}", 16000, "low_freq"},
        {"kaldi_fbank", "{low_freq: 5000}", 8000, "low_freq"},
        {"kaldi_fbank", "{sample_rate: 16000}", 8000, "sample_rate"},
        {"kaldi_fbank", "{round_to_power_of_two: false, frame_length: 20.1}", 11025, "frame_length"},
        {"kaldi_fbank", "{preset: kaldi}", 16000, "preset"},
        {"kaldi_fbank", "{frame_shift: 0.1}", 8000, "frame_shift"},
        {"mfcc", "{num_ceps: 24}", 16000, "num_ceps"},
        {"mfcc", "{high_freq: 4100}", 8000, "high_freq"},
        {"speechbrain_fbank", "{f_max: 8000}", 8000, "f_max"},
        {"speechbrain_fbank", "{n_fft: 256}", 16000, "n_fft"},
        {"sliding_window", "{fs: 16000}", 8000, "fs"},
        {"sliding_window", "{channels: 2}", 16000, "channels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const frontend_run r = {.name = cases[i].name, .conf = cases[i].conf, .rate = cases[i].rate};
        const spk_part *part = spk_part_find(SPK_FRONTEND, cases[i].name);
        void *conf;
        int64_t size;
        if (frontend_conf(&r, part, &conf, &size) == SPK_OK) fail_msg("%s %s was taken", r.name, r.conf);
        if (!strstr(spk_errmsg(), cases[i].said)) fail_msg("%s %s: \"%s\"", r.name, r.conf, spk_errmsg());
    }
}

/* ---- what is settled ---- */

static void options_are_settled(void **state)
{
    (void)state;
    static const struct {
        const char *name, *conf;
        int64_t rate;
        bool like_202611;
        const char *key, *value;
    } cases[] = {
        {"kaldi_fbank", "{preset: wespeaker}", 16000, false, "dither", "1"},
        {"kaldi_fbank", "{preset: wespeaker, dither: 0}", 16000, false, "dither", "0"},
        {"kaldi_fbank", "{preset: wespeaker}", 16000, false, "window_type", "hamming"},
        {"kaldi_fbank", "{preset: 3dspeaker}", 16000, false, "scale", "1"},
        {"kaldi_fbank", "{preset: sherpa}", 16000, false, "high_freq", "-400"},
        {"kaldi_fbank", "{preset: sherpa}", 16000, false, "snip_edges", "false"},
        {"kaldi_fbank", "{}", 8000, false, "sample_rate", "8000"},
        {"default", "{}", 8000, false, "fs", "8000"},
        {"default", "{}", 8000, false, "fmax", "4000"},
        {"default", "{}", 8000, true, "fs", "16000"},
        {"default", "{fs: 16 kHz}", 16000, false, "fs", "16 kHz"},
        {"melspec_torch", "{f_max: 4000}", 8000, false, "sample_rate", "8000"},
        {"melspec_torch", "{}", 8000, true, "sample_rate", "16000"},
        {"speechbrain_fbank", "{}", 8000, false, "f_max", "4000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const frontend_run r = {
            .name = cases[i].name, .conf = cases[i].conf, .rate = cases[i].rate, .like_202611 = cases[i].like_202611};
        const spk_part *part = spk_part_find(SPK_FRONTEND, cases[i].name);
        void *conf;
        int64_t size;
        double want, ours;
        assert_int_equal(frontend_conf(&r, part, &conf, &size), SPK_OK);
        spk_yaml *map = spk_opts_dump(part->options, part->n_options, conf);
        const char *value = spk_yaml_get(map, cases[i].key)->text;
        if (spk_parse_double(cases[i].value, &want) && spk_parse_double(value, &ours))
            assert_true(want == ours);
        else
            assert_string_equal(value, cases[i].value);
        spk_yaml_free(map);
        frontend_free_conf(part, conf);
    }
}

/* What a saved configuration holds gives the same features again, whatever the defaults become. */
static void settled_options_are_read_back(void **state)
{
    (void)state;
    double *x = signals();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        spk_text texts[2] = {{0}, {0}};
        frontend_run runs[2];
        for (int k = 0; k < 2; k++) {
            runs[k] = (frontend_run){.name = all[i].name,
                                     .conf = k == 0 ? all[i].conf : spk_text_str(&texts[0]),
                                     .rate = 16000,
                                     .real = SPK_F32,
                                     .n = 2,
                                     .samples = SAMPLES,
                                     .wave = x};
            const spk_part *part = spk_part_find(SPK_FRONTEND, all[i].name);
            void *conf;
            int64_t size;
            assert_int_equal(frontend_conf(&runs[k], part, &conf, &size), SPK_OK);
            spk_yaml *map = spk_opts_dump(part->options, part->n_options, conf);
            spk_yaml_print(map, &texts[k]);
            spk_yaml_free(map);
            frontend_free_conf(part, conf);
            run_frontend(&runs[k]);
        }
        assert_string_equal(spk_text_str(&texts[0]), spk_text_str(&texts[1]));
        assert_true(distance(runs[0].out, runs[1].out, 2 * runs[0].frames * runs[0].size) == 0);
        for (int k = 0; k < 2; k++) {
            spk_free(runs[k].out);
            spk_text_clear(&texts[k]);
        }
    }
    spk_free(x);
}

/* ---- networks ---- */

static spk_net *open_net(const char *frontend, const char *rest)
{
    spk_config c;
    spk_net *net = NULL;
    char *text =
        spk_strf("frontend: %s\nencoder: ecapa_tdnn\nencoder_conf: {ndim: 16, output_size: 12, model_scale: 4}\n"
                 "projector_conf: {output_size: 6}\nspk_num: 7\n%s",
                 frontend, rest);
    if (spk_config_parse(text, strlen(text), "test.yaml", &c) != SPK_OK) fail_msg("%s", spk_errmsg());
    if (spk_net_new(&c, NULL, &net) != SPK_OK) net = NULL;
    spk_config_clear(&c);
    spk_free(text);
    return net;
}

static void stored_tables_must_be_those_of_the_options(void **state)
{
    (void)state;
    static const struct {
        const char *frontend, *saved, *opened, *said; /* NULL: fits */
    } cases[] = {
        {"melspec_torch", "{f_max: 7600}", "{f_max: 7600, log: true}", NULL},
        {"melspec_torch", "{f_max: 7600}", "{f_max: 7500}", "frontend.transform.mel_scale.fb"},
        {"melspec_torch", "{}", "{window_fn: hann}", "window_fn"},
        {"melspec_torch", "{}", "{mel_scale: slaney}", "mel_scale"},
        {"default", "{}", "{fs: 16k, fmax: 8000}", NULL},
        {"default", "{}", "{htk: true}", "htk"},
        {"default", "{}", "{fmin: 20}", "frontend.logmel.melmat"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spk_tensors t = {0};
        char *saved = spk_strf("frontend_conf: %s\n", cases[i].saved);
        char *opened = spk_strf("frontend_conf: %s\n", cases[i].opened);
        spk_net *a = open_net(cases[i].frontend, saved), *b = open_net(cases[i].frontend, opened);
        assert_non_null(a);
        assert_non_null(b);
        const spk_model *from = spk_net_model(a), *to = spk_net_model(b);
        assert_int_equal(from->save_state(from->self, &t), SPK_OK);
        const spk_status status = to->load_state(to->self, &t);
        assert_int_equal(status, cases[i].said ? SPK_E_MISMATCH : SPK_OK);
        if (cases[i].said && !strstr(spk_errmsg(), cases[i].said)) fail_msg("\"%s\"", spk_errmsg());
        spk_tensors_clear(&t);
        spk_net_free(a);
        spk_net_free(b);
        spk_free(saved);
        spk_free(opened);
    }
}

/* Networks at 8 kHz train a step and embed. */
static void eight_kilohertz_works(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"melspec_torch", "{f_max: 3800, win_length: 200, hop_length: 80, n_fft: 256, n_mels: 40, log: true}"},
        {"default", "{n_fft: 256, hop_length: 80}"},
        {"kaldi_fbank", "{preset: wespeaker, num_mel_bins: 40}"},
        {"mfcc", "{}"},
        {"speechbrain_fbank", "{n_mels: 40}"},
        {"sliding_window", "{win_length: 80, hop_length: 80}"}};
    static const int64_t labels[2] = {1, 4};
    double *x = signals();
    float *speech = spk_new(2 * SAMPLES * sizeof *speech), embedding[12];
    for (int64_t i = 0; i < 2 * SAMPLES; i++)
        speech[i] = (float)x[i];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *rest = spk_strf("frontend_conf: %s\npreprocessor_conf: {sample_rate: 8000}\n", cases[i][1]);
        spk_net *net = open_net(cases[i][0], rest);
        if (!net) fail_msg("%s: %s", cases[i][0], spk_errmsg());
        const spk_model *m = spk_net_model(net);
        spk_train_stats stats;
        assert_int_equal(m->forward_backward(m->self, speech, labels, 2, SAMPLES, 1, &stats), SPK_OK);
        assert_true(isfinite(stats.loss));
        assert_int_equal(m->embed(m->self, speech, 2, SAMPLES, NULL, embedding), SPK_OK);
        for (int k = 0; k < 12; k++)
            assert_true(isfinite(embedding[k]));
        spk_net_free(net);
        spk_free(rest);
    }
    spk_net *espnets = open_net("melspec_torch", "preprocessor_conf: {sample_rate: 8000}\nversion: '202611'\n");
    assert_non_null(espnets); /* its filters are for 16000 Hz */
    spk_net_free(espnets);
    assert_null(open_net("melspec_torch", "preprocessor_conf: {sample_rate: 8000}\n"));
    assert_non_null(strstr(spk_errmsg(), "f_max"));
    spk_free(speech);
    spk_free(x);
}

static void parts_that_are_not_here_are_refused_with_a_way(void **state)
{
    (void)state;
    assert_null(open_net("s3prl", ""));
    assert_non_null(strstr(spk_errmsg(), "layer_weights"));
    assert_null(open_net("fused", ""));
    assert_non_null(strstr(spk_errmsg(), "without a frontend"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_utterance_in_a_batch_is_as_alone),
                                       cmocka_unit_test(dither_is_drawn_in_training_only),
                                       cmocka_unit_test(dither_has_the_deviation_that_was_asked_for),
                                       cmocka_unit_test(bands_and_rates_that_make_no_sense_are_refused),
                                       cmocka_unit_test(options_are_settled),
                                       cmocka_unit_test(settled_options_are_read_back),
                                       cmocka_unit_test(stored_tables_must_be_those_of_the_options),
                                       cmocka_unit_test(eight_kilohertz_works),
                                       cmocka_unit_test(parts_that_are_not_here_are_refused_with_a_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
