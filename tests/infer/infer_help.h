/* SPDX-License-Identifier: Apache-2.0 */
/* A model of random weights in a temporary folder, and recordings beside it: what the tests of this room share. */
#ifndef SPK_TESTS_INFER_HELP_H
#define SPK_TESTS_INFER_HELP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "infer/embedder_impl.h"
#include "spk/state.h"

enum { RATE = 16000 };

static char folder[] = "/tmp/spk-test-infer-XXXXXX";

static const char conf[] = "frontend: melspec_torch\n"
                           "frontend_conf: {preemp: true, n_fft: 512, log: true, win_length: 400, hop_length: 160,"
                           " n_mels: 24, normalize: mn}\n"
                           "encoder: ecapa_tdnn\n"
                           "encoder_conf: {model_scale: 4, ndim: 16, output_size: 24}\n"
                           "projector_conf: {output_size: 12}\n"
                           "preprocessor_conf: {target_duration: 0.5, sample_rate: 16000, num_eval: 2}\n"
                           "spk_num: 5\nseed: ";

/* ---- files ---- */

static inline char *in_folder(const char *name)
{
    return spk_path_join(folder, name);
}

static inline float *make_wave(int64_t n, int seed)
{
    float *x = spk_new(sizeof *x * (size_t)n);
    spk_rng rng = spk_rng_make((uint64_t)seed, SPK_PURPOSE_TEST, 0, 0, 0);
    for (int64_t i = 0; i < n; i++) /* values that 16 bits hold */
        x[i] = (float)(spk_rng_below(&rng, 8000) - 4000) / 32768;
    return x;
}

static inline void put(spk_text *t, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const char c = (char)(v >> (8 * i) & 255);
        spk_text_addn(t, &c, 1);
    }
}

static inline void write_wav(const char *name, const float *x, int64_t n, uint32_t rate)
{
    spk_text t = {0};
    char *path = in_folder(name);
    spk_text_add(&t, "RIFF");
    put(&t, (uint32_t)(36 + 2 * n), 4);
    spk_text_add(&t, "WAVEfmt ");
    put(&t, 16, 4);
    put(&t, 1, 2);
    put(&t, 1, 2);
    put(&t, rate, 4);
    put(&t, 2 * rate, 4);
    put(&t, 2, 2);
    put(&t, 16, 2);
    spk_text_add(&t, "data");
    put(&t, (uint32_t)(2 * n), 4);
    for (int64_t i = 0; i < n; i++)
        put(&t, (uint32_t)(int32_t)lrintf(x[i] * 32768) & 0xffff, 2);
    assert_int_equal(spk_write_file(path, t.s, t.n), SPK_OK);
    spk_text_clear(&t);
    spk_free(path);
}

/* A network of random weights, as a training leaves it, in a folder below. */
static inline void write_model(const char *below, int seed)
{
    spk_config c;
    spk_net *net;
    spk_tensors weights = {0};
    char *where = in_folder(below), *yaml = spk_path_join(where, "config.yaml"),
         *pth = spk_path_join(where, "latest.pth");
    char *text = spk_strf("%s%d\n", conf, seed);
    assert_int_equal(spk_make_folders(where), SPK_OK);
    assert_int_equal(spk_write_file(yaml, text, strlen(text)), SPK_OK);
    assert_int_equal(spk_config_read(yaml, &c), SPK_OK);
    assert_int_equal(spk_net_new(&c, NULL, &net), SPK_OK);
    spk_model *m = spk_net_model(net);
    assert_int_equal(m->save_state(m->self, &weights), SPK_OK);
    assert_int_equal(spk_pth_write(pth, &weights), SPK_OK);
    spk_tensors_clear(&weights);
    spk_net_free(net);
    spk_config_clear(&c);
    spk_free(text);
    spk_free(yaml);
    spk_free(pth);
    spk_free(where);
}

static inline int make_model(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    write_model("", 0);
    return 0;
}

static inline int remove_model(void **state)
{
    (void)state;
    char *command = spk_strf("rm -r %s", folder);
    const int rc = system(command);
    spk_free(command);
    return rc;
}

static inline spk_embedder *open_with(int n_loaders)
{
    spk_embedder *e = NULL;
    spk_embedder_options o;
    spk_embedder_options_init(&o);
    o.n_loaders = n_loaders;
    o.n_threads = 2;
    if (spk_embedder_open(folder, &o, &e) != SPK_OK) fail_msg("%s", spk_errmsg());
    return e;
}

static inline void assert_near(const float *a, const float *b, int64_t n, double bound)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(a[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    }
    assert_true(largest > 0);
    if (worst > bound * largest) fail_msg("differ by %g of %g", worst, largest);
}

#endif
