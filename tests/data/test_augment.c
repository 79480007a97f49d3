/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Augmentation: convolution against the sum it stands for, ESPnet's figures, exact ratios, draws that no number of
 * threads, no store and no continuation changes, speeds as classes, babble of others.
 */
#include "data/data_help.h"

#include "data/train_set_impl.h"

enum { N_SPEAKERS = 4, N_EACH = 4, N = N_SPEAKERS * N_EACH, T = 1200 };

/* ---- convolution ---- */

static void convolution_is_the_sum(void **state)
{
    (void)state;
    static const int64_t cases[][3] = {{1, 1, 0},     {5, 1, 0},    {1, 7, 3},      {100, 31, 0},     {100, 31, 30},
                                       {333, 500, 7}, {1024, 1, 0}, {4000, 777, 0}, {257, 2000, 1999}};
    spk_convolver *c = spk_convolver_new();
    spk_rng r = spk_rng_make(3, SPK_PURPOSE_TEST, 0, 0, 0);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const int64_t n = cases[k][0], R = cases[k][1], skip = cases[k][2];
        float *x = malloc(sizeof *x * (size_t)n), *h = malloc(sizeof *h * (size_t)R),
              *y = malloc(sizeof *y * (size_t)n);
        for (int64_t i = 0; i < n; i++)
            x[i] = (float)spk_rng_normal(&r);
        for (int64_t i = 0; i < R; i++)
            h[i] = (float)spk_rng_normal(&r);
        help_ok(spk_convolve(c, x, n, h, R, skip, y));
        double largest = 0, off = 0;
        for (int64_t t = 0; t < n; t++) {
            double sum = 0;
            for (int64_t i = 0; i < R; i++)
                if (t + skip - i >= 0 && t + skip - i < n) sum += (double)h[i] * x[t + skip - i];
            largest = fmax(largest, fabs(sum));
            off = fmax(off, fabs(sum - y[t]));
        }
        if (off > 2e-6 * largest + 1e-6) fail_msg("case %zu: off by %g of %g", k, off, largest);
        help_ok(spk_convolve(c, x, n, h, R, skip, x)); /* in place */
        assert_memory_equal(x, y, sizeof *x * (size_t)n);
        free(x);
        free(h);
        free(y);
    }
    spk_convolver_free(c);
    spk_convolver_free(NULL);
}

/* ---- figures that ESPnet gave ---- */

static void espnet_figures(void **state)
{
    (void)state;
    const double speech = 0.025, noise = (0.25 * 0.25 + 0.5 * 0.5) / 2;
    const double scale = spk_noise_scale(speech, noise, 6, 1e-4);
    assert_true(fabs(scale * scale * noise - .00630080) < 5e-9);
    assert_true(fabs(10 * log10(speech / (scale * scale * noise)) - 5.9854) < 5e-5);
    const double exact = spk_noise_scale(speech, noise, 6, 0);
    assert_true(fabs(10 * log10(speech / (exact * exact * noise)) - 6) < 1e-12);
    assert_true(spk_noise_scale(speech, 0, 6, 0) == 0);

    float h[5] = {.3f, 0, .4f, 0, 1e-8f};
    int64_t n = 5;
    help_ok(spk_reverb_prepare("h.wav", h, &n));
    assert_int_equal(n, 3);
    assert_true(fabsf(h[0] - .6f) < 1e-6f && h[1] == 0 && fabsf(h[2] - .8f) < 1e-6f);
    float zeros[4] = {0};
    n = 4;
    help_refused(spk_reverb_prepare("h.wav", zeros, &n), SPK_E_VALUE, "h.wav", "zeros");
}

/* ---- a set with noises and responses ---- */

static float response(int64_t i, int c)
{
    (void)c;
    return i == 40 ? 0.8f : i > 40 ? 0.1f * expf(-0.02f * (float)(i - 40)) * sinf((float)(i * i % 97)) : 0;
}

static float hiss(int64_t i, int c)
{
    return 0.3f * sinf((float)((i * i + 7 * c) % 1009));
}

/* Speaker s says the constant (s + 1) / 10: who it was can be heard in babble. */
static int voice_of;
static float voice(int64_t i, int c)
{
    (void)i;
    (void)c;
    return (float)(voice_of + 1) / 10;
}

