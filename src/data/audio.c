/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening recordings and decoding parts of them at their own rate (libsndfile); resample.c converts.
 * What a header promises is not believed where it can be checked: a cut WAV file, a FLAC file without
 * its end, an MP3 file whose length is an estimate.
 */
#include "data/audio_impl.h"
#include "data/features_impl.h"
#include "data/resample_impl.h"
#include "data/source_impl.h"
#include "data/wav_check_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sndfile.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/h5_impl.h"

enum { MIX_FRAMES = 2048 };

struct spk_audio_reader {
    spk_audio_options options;
    const char *path; /* of the open file; borrowed */
    SNDFILE *file;
    SF_INFO info;
    spk_source source; /* of a recording that is no file of its own */
    int64_t first;     /* frame of the file that the recording begins at */
    int64_t frames;    /* that the file really has, as far as known; those of the part, where it is one */
    int64_t rate;      /* that samples are delivered at */
    int64_t speed;     /* in thousandths: so much faster the file is played */
    int64_t samples;   /* length at that rate */
    float *mix;        /* MIX_FRAMES frames of all channels */
    int mix_channels;
    spk_resampler *resampler;
    spk_feature_reader *features; /* where the files hold features: it does all the reading */
    spk_feature_reader *waves;    /* of waves in HDF5 files; NULL before the first */
    bool in_wave;                 /* the open recording is one of those */
};

static atomic_bool said_narrow, said_zeros, said_length;

void spk_audio_warn_again(void)
{
    atomic_store(&said_narrow, false);
    atomic_store(&said_zeros, false);
    atomic_store(&said_length, false);
}

spk_audio_reader *spk_audio_reader_new(const spk_audio_options *options)
{
    spk_audio_reader *r = spk_new(sizeof *r);
    r->options = *options;
    r->source.fd = -1;
    r->resampler = spk_resampler_new();
    if (options->feature_size > 0) r->features = spk_feature_reader_new(options->feature_size);
    return r;
}

void spk_audio_shut(spk_audio_reader *r)
{
    if (r->features) spk_feature_shut(r->features);
    if (r->in_wave) spk_feature_shut(r->waves);
    r->in_wave = false;
    if (r->file) sf_close(r->file);
    spk_source_close(&r->source);
    r->file = NULL;
    r->path = NULL;
}

void spk_audio_reader_free(spk_audio_reader *r)
{
    if (!r) return;
    spk_audio_shut(r);
    spk_feature_reader_free(r->features);
    spk_feature_reader_free(r->waves);
    spk_resampler_free(r->resampler);
    spk_free(r->mix);
    spk_free(r);
}

int64_t spk_audio_width(const spk_audio_reader *r)
{
    return r->features ? r->options.feature_size : 1;
}

int64_t spk_audio_file_rate(const spk_audio_reader *r)
{
    return r->info.samplerate;
}

int spk_audio_file_channels(const spk_audio_reader *r)
{
    return r->info.channels;
}

/* ---- decoding at the file's own rate ---- */

static spk_status truncated(const spk_audio_reader *r, int64_t got)
{
    return spk_fail(SPK_E_FORMAT,
                    "%s: the file is truncated or damaged: %lld samples are promised, decoding stops after %lld; "
                    "replace the file or take it out of the list",
                    r->path, (long long)r->frames, (long long)got);
}

static spk_status read_mixed(spk_audio_reader *r, int64_t first, int64_t n, float *dst)
{
    const int C = r->info.channels, pick = r->options.channel;
    for (int64_t done = 0; done < n;) {
        const int64_t want = n - done < MIX_FRAMES ? n - done : MIX_FRAMES;
        const int64_t got = sf_readf_float(r->file, r->mix, want);
        for (int64_t i = 0; i < got; i++) {
            float sum = 0;
            for (int c = 0; c < C; c++)
                sum += r->mix[i * C + c];
            dst[done + i] = pick >= 0 ? r->mix[i * C + pick] : sum / (float)C;
        }
        done += got;
        if (got < want) return truncated(r, first + done);
    }
    return SPK_OK;
}

