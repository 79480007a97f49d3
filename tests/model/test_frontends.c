/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features of every frontend of fixed filters against what the toolkits compute that they are named after: ESPnet 202611
 * (melspec_torch, default, sliding_window), torchaudio.compliance.kaldi (kaldi_fbank, mfcc) and SpeechBrain's formulas
 * (speechbrain_fbank), all in double from the signal of the check figures. In float, the fast kernels must agree.
 */
#include "frontends.h"

#include "golden.h"
#include "spk/arrays.h"

static const struct {
    const char *name, *conf;
    int64_t rate, frames, size;
    struct {
        double r, squares, first, inside, last; /* sum y_k sin(k/2), sum y^2, y[0,0,0], y[0,T/2,F/3], y[last] */
    } want;
} rows[] = {
    {"kaldi_fbank",
     "{scale: 32768.0}",
     16000,
     23,
     23,
     {3.091219223e+01, 3.339811599e+05, 1.639182471e+01, 2.062002118e+01, 1.821446651e+01}},
    {"kaldi_fbank",
     "{scale: 1.0, num_mel_bins: 80, window_type: hamming, use_energy: true}",
     16000,
     23,
     81,
     {7.363279829e+01, 1.398866068e+05, 9.528716283e-01, -1.197302513e+00, -3.029375424e+00}},
    {"kaldi_fbank",
     "{scale: 32768.0, num_mel_bins: 40, window_type: blackman, snip_edges: false, use_energy: true, raw_energy: "
     "false, energy_floor: 0.0, high_freq: -400.0, cmn: true}",
     16000,
     25,
     41,
     {-4.714343884e+01, 3.145150660e+03, -3.661157011e-02, 1.103750688e+00, 3.714509151e-01}},
    {"kaldi_fbank",
     "{scale: 32768.0, num_mel_bins: 30, window_type: hanning, remove_dc_offset: false, preemphasis_coefficient: 0.0, "
     "use_power: false, low_freq: 100.0, high_freq: 3000.0}",
     16000,
     23,
     30,
     {-3.259083796e+00, 1.199707348e+05, 1.073310876e+01, 7.627357897e+00, 9.895215250e+00}},
    {"kaldi_fbank",
     "{scale: 1.0, num_mel_bins: 20, window_type: rectangular, use_log_fbank: false, round_to_power_of_two: false, "
     "frame_length: 20.0, frame_shift: 5.0}",
     16000,
     47,
     20,
     {-2.125242300e+00, 7.903421312e+03, 7.648428050e-02, 1.032234993e+00, 1.509640505e-01}},
    {"kaldi_fbank",
     "{scale: 32768.0, num_mel_bins: 40, snip_edges: false}",
     8000,
     50,
     40,
     {7.418703840e+00, 1.038610793e+06, 1.488266489e+01, 2.056337362e+01, 1.611604759e+01}},
    {"kaldi_fbank",
     "{preset: wespeaker}",
     16000,
     23,
     80,
     {4.365394097e+01, 5.123968620e+03, 2.733311455e+00, 4.762286828e+00, 3.286632413e-01}},
    {"kaldi_fbank",
     "{preset: 3dspeaker}",
     16000,
     23,
     80,
     {4.059043644e+01, 5.373809303e+03, 5.141752169e+00, 4.862011712e+00, 3.329716184e-01}},
    {"kaldi_fbank",
     "{preset: sherpa}",
     16000,
     25,
     80,
     {1.240388051e+01, 6.729396629e+03, 4.546398111e+00, 3.285548178e+00, 3.520749674e-01}},
    {"kaldi_fbank",
     "{preset: sherpa, scale: 32768, snip_edges: true, cmn: false}",
     16000,
     23,
     80,
     {5.590251186e+01, 9.078568338e+05, 1.347084754e+01, 1.878102765e+01, 1.654416424e+01}},
    {"mfcc",
     "{scale: 32768.0}",
     16000,
     23,
     13,
     {2.508706642e+03, 1.104240922e+06, 8.809121324e+01, -3.084653539e+01, 2.906228867e+00}},
    {"mfcc",
     "{scale: 32768.0, num_mel_bins: 30, num_ceps: 30, use_energy: true, window_type: hamming, high_freq: -400.0, cmn: "
     "true}",
     16000,
     23,
     30,
     {-4.652252636e+01, 1.231368148e+05, 5.573969464e-03, 9.939375835e-01, 5.935153490e-01}},
    {"mfcc",
     "{scale: 1.0, num_mel_bins: 40, num_ceps: 20, cepstral_lifter: 0.0, snip_edges: false}",
     16000,
     25,
     20,
     {-2.472399887e+01, 5.801529872e+04, -1.456817874e+01, -2.171163987e+00, 1.872226116e-01}},
    {"mfcc",
     "{scale: 32768.0, use_energy: true, raw_energy: false, energy_floor: 1000000000.0}",
     8000,
     48,
     13,
     {3.854014558e+02, 1.147935190e+06, 2.072326584e+01, -2.405457640e+01, -1.288174518e+01}},
    {"speechbrain_fbank",
     "{}",
     16000,
     26,
     80,
     {-4.667702167e+01, 1.630169983e+05, 2.095546851e+01, 2.976884389e+00, -5.887573737e-01}},
    {"speechbrain_fbank",
     "{top_db: 30, mean_norm: false, n_mels: 40, f_min: 50, f_max: 7000, amin: 1e-5}",
     16000,
     26,
     40,
     {-1.906739446e+02, 3.514007926e+05, -6.804015274e+00, -1.041176943e+00, -1.651979020e+01}},
    {"speechbrain_fbank",
     "{n_mels: 23}",
     8000,
     51,
     23,
     {-1.782505213e+02, 4.354219712e+04, 1.853003683e+01, 2.863940716e-01, 2.896734093e+00}},
    {"default",
     "{}",
     16000,
     32,
     80,
     {-4.299575900e+01, 3.901783223e+05, -2.377789420e+00, -2.819283878e+00, -1.021684196e+01}},
    {"default",
     "{win_length: 400, hop_length: 160, fmin: 80, fmax: 7600, htk: true, n_mels: 40}",
     16000,
     26,
     40,
     {-8.674307554e+01, 1.549179827e+05, -2.845538535e+00, -2.884504780e+00, -9.578941647e+00}},
    {"default",
     "{center: false, window: hamming, normalized: true, win_length: 300, fs: 16k}",
     16000,
     28,
     80,
     {-7.452541102e+00, 1.020901137e+06, -1.197835720e+01, -9.524557191e+00, -1.652136894e+01}},
    {"default",
     "{window: blackman, n_fft: 400, hop_length: 100, n_mels: 30, frontend_conf: none}",
     16000,
     41,
     30,
     {-2.177788054e+01, 1.930638783e+05, -3.396652286e+00, -3.856000510e+00, -1.013982768e+01}},
    {"default",
     "{window: kaiser, n_fft: 400, n_mels: 30}",
     16000,
     32,
     30,
     {3.384909273e+01, 1.537858309e+05, -3.320095343e+00, -3.647599780e+00, -1.034552836e+01}},
    {"default",
     "{window: bartlett, n_fft: 401, n_mels: 30}",
     16000,
     32,
     30,
     {2.002955924e+01, 1.417067266e+05, -3.419126807e+00, -3.444679668e+00, -1.014736347e+01}},
    {"default",
     "{window: none, win_length: 256, n_mels: 30}",
     16000,
     32,
     30,
     {1.422621188e+01, 8.002721801e+04, -2.396712845e+00, -2.306050706e+00, -9.048105195e+00}},
    {"default",
     "{fs: 8k, n_fft: 256, hop_length: 80, n_mels: 40}",
     8000,
     51,
     40,
     {-5.946902646e+01, 3.433653708e+05, -2.927009768e+00, -1.004425237e+01, -1.036150496e+01}},
    {"melspec_torch",
     "{}",
     16000,
     26,
     80,
     {-1.285400703e+01, 2.371599709e+03, 7.790566640e-04, 5.200619674e-03, 5.853950432e-02}},
    {"melspec_torch",
     "{log: true}",
     16000,
     26,
     80,
     {-5.456564649e+01, 1.504078939e+05, -7.156143995e+00, -5.258785226e+00, -2.838036383e+00}},
    {"melspec_torch",
     "{log: true, normalize: mn}",
     16000,
     26,
     80,
     {-5.771524077e+01, 7.636849750e+03, 2.620907506e+00, 9.254065091e-01, 4.674865285e-01}},
    {"melspec_torch",
     "{preemp: false, window_fn: hann, mel_scale: slaney, n_mels: 40, log: true}",
     16000,
     26,
     40,
     {-9.166825322e+01, 3.626386372e+04, 8.627987012e-01, 1.416378105e+00, -3.503448100e+00}},
    {"melspec_torch",
     "{n_fft: 401, win_length: 301, hop_length: 100, f_min: 0, f_max: 4000, n_mels: 20}",
     16000,
     40,
     20,
     {2.253934335e+00, 1.590211974e+03, 4.292644585e-04, 3.392789450e-03, 8.783439243e-03}},
    {"sliding_window",
     "{}",
     16000,
     23,
     400,
     {1.989032877e+00, 7.412033501e+01, 7.095529004e-03, 5.174360437e-02, 2.838538982e-02}},
    {"sliding_window",
     "{win_length: 100, hop_length: 33}",
     16000,
     119,
     100,
     {-1.966628933e-02, 9.600654656e+01, 7.095529004e-03, 2.094873361e-04, 9.316417692e-03}},
};