static void write_lists(const char *folder, bool constant)
{
    spk_text wav = {0}, utt2spk = {0}, spk2utt = {0};
    char name[64];
    for (int s = 0; s < N_SPEAKERS; s++) {
        spk_text_addf(&spk2utt, "s%d", s);
        for (int u = 0; u < N_EACH; u++) {
            voice_of = s;
            snprintf(name, sizeof name, "%s/s%du%d.wav", folder, s, u);
            help_sound(name, HELP_WAV, u == 3 ? 8000 : 16000, 1, 1600 + 300 * u, constant ? voice : help_tone);
            spk_text_addf(&wav, "s%du%d %s\n", s, u, help_path(name));
            spk_text_addf(&utt2spk, "s%du%d s%d\n", s, u, s);
            spk_text_addf(&spk2utt, " s%du%d", s, u);
        }
        spk_text_add(&spk2utt, "\n");
    }
    spk_text *all[] = {&wav, &utt2spk, &spk2utt};
    static const char *const names[] = {"wav.scp", "utt2spk", "spk2utt"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        help_text(name, spk_text_str(all[i]));
        spk_text_clear(all[i]);
    }
}

static int setup(void **state)
{
    if (help_setup(state)) return -1;
    write_lists("d", false);
    write_lists("c", true);
    help_sound("noise/long.wav", HELP_WAV, 16000, 1, 5000, hiss);
    help_sound("noise/short.flac", HELP_FLAC, 16000, 1, 300, hiss);
    help_sound("noise/other.wav", HELP_WAV, 22050, 1, 4000, hiss);
    help_sound("noise/exact.wav", HELP_WAV, 16000, 1, T, hiss);
    help_sound("noise/h1.wav", HELP_WAV, 16000, 1, 700, response);
    help_sound("noise/h2.wav", HELP_WAV, 8000, 1, 200, response);
    help_text("noise.scp", "a noise/long.wav\nb noise/short.flac\nc noise/other.wav\nd noise/exact.wav\n");
    help_text("rirs.scp", "noise/h1.wav\nnoise/h2.wav\n"); /* paths alone, as ESPnet's recipe writes them */
    return 0;
}

static const double speeds[] = {0.9, 1.0, 1.1};
static spk_noise_kind kinds[2];

static spk_train_set_options all_of_it(int workers)
{
    spk_train_set_options o;
    spk_train_set_options_init(&o);
    static char noise[512], rirs[512];
    snprintf(noise, sizeof noise, "%s", help_path("noise.scp"));
    snprintf(rirs, sizeof rirs, "%s", help_path("rirs.scp"));
    kinds[0] = (spk_noise_kind){.weight = 2, .scp = noise, .n_min = 1, .n_max = 3, .snr_lo = 0, .snr_hi = 15};
    kinds[1] = (spk_noise_kind){.weight = 1, .n_min = 2, .n_max = 4, .snr_lo = 13, .snr_hi = 20};
    o.dir = help_path("d");
    o.batch_size = 6;
    o.target_duration = (double)T / 16000;
    o.num_workers = workers;
    o.num_iters_per_epoch = 8;
    o.seed = 9;
    o.augment = (spk_augment_options){.rir_scp = rirs,
                                      .rir_apply_prob = 0.6,
                                      .noise = kinds,
                                      .n_noise = 2,
                                      .noise_apply_prob = 0.7,
                                      .noise_power_floor = 1e-4,
                                      .volume_apply_prob = 0.5,
                                      .volume_lo = -6,
                                      .volume_hi = 3,
                                      .speed = speeds,
                                      .n_speed = 3,
                                      .cache_bytes = 1 << 20};
    return o;
}

/* Digests of an epoch's batches from the first that is not left out. */
static void digest(spk_train_set *s, int64_t epoch, int64_t skip, uint64_t *out)
{
    spk_iterator *it;
    const spk_batch *b;
    help_ok(spk_train_iterator(s, epoch, &it));
    if (skip > 0) help_ok((it->skip)(it->self, skip));
    for (int64_t i = skip; help_ok(it->next(it->self, &b)), b; i++) {
        const spk_array *speech = spk_batch_find(b, "speech");
        out[i] = spk_hash(speech->data, sizeof(float) * (size_t)(b->n * T));
        for (int64_t k = 0; k < b->n * T; k++)
            assert_true(isfinite(((const float *)speech->data)[k]));
    }
    spk_iterator_close(it);
}

