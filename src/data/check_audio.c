/* SPDX-License-Identifier: Apache-2.0 */
/* The recordings of a data folder: there, open, of one rate, decodable, as long as utt2dur says (check_impl.h). */
#include "data/check_impl.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data/audio_impl.h"

/* What one recording turned out to be. */
struct sound {
    const char *path; /* resolved; borrowed from c->paths */
    const spk_list *from;
    int64_t line, item; /* item: of the utterances, or -1 */
    const char *key;
    char *wrong; /* NULL: nothing */
    int64_t samples, rate;
    int channels;
    bool zeros;
};

struct work {
    const spk__check *c;
    struct sound *sound;
    int64_t n;
    pthread_mutex_t lock; /* guards what follows */
    int64_t next, done;
};

/* ---- one recording ---- */

static spk_status decode(spk_audio_reader *r, int64_t samples, float *x, int64_t room, bool *zeros)
{
    *zeros = true;
    for (int64_t at = 0; at < samples; at += room) {
        const int64_t n = samples - at < room ? samples - at : room;
        SPK_TRY(spk_audio_part(r, at, n, x));
        for (int64_t i = 0; i < n && *zeros; i++)
            *zeros = x[i] == 0;
    }
    return SPK_OK;
}

static void listen(const spk__check *c, spk_audio_reader *r, float *x, int64_t room, struct sound *s)
{
    spk_status status = spk_audio_open(r, s->path, &s->samples);
    if (status == SPK_OK) {
        s->rate = spk_audio_file_rate(r);
        s->channels = spk_audio_file_channels(r);
        if (c->o->audio == SPK_CHECK_DECODE) status = decode(r, s->samples, x, room, &s->zeros);
    }
    if (status != SPK_OK) s->wrong = spk_strdup(spk_errmsg());
    spk_audio_shut(r);
}

static void *worker(void *arg)
{
    enum { ROOM = 1 << 16 };
    struct work *w = arg;
    const spk_check_options *o = w->c->o;
    const spk_audio_options any = {.channel = SPK_CHANNEL_MEAN, .allow_pipes = o->allow_pipes};
    spk_audio_reader *r = spk_audio_reader_new(&any);
    float *x = spk_new(sizeof *x * ROOM);
    (void)pthread_mutex_lock(&w->lock);
    while (w->next < w->n && !spk_interrupted()) {
        struct sound *s = &w->sound[w->next++];
        (void)pthread_mutex_unlock(&w->lock);
        listen(w->c, r, x, ROOM, s);
        (void)pthread_mutex_lock(&w->lock);
        w->done++;
        if (o->progress && (w->done % 64 == 0 || w->done == w->n)) o->progress(o->user, "recordings", w->done, w->n);
    }
    (void)pthread_mutex_unlock(&w->lock);
    spk_free(x);
    spk_audio_reader_free(r);
    return NULL;
}

static spk_status listen_to_all(const spk__check *c, struct sound *sound, int64_t n)
{
    enum { MOST = 64 };
    pthread_t thread[MOST];
    int started = 0;
    struct work w = {.c = c, .sound = sound, .n = n};
    (void)pthread_mutex_init(&w.lock, NULL);
    while (started < c->o->threads - 1 && started < MOST && pthread_create(&thread[started], NULL, worker, &w) == 0)
        started++;
    (void)worker(&w);
    for (int i = 0; i < started; i++)
        (void)pthread_join(thread[i], NULL);
    (void)pthread_mutex_destroy(&w.lock);
    return w.done == n ? SPK_OK : spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal while recordings were checked");
}

/* ---- which there are ---- */

static bool is_command(const char *path)
{
    size_t n = strlen(path);
    const char *open = path[n - 1] == ']' ? strrchr(path, '[') : NULL;
    if (open) n = (size_t)(open - path);
    while (n > 0 && (path[n - 1] == ' ' || path[n - 1] == '\t'))
        n--;
    return n > 0 && path[n - 1] == '|';
}

/* A list's entry: its file is looked for; *at: what is to be listened to. */
static void find_sound(spk__check *c, const spk_list *from, const spk_list_entry *e, int64_t line, int64_t item,
                       spk_map *seen, struct sound **sound, int64_t *n, int64_t *n_commands)
{
    const spk_list one = {.path = from->path, .n = 1, .entry = &(spk_list_entry){e->key, e->value, line}};
    const char *path = NULL;
    if (spk__paths_get(&c->paths, &one, 0, &path) != SPK_OK) {
        spk__check_say(c, true, "%s", spk_errmsg());
        if (item >= 0) c->item[item].bad = true;
        return;
    }
    if (is_command(path) && !c->o->allow_pipes) {
        ++*n_commands;
        return;
    }
    if (!spk_map_put(seen, path, 1) && item < 0) return; /* another trial of the utterance */
    const struct sound s = {.path = path, .from = from, .line = line, .item = item, .key = e->key};
    SPK_PUSH(*sound, *n) = s;
}

/* ---- what they say ---- */

static void count_rate(spk_check_report *r, int64_t hz)
{
    for (int64_t i = 0; i < r->n_rates; i++)
        if (r->rate[i].hz == hz) {
            r->rate[i].n++;
            return;
        }
    const struct spk_check_rate rate = {hz, 1};
    SPK_PUSH(r->rate, r->n_rates) = rate;
}

