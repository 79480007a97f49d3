/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model and iterators that are small enough to be seen through: waves of T samples, a linear embedding, a softmax
 * over C classes, and a running mean as the buffer that training moves.
 */
#ifndef TEST_TRAIN_HELP_H
#define TEST_TRAIN_HELP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base_impl.h"
#include "spk/trainer.h"

enum { T = 12, E = 5, C = 4, N_W = E * T, N_P = E * T + C * E };

/* ---- the model ---- */

typedef struct fake_model {
    spk_model m;
    float p[N_P], g[N_P];
    float mean[T];
    int64_t count;
    int64_t calls, nan_loss_from, nan_loss_to, nan_gradient_at; /* which forward_backward calls go wrong */
    int64_t embed_calls, embed_rows, largest_call;
    const float *nan_for; /* a wave whose embedding is NaN */
    bool embed_fails;
} fake_model;

static inline spk_status fake_embed(void *self, const float *speech, int64_t n, int64_t samples, const int64_t *tokens,
                                    float *out)
{
    fake_model *f = self;
    (void)tokens;
    if (f->embed_fails || samples != T)
        return spk_fail(SPK_E_VALUE, "waves of %lld samples are too short", (long long)samples);
    f->embed_calls++;
    f->embed_rows += n;
    f->largest_call = n > f->largest_call ? n : f->largest_call;
    for (int64_t i = 0; i < n; i++)
        for (int e = 0; e < E; e++) {
            float sum = 0;
            for (int t = 0; t < T; t++)
                sum += f->p[e * T + t] * (speech[i * T + t] - f->mean[t]);
            out[i * E + e] = f->nan_for && memcmp(f->nan_for, speech + i * T, sizeof(float[T])) == 0 ? NAN : sum;
        }
    return SPK_OK;
}

/* Softmax over the classes of one wave; adds scale times its gradient. Returns the loss. */
static inline double fake_item(fake_model *f, const float *x, int64_t label, double scale, bool *right)
{
    double h[E], z[C], most = -INFINITY, sum = 0, dh[E] = {0};
    int best = 0;
    for (int e = 0; e < E; e++) {
        h[e] = 0;
        for (int t = 0; t < T; t++)
            h[e] += (double)f->p[e * T + t] * (double)x[t];
    }
    for (int c = 0; c < C; c++) {
        z[c] = 0;
        for (int e = 0; e < E; e++)
            z[c] += (double)f->p[N_W + c * E + e] * h[e];
        if (z[c] > most) {
            most = z[c];
            best = c;
        }
    }
    for (int c = 0; c < C; c++)
        sum += exp(z[c] - most);
    for (int c = 0; c < C; c++) {
        const double dz = (exp(z[c] - most) / sum - (c == label)) * scale;
        for (int e = 0; e < E; e++) {
            f->g[N_W + c * E + e] += (float)(dz * h[e]);
            dh[e] += dz * (double)f->p[N_W + c * E + e];
        }
    }
    for (int e = 0; e < E; e++)
        for (int t = 0; t < T; t++)
            f->g[e * T + t] += (float)(dh[e] * (double)x[t]);
    *right = best == label;
    return most + log(sum) - z[label];
}

static inline spk_status fake_forward_backward(void *self, const float *speech, const int64_t *labels, int64_t n,
                                               int64_t samples, double scale, spk_train_stats *stats)
{
    fake_model *f = self;
    assert_int_equal(samples, T);
    f->calls++;
    stats->loss = stats->accuracy = 0;
    for (int64_t i = 0; i < n; i++) {
        bool right = false;
        stats->loss += fake_item(f, speech + i * T, labels[i], scale / (double)n, &right) / (double)n;
        stats->accuracy += (double)right / (double)n;
        for (int t = 0; t < T; t++)
            f->mean[t] += 0.01F * (speech[i * T + t] - f->mean[t]);
    }
    f->count++;
    if (f->calls >= f->nan_loss_from && f->calls <= f->nan_loss_to) stats->loss = NAN;
    if (f->calls == f->nan_gradient_at) f->g[3] = NAN;
    return SPK_OK;
}