static void nothing_changes_the_draws(void **state)
{
    (void)state;
    uint64_t first[2][8], again[8];
    for (int workers = 1; workers <= 4; workers += 3)
        for (int64_t cache = 0; cache <= 2; cache++) {
            spk_train_set_options o = all_of_it(workers);
            o.augment.cache_bytes = cache == 0 ? 0 : cache == 1 ? 8000 : 1 << 20;
            spk_train_set *s;
            help_ok(spk_train_set_open(&o, &s));
            for (int64_t e = 2; e >= 1; e--) {
                digest(s, e, 0, workers == 1 && cache == 0 ? first[e - 1] : again);
                if (workers > 1 || cache > 0) assert_memory_equal(again, first[e - 1], sizeof again);
            }
            for (int64_t skip = 1; skip <= 8; skip += 2) { /* an epoch that is continued */
                memcpy(again, first[1], sizeof again);
                memset(again + skip, 0, sizeof *again * (size_t)(8 - skip));
                digest(s, 2, skip, again);
                assert_memory_equal(again, first[1], sizeof again);
            }
            spk_iterator *it;
            help_ok(spk_train_iterator(s, 1, &it));
            help_refused((it->skip)(it->self, 9), SPK_E_VALUE, "8 batches");
            spk_iterator_close(it);
            spk_train_set_close(s);
        }
    assert_memory_not_equal(first[0], first[1], sizeof first[0]);

    /* each part by itself is heard */
    for (int part = 0; part < 4; part++) {
        spk_train_set_options o = all_of_it(2);
        if (part == 0) o.augment.rir_apply_prob = 0;
        if (part == 1) o.augment.noise_apply_prob = 0;
        if (part == 2) o.augment.volume_apply_prob = 0;
        if (part == 3) o.augment.rir_align = true;
        spk_train_set *s;
        help_ok(spk_train_set_open(&o, &s));
        digest(s, 1, 0, again);
        assert_memory_not_equal(again, first[0], sizeof again);
        spk_train_set_close(s);
    }
}

static void warm_it_allocates_nothing(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_iterator *it;
    const spk_batch *b;
    spk_train_set_options o = all_of_it(2);
    o.num_iters_per_epoch = 80;
    help_ok(spk_train_set_open(&o, &s));
    help_ok(spk_train_iterator(s, 1, &it));
    for (int i = 0; i < 50; i++)
        help_ok(it->next(it->self, &b));
    const int64_t before = spk_alloc_count();
    for (int i = 0; i < 30; i++)
        help_ok(it->next(it->self, &b));
    assert_int_equal(spk_alloc_count(), before);
    spk_iterator_close(it);
    spk_train_set_close(s);
}

/* ---- noise ---- */

static double mean_square(const float *x)
{
    double sum = 0;
    for (int i = 0; i < T; i++)
        sum += (double)x[i] * x[i];
    return sum / T;
}

static void ratios_are_kept(void **state)
{
    (void)state;
    spk_train_set_options o = all_of_it(1);
    spk_augment *a;
    o.augment = (spk_augment_options){.noise = kinds, .n_noise = 1, .noise_apply_prob = 1};
    kinds[0].n_max = 1;
    help_ok(spk_augment_open(&o.augment, NULL, 16000, T, 1, &a));
    spk_audio_reader *r = spk_audio_reader_new(&o.audio);
    spk_augment_bench *b = spk_augment_bench_new(a, r);
    double lowest = 99, highest = -99;
    for (uint32_t nth = 0; nth < 60; nth++) {
        float x[T], clean[T];
        for (int i = 0; i < T; i++)
            clean[i] = x[i] = help_tone(i, 0);
        help_ok(spk_augment_apply(a, b, &(spk_augment_item){1, 77, nth, 0}, x));
        for (int i = 0; i < T; i++)
            x[i] -= clean[i];
        const double snr = 10 * log10(mean_square(clean) / mean_square(x));
        lowest = fmin(lowest, snr);
        highest = fmax(highest, snr);
    }
    print_message("ratios from %.2f to %.2f dB\n", lowest, highest);
    assert_true(lowest > -1e-3 && lowest < 2 && highest < 15.001 && highest > 13);
    spk_augment_bench_free(b);
    spk_audio_reader_free(r);
    spk_augment_close(a);
}

