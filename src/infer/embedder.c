/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a trained model, and embedding one recording with it. */
#include "infer/embedder_impl.h"

#include <math.h>
#include <string.h>

#include "data/resample_impl.h"
#include "spk/state.h"

void spk_embedder_options_init(spk_embedder_options *o)
{
    *o = (spk_embedder_options){.channel = SPK_CHANNEL_REFUSE};
}

/* ---- opening ---- */

/* The weights of an output folder: the best epoch's, else the last one's. */
static spk_status find_weights(const spk_config *c, const char *folder, char **out)
{
    char *best = spk_path_join(folder, "valid.eer.best.pth");
    for (int64_t i = 0; !spk_is_file(best) && i < c->best_model_criterion.n; i++) {
        char *const *part = c->best_model_criterion.v[i].part;
        char *name = spk_strf("%s.%s.best.pth", part[0], part[1]);
        spk_free(best);
        best = spk_path_join(folder, name);
        spk_free(name);
    }
    if (spk_is_file(best)) {
        *out = best;
        return SPK_OK;
    }
    spk_free(best);
    char *latest = spk_path_join(folder, "latest.pth");
    if (spk_is_file(latest)) {
        spk_info("embedder", "%s holds no valid.eer.best.pth; taking latest.pth", folder);
        *out = latest;
        return SPK_OK;
    }
    spk_free(latest);
    static const char *const converted[] = {"model.pth", "model.safetensors"}; /* what spk convert writes */
    for (int i = 0; i < 2; i++) {
        *out = spk_path_join(folder, converted[i]);
        if (spk_is_file(*out)) return SPK_OK;
        spk_free(*out);
        *out = NULL;
    }
    return spk_fail(
        SPK_E_IO,
        "%s: neither valid.eer.best.pth nor latest.pth nor model.pth is there; name the weights (.pth) of this "
        "model",
        folder);
}

/* Which files `model` stands for. */
static spk_status find_config(const char *model, char **config_file, char **folder)
{
    if (spk_is_folder(model)) {
        *folder = spk_strdup(model);
        *config_file = spk_path_join(model, "config.yaml");
        if (spk_is_file(*config_file)) return SPK_OK;
        return spk_fail(SPK_E_IO, "%s: no config.yaml is there; a model is the output folder of a training", model);
    }
    *folder = spk_path_folder(model);
    *config_file = spk_strdup(model);
    if (spk_is_file(model)) return SPK_OK;
    return spk_fail(SPK_E_IO,
                    "%s: no such file or folder; a model is the output folder of a training, or its "
                    "config.yaml",
                    model);
}

/* The configuration that lies in a packed model; the file is its own weights. */
static spk_status read_packed_config(const char *zip, spk_embedder *e)
{
    char *text = NULL;
    size_t n = 0;
    SPK_TRY(spk_read_packed(zip, &text, &n, &e->config_file, NULL));
    const spk_status status = spk_config_parse(text, n, e->config_file, &e->config);
    spk_packed_free(text);
    return status;
}

static spk_status open_net(spk_embedder *e, const spk_embedder_options *o)
{
    const spk_net_options options = {
        .n_threads = o->n_threads, .f64 = o->f64, .bf16_embed = o->bf16, .gpu = o->gpu, .embed_only = true};
    spk_net_info info;
    SPK_TRY(spk_config_check(&e->config, SPK_CONFIG_MODEL, NULL));
    if (o->f64 && o->bf16) return spk_fail(SPK_E_VALUE, "a model computes in bfloat16 or in double, not in both");
    SPK_TRY(spk_net_new(&e->config, &options, &e->net));
    SPK_TRY(spk_net_load(e->net, e->model_file));
    e->min_samples = spk_net_min_samples(e->net);
    SPK_TRY(spk_net_describe(e->net, e->min_samples, &info));
    e->size = info.embedding_size;
    return SPK_OK;
}