static inline void fake_zero_grad(void *self)
{
    memset(((fake_model *)self)->g, 0, sizeof(float[N_P]));
}

static inline void fake_blocks(void *self, float **p, float **g, int64_t *n)
{
    *p = ((fake_model *)self)->p;
    *g = ((fake_model *)self)->g;
    *n = N_P;
}

static inline void fake_changed(void *self)
{
    (void)self;
}

static inline spk_status fake_save(void *self, spk_tensors *out)
{
    fake_model *f = self;
    const int64_t w[2] = {E, T}, v[2] = {C, E}, m[1] = {T};
    spk_ndarray *a;
    SPK_TRY(spk_tensors_add(out, "encoder.weight", SPK_F32, 2, w, &a));
    memcpy(a->data, f->p, sizeof(float[N_W]));
    SPK_TRY(spk_tensors_add(out, "loss.weight", SPK_F32, 2, v, &a));
    memcpy(a->data, f->p + N_W, sizeof(float[C * E]));
    SPK_TRY(spk_tensors_add(out, "bn.running_mean", SPK_F32, 1, m, &a));
    memcpy(a->data, f->mean, sizeof f->mean);
    SPK_TRY(spk_tensors_add(out, "bn.num_batches_tracked", SPK_I64, 0, NULL, &a));
    memcpy(a->data, &f->count, sizeof f->count);
    return SPK_OK;
}

static inline spk_status fake_load(void *self, const spk_tensors *in)
{
    fake_model *f = self;
    const spk_ndarray *w = spk_tensors_find(in, "encoder.weight"), *v = spk_tensors_find(in, "loss.weight");
    const spk_ndarray *m = spk_tensors_find(in, "bn.running_mean"), *n = spk_tensors_find(in, "bn.num_batches_tracked");
    if (in->n != 4 || !w || !v || !m || !n || spk_ndarray_count(w) != N_W || spk_ndarray_count(v) != C * E)
        return spk_fail(SPK_E_MISMATCH, "the weights do not fit the model");
    memcpy(f->p, w->data, sizeof(float[N_W]));
    memcpy(f->p + N_W, v->data, sizeof(float[C * E]));
    memcpy(f->mean, m->data, sizeof f->mean);
    memcpy(&f->count, n->data, sizeof f->count);
    return SPK_OK;
}

static inline void fake_model_init(fake_model *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    f->m = (spk_model){.self = f,
                       .embedding_size = E,
                       .embed = fake_embed,
                       .forward_backward = fake_forward_backward,
                       .zero_grad = fake_zero_grad,
                       .blocks = fake_blocks,
                       .parameters_changed = fake_changed,
                       .save_state = fake_save,
                       .load_state = fake_load};
    spk_rng r = spk_rng_make(seed, SPK_PURPOSE_TEST, 0, 1, 0);
    for (int i = 0; i < N_P; i++)
        f->p[i] = (float)(0.3 * spk_rng_normal(&r));
}

/* ---- speech ---- */

/* A wave of a speaker: what is the speaker's own, and noise that is the utterance's. */
static inline void fake_wave(float *x, int64_t speaker, int64_t utterance, int64_t segment)
{
    spk_rng own = spk_rng_make(7, SPK_PURPOSE_TEST, 1, (uint64_t)speaker, 0);
    spk_rng noise = spk_rng_make(7, SPK_PURPOSE_TEST, 2 + (uint64_t)utterance, (uint64_t)speaker, (uint32_t)segment);
    for (int t = 0; t < T; t++)
        x[t] = (float)(spk_rng_normal(&own) + 0.9 * spk_rng_normal(&noise));
}

/* ---- training batches ---- */

