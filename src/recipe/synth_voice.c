/* SPDX-License-Identifier: Apache-2.0 */
/* Who speaks and what is said: speakers drawn as neighbours, sentences of common words, espeak-ng as a child process. */
#include "recipe/synth_parts_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <soxr.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* ---- speakers ---- */

static const char *const accents[] = {
    "en-gb", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-029", "de", "fr-fr", "es", "it", "nl", "sv", "pl"};
static const char *const variants[] = {"m1",      "m2",      "m3",    "m4",     "m5",   "m6",    "m7",
                                       "m8",      "f1",      "f2",    "f3",     "f4",   "f5",    "klatt",
                                       "klatt2",  "klatt4",  "Alex",  "Andrea", "Gene", "linda", "steph",
                                       "Michael", "belinda", "david", "ed",     "adam"};
enum { N_ACCENTS = sizeof accents / sizeof *accents, N_VARIANTS = sizeof variants / sizeof *variants };

void spk__synth_speaker(const spk_synth_options *o, bool valid, int i, synth_speaker *out)
{
    const int cluster = i / o->cluster, member = i % o->cluster;
    const int train_clusters = (o->n_train_speakers + o->cluster - 1) / o->cluster;
    const int nth = cluster + (valid ? train_clusters : 0);
    *out = (synth_speaker){.cluster = cluster};

    /* Variants in one shuffled order over train and valid, so that unseen speakers have unseen voices. */
    int64_t order[N_VARIANTS];
    for (int k = 0; k < N_VARIANTS; k++)
        order[k] = k;
    spk_rng shuffle = spk_rng_make(o->seed, SPK_PURPOSE_SYNTH, 0, 0, 0);
    spk_rng_shuffle(&shuffle, order, N_VARIANTS);

    spk_rng r = spk_rng_make(o->seed, SPK_PURPOSE_SYNTH, 1, (uint64_t)nth, 0);
    const char *accent = accents[spk_rng_below(&r, N_ACCENTS)];
    const double pitch = 30 + 40 * spk_rng_uniform(&r);
    const double tract = 0.93 + 0.14 * spk_rng_uniform(&r);
    const double wpm = 140 + 40 * spk_rng_uniform(&r);
    const double phase = 6.283185307 * spk_rng_uniform(&r);

    /* The members of a cluster stand on a circle around its centre. */
    const double angle = phase + 6.283185307 * member / o->cluster;
    out->pitch = pitch + 32 * o->spread * cos(angle);
    out->tract = tract * (1 + 0.1 * o->spread * sin(angle));
    out->wpm = wpm + 20 * o->spread * cos(2 * angle + 1);
    (void)snprintf(out->name, sizeof out->name, "%c%03d", valid ? 'v' : 't', i + 1);
    (void)snprintf(out->voice, sizeof out->voice, "%s+%s", accent, variants[order[nth % N_VARIANTS]]);
}

/* ---- words ---- */

static const char *const words[] = {
    "about",   "after",     "again",  "animal",  "answer", "apple",   "autumn",  "bread",    "bridge",   "bring",
    "brother", "build",     "carry",  "chair",   "change", "city",    "clean",   "cloud",    "cold",     "colour",
    "corner",  "country",   "cross",  "dance",   "dark",   "door",    "dream",   "early",    "earth",    "eight",
    "engine",  "evening",   "every",  "family",  "farm",   "field",   "finger",  "fire",     "flower",   "follow",
    "forest",  "forty",     "friend", "garden",  "gentle", "give",    "gold",    "green",    "ground",   "hand",
    "happy",   "harbour",   "heavy",  "hill",    "house",  "hundred", "island",  "join",     "journey",  "jump",
    "kitchen", "ladder",    "large",  "laugh",   "leaf",   "learn",   "letter",  "light",    "listen",   "little",
    "long",    "machine",   "market", "measure", "milk",   "minute",  "moon",    "morning",  "mother",   "mountain",
    "music",   "narrow",    "never",  "night",   "nine",   "north",   "number",  "ocean",    "often",    "open",
    "orange",  "other",     "paper",  "pencil",  "people", "picture", "place",   "plenty",   "pocket",   "question",
    "quick",   "quiet",     "rain",   "reach",   "ready",  "river",   "road",    "round",    "sail",     "school",
    "seven",   "shadow",    "sharp",  "ship",    "short",  "silver",  "simple",  "sister",   "sleep",    "slow",
    "small",   "snow",      "song",   "south",   "speak",  "spring",  "stone",   "story",    "street",   "strong",
    "summer",  "table",     "teach",  "thing",   "thirty", "thought", "thunder", "together", "tomorrow", "travel",
    "tree",    "twenty",    "under",  "valley",  "very",   "village", "voice",   "walk",     "warm",     "watch",
    "water",   "weather",   "west",   "wheel",   "white",  "window",  "winter",  "wood",     "world",    "write",
    "yellow",  "yesterday", "young",  "zero"};
static const char *const small[] = {"the", "a", "of", "and", "in", "to", "with", "from", "my", "our", "is", "was"};

void spk__synth_words(spk_rng *r, int n, spk_text *out)
{
    spk_text_clear(out);
    for (int i = 0; i < n; i++) {
        const bool is_small = i % 2 == 0 && spk_rng_uniform(r) < 0.6;
        const char *w = is_small ? small[spk_rng_below(r, sizeof small / sizeof *small)]
                                 : words[spk_rng_below(r, sizeof words / sizeof *words)];
        spk_text_addf(out, i ? " %s" : "%s", w);
    }
    spk_text_add(out, ".");
}

/* ---- the child process ---- */

/* Only one thread at a time makes a pipe and a child: no other child inherits this one's end of a pipe. */
static pthread_mutex_t spawn_lock = PTHREAD_MUTEX_INITIALIZER;

/* Start argv with stdout into a pipe whose other end is *from. */
static int start(char *const *argv, pid_t *child, int *from)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)pthread_mutex_lock(&spawn_lock);
    int rc = pipe(ends) ? errno : 0;
    if (rc == 0) {
        (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
        (void)posix_spawnattr_init(&attributes);
        (void)sigemptyset(&none);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
        rc = posix_spawnp(child, argv[0], &actions, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)close(ends[1]);
        if (rc) (void)close(ends[0]);
    }
    (void)pthread_mutex_unlock(&spawn_lock);
    *from = ends[0];
    return rc;
}

