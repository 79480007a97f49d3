/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate conversion by libsoxr. With in/out = p/q in lowest terms, sample k*q of the output falls on sample k*p of the
 * input; a part therefore starts its conversion at such a place, early enough that the filter has settled.
 */
#include "data/resample_impl.h"

#include <soxr.h>
#include <string.h>

/* Samples at the lower rate on both sides of a part: the filter of quality HQ is shorter. */
enum { MARGIN = 512, MAX_CONVERTERS = 6 };

struct spk_resampler {
    /* Making a filter costs more than converting a crop, and speeds alternate: the last ones used stay. */
    struct converter {
        soxr_t soxr;
        int64_t p, q; /* rates in lowest terms */
        int64_t last; /* when it was used */
    } converter[MAX_CONVERTERS];
    int64_t uses;
    float *in, *out;
    int64_t in_room, out_room;
};

spk_resampler *spk_resampler_new(void)
{
    return spk_new(sizeof(spk_resampler));
}

void spk_resampler_free(spk_resampler *s)
{
    if (!s) return;
    for (int i = 0; i < MAX_CONVERTERS; i++)
        soxr_delete(s->converter[i].soxr);
    spk_free(s->in);
    spk_free(s->out);
    spk_free(s);
}

int64_t spk_resampled_length(int64_t n, int64_t in_hz, int64_t out_hz)
{
    if (in_hz == out_hz) return n;
    const int64_t length = (n * out_hz + in_hz / 2) / in_hz;
    return length > 0 ? length : 1;
}

static int64_t gcd(int64_t a, int64_t b)
{
    while (b != 0) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static spk_status make_room(float **x, int64_t *room, int64_t n, const char *path)
{
    if (n <= *room) return SPK_OK;
    int64_t larger = *room ? *room : 1 << 14;
    while (larger < n)
        larger *= 2;
    spk_free(*x);
    *room = 0;
    *x = spk_alloc(sizeof **x * (size_t)larger);
    if (!*x) return spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", path, (long long)larger);
    *room = larger;
    return SPK_OK;
}

/* The converter of these rates, cleared; or the one that was not used for longest, made anew. */
static spk_status prepare(spk_resampler *s, const spk_resample_source *source, int64_t p, int64_t q, soxr_t *out)
{
    struct converter *c = &s->converter[0];
    soxr_error_t error = NULL;
    for (int i = 0; i < MAX_CONVERTERS; i++) {
        struct converter *other = &s->converter[i];
        if (other->soxr && other->p == p && other->q == q) {
            c = other;
            break;
        }
        if (other->last < c->last) c = other;
    }
    if (c->soxr && c->p == p && c->q == q) {
        error = soxr_clear(c->soxr);
    } else {
        const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
        soxr_delete(c->soxr);
        *c = (struct converter){.p = p, .q = q};
        c->soxr = soxr_create((double)p, (double)q, 1, &error, NULL, &quality, NULL);
    }
    c->last = ++s->uses;
    *out = c->soxr;
    if (error || !c->soxr)
        return spk_fail(SPK_E_VALUE, "%s: cannot convert from %lld Hz to %lld Hz: %s", source->path,
                        (long long)source->in_hz, (long long)source->out_hz, error ? error : "no converter");
    return SPK_OK;
}

/* Convert n_in samples; the first n_out of the result, zeros where there are fewer (rounding at the end). */
static spk_status convert(spk_resampler *s, soxr_t soxr, const char *path, int64_t n_in, int64_t n_out)
{
    const size_t n = (size_t)n_in, want = (size_t)n_out;
    size_t used = 0, total = 0, took, made;
    soxr_error_t error;
    do { /* soxr takes in what the room for output seems to need, so it is asked again; NULL ends the input */
        const bool more = used < n;
        took = made = 0;
        error = soxr_process(soxr, more ? s->in + used : NULL, more ? n - used : 0, &took, s->out + total, want - total,
                             &made);
        used += more ? took : 0;
        total += made;
    } while (!error && total < want && (took > 0 || made > 0));
    if (error) return spk_fail(SPK_E_VALUE, "%s: converting the sample rate failed: %s", path, error);
    memset(s->out + total, 0, sizeof *s->out * (want - total));
    return SPK_OK;
}

spk_status spk_resample_part(spk_resampler *s, const spk_resample_source *source, int64_t start, int64_t count,
                             float *dst)
{
    const int64_t common = gcd(source->in_hz, source->out_hz);
    const int64_t p = source->in_hz / common, q = source->out_hz / common;
    SPK_ASSERT(p > 0 && q > 0);
    const int64_t margin = MARGIN * (q > p ? (q + p - 1) / p : 1); /* at the output's rate */
    const int64_t block = start > margin ? (start - margin) / q : 0;
    const int64_t out_first = block * q, in_first = block * p;
    int64_t in_end = ((start + count + margin) * p + q - 1) / q + 1;
    if (in_end > source->n) in_end = source->n;
    const int64_t n_in = in_end - in_first, n_out = start + count - out_first;
    soxr_t soxr;
    SPK_TRY(prepare(s, source, p, q, &soxr));
    SPK_TRY(make_room(&s->in, &s->in_room, n_in, source->path));
    SPK_TRY(make_room(&s->out, &s->out_room, n_out, source->path));
    SPK_TRY(source->read(source->self, in_first, n_in, s->in));
    SPK_TRY(convert(s, soxr, source->path, n_in, n_out));
    memcpy(dst, s->out + (start - out_first), sizeof *dst * (size_t)count);
    return SPK_OK;
}