/* Constants of other speakers: 0.1 + scaled 0.1, 0.2, 0.3 or 0.4, never one's own. */
static void babble_is_of_others(void **state)
{
    (void)state;
    spk_train_set_options o = all_of_it(1);
    o.dir = help_path("c");
    o.augment = (spk_augment_options){.noise = &kinds[1], .n_noise = 1, .noise_apply_prob = 1};
    kinds[1].n_min = kinds[1].n_max = 1;
    kinds[1].snr_lo = kinds[1].snr_hi = 0;
    spk_train_set *s;
    help_ok(spk_train_set_open(&o, &s));
    assert_non_null(s->augment);
    spk_audio_reader *r = spk_audio_reader_new(&o.audio);
    spk_augment_bench *b = spk_augment_bench_new(s->augment, r);
    int heard = 0;
    for (uint32_t nth = 0; nth < 100; nth++) {
        float x[T];
        for (int i = 0; i < T; i++)
            x[i] = 0.5f;
        help_ok(spk_augment_apply(s->augment, b, &(spk_augment_item){1, 5, nth, 2}, x));
        assert_true(fabsf(x[T / 2] - 1) < 1e-3f); /* as loud as the speech */
        const int who = (int)lrintf(b->noise[T / 2] * 10) - 1;
        assert_true(who >= 0 && who < N_SPEAKERS && who != 2);
        heard |= 1 << who;
    }
    assert_int_equal(heard, 1 | 2 | 8);
    spk_augment_bench_free(b);
    spk_audio_reader_free(r);
    spk_train_set_close(s);
}

static void kinds_by_weight(void **state)
{
    (void)state;
    spk_train_set_options o = all_of_it(1);
    spk_noise v;
    spk_sound_budget budget = {0};
    spk_noise_kind three[3] = {kinds[0], kinds[0], kinds[0]};
    three[0].weight = 3;
    three[1].weight = 0; /* left out */
    three[2].weight = 1;
    three[2].snr_lo = three[2].snr_hi = 40;
    help_ok(spk_noise_open(&(spk_augment_options){.noise = three, .n_noise = 3, .noise_apply_prob = 0.5}, NULL, &budget,
                           &v));
    assert_int_equal(v.n_kinds, 2);
    spk_audio_reader *r = spk_audio_reader_new(&o.audio);
    float noise[T], sum[T];
    spk_augment_bench b = {.reader = r, .noise = noise, .sum = sum};
    int count[3] = {0}; /* none, loud, soft */
    for (uint64_t i = 0; i < 400; i++) {
        float x[T];
        for (int k = 0; k < T; k++)
            x[k] = help_tone(k, 0);
        spk_rng draw = spk_rng_make(1, SPK_PURPOSE_NOISE, 0, i, 0);
        help_ok(spk_noise_apply(&v, &b, 0, &draw, T, x));
        for (int k = 0; k < T; k++)
            x[k] -= help_tone(k, 0);
        const double power = mean_square(x);
        count[power < 1e-14 ? 0 : power > 1e-4 ? 1 : 2]++;
    }
    print_message("none %d, weight 3 %d, weight 1 %d\n", count[0], count[1], count[2]);
    assert_true(count[0] > 150 && count[0] < 250 && count[1] > 110 && count[1] < 190 && count[2] > 25 && count[2] < 80);
    spk_audio_reader_free(r);
    spk_noise_close(&v);
}

/* ---- the store ---- */

static void the_store_is_bounded(void **state)
{
    (void)state;
    spk_sound_budget budget = {.bytes = 4 * (5000 + 300)};
    spk_sounds *s;
    spk_audio_options audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE};
    spk_audio_reader *r = spk_audio_reader_new(&audio);
    help_ok(spk_sounds_open(help_path("noise.scp"), &budget, &s));
    assert_int_equal(spk_sounds_count(s), 4);
    float a[T], b[T];
    for (int64_t i = 0; i < 4; i++) { /* the second reading is from the store, where it is kept */
        spk_rng draw = spk_rng_make(1, SPK_PURPOSE_TEST, 0, (uint64_t)i, 0), again = draw;
        help_ok(spk_sounds_part(s, i, r, T, &draw, a));
        help_ok(spk_sounds_part(s, i, r, T, &again, b));
        assert_memory_equal(a, b, sizeof a);
    }
    assert_int_equal(budget.used,
                     budget.bytes); /* the first two fit, the third is of another rate, the fourth is too much */
    const float *x;
    int64_t n;
    spk_sound_room room = {0};
    help_refused(spk_sounds_whole(s, 2, r, 1000, NULL, &room, &x, &n), SPK_E_VALUE, "other.wav", "at most 1000");
    help_ok(spk_sounds_whole(s, 2, r, 4000, NULL, &room, &x, &n));
    assert_int_equal(n, 2902);
    assert_ptr_equal(x, room.x);
    help_ok(spk_sounds_whole(s, 1, r, 1000, NULL, &room, &x, &n));
    assert_true(n == 300 && x != room.x);
    spk_sound_room_clear(&room);
    spk_sounds_close(s);
    spk_audio_reader_free(r);
}

