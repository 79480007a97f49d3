/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic corpus as a whole: options, workers that make one utterance after another, and the report. */
#include "recipe/synth_parts_impl.h"

#include <pthread.h>
#include <sndfile.h>
#include <string.h>
#include <unistd.h>

typedef struct work {
    const spk_synth_options *o;
    const synth_speaker *train, *valid;
    pthread_mutex_t lock; /* guards what follows */
    int64_t next, total, done, samples;
    spk_status status;
    char *message; /* of the first failure */
} work;

void spk_synth_defaults(spk_synth_options *o)
{
    *o = (spk_synth_options){.n_train_speakers = 44,
                             .n_valid_speakers = 22,
                             .n_train_utterances = 14,
                             .n_valid_utterances = 10,
                             .n_trials = 1800,
                             .rate = 16000,
                             .cluster = 3,
                             .spread = 1,
                             .wander = 1,
                             .snr_low = 5,
                             .snr_high = 20,
                             .rt60_low = 0.1,
                             .rt60_high = 0.5,
                             .equaliser_db = 6,
                             .seconds_low = 2,
                             .seconds_high = 6};
}

static spk_status check(const spk_synth_options *o)
{
    if (!o->folder || !o->folder[0]) return spk_fail(SPK_E_VALUE, "no folder is given for the synthetic corpus");
    if (o->n_train_speakers < 2 || o->n_valid_speakers < 2 || o->n_train_speakers > 999 || o->n_valid_speakers > 999)
        return spk_fail(SPK_E_VALUE, "a synthetic corpus has 2 to 999 speakers to train and 2 to 999 to validate");
    if (o->n_train_utterances < 1 || o->n_valid_utterances < 2 || o->n_train_utterances > 999 ||
        o->n_valid_utterances > 999)
        return spk_fail(SPK_E_VALUE, "a synthetic speaker has 1 to 999 utterances to train, 2 to 999 to validate");
    if (o->n_trials < 2 || o->rate < 8000 || o->rate > 48000 || o->threads < 0 || o->cluster < 1)
        return spk_fail(SPK_E_VALUE,
                        "n_trials (>= 2), rate (8000 to 48000), threads (>= 0) or cluster (>= 1) is out of range");
    if (!(o->spread >= 0) || !(o->wander >= 0) || !(o->equaliser_db >= 0) || !(o->snr_low <= o->snr_high))
        return spk_fail(SPK_E_VALUE, "spread, wander and equaliser_db are at least 0, snr_low is at most snr_high");
    if (!(o->rt60_low > 0) || !(o->rt60_low <= o->rt60_high) || !(o->rt60_high <= 5) || !(o->seconds_low >= 0.5) ||
        !(o->seconds_low <= o->seconds_high) || !(o->seconds_high <= 60))
        return spk_fail(SPK_E_VALUE,
                        "rt60 lies in (0, 5] s and the length of an utterance in [0.5, 60] s, low before high");
    return SPK_OK;
}

/* ---- one utterance ---- */

/* Cut silence at both ends, and what is longer than `longest` samples. */
static void trim(synth_signal *s, int64_t longest)
{
    int64_t first = 0, last = s->n;
    while (first < last && s->x[first] < 0.01F && s->x[first] > -0.01F)
        first++;
    while (last > first && s->x[last - 1] < 0.01F && s->x[last - 1] > -0.01F)
        last--;
    s->n = last - first < longest ? last - first : longest;
    memmove(s->x, s->x + first, (size_t)s->n * sizeof *s->x);
}

/* Speech of the wanted length, dry: the speaker's point in parameter space, strayed from by this utterance. */
static spk_status speak(const spk_synth_options *o, const synth_speaker *who, spk_rng *r, synth_signal *out)
{
    const double seconds = o->seconds_low + (o->seconds_high - o->seconds_low) * spk_rng_uniform(r);
    const double pitch = who->pitch + 3 * o->wander * spk_rng_normal(r);
    const double tract = who->tract * (1 + 0.009 * o->wander * spk_rng_normal(r));
    const double wpm = who->wpm * (1 + 0.08 * o->wander * (2 * spk_rng_uniform(r) - 1));
    const int64_t shortest = (int64_t)(o->seconds_low * o->rate), longest = (int64_t)(seconds * o->rate);
    int n_words = (int)(seconds * wpm / 60 * 1.25) + 2;
    spk_text text = {0};
    spk_status status = SPK_OK;
    for (int attempt = 0; attempt < 4; attempt++, n_words *= 2) {
        int rate = 0;
        spk_free(out->x);
        *out = (synth_signal){0};
        spk__synth_words(r, n_words, &text);
        SPK_GO(spk__synth_say(who->voice, pitch, wpm, spk_text_str(&text), out, &rate));
        SPK_GO(spk__synth_resample(out, rate * tract, o->rate));
        trim(out, longest);
        if (out->n >= shortest) goto done;
    }
    status = spk_fail(SPK_E_FORMAT, "espeak-ng's voice %s gives sound shorter than %g s", who->voice, o->seconds_low);
done:
    spk_text_clear(&text);
    return status;
}

static spk_status write_audio(const char *path, int rate, const synth_signal *s)
{
    SF_INFO info = {.samplerate = rate, .channels = 1, .format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) return spk_fail(SPK_E_IO, "%s: cannot write audio: %s", path, sf_strerror(NULL));
    const bool whole = sf_writef_float(f, s->x, s->n) == s->n;
    if (sf_close(f) != 0 || !whole)
        return spk_fail(SPK_E_IO, "%s: not all of the audio could be written: is the disk full?", path);
    return SPK_OK;
}