/* Some toolkits' tables are float32 values, and not ours to the last bit: 1e-5 of the features. */
static void near(const char *what, const char *name, const char *conf, double ours, double theirs, double scale)
{
    if (fabs(ours - theirs) <= 1e-5 * (fabs(theirs) + scale)) return;
    fail_msg("%s %s: %s is %.9g, should be %.9g", name, conf, what, ours, theirs);
}

static double weighted(const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += y[k] * sin((double)(k + 1) / 2);
    return sum;
}

static double squares(const double *y, int64_t n)
{
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        sum += y[k] * y[k];
    return sum;
}

/* The fast kernel, against the double one: a thousandth of a natural logarithm where bands are weak. */
static void compare_float(const frontend_run *wide, const char *name, const char *conf)
{
    frontend_run r = *wide;
    double most = 0, worst = 0;
    r.real = SPK_F32;
    run_frontend(&r);
    for (int64_t i = 0; i < r.n * r.frames * r.size; i++) {
        most = fmax(most, fabs(wide->out[i]));
        worst = fmax(worst, fabs(wide->out[i] - r.out[i]));
    }
    if (!(worst <= 1e-4 * most)) fail_msg("%s %s: float and double differ by %g of %g", name, conf, worst, most);
    spk_free(r.out);
}

