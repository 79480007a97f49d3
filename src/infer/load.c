/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding what is embedded (load_impl.h). */
#include "infer/load_impl.h"

#include <string.h>

spk_status spk__load_speech(const spk_embedder *e, const spk_speech *speech, double min_speech, spk_audio_reader *r,
                            const spk_embed_item *item, int64_t n, spk_spans *out)
{
    const int64_t rate = e->audio.sample_rate;
    *out = (spk_spans){0};
    if (speech)
        SPK_TRY(spk_speech_find(speech, item->id, r, n, rate, out));
    else
        spk_spans_add(out, 0, n);
    const double seconds = (double)spk_spans_total(out) / (double)rate;
    if (seconds > 0 && seconds >= min_speech) return SPK_OK;
    spk_spans_clear(out);
    if (seconds > 0)
        return spk_fail(SPK_E_VALUE, "%s: '%s' has %.2f s of %s, less than the %g s that are asked for", item->path,
                        item->id, seconds, speech ? "speech" : "audio", min_speech);
    return spk_fail(SPK_E_VALUE, "%s: '%s' has no speech", item->path, item->id);
}

static spk_status no_memory(const char *path, int64_t n)
{
    return spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", path, (long long)n);
}

/* Room for n waves. */
static spk_status make_room(const spk_embedder *e, const char *path, int64_t n_waves, int64_t samples, float **out)
{
    bool overflow = false;
    const size_t row = spk_mul((size_t)samples, sizeof(float) * (size_t)e->width, &overflow);
    const size_t bytes = spk_mul((size_t)n_waves, row, &overflow);
    *out = overflow ? NULL : spk_alloc(bytes);
    return *out ? SPK_OK : no_memory(path, samples);
}

/* The parts of the open recording, one behind the other. */
static spk_status read_parts(const spk_embedder *e, spk_audio_reader *r, const char *path, const spk_spans *parts,
                             float **wave, int64_t *samples)
{
    *samples = spk_spans_total(parts);
    SPK_TRY(make_room(e, path, 1, *samples, wave));
    int64_t at = 0;
    for (int64_t i = 0; i < parts->n; i++) {
        const int64_t n = parts->v[i].end - parts->v[i].begin;
        SPK_TRY(spk_audio_part(r, parts->v[i].begin, n, *wave + at * e->width));
        at += n;
    }
    return SPK_OK;
}

/* K segments of T samples out of a wave in memory, as spk_crop_segments takes them out of a file. */
static spk_status cut_segments(const spk_embedder *e, const char *path, const spk__load_options *o, spk__loaded *x)
{
    float *segments = NULL;
    const int64_t L = x->samples, D = e->width;
    SPK_TRY(make_room(e, path, o->K, o->T, &segments));
    for (int64_t k = 0; k < o->K; k++) {
        const int64_t start = L > o->T ? spk_segment_start(L, o->T, o->K, k) : 0;
        for (int64_t i = 0; i < o->T; i++)
            memcpy(segments + (k * o->T + i) * D, x->wave + (start + i) % L * D, sizeof *segments * (size_t)D);
    }
    spk_free(x->wave);
    x->wave = segments;
    x->samples = o->T;
    x->n_waves = o->K;
    return SPK_OK;
}

static spk_status load(const spk_embedder *e, spk_audio_reader *r, const spk_embed_item *item,
                       const spk__load_options *o, const spk_spans *parts, spk__loaded *out)
{
    out->n_waves = 1;
    if (o->K > 0 && !o->speech) {
        out->n_waves = o->K;
        out->samples = o->T;
        SPK_TRY(make_room(e, item->path, o->K, o->T, &out->wave));
        return spk_crop_segments(r, item->path, o->T, o->K, out->wave);
    }
    SPK_TRY(read_parts(e, r, item->path, parts, &out->wave, &out->samples));
    spk_audio_shut(r);
    if (o->K > 0) return cut_segments(e, item->path, o, out);
    return spk__embed_lengthen(e, item->path, &out->wave, &out->samples);
}

spk_status spk__load(const spk_embedder *e, spk_audio_reader *r, const spk_embed_item *item, const spk__load_options *o,
                     spk__loaded *out)
{
    spk_spans parts = {0};
    *out = (spk__loaded){0};
    SPK_TRY(spk_audio_open(r, item->path, &out->recording));
    spk_status status = spk__load_speech(e, o->speech, o->min_speech, r, item, out->recording, &parts);
    if (status == SPK_OK) status = load(e, r, item, o, &parts, out);
    spk_spans_clear(&parts);
    if (status == SPK_OK) return SPK_OK;
    spk_free(out->wave);
    out->wave = NULL;
    return status;
}