static int by_count(const void *a, const void *b)
{
    const struct spk_check_rate *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return x->hz < y->hz ? -1 : x->hz > y->hz;
}

static void take_sound(spk__check *c, const struct sound *s)
{
    spk_check_report *r = c->r;
    if (s->wrong || (s->zeros && c->o->audio == SPK_CHECK_DECODE)) {
        spk__check_say(c, true, "%s:%lld: '%s': %s%s", s->from->path, (long long)s->line, s->key,
                       s->wrong ? s->wrong : s->path, s->wrong ? "" : ": holds only zeros");
        if (s->item >= 0) c->item[s->item].bad = true;
        if (s->wrong) return;
    }
    const double seconds = (double)s->samples / (double)s->rate;
    if (s->channels > 1)
        spk__check_say(c, false, "%s:%lld: '%s': %s: has %d channels; training needs --channel", s->from->path,
                       (long long)s->line, s->key, s->path, s->channels);
    count_rate(r, s->rate);
    r->shortest = r->n_heard == 0 || seconds < r->shortest ? seconds : r->shortest;
    r->longest = seconds > r->longest ? seconds : r->longest;
    r->seconds += seconds;
    r->n_heard++;
}

/* Recordings of the rate that fewer have, each. */
static void check_rates(spk__check *c, const struct sound *sound, int64_t n)
{
    spk_check_report *r = c->r;
    if (r->n_rates > 1) qsort(r->rate, (size_t)r->n_rates, sizeof *r->rate, by_count);
    for (int64_t i = 0; i < n && r->n_rates > 1; i++)
        if (sound[i].rate > 0 && sound[i].rate != r->rate[0].hz)
            spk__check_say(c, false, "%s:%lld: '%s': %s: is of %lld Hz, most are of %lld Hz", sound[i].from->path,
                           (long long)sound[i].line, sound[i].key, sound[i].path, (long long)sound[i].rate,
                           (long long)r->rate[0].hz);
}

static const spk_list_entry *find_entry(const spk_list *list, const char *key)
{
    const int64_t at = spk_list_find(list, key);
    return at >= 0 && list->entry ? &list->entry[at] : NULL;
}

/* utt2dur and utt2num_samples against what the recordings are. */
static spk_status check_lengths(spk__check *c, const struct sound *sound, int64_t n)
{
    static const double tolerance_s = 0.05; /* Kaldi writes hundredths, and rounds */
    char *dur_path = spk_path_join(c->o->dir, "utt2dur"), *samples_path = spk_path_join(c->o->dir, "utt2num_samples");
    spk_list dur = {0}, samples = {0};
    spk_status status = SPK_OK;
    if (spk_exists(dur_path)) SPK_GO(spk_list_read_leniently(dur_path, 0, NULL, NULL, &dur));
    if (spk_exists(samples_path)) SPK_GO(spk_list_read_leniently(samples_path, 0, NULL, NULL, &samples));
    for (int64_t i = 0; i < n; i++) {
        const struct sound *s = &sound[i];
        if (s->wrong || s->rate == 0 || s->item < 0) continue;
        const double seconds = (double)s->samples / (double)s->rate;
        const spk_list_entry *d = find_entry(&dur, s->key), *k = find_entry(&samples, s->key);
        double said;
        int64_t count;
        if (d && spk_parse_double(d->value, &said) && !(fabs(said - seconds) <= tolerance_s))
            spk__check_say(c, true, "%s:%lld: '%s' is of %s seconds here, and %s has %.3f", dur.path,
                           (long long)d->line, s->key, d->value, s->path, seconds);
        if (k && spk_parse_int(k->value, &count) && count != s->samples)
            spk__check_say(c, true, "%s:%lld: '%s' has %lld samples here, and %s has %lld", samples.path,
                           (long long)k->line, s->key, (long long)count, s->path, (long long)s->samples);
    }
done:
    spk_list_clear(&dur);
    spk_list_clear(&samples);
    spk_free(dur_path);
    spk_free(samples_path);
    return status;
}

/* ---- all together ---- */

spk_status spk__check_sounds(spk__check *c)
{
    spk_status status = SPK_OK;
    struct sound *sound = NULL;
    spk_map seen = {0};
    int64_t n = 0, n_commands = 0;
    for (int64_t i = 0; i < c->n; i++)
        find_sound(c, c->item[i].from, &(spk_list_entry){c->item[i].key, c->item[i].value, 0}, c->item[i].line, i,
                   &seen, &sound, &n, &n_commands);
    const spk_list *const trials[] = {&c->trial, &c->trial2};
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < trials[k]->n; i++)
            find_sound(c, trials[k], &trials[k]->entry[i], trials[k]->entry[i].line, -1, &seen, &sound, &n,
                       &n_commands);
    if (n_commands > 0)
        spk__check_say(
            c, false,
            "%s: %lld entries are commands, which were not run (--allow_pipes true does, and training needs it)",
            c->o->dir, (long long)n_commands);
    if (c->o->audio == SPK_CHECK_NAMES || c->features) goto done;
    SPK_GO(listen_to_all(c, sound, n));
    for (int64_t i = 0; i < n; i++)
        take_sound(c, &sound[i]);
    check_rates(c, sound, n);
    SPK_GO(check_lengths(c, sound, n));
done:
    for (int64_t i = 0; i < n; i++)
        spk_free(sound[i].wrong);
    spk_free(sound);
    spk_map_clear(&seen);
    return status;
}