typedef struct fake_train {
    spk_iterator it;
    int64_t epoch, n_batches, i, batch;
    spk_batch b;
    spk_array arrays[2];
    float speech[8 * T];
    int64_t labels[8];
    char ids[8][32];
    const char *id[8];
} fake_train;

static inline spk_status fake_train_next(void *self, const spk_batch **out)
{
    fake_train *f = self;
    *out = NULL;
    if (f->i >= f->n_batches) return SPK_OK;
    for (int64_t k = 0; k < f->batch; k++) {
        const int64_t u = (f->epoch * 131 + f->i * 17 + k * 5) % 50;
        f->labels[k] = (u + k) % C;
        fake_wave(f->speech + k * T, f->labels[k], u, 0);
        snprintf(f->ids[k], sizeof f->ids[k], "s%d-u%d", (int)f->labels[k], (int)u);
        f->id[k] = f->ids[k];
    }
    f->arrays[0] = (spk_array){"speech", SPK_F32, 2, {f->batch, T}, f->speech};
    f->arrays[1] = (spk_array){"spk_labels", SPK_I64, 2, {f->batch, 1}, f->labels};
    f->b = (spk_batch){.n = f->batch, .ids = f->id, .n_arrays = 2, .arrays = f->arrays, .wait_s = 0.25};
    f->i++;
    *out = &f->b;
    return SPK_OK;
}

static inline void fake_train_init(fake_train *f, int64_t epoch, int64_t n_batches)
{
    memset(f, 0, sizeof *f);
    f->epoch = epoch;
    f->n_batches = n_batches;
    f->batch = 8;
    f->it = (spk_iterator){.self = f, .next = fake_train_next, .n_batches = n_batches};
}

/* ---- trials ---- */

enum { MAX_U = 24, MAX_K = 3, MAX_TRIALS = 200, MAX_BATCH = 16 };

typedef struct fake_trials {
    spk_iterator it;
    spk_trial_source source;
    int64_t n_utterances, n_trials, K, batch;
    char uid[MAX_U][24];
    float wave[MAX_U][MAX_K * T];
    spk_trial trial[MAX_TRIALS];
    char tid[MAX_TRIALS][48];
    int64_t other_audio_at; /* a trial whose first side sounds otherwise; -1: none */
    bool plain;             /* next gives utterances, no trials */
    bool with_tokens;
    int64_t i, passes;
    spk_batch b;
    spk_array arrays[4];
    float speech[MAX_BATCH * MAX_K * T], speech2[MAX_BATCH * MAX_K * T];
    int64_t labels[MAX_BATCH], tokens[MAX_BATCH];
    const char *id[MAX_BATCH];
} fake_trials;

static inline spk_status fake_utterances_next(void *self, const spk_batch **out)
{
    fake_trials *f = self;
    int64_t n = 0;
    *out = NULL;
    for (; n < f->batch && f->i < f->n_utterances; n++, f->i++) {
        memcpy(f->speech + n * f->K * T, f->wave[f->i], (size_t)(f->K * T) * sizeof(float));
        f->id[n] = f->uid[f->i];
    }
    if (n == 0) {
        f->i = 0;
        f->passes++;
        return SPK_OK;
    }
    f->arrays[0] = (spk_array){"speech", SPK_F32, 3, {n, f->K, T}, f->speech};
    f->b = (spk_batch){.n = n, .ids = f->id, .n_arrays = 1, .arrays = f->arrays};
    *out = &f->b;
    return SPK_OK;
}