spk_status spk_embedder_open(const char *model, const spk_embedder_options *options, spk_embedder **out)
{
    spk_embedder_options usual;
    spk_status status;
    bool have_config = false;
    SPK_ASSERT(model && out);
    spk_embedder_options_init(&usual);
    if (!options) options = &usual;
    *out = NULL;
    spk_embedder *e = spk_new(sizeof *e);
    e->packed = spk_is_packed(model);
    if (e->packed) {
        e->home = spk_strdup(model);
        SPK_GO(read_packed_config(model, e));
    } else {
        SPK_GO(find_config(model, &e->config_file, &e->home));
        SPK_GO(spk_config_read(e->config_file, &e->config));
    }
    have_config = true;
    if (options->model_file || e->packed)
        e->model_file = spk_strdup(options->model_file ? options->model_file : model);
    else
        SPK_GO(find_weights(&e->config, e->home, &e->model_file));
    SPK_GO(open_net(e, options));
    e->audio = (spk_audio_options){.sample_rate = e->config.preprocess.sample_rate, .channel = options->channel};
    e->audio.feature_size = spk_net_feature_size(e->net);
    if (e->audio.feature_size > 0) e->audio.sample_rate = e->config.preprocess.frames_per_second;
    e->width = e->audio.feature_size > 0 ? e->audio.feature_size : 1;
    e->n_loaders = options->n_loaders > 0 ? options->n_loaders : 2;
done:
    if (status != SPK_OK) {
        if (!have_config) spk_config_init(&e->config);
        spk_embedder_close(e);
        return status;
    }
    *out = e;
    return SPK_OK;
}

void spk_embedder_close(spk_embedder *e)
{
    if (!e) return;
    spk_net_free(e->net);
    spk_config_clear(&e->config);
    spk_free(e->config_file);
    spk_free(e->model_file);
    spk_free(e->home);
    spk_free(e->speech);
    spk_free(e->lengths);
    spk_free(e);
}

int64_t spk_embedder_size(const spk_embedder *e)
{
    return e->size;
}

int64_t spk_embedder_sample_rate(const spk_embedder *e)
{
    return e->audio.sample_rate;
}

int64_t spk_embedder_feature_size(const spk_embedder *e)
{
    return e->audio.feature_size;
}

const char *spk_embedder_model_file(const spk_embedder *e)
{
    return e->model_file;
}

/* ---- embedding ---- */

static spk_status have_room(spk_embedder *e, int64_t n, int64_t samples)
{
    bool overflow = false;
    const size_t row = spk_mul((size_t)samples, sizeof(float) * (size_t)e->width, &overflow);
    const size_t bytes = spk_mul((size_t)n, row, &overflow);
    if (overflow || bytes > e->speech_room) {
        spk_free(e->speech);
        e->speech = overflow ? NULL : spk_alloc(bytes);
        e->speech_room = e->speech ? bytes : 0;
        if (!e->speech)
            return spk_fail(SPK_E_NOMEM, "no memory for %lld waves of %lld samples", (long long)n, (long long)samples);
    }
    if (n > e->lengths_room) {
        e->lengths = spk_renew(e->lengths, sizeof *e->lengths * (size_t)n);
        e->lengths_room = n;
    }
    return SPK_OK;
}

spk_status spk__embed_waves(spk_embedder *e, const float *const *wave, const int64_t *length, int64_t n, int64_t room,
                            float *embedding)
{
    int64_t samples = room;
    for (int64_t i = 0; i < n; i++)
        samples = length[i] > samples ? length[i] : samples;
    SPK_TRY(have_room(e, n, samples));
    for (int64_t i = 0; i < n; i++) {
        float *row = e->speech + i * samples * e->width;
        memcpy(row, wave[i], sizeof *row * (size_t)(length[i] * e->width));
        memset(row + length[i] * e->width, 0, sizeof *row * (size_t)((samples - length[i]) * e->width));
        e->lengths[i] = length[i];
    }
    SPK_TRY(spk_net_embed(e->net, e->speech, e->lengths, n, samples, embedding));
    for (int64_t i = 0; i < n * e->size; i++)
        if (!isfinite(embedding[i]))
            return spk_fail(SPK_E_VALUE, "the embedding is not finite; are the weights of %s whole?", e->model_file);
    return SPK_OK;
}

spk_status spk__embed_lengthen(const spk_embedder *e, const char *name, float **wave, int64_t *n)
{
    if (*n >= e->min_samples) return SPK_OK;
    spk_warn("embedder", "%s: %lld %s are fewer than the %lld that the model takes; repeating them", name,
             (long long)*n, e->audio.feature_size > 0 ? "frames" : "samples", (long long)e->min_samples);
    const int64_t have = *n * e->width, need = e->min_samples * e->width;
    float *longer = spk_alloc(sizeof *longer * (size_t)need);
    if (!longer) return spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", name, (long long)e->min_samples);
    for (int64_t i = 0; i < need; i++)
        longer[i] = (*wave)[i % have];
    spk_free(*wave);
    *wave = longer;
    *n = e->min_samples;
    return SPK_OK;
}