static void frontends_compute_what_their_toolkits_compute(void **state)
{
    (void)state;
    double *x = signals();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *name = rows[i].name, *conf = rows[i].conf;
        frontend_run r = {
            .name = name, .conf = conf, .rate = rows[i].rate, .real = SPK_F64, .n = 2, .samples = SAMPLES, .wave = x};
        run_frontend(&r);
        assert_int_equal(r.frames, rows[i].frames);
        assert_int_equal(r.size, rows[i].size);
        const int64_t count = 2 * r.frames * r.size, inside = r.frames / 2 * r.size + r.size / 3;
        const double rms = sqrt(rows[i].want.squares / (double)count);
        near("the weighted sum", name, conf, weighted(r.out, count), rows[i].want.r, sqrt(rows[i].want.squares));
        near("the sum of squares", name, conf, squares(r.out, count), rows[i].want.squares, 0);
        near("the first value", name, conf, r.out[0], rows[i].want.first, rms);
        near("one inside", name, conf, r.out[inside], rows[i].want.inside, rms);
        near("the last value", name, conf, r.out[count - 1], rows[i].want.last, rms);
        compare_float(&r, name, conf);
        spk_free(r.out);
    }
    spk_free(x);
}

/* ESPnet's `default` with lengths: features of the padded signal, and zeros behind the item's frames. */
static void default_has_zeros_behind_the_frames(void **state)
{
    (void)state;
    static const struct {
        const char *conf;
        int64_t frames[2];
        double r, squares, first;
    } cases[] = {{"{}", {32, 24}, -5.38530714e+1, 3.32936794e+5, -2.37778942e+0},
                 {"{win_length: 400, hop_length: 160, fmin: 80, fmax: 7600, htk: true, n_mels: 40}",
                  {26, 19},
                  -5.37211012e+1,
                  1.30857130e+5,
                  -2.84553854e+0}};
    static const int64_t len[2] = {SAMPLES, 3000};
    double *x = signals();
    for (int i = 0; i < 2; i++) {
        frontend_run whole = {.name = "default",
                              .conf = cases[i].conf,
                              .rate = 16000,
                              .real = SPK_F64,
                              .n = 2,
                              .samples = SAMPLES,
                              .wave = x};
        frontend_run r = whole;
        r.len = len;
        run_frontend(&whole);
        run_frontend(&r);
        assert_int_equal(r.out_len[0], cases[i].frames[0]);
        assert_int_equal(r.out_len[1], cases[i].frames[1]);
        /* frames that see nothing behind the item's end are those of the figures; the last ones are its own */
        const int64_t from = (r.frames + r.out_len[1]) * r.size, count = 2 * r.frames * r.size;
        for (int64_t k = from; k < count; k++) {
            assert_true(r.out[k] == 0);
            whole.out[k] = 0;
        }
        for (int64_t k = 0; k < (r.frames + r.out_len[1] - 3) * r.size; k++)
            assert_true(r.out[k] == whole.out[k]);
        near("the weighted sum", "default", cases[i].conf, weighted(whole.out, count), cases[i].r,
             sqrt(cases[i].squares));
        near("the sum of squares", "default", cases[i].conf, squares(whole.out, count), cases[i].squares, 0);
        near("the first value", "default", cases[i].conf, whole.out[0], cases[i].first, 1e-3);
        spk_free(whole.out);
        spk_free(r.out);
    }
    spk_free(x);
}

