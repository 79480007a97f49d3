/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of recordings with noise at a stated ratio: the same bytes for the same seed, whatever else is in the folder. */
#include "recipe/noisy_impl.h"

#include <math.h>
#include <sndfile.h>
#include <string.h>

#include "data/augment_impl.h"
#include "formats/list_impl.h"

static double mean_square(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* Speech and noise, and less of both where they would be cut off. */
static void mix(float *x, const float *noise, int64_t n, double snr)
{
    double peak = 0;
    const double scale = spk_noise_scale(mean_square(x, n), mean_square(noise, n), snr, 0);
    for (int64_t i = 0; i < n; i++) {
        x[i] += (float)(scale * (double)noise[i]);
        peak = fmax(peak, fabs((double)x[i]));
    }
    for (int64_t i = 0; peak > 0.99 && i < n; i++)
        x[i] *= (float)(0.99 / peak);
}

static spk_status write_flac(const char *path, int64_t rate, const float *x, int64_t n)
{
    SF_INFO info = {.samplerate = (int)rate, .channels = 1, .format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16};
    char *folder = spk_path_folder(path);
    const spk_status status = spk_make_folders(folder);
    spk_free(folder);
    SPK_TRY(status);
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) return spk_fail(SPK_E_IO, "%s: cannot write audio: %s", path, sf_strerror(NULL));
    const bool whole = sf_writef_float(f, x, n) == n;
    if (sf_close(f) != 0 || !whole)
        return spk_fail(SPK_E_IO, "%s: not all of the audio could be written: is the disk full?", path);
    return SPK_OK;
}

/* One recording; `id` names its draws. */
static spk_status make_one(const spk_noisy_options *o, spk_sounds *noises, spk_audio_reader *reader, const char *from,
                           const char *id, const char *to)
{
    const spk_audio_options audio = {.sample_rate = o->rate, .channel = SPK_CHANNEL_REFUSE};
    spk_rng draw = spk_rng_make(o->seed, SPK_PURPOSE_NOISE, 0, spk_hash_str(id), 0);
    float *x = NULL, *noise = NULL;
    int64_t n = 0;
    spk_status status;
    SPK_GO(spk_audio_read_all(from, &audio, &x, &n));
    noise = spk_alloc(sizeof *noise * (size_t)n);
    if (!noise) SPK_GO(spk_fail(SPK_E_NOMEM, "%s: not enough memory for %lld samples", from, (long long)n));
    SPK_GO(spk_sounds_part(noises, spk_rng_below(&draw, spk_sounds_count(noises)), reader, n, &draw, noise));
    mix(x, noise, n, o->snr);
    SPK_GO(write_flac(to, o->rate, x, n));
done:
    spk_audio_free(x);
    spk_free(noise);
    return status;
}

static char *audio_of(const spk_noisy_options *o, const char *id)
{
    return spk_strf("%s/audio/%s.flac", o->output, id);
}

static spk_status make_audio(const spk_noisy_options *o, const spk_list *wav)
{
    const spk_audio_options audio = {.sample_rate = o->rate, .channel = SPK_CHANNEL_MEAN};
    spk_sound_budget budget = {.bytes = 256u << 20};
    spk_sounds *noises = NULL;
    spk_audio_reader *reader = spk_audio_reader_new(&audio);
    spk_status status = spk_sounds_open(o->noises, &budget, &noises);
    if (status == SPK_OK && spk_sounds_count(noises) == 0)
        status = spk_fail(SPK_E_VALUE, "%s: names no recording of noise", o->noises);
    for (int64_t i = 0; i < wav->n && status == SPK_OK; i++) {
        char *from = spk_list_resolve_path(wav->path, wav->entry[i].value), *to = audio_of(o, wav->entry[i].key);
        status = spk_interrupted() ? spk_fail(SPK_E_INTERRUPTED, "interrupted") : SPK_OK;
        if (status == SPK_OK) status = make_one(o, noises, reader, from, wav->entry[i].key, to);
        if (o->progress) o->progress(NULL, "recordings", i + 1, wav->n);
        spk_free(from);
        spk_free(to);
    }
    spk_sounds_close(noises);
    spk_audio_reader_free(reader);
    return status;
}

/* ---- lists ---- */

/* A list whose values are recordings: side -1: of the key's utterance; 0, 1: of that side of "a*b". Not there: nothing. */
static spk_status name_recordings(const spk_noisy_options *o, const char *name, int side, const spk_list *wav)
{
    char *from = spk_path_join(o->input, name), *to = spk_path_join(o->output, name);
    spk_list list = {0};
    spk_text text = {0};
    spk_status status = SPK_OK;
    if (!spk_is_file(from)) goto done;
    SPK_GO(spk_list_read(from, 0, &list));
    for (int64_t i = 0; i < list.n; i++) {
        const char *key = list.entry[i].key, *star = strchr(key, '*');
        char *id = side < 0 || !star ? spk_strdup(key)
                   : side            ? spk_strdup(star + 1)
                                     : spk_strndup(key, (size_t)(star - key));
        if (spk_list_find(wav, id) < 0)
            status = spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' is not in %s", from, (long long)list.entry[i].line, id,
                              wav->path);
        spk_text_addf(&text, "%s audio/%s.flac\n", key, id);
        spk_free(id);
        if (status != SPK_OK) goto done;
    }
    SPK_GO(spk_write_file(to, spk_text_str(&text), text.n));
done:
    spk_list_clear(&list);
    spk_text_clear(&text);
    spk_free(from);
    spk_free(to);
    return status;
}

static spk_status copy_list(const spk_noisy_options *o, const char *name)
{
    char *from = spk_path_join(o->input, name), *to = spk_path_join(o->output, name), *text = NULL;
    size_t n = 0;
    spk_status status = SPK_OK;
    if (spk_is_file(from)) {
        status = spk_read_file(from, &text, &n);
        if (status == SPK_OK) status = spk_write_file(to, text, n);
    }
    spk_free(text);
    spk_free(from);
    spk_free(to);
    return status;
}

spk_status spk_prep_noisy(const spk_noisy_options *o, int64_t *n)
{
    static const char *const copied[] = {"utt2spk", "spk2utt", "spk2gender", "trials", "trial_label"};
    char *path = spk_path_join(o->input, "wav.scp");
    spk_list wav = {0};
    spk_status status;
    SPK_GO(spk_list_read(path, 0, &wav));
    SPK_GO(spk_make_folders(o->output));
    SPK_GO(make_audio(o, &wav));
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        SPK_GO(copy_list(o, copied[i]));
    SPK_GO(name_recordings(o, "trial.scp", 0, &wav));
    SPK_GO(name_recordings(o, "trial2.scp", 1, &wav));
    SPK_GO(name_recordings(o, "wav.scp", -1, &wav));
    *n = wav.n;
done:
    spk_list_clear(&wav);
    spk_free(path);
    return status;
}