static inline spk_status fake_trials_next(void *self, const spk_batch **out)
{
    fake_trials *f = self;
    int64_t n = 0;
    const size_t bytes = (size_t)(f->K * T) * sizeof(float);
    if (f->plain) return fake_utterances_next(self, out);
    *out = NULL;
    for (; n < f->batch && f->i < f->n_trials; n++, f->i++) {
        const spk_trial *t = &f->trial[f->i];
        memcpy(f->speech + n * f->K * T, f->wave[t->enroll], bytes);
        memcpy(f->speech2 + n * f->K * T, f->wave[t->test], bytes);
        if (f->i == f->other_audio_at) f->speech[n * f->K * T + 1] += 0.5F;
        f->labels[n] = t->label;
        f->tokens[n] = 7;
        f->id[n] = t->id;
    }
    if (n == 0) {
        f->i = 0;
        f->passes++;
        return SPK_OK;
    }
    f->arrays[0] = (spk_array){"speech", SPK_F32, 3, {n, f->K, T}, f->speech};
    f->arrays[1] = (spk_array){"speech2", SPK_F32, 3, {n, f->K, T}, f->speech2};
    f->arrays[2] = (spk_array){"spk_labels", SPK_I64, 2, {n, 1}, f->labels};
    f->arrays[3] = (spk_array){"task_tokens", SPK_I64, 2, {n, 1}, f->tokens};
    f->b = (spk_batch){.n = n, .ids = f->id, .n_arrays = f->with_tokens ? 4 : 3, .arrays = f->arrays};
    *out = &f->b;
    return SPK_OK;
}

/* All pairs of U utterances of U/3 speakers. Utterances are in the order in which trials name them. */
static inline void fake_trials_init(fake_trials *f, int64_t U, int64_t K, int64_t batch, bool split)
{
    memset(f, 0, sizeof *f);
    f->n_utterances = U;
    f->K = K;
    f->batch = batch;
    f->other_audio_at = -1;
    for (int64_t u = 0; u < U; u++) {
        snprintf(f->uid[u], sizeof f->uid[u], "spk%d/utt%d", (int)(u / 3), (int)(u % 3));
        for (int64_t k = 0; k < K; k++)
            fake_wave(f->wave[u] + k * T, 100 + u / 3, u, k);
    }
    for (int64_t a = 0; a < U; a++)
        for (int64_t b = a + 1; b < U && f->n_trials < MAX_TRIALS; b++) {
            const int64_t i = f->n_trials++;
            snprintf(f->tid[i], sizeof f->tid[i], "spk%d/utt%d*spk%d/utt%d", (int)(a / 3), (int)(a % 3), (int)(b / 3),
                     (int)(b % 3));
            f->trial[i] = (spk_trial){a, b, a / 3 == b / 3, f->tid[i]};
        }
    f->it = (spk_iterator){.self = f, .next = fake_trials_next, .n_batches = (f->n_trials + batch - 1) / batch};
    f->source = (spk_trial_source){
        .self = f, .n_utterances = U, .n_trials = f->n_trials, .trials = f->trial, .next = fake_utterances_next};
    if (split) f->it.split = &f->source;
}

/* ---- folders ---- */

/* A fresh folder; remove it with drop_folder. */
static inline char *make_folder(void)
{
    char *path = spk_strdup("/tmp/spk-train-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void drop_folder(char *path)
{
    char *command = spk_strf("rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
    spk_free(command);
    spk_free(path);
}

static inline bool holds(const char *folder, const char *name)
{
    char *path = spk_path_join(folder, name);
    const bool there = spk_exists(path);
    spk_free(path);
    return there;
}

/* The whole of a file of the folder; *n its bytes. */
static inline char *slurp(const char *folder, const char *name, size_t *n)
{
    char *path = spk_path_join(folder, name), *data = NULL;
    if (spk_read_file(path, &data, n) != SPK_OK) fail_msg("%s", spk_errmsg());
    spk_free(path);
    return data;
}

static inline void assert_message(const char *part)
{
    if (!strstr(spk_errmsg(), part)) fail_msg("the message '%s' does not say '%s'", spk_errmsg(), part);
}

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        if ((call) != SPK_OK) fail_msg("%s: %s", #call, spk_errmsg());                                                 \
    } while (0)

#endif