/* Everything that comes until the end, into t. */
static int read_all(int fd, spk_text *t)
{
    char buffer[1 << 16];
    for (;;) {
        const ssize_t got = read(fd, buffer, sizeof buffer);
        if (got > 0)
            spk_text_addn(t, buffer, (size_t)got);
        else if (got == 0)
            return 0;
        else if (errno != EINTR)
            return errno;
    }
}

static uint32_t little(const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* The samples of a streamed WAV file, whose lengths in the header mean nothing. */
static bool parse_wav(const spk_text *t, synth_signal *out, int *rate)
{
    const unsigned char *p = (const unsigned char *)t->s;
    if (t->n < 44 || memcmp(p, "RIFF", 4) != 0 || memcmp(p + 8, "WAVEfmt ", 8) != 0) return false;
    if (little(p + 22, 2) != 1 || little(p + 34, 2) != 16 || memcmp(p + 36, "data", 4) != 0) return false;
    *rate = (int)little(p + 24, 4);
    out->n = (int64_t)(t->n - 44) / 2;
    out->x = spk_new(sizeof(float) * (size_t)(out->n ? out->n : 1));
    for (int64_t i = 0; i < out->n; i++)
        out->x[i] = (float)(int16_t)(uint16_t)little(p + 44 + 2 * i, 2) / 32768.0F;
    return *rate > 0 && out->n > 0;
}

spk_status spk__synth_say(const char *voice, double pitch, double wpm, const char *text, synth_signal *out, int *rate)
{
    char program[] = "espeak-ng", v[] = "-v", p[] = "-p", s[] = "-s", to[] = "--stdout";
    char voice_arg[48], pitch_arg[16], wpm_arg[16];
    (void)snprintf(voice_arg, sizeof voice_arg, "%s", voice);
    (void)snprintf(pitch_arg, sizeof pitch_arg, "%.0f", pitch < 0 ? 0 : pitch > 99 ? 99 : pitch);
    (void)snprintf(wpm_arg, sizeof wpm_arg, "%.0f", wpm < 80 ? 80 : wpm);
    char *said = spk_strdup(text);
    char *const argv[] = {program, v, voice_arg, p, pitch_arg, s, wpm_arg, to, said, NULL};

    pid_t child = 0;
    int from = -1;
    const int failed = start(argv, &child, &from);
    spk_free(said);
    if (failed)
        return spk_fail(SPK_E_UNSUPPORTED, "espeak-ng cannot be started (%s): install the Debian package espeak-ng",
                        strerror(failed));
    spk_text wav = {0};
    const int bad_read = read_all(from, &wav);
    (void)close(from);
    int how = 0;
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    const bool good = !bad_read && WIFEXITED(how) && WEXITSTATUS(how) == 0 && parse_wav(&wav, out, rate);
    spk_text_clear(&wav);
    if (!good && spk_interrupted()) return spk_fail(SPK_E_INTERRUPTED, "interrupted while espeak-ng spoke");
    if (!good)
        return spk_fail(SPK_E_FORMAT, "espeak-ng gave no sound for voice %s: is the package espeak-ng-data whole?",
                        voice);
    return SPK_OK;
}

spk_status spk__synth_resample(synth_signal *s, double from, double to)
{
    const size_t room = (size_t)((double)s->n * to / from) + 64;
    float *y = spk_alloc(room * sizeof *y);
    if (!y) return spk_fail(SPK_E_NOMEM, "no memory to resample %lld samples", (long long)s->n);
    size_t done = 0;
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_MQ, 0);
    const soxr_error_t e = soxr_oneshot(from, to, 1, s->x, (size_t)s->n, NULL, y, room, &done, NULL, &quality, NULL);
    if (e) {
        spk_free(y);
        return spk_fail(SPK_E_VALUE, "cannot resample from %g to %g Hz: %s", from, to, e);
    }
    spk_free(s->x);
    *s = (synth_signal){y, (int64_t)done};
    return SPK_OK;
}
