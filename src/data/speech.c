/* SPDX-License-Identifier: Apache-2.0 */
/* Where somebody speaks (spk/speech.h). */
#include <math.h>
#include <string.h>

#include "data/features_impl.h"
#include "data/speech_impl.h"
#include "data/vad_impl.h"
#include "formats/ark_impl.h"

static const double OVERSHOOT_S = 0.5; /* a part may end so far behind the recording: rounding of who wrote the list */
static const double FRAMES_OFF_S =
    0.1; /* frames of a vad.scp may be so many seconds more or fewer than the recording */

spk_status spk_speech_open(const char *what, const spk_vad_options *options, spk_speech **out)
{
    spk_speech *s = spk_new(sizeof *s);
    spk_status status = SPK_OK;
    *out = NULL;
    spk_vad_options_init(&s->energy);
    if (options) s->energy = *options;
    s->path = spk_strdup(what);
    if (strcmp(what, "energy") == 0) {
        s->kind = SPK_SPEECH_ENERGY;
    } else if (spk_is_folder(what)) {
        s->kind = SPK_SPEECH_LABS;
    } else if (spk_ends_with(what, ".scp")) {
        s->kind = SPK_SPEECH_FRAMES;
        status = spk_list_read(what, 0, &s->scp);
    } else if (spk_ends_with(what, ".lab")) {
        status = spk_fail(SPK_E_VALUE, "%s: name the folder that holds a lab file for each utterance", what);
    } else {
        s->kind = SPK_SPEECH_PARTS;
        status = spk__speech_parts_read(what, &s->parts);
    }
    if (status != SPK_OK) {
        spk_speech_close(s);
        return status;
    }
    *out = s;
    return SPK_OK;
}

void spk_speech_close(spk_speech *s)
{
    if (!s) return;
    spk_list_clear(&s->scp);
    spk__speech_parts_clear(&s->parts);
    spk_free(s->path);
    spk_free(s);
}

/* ---- parts in seconds ---- */

static spk_status take_parts(const spk_speech_parts *p, const char *key, const char *id, int64_t n, int64_t rate,
                             spk_spans *out)
{
    const double length = (double)n / (double)rate;
    int64_t i = -1;
    if (!spk_map_get(&p->first, key, &i) && *key)
        return spk_fail(SPK_E_MISMATCH, "%s: says nothing of the utterance '%s'", p->list.path, id);
    for (; i >= 0; i = p->v[i].next) {
        const spk_speech_part *x = &p->v[i];
        if (x->begin >= length + OVERSHOOT_S || x->end > length + OVERSHOOT_S)
            return spk_fail(SPK_E_VALUE, "%s:%lld: the part from %g to %g s lies outside of '%s', which has %g s",
                            p->list.path, (long long)x->line, x->begin, x->end, id, length);
        spk_spans_add(out, llround(x->begin * (double)rate), x->end < 0 ? n : llround(x->end * (double)rate));
    }
    return SPK_OK;
}

static spk_status find_lab(const spk_speech *s, const char *id, int64_t n, int64_t rate, spk_spans *out)
{
    spk_speech_parts parts = {0};
    char *name = spk_strf("%s.lab", id), *path = spk_path_join(s->path, name[0] == '/' ? name + 1 : name);
    spk_status status = spk__speech_lab_read(path, &parts);
    if (status == SPK_OK) status = take_parts(&parts, "", id, n, rate, out);
    spk__speech_parts_clear(&parts);
    spk_free(path);
    spk_free(name);
    return status;
}

/* ---- a number for each frame ---- */

static spk_status read_frames(const char *path, const char *id, float **frames, int64_t *T)
{
    int64_t offset = -1;
    char *file = spk_strndup(path, spk_feature_path(path, &offset));
    FILE *stream = NULL;
    spk_ark_head h;
    spk_status status = spk_ark_open(file, offset, &h, &stream);
    if (status == SPK_OK && (h.n_dims != 1 || h.packed || h.dtype != SPK_F32 || h.dim[0] < 1))
        status = spk_fail(SPK_E_FORMAT, "%s: '%s' is no vector with a number for each frame", path, id);
    if (status == SPK_OK) {
        *T = h.dim[0];
        *frames = spk_alloc(h.bytes);
        if (!*frames)
            status = spk_fail(SPK_E_NOMEM, "%s: no memory for %lld frames", path, (long long)*T);
        else if (fread(*frames, 1, h.bytes, stream) != h.bytes)
            status = spk_fail(SPK_E_FORMAT, "%s: the vector of '%s' is cut", path, id);
    }
    if (stream) fclose(stream);
    spk_free(file);
    return status;
}

static spk_status find_frames(const spk_speech *s, const char *id, int64_t n, int64_t rate, spk_spans *out)
{
    const char *value = spk_list_get(&s->scp, id);
    float *frames = NULL;
    int64_t T = 0;
    if (!value) return spk_fail(SPK_E_MISMATCH, "%s: says nothing of the utterance '%s'", s->path, id);
    char *path = spk_list_resolve_path(s->path, value);
    spk_status status = read_frames(path, id, &frames, &T);
    const double length = (double)n / (double)rate;
    if (status == SPK_OK && fabs((double)T / 100 - length) > FRAMES_OFF_S)
        status = spk_fail(SPK_E_MISMATCH, "%s: '%s' has %lld frames of 10 ms, and the recording %g s", s->path, id,
                          (long long)T, length);
    for (int64_t t = 0; status == SPK_OK && t < T; t++)
        if (frames[t] != 0) spk_spans_add(out, t * rate / 100, t + 1 < T ? (t + 1) * rate / 100 : n);
    spk_free(frames);
    spk_free(path);
    return status;
}

spk_status spk_speech_find(const spk_speech *s, const char *id, spk_audio_reader *r, int64_t n, int64_t rate,
                           spk_spans *out)
{
    spk_status status;
    *out = (spk_spans){0};
    if (s->kind == SPK_SPEECH_ENERGY && spk_audio_width(r) > 1)
        status = spk_fail(SPK_E_UNSUPPORTED, "%s: holds features; energy is found in sound only", id);
    else if (s->kind == SPK_SPEECH_ENERGY)
        status = spk_vad_energy(&s->energy, r, n, rate, out);
    else if (s->kind == SPK_SPEECH_FRAMES)
        status = find_frames(s, id, n, rate, out);
    else if (s->kind == SPK_SPEECH_LABS)
        status = find_lab(s, id, n, rate, out);
    else
        status = take_parts(&s->parts, id, id, n, rate, out);
    if (status == SPK_OK)
        spk_spans_settle(out, n);
    else
        spk_spans_clear(out);
    return status;
}