/* Kaldi's features of real speech, in float by the fast kernels. */
static void check_speech(const spk_yaml *all, int64_t i, spk_npz *z, const spk_ndarray *speech)
{
    spk_text conf = {0};
    spk_ndarray want = {0};
    char *key = spk_strf("fbank/%s", all->key[i]);
    double *wave = spk_new((size_t)(speech->dim[0] * speech->dim[1]) * sizeof *wave), most = 0, worst = 0;
    for (int64_t k = 0; k < speech->dim[0] * speech->dim[1]; k++)
        wave[k] = (double)((const float *)speech->data)[k];
    spk_yaml_print(all->item[i], &conf);
    assert_int_equal(spk_npz_get(z, key, &want), SPK_OK);
    frontend_run r = {.name = "kaldi_fbank",
                      .conf = spk_text_str(&conf),
                      .rate = 16000,
                      .real = SPK_F32,
                      .n = speech->dim[0],
                      .samples = speech->dim[1],
                      .wave = wave};
    run_frontend(&r);
    assert_int_equal(r.frames, want.dim[1]);
    assert_int_equal(r.size, want.dim[2]);
    for (int64_t k = 0; k < r.n * r.frames * r.size; k++) {
        most = fmax(most, fabs((double)((const float *)want.data)[k]));
        worst = fmax(worst, fabs(r.out[k] - (double)((const float *)want.data)[k]));
    }
    print_message("%s: off by %.2e of %.3g\n", key, worst, most);
    assert_true(worst <= 1e-4 * most);
    spk_free(r.out);
    spk_free(wave);
    spk_free(key);
    spk_text_clear(&conf);
    spk_ndarray_clear(&want);
}

static void kaldi_features_of_speech(void **state)
{
    (void)state;
    char *path = golden_path("golden/wespeaker/kaldi_fbank.yaml");
    if (!path) skip();
    char *other = golden_path("golden/wespeaker/kaldi_fbank.npz");
    assert_non_null(other);
    spk_yaml *all = NULL;
    spk_npz *z = NULL;
    spk_ndarray speech = {0};
    assert_int_equal(spk_yaml_load(path, &all), SPK_OK);
    assert_int_equal(spk_npz_open(other, &z), SPK_OK);
    assert_int_equal(spk_npz_get(z, "speech", &speech), SPK_OK);
    for (int64_t i = 0; i < all->n; i++)
        check_speech(all, i, z, &speech);
    spk_ndarray_clear(&speech);
    spk_npz_close(z);
    spk_yaml_free(all);
    spk_free(path);
    spk_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(frontends_compute_what_their_toolkits_compute),
                                       cmocka_unit_test(default_has_zeros_behind_the_frames),
                                       cmocka_unit_test(kaldi_features_of_speech)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