/* Go to frame `first`. Vorbis is not exact for some samples after a jump: it goes to an earlier place and decodes. */
static spk_status go_to(spk_audio_reader *r, int64_t first)
{
    enum { VORBIS_RUN_UP = 4096 };
    const bool vorbis = (r->info.format & SF_FORMAT_SUBMASK) == SF_FORMAT_VORBIS;
    const int64_t jump = !vorbis ? first : first > VORBIS_RUN_UP ? first - VORBIS_RUN_UP : 0;
    if (sf_seek(r->file, (sf_count_t)jump, SF_SEEK_SET) != (sf_count_t)jump) return truncated(r, 0);
    for (int64_t at = jump; at < first;) {
        const int64_t want = first - at < MIX_FRAMES ? first - at : MIX_FRAMES;
        if (sf_readf_float(r->file, r->mix, want) != want) return truncated(r, at);
        at += want;
    }
    return SPK_OK;
}

/* Frames [first, first + n) of the open file, one channel. */
static spk_status read_span(void *self, int64_t first, int64_t n, float *dst)
{
    spk_audio_reader *r = self;
    if (r->in_wave) return spk_feature_part(r->waves, first, n, dst);
    first += r->first;
    SPK_TRY(go_to(r, first));
    if (r->info.channels > 1) return read_mixed(r, first, n, dst);
    const int64_t got = sf_readf_float(r->file, dst, n);
    return got == n ? SPK_OK : truncated(r, first + (got > 0 ? got : 0));
}

/* ---- opening ---- */

/* Frames of a file whose header does not say, or may not know: by decoding it. */
static int64_t count_frames(spk_audio_reader *r)
{
    int64_t n = 0, got;
    sf_seek(r->file, 0, SF_SEEK_SET);
    while ((got = sf_readf_float(r->file, r->mix, MIX_FRAMES)) > 0)
        n += got;
    return n;
}

static void make_mix_room(spk_audio_reader *r)
{
    if (r->info.channels <= r->mix_channels) return;
    r->mix_channels = r->info.channels;
    r->mix = spk_renew(r->mix, sizeof *r->mix * MIX_FRAMES * (size_t)r->mix_channels);
}