/* ---- reverberation ---- */

static void the_delay_is_kept_or_taken_away(void **state)
{
    (void)state;
    help_text("one.scp", "h1 noise/h1.wav\n");
    spk_audio_options audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE};
    spk_audio_reader *r = spk_audio_reader_new(&audio);
    for (int align = 0; align < 2; align++) {
        spk_augment *a;
        char scp[512];
        snprintf(scp, sizeof scp, "%s", help_path("one.scp"));
        help_ok(spk_augment_open(&(spk_augment_options){.rir_scp = scp, .rir_apply_prob = 1, .rir_align = align}, NULL,
                                 16000, T, 1, &a));
        spk_augment_bench *b = spk_augment_bench_new(a, r);
        float x[T] = {0};
        x[100] = 1; /* an impulse comes back as the response */
        help_ok(spk_augment_apply(a, b, &(spk_augment_item){1, 1, 0, 0}, x));
        int at = 0;
        double energy = 0;
        for (int i = 0; i < T; i++) {
            if (fabsf(x[i]) > fabsf(x[at])) at = i;
            energy += (double)x[i] * x[i];
        }
        assert_int_equal(at, align ? 100 : 140);
        assert_true(fabs(energy - 1) < 1e-4);
        assert_true(fabsf(x[0]) < 1e-6f);
        spk_augment_bench_free(b);
        spk_augment_close(a);
    }
    spk_audio_reader_free(r);
}

/* ---- speed ---- */

static double crossings(const float *x, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 1; i < n; i++)
        count += (x[i - 1] < 0) != (x[i] < 0);
    return (double)count / (double)n;
}

static float tone(int64_t i, int c)
{
    (void)c;
    return 0.5f * sinf(0.3f * (float)i);
}

static void speed_changes_pitch_and_length(void **state)
{
    (void)state;
    const char *path = help_sound("tone.wav", HELP_WAV, 16000, 1, 9000, tone);
    spk_audio_options audio = {.sample_rate = 16000, .channel = SPK_CHANNEL_REFUSE};
    spk_audio_reader *r = spk_audio_reader_new(&audio);
    static const int64_t thousandths[] = {900, 1100, 1000, 1250, 900};
    for (int k = 0; k < 5; k++) {
        int64_t L;
        float x[4000], whole[12000];
        help_ok(spk_audio_open_speed(r, path, thousandths[k], &L));
        assert_true(llabs(L - llround(9000.0 * 1000 / (double)thousandths[k])) <= 1);
        help_ok(spk_audio_part(r, 0, L, whole));
        help_ok(spk_audio_part(r, 2100, 4000, x));
        for (int i = 0; i < 4000; i++)
            assert_true(fabsf(x[i] - whole[2100 + i]) < 1e-5f);
        assert_true(fabs(crossings(x, 4000) - 0.3 / 3.14159265358979 * (double)thousandths[k] / 1000) < 1e-3);
    }
    spk_audio_reader_free(r);
}