static const synth_speaker *speaker_of(const work *w, int64_t item, int *utterance)
{
    const int64_t n_train = (int64_t)w->o->n_train_speakers * w->o->n_train_utterances;
    const bool valid = item >= n_train;
    const int64_t i = valid ? item - n_train : item, each = valid ? w->o->n_valid_utterances : w->o->n_train_utterances;
    *utterance = (int)(i % each);
    return &(valid ? w->valid : w->train)[i / each];
}

static spk_status make_one(const work *w, int64_t item, int64_t *samples)
{
    const spk_synth_options *o = w->o;
    int utterance = 0;
    const synth_speaker *who = speaker_of(w, item, &utterance);
    spk_rng r = spk_rng_make(o->seed, SPK_PURPOSE_SYNTH, 2, spk_hash_str(who->name), (uint32_t)utterance);
    synth_signal s = {0};
    char *path = spk_strf("%s/audio/%s/%s-%02d.flac", o->folder, who->name, who->name, utterance + 1);
    spk_status status = SPK_OK;
    SPK_GO(speak(o, who, &r, &s));
    spk__synth_equalise(&r, &s, o->rate, o->equaliser_db);
    SPK_GO(spk__synth_reverberate(&r, &s, o->rate, o->rt60_low + (o->rt60_high - o->rt60_low) * spk_rng_uniform(&r)));
    SPK_GO(spk__synth_add_noise(&r, &s, o->rate, o->snr_low + (o->snr_high - o->snr_low) * spk_rng_uniform(&r)));
    spk__synth_set_level(&s, -32 + 14 * spk_rng_uniform(&r));
    SPK_GO(write_audio(path, o->rate, &s));
    *samples = s.n;
done:
    spk_free(s.x);
    spk_free(path);
    return status;
}

/* ---- workers ---- */

static void *worker(void *user)
{
    work *w = user;
    (void)pthread_mutex_lock(&w->lock);
    while (w->status == SPK_OK && w->next < w->total) {
        const int64_t item = w->next++;
        int64_t samples = 0;
        (void)pthread_mutex_unlock(&w->lock);
        const spk_status status = spk_interrupted()
                                      ? spk_fail(SPK_E_INTERRUPTED, "interrupted while the synthetic corpus was made")
                                      : make_one(w, item, &samples);
        (void)pthread_mutex_lock(&w->lock);
        w->samples += samples;
        if (status != SPK_OK && w->status == SPK_OK) {
            w->status = status;
            w->message = spk_strdup(spk_errmsg());
        }
        w->done++;
        if (status == SPK_OK && w->o->progress)
            w->o->progress(w->o->user, "making synthetic speech", w->done, w->total);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static spk_status run_workers(work *w)
{
    enum { MOST = 64 };
    pthread_t thread[MOST];
    int n = w->o->threads > 0 ? w->o->threads : spk_cpu_count(), started = 0;
    n = n > MOST ? MOST : n;
    while (started < n - 1 && pthread_create(&thread[started], NULL, worker, w) == 0)
        started++;
    (void)worker(w);
    for (int i = 0; i < started; i++)
        (void)pthread_join(thread[i], NULL);
    return w->status == SPK_OK ? SPK_OK : spk_fail(w->status, "%s", w->message);
}

static spk_status make_folders(const spk_synth_options *o, const synth_speaker *who, int n)
{
    spk_status status = SPK_OK;
    for (int i = 0; i < n && status == SPK_OK; i++) {
        char *path = spk_strf("%s/audio/%s", o->folder, who[i].name);
        status = spk_make_folders(path);
        spk_free(path);
    }
    return status;
}

/* The list that says that a corpus is whole goes first, where an earlier corpus is replaced. */
static void forget(const spk_synth_options *o)
{
    char *path = spk_strf("%s/train/wav.scp", o->folder);
    (void)unlink(path);
    spk_free(path);
}

spk_status spk_synth_corpus(const spk_synth_options *o, spk_synth_report *report)
{
    SPK_TRY(check(o));
    const double start = spk_now();
    const int n_train = o->n_train_speakers, n_valid = o->n_valid_speakers;
    synth_speaker *who = spk_new(sizeof *who * (size_t)(n_train + n_valid));
    for (int i = 0; i < n_train + n_valid; i++)
        spk__synth_speaker(o, i >= n_train, i >= n_train ? i - n_train : i, &who[i]);

    spk_synth_report made = {.n_speakers = n_train + n_valid};
    work w = {.o = o, .train = who, .valid = who + n_train};
    w.total = made.n_utterances = (int64_t)n_train * o->n_train_utterances + (int64_t)n_valid * o->n_valid_utterances;
    (void)pthread_mutex_init(&w.lock, NULL);
    spk_status status = SPK_OK;
    SPK_GO(make_folders(o, who, n_train + n_valid));
    forget(o);
    SPK_GO(run_workers(&w));
    SPK_GO(spk__synth_lists(o, w.train, w.valid, &made));
    made.audio_s = (double)w.samples / o->rate;
    made.wall_s = spk_now() - start;
    if (report) *report = made;
done:
    (void)pthread_mutex_destroy(&w.lock);
    spk_free(w.message);
    spk_free(who);
    return status;
}