/* The lengths of MP3 files are believed only when their last frame is there. */
static bool length_is_sure(spk_audio_reader *r)
{
    const int64_t n = r->info.frames;
    if (n <= 0 || n == SF_COUNT_MAX) return false;
    if ((r->info.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG) return true;
    return sf_seek(r->file, n - 1, SF_SEEK_SET) == n - 1 && sf_readf_float(r->file, r->mix, 2) == 1;
}

static spk_status check_channels(const spk_audio_reader *r)
{
    const int C = r->info.channels, pick = r->options.channel;
    if (C > 1 && pick == SPK_CHANNEL_REFUSE)
        return spk_fail(SPK_E_VALUE, "%s: has %d channels; say which with --channel N or --channel mean", r->path, C);
    if (C > 1 && pick >= C)
        return spk_fail(SPK_E_VALUE, "%s: has %d channels, counted from 0; there is no channel %d", r->path, C, pick);
    return SPK_OK;
}

static spk_status open_sound(spk_audio_reader *r, int fd, const char *path)
{
    struct stat st;
    int64_t missing = 0;
    if (fstat(fd, &st) != 0) {
        const spk_status status = spk_fail_errno(path, "read");
        close(fd);
        return status;
    }
    spk_status status = SPK_OK;
    if (S_ISDIR(st.st_mode))
        status = spk_fail(SPK_E_IO, "%s: is a folder, not an audio file", path);
    else if (!S_ISREG(st.st_mode))
        status = spk_fail(SPK_E_IO, "%s: is not a regular file", path);
    else if (st.st_size == 0)
        status = spk_fail(SPK_E_FORMAT, "%s: the file is empty (0 bytes)", path);
    else if (spk__wav_is_cut(fd, st.st_size, &missing))
        status = spk_fail(SPK_E_FORMAT,
                          "%s: the file is truncated: its last %lld bytes of audio are missing; replace the file or "
                          "take it out of the list",
                          path, (long long)missing);
    if (status != SPK_OK) {
        close(fd);
        return status;
    }
    r->info = (SF_INFO){0};
    r->file = sf_open_fd(fd, SFM_READ, &r->info, SF_TRUE); /* closes fd, also when it fails */
    if (!r->file && spk_ends_with(path, ".mp3")) {
        r->info = (SF_INFO){0};
        r->file = sf_open(path, SFM_READ, &r->info); /* MP3 without a header is known by its name */
    }
    if (!r->file) return spk_fail(SPK_E_FORMAT, "%s: is not audio that can be read (WAV, FLAC, Ogg or MP3)", path);
    return SPK_OK;
}

/* Rates that are converted: those in Hz, or in thousandths where the speed changes. */
static int64_t in_rate(const spk_audio_reader *r)
{
    return r->speed == SPK_SPEED_ONE ? r->info.samplerate : r->info.samplerate * r->speed;
}

static int64_t out_rate(const spk_audio_reader *r)
{
    return r->speed == SPK_SPEED_ONE ? r->rate : r->rate * SPK_SPEED_ONE;
}

static spk_status open_file(spk_audio_reader *r, const spk_locator *l)
{
    /* Where nothing stands behind the file's name, the path is it. */
    char *name = r->path[l->n_file] ? spk_strndup(r->path, l->n_file) : NULL;
    const char *path = name ? name : r->path;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const spk_status status = fd < 0 ? spk_fail_errno(path, "open") : open_sound(r, fd, path);
    spk_free(name);
    return status;
}

/* Sound in an archive, or written by a command. */
static spk_status open_source(spk_audio_reader *r, const spk_locator *l)
{
    if (l->command && !r->options.allow_pipes)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: is read from a command; allow it with --allow_pipes true", r->path);
    SPK_TRY(spk_source_open(r->path, l, &r->source));
    SF_VIRTUAL_IO io = spk_source_io;
    r->info = (SF_INFO){0};
    r->file = sf_open_virtual(&io, SFM_READ, &r->info, &r->source);
    if (r->file) return SPK_OK;
    return spk_fail(SPK_E_FORMAT, "%s: %s no audio that can be read (WAV, FLAC, Ogg or MP3)", r->path,
                    l->command ? "what the command writes is" : "the archive's entry is");
}

/* The part between two seconds; a little beyond the end is rounding of who wrote the list. */
static spk_status take_part(spk_audio_reader *r, const spk_locator *l)
{
    static const double overshoot_s = 0.5;
    const double hz = r->info.samplerate, seconds = (double)r->frames / hz;
    if (!l->part) return SPK_OK;
    if (l->begin * hz > (double)r->frames - 1 || l->end > seconds + overshoot_s)
        return spk_fail(SPK_E_VALUE, "%s: the part lies outside of the recording's %g seconds", r->path, seconds);
    const int64_t end = l->end < 0 || l->end >= seconds ? r->frames : llround(l->end * hz);
    r->first = llround(l->begin * hz);
    r->frames = end - r->first;
    return r->frames > 0 ? SPK_OK : spk_fail(SPK_E_VALUE, "%s: the part holds no sample", r->path);
}

/* Samples in an HDF5 file, which says nothing of a rate: it is the model's. */
static spk_status open_wave(spk_audio_reader *r)
{
    if (r->options.sample_rate <= 0)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: HDF5 says nothing of a sample rate, and none is given", r->path);
    if (!r->waves) r->waves = spk_feature_reader_new(0);
    SPK_TRY(spk_feature_open(r->waves, r->path, &r->frames));
    r->in_wave = true;
    r->rate = r->options.sample_rate;
    r->info = (SF_INFO){.samplerate = (int)r->rate, .channels = 1, .frames = r->frames};
    r->samples = spk_resampled_length(r->frames, in_rate(r), out_rate(r));
    return SPK_OK;
}

static spk_status learn_length(spk_audio_reader *r, const spk_locator *l)
{
    SPK_TRY(check_channels(r));
    make_mix_room(r);
    if ((r->info.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG && r->info.frames == SF_COUNT_MAX)
        return spk_fail(SPK_E_FORMAT,
                        "%s: the file is truncated: its last Ogg page is missing; replace the file or take it out of "
                        "the list",
                        r->path);
    const bool sure = length_is_sure(r);
    r->frames = sure ? r->info.frames : count_frames(r);
    if (!sure && r->frames > 0 && r->frames < r->info.frames && !atomic_exchange(&said_length, true))
        spk_warn("audio", "%s: its header speaks of %lld samples and %lld are there; it may be truncated (said once)",
                 r->path, (long long)r->info.frames, (long long)r->frames);
    if (r->frames <= 0) return spk_fail(SPK_E_FORMAT, "%s: holds no samples", r->path);
    SPK_TRY(take_part(r, l));
    r->rate = r->options.sample_rate > 0 ? r->options.sample_rate : r->info.samplerate;
    r->samples = spk_resampled_length(r->frames, in_rate(r), out_rate(r));
    if (r->info.samplerate < r->rate && !atomic_exchange(&said_narrow, true))
        spk_warn("audio", "%s: recorded at %d Hz and raised to %lld Hz, with nothing above %d Hz (said once)", r->path,
                 r->info.samplerate, (long long)r->rate, r->info.samplerate / 2);
    return SPK_OK;
}

bool spk_audio_is_exact(const spk_audio_reader *r)
{
    const int type = r->info.format & SF_FORMAT_TYPEMASK;
    return in_rate(r) == out_rate(r) && type != SF_FORMAT_OGG && type != SF_FORMAT_MPEG;
}

spk_status spk_audio_open(spk_audio_reader *r, const char *path, int64_t *samples)
{
    return spk_audio_open_speed(r, path, SPK_SPEED_ONE, samples);
}

spk_status spk_audio_open_speed(spk_audio_reader *r, const char *path, int64_t speed, int64_t *samples)
{
    spk_audio_shut(r);
    *samples = 0;
    SPK_ASSERT(speed > 0 && (speed == SPK_SPEED_ONE || !r->features));
    if (r->features) return spk_feature_open(r->features, path, samples);
    const bool wave = spk_h5_parse(path, &(size_t){0}, &(const char *){NULL}, &(const char *){NULL});
    spk_locator l = {.speed = SPK_SPEED_ONE};
    if (!wave) spk_locator_find(path, &l);
    r->path = path;
    r->speed = l.speed == SPK_SPEED_ONE ? speed : (speed * l.speed + SPK_SPEED_ONE / 2) / SPK_SPEED_ONE;
    r->first = 0;
    spk_status status = wave ? open_wave(r) : l.command || l.offset >= 0 ? open_source(r, &l) : open_file(r, &l);
    if (status == SPK_OK && !wave) status = learn_length(r, &l);
    if (status != SPK_OK) {
        spk_audio_shut(r);
        return status;
    }
    *samples = r->samples;
    return SPK_OK;
}

/* ---- parts ---- */

static spk_status check_samples(const spk_audio_reader *r, const float *x, int64_t n)
{
    float largest = 0;
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        const float a = fabsf(x[i]);
        largest = a > largest ? a : largest;
        bad += !(a < INFINITY);
    }
    if (bad > 0)
        return spk_fail(SPK_E_FORMAT, "%s: %lld of %lld samples read are NaN or infinite", r->path, (long long)bad,
                        (long long)n);
    if (largest == 0 && n > 0 && !atomic_exchange(&said_zeros, true))
        spk_warn("audio", "%s: holds only zeros where it was read (said once; other files may too)", r->path);
    return SPK_OK;
}

spk_status spk_audio_part(spk_audio_reader *r, int64_t start, int64_t count, float *dst)
{
    if (r->features) return spk_feature_part(r->features, start, count, dst);
    SPK_ASSERT((r->file || r->in_wave) && start >= 0 && count > 0 && start + count <= r->samples);
    if (in_rate(r) == out_rate(r))
        SPK_TRY(read_span(r, start, count, dst));
    else
        SPK_TRY(spk_resample_part(r->resampler,
                                  &(spk_resample_source){r, read_span, r->path, r->frames, in_rate(r), out_rate(r)},
                                  start, count, dst));
    return check_samples(r, dst, count);
}

/* ---- whole files ---- */

spk_status spk_audio_read_all(const char *path, const spk_audio_options *options, float **wave, int64_t *n)
{
    spk_audio_reader *r = spk_audio_reader_new(options);
    float *x = NULL;
    int64_t samples = 0;
    spk_status status;
    *wave = NULL;
    *n = 0;
    SPK_GO(spk_audio_open(r, path, &samples));
    x = spk_alloc(sizeof *x * (size_t)(samples * spk_audio_width(r)));
    if (!x) SPK_GO(spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", path, (long long)samples));
    SPK_GO(spk_audio_part(r, 0, samples, x));
    *wave = x;
    *n = samples;
    x = NULL;
done:
    spk_free(x);
    spk_audio_reader_free(r);
    return status;
}

void spk_audio_free(float *wave)
{
    spk_free(wave);
}