static void speeds_are_classes(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        spk_train_set_options o = all_of_it(1);
        spk_train_set *s;
        o.augment.speed_same_classes = same;
        o.spk_num = same ? N_SPEAKERS : 3 * N_SPEAKERS;
        o.category = true;
        o.num_iters_per_epoch = 0;
        help_ok(spk_train_set_open(&o, &s));
        assert_int_equal(spk_train_set_n_utterances(s), 3 * N);
        assert_int_equal(spk_train_set_n_speakers(s), o.spk_num);
        assert_string_equal(spk_train_set_utterance(s, N), "sp0.9-s0u0");
        assert_string_equal(spk_train_set_utterance(s, 3 * N - 1), "sp1.1-s3u3");
        assert_string_equal(spk_train_set_path(s, N), spk_train_set_path(s, 0));
        assert_int_equal(s->label[2 * N - 1], same ? 3 : 7);
        spk_shapes shapes;
        help_ok(spk__train_set_shapes(s, &(spk_rule_options){0}, &s->batcher[0], &shapes));
        assert_int_equal(shapes.length[0][0], 1600);
        assert_int_equal(shapes.length[0][N], 1778); /* 1600 / 0.9 */
        assert_int_equal(shapes.length[0][2 * N], 1455);
        spk_shapes_clear(&shapes);
        spk_audio_reader *r = spk_audio_reader_new(&o.audio);
        float a[T], b[T];
        spk_rng draw = spk_rng_make(1, SPK_PURPOSE_TEST, 0, 0, 0), again = draw;
        help_ok(spk_crop_train(r, s->path[N], s->speed[N], T, &draw, a));
        help_ok(spk_crop_train(r, s->path[N], 900, T, &again, b));
        assert_memory_equal(a, b, sizeof a);
        spk_audio_reader_free(r);
        if (!same) assert_string_equal(spk_train_set_speaker(s, 8), "sp1.1-s0");
        assert_int_equal(s->category[3 * N - 1], same ? 3 : 11);
        spk_epoch_plan p;
        help_ok(spk_sampler_plan(s->batcher[0].sampler, 1, &p));
        assert_true(p.distinct >= 3 * N - 1); /* a last batch of one is not made */
        spk_epoch_plan_clear(&p);
        spk_train_set_close(s);
    }
    /* the classes of an earlier training, in its order: none is added */
    spk_train_set_options o = all_of_it(1);
    spk_train_set *s;
    char before[512];
    snprintf(before, sizeof before, "%s",
             help_text("speakers.txt", "sp1.1-s0\ns0\ns1\ns2\ns3\nsp0.9-s0\nsp0.9-s1\nsp0.9-s2\nsp0.9-s3\nsp1.1-s1\n"
                                       "sp1.1-s2\nsp1.1-s3\n"));
    o.spk2utt = before;
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_speakers(s), 3 * N_SPEAKERS);
    assert_int_equal(s->label[2 * N], 0);
    spk_train_set_close(s);
    o.augment.n_speed = 0; /* and with recordings as they are, its classes stay */
    help_ok(spk_train_set_open(&o, &s));
    assert_int_equal(spk_train_set_n_speakers(s), 3 * N_SPEAKERS);
    assert_int_equal(s->label[0], 1);
    spk_train_set_close(s);
}

/* ---- refusals ---- */

static void refused(void **state)
{
    (void)state;
    spk_train_set *s;
    spk_train_set_options o = all_of_it(1);
    char scp[512];
    snprintf(scp, sizeof scp, "%s", help_path("bad.scp"));
    o.augment.rir_scp = scp;
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "bad.scp");
    help_text("bad.scp", "");
    help_refused(spk_train_set_open(&o, &s), SPK_E_FORMAT, "names no recording");
    help_text("bad.scp", "noise/h1.wav\nnoise/none.wav\n");
    help_refused(spk_train_set_open(&o, &s), SPK_E_IO, "bad.scp:2", "none.wav");

    o = all_of_it(1);
    static const double twice[] = {0.9, 0.9}, odd[] = {0.33333}, far[] = {9};
    o.augment.speed = twice;
    o.augment.n_speed = 2;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "0.9 is there twice");
    o.augment.speed = odd;
    o.augment.n_speed = 1;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "three decimals");
    o.augment.speed = far;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "0.25 to 4");

    o = all_of_it(1);
    kinds[0].weight = kinds[1].weight = 0;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "no kind of noise has a weight");
    o = all_of_it(1);
    kinds[0].n_min = 4;
    help_refused(spk_train_set_open(&o, &s), SPK_E_VALUE, "noise.scp", "[4, 3]");

    /* a noise that cannot be read is told with the utterance, and is no bad utterance */
    o = all_of_it(1);
    o.max_bad_files = 3;
    o.augment.noise_apply_prob = 1;
    o.augment.n_noise = 1;
    help_text("noise/spoilt.wav", "spoilt");
    help_text("bad.scp", "a noise/spoilt.wav\n");
    kinds[0].scp = scp;
    spk_iterator *it;
    const spk_batch *b;
    help_ok(spk_train_set_open(&o, &s));
    help_ok(spk_train_iterator(s, 1, &it));
    help_refused(it->next(it->self, &b), SPK_E_FORMAT, "augmenting utterance", "spoilt.wav");
    spk_iterator_close(it);
    spk_train_set_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution_is_the_sum),
        cmocka_unit_test(espnet_figures),
        cmocka_unit_test(nothing_changes_the_draws),
        cmocka_unit_test(warm_it_allocates_nothing),
        cmocka_unit_test(ratios_are_kept),
        cmocka_unit_test(babble_is_of_others),
        cmocka_unit_test(kinds_by_weight),
        cmocka_unit_test(the_store_is_bounded),
        cmocka_unit_test(the_delay_is_kept_or_taken_away),
        cmocka_unit_test(speed_changes_pitch_and_length),
        cmocka_unit_test(speeds_are_classes),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("augmentation", tests, setup, help_teardown);
}