typedef struct memory {
    const float *samples;
} memory;

static spk_status read_memory(void *self, int64_t first, int64_t n, float *dst)
{
    memcpy(dst, ((const memory *)self)->samples + first, sizeof *dst * (size_t)n);
    return SPK_OK;
}

/* A copy at the model's rate. */
static spk_status convert(const spk_embedder *e, const float *samples, int64_t n, int64_t rate, float **wave,
                          int64_t *n_wave)
{
    memory from = {samples};
    const spk_resample_source source = {&from, read_memory, "the wave", n, rate, e->audio.sample_rate};
    *n_wave = rate == e->audio.sample_rate ? n : spk_resampled_length(n, rate, e->audio.sample_rate);
    *wave = spk_alloc(sizeof **wave * (size_t)*n_wave);
    if (!*wave) return spk_fail(SPK_E_NOMEM, "the wave: no memory for %lld samples", (long long)*n_wave);
    if (rate == e->audio.sample_rate) {
        memcpy(*wave, samples, sizeof **wave * (size_t)n);
        return SPK_OK;
    }
    spk_resampler *resampler = spk_resampler_new();
    const spk_status status = spk_resample_part(resampler, &source, 0, *n_wave, *wave);
    spk_resampler_free(resampler);
    return status;
}

static spk_status embed_one(spk_embedder *e, const char *name, float **wave, int64_t n, float *embedding)
{
    SPK_TRY(spk__embed_lengthen(e, name, wave, &n));
    const float *one = *wave;
    return spk__embed_waves(e, &one, &n, 1, 0, embedding);
}

spk_status spk_embed_wave(spk_embedder *e, const float *samples, int64_t n, int64_t sample_rate, float *embedding)
{
    float *wave = NULL;
    int64_t n_wave = 0;
    spk_status status;
    SPK_ASSERT(e && (samples || n < 1) && embedding);
    if (e->audio.feature_size > 0)
        return spk_fail(SPK_E_VALUE, "the model takes features, not sound: give frames of %lld values",
                        (long long)e->audio.feature_size);
    if (n < 1) return spk_fail(SPK_E_VALUE, "the wave has no samples");
    if (sample_rate < 1 || sample_rate > 10000000)
        return spk_fail(SPK_E_VALUE, "the wave's sample rate %lld makes no sense", (long long)sample_rate);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(samples[i])) return spk_fail(SPK_E_VALUE, "sample %lld of the wave is not finite", (long long)i);
    SPK_GO(convert(e, samples, n, sample_rate, &wave, &n_wave));
    SPK_GO(embed_one(e, "the wave", &wave, n_wave, embedding));
done:
    spk_free(wave);
    return status;
}

spk_status spk_embed_features(spk_embedder *e, const float *frames, int64_t n, int64_t size, float *embedding)
{
    SPK_ASSERT(e && (frames || n < 1) && embedding);
    if (n < 1) return spk_fail(SPK_E_VALUE, "there are no frames");
    if (e->audio.feature_size == 0) return spk_fail(SPK_E_VALUE, "the model hears sound and takes no features");
    if (size != e->audio.feature_size)
        return spk_fail(SPK_E_SHAPE, "frames of %lld values were given; the model takes %lld", (long long)size,
                        (long long)e->audio.feature_size);
    for (int64_t i = 0; i < n * size; i++)
        if (!isfinite(frames[i])) return spk_fail(SPK_E_VALUE, "frame %lld is not finite", (long long)(i / size));
    float *copy = spk_alloc(sizeof *copy * (size_t)(n * size));
    if (!copy) return spk_fail(SPK_E_NOMEM, "no memory for %lld frames", (long long)n);
    memcpy(copy, frames, sizeof *copy * (size_t)(n * size));
    const spk_status status = embed_one(e, "the features", &copy, n, embedding);
    spk_free(copy);
    return status;
}

spk_status spk_embed_file(spk_embedder *e, const char *path, float *embedding)
{
    float *wave = NULL;
    int64_t n = 0;
    spk_status status;
    SPK_ASSERT(e && path && embedding);
    SPK_GO(spk_audio_read_all(path, &e->audio, &wave, &n));
    status = embed_one(e, path, &wave, n, embedding);
    if (status != SPK_OK) spk_fail_in(status, "%s", path);
done:
    spk_free(wave); /* spk_audio_read_all allocates as spk_free frees */
    return status;
}
