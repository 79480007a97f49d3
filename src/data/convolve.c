/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution by kissfft's real transform (convolve_impl.h). */
#include "data/convolve_impl.h"

#include <kissfft/kiss_fftr.h>
#include <string.h>

/* Lengths are m 2^k with m of {8, 9, 10, 12, 15}: at most a quarter too long, and few plans serve all responses. */
enum { MAX_PLANS = 64 };

struct spk_convolver {
    struct plan {
        int64_t n;
        kiss_fftr_cfg forward, inverse;
    } plan[MAX_PLANS];
    int n_plans;
    int64_t room; /* floats of wave; each spectrum has room / 2 + 1 values */
    float *wave;
    kiss_fft_cpx *x, *h;
};

spk_convolver *spk_convolver_new(void)
{
    return spk_new(sizeof(spk_convolver));
}

void spk_convolver_free(spk_convolver *c)
{
    if (!c) return;
    for (int i = 0; i < c->n_plans; i++) {
        kiss_fftr_free(c->plan[i].forward);
        kiss_fftr_free(c->plan[i].inverse);
    }
    spk_free(c->wave);
    spk_free(c->x);
    spk_free(c->h);
    spk_free(c);
}

static int64_t fast_length(int64_t n)
{
    static const int64_t steps[] = {8, 9, 10, 12, 15};
    for (int64_t unit = 1;; unit *= 2)
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
            if (steps[i] * unit >= n && steps[i] * unit % 2 == 0) return steps[i] * unit;
}

static const struct plan *find_plan(spk_convolver *c, int64_t n)
{
    for (int i = 0; i < c->n_plans; i++)
        if (c->plan[i].n == n) return &c->plan[i];
    if (n > INT32_MAX / 2 || c->n_plans == MAX_PLANS) return NULL;
    struct plan p = {n, kiss_fftr_alloc((int)n, 0, NULL, NULL), kiss_fftr_alloc((int)n, 1, NULL, NULL)};
    if (p.forward && p.inverse) {
        c->plan[c->n_plans] = p;
        return &c->plan[c->n_plans++];
    }
    kiss_fftr_free(p.forward);
    kiss_fftr_free(p.inverse);
    return NULL;
}

static bool make_room(spk_convolver *c, int64_t n)
{
    if (n <= c->room) return true;
    spk_free(c->wave);
    spk_free(c->x);
    spk_free(c->h);
    c->room = n;
    c->wave = spk_alloc(sizeof *c->wave * (size_t)n);
    c->x = spk_alloc(sizeof *c->x * (size_t)(n / 2 + 1));
    c->h = spk_alloc(sizeof *c->h * (size_t)(n / 2 + 1));
    if (c->wave && c->x && c->h) return true;
    c->room = 0;
    return false;
}

static void transform(spk_convolver *c, const struct plan *p, const float *v, int64_t n, kiss_fft_cpx *spectrum)
{
    memcpy(c->wave, v, sizeof *v * (size_t)n);
    memset(c->wave + n, 0, sizeof *v * (size_t)(p->n - n));
    kiss_fftr(p->forward, c->wave, spectrum);
}

spk_status spk_convolve(spk_convolver *c, const float *x, int64_t T, const float *h, int64_t R, int64_t skip, float *y)
{
    SPK_ASSERT(T > 0 && R > 0 && skip >= 0 && skip < R);
    const int64_t n = fast_length(T + R - 1);
    const struct plan *p = find_plan(c, n);
    if (!p || !make_room(c, n))
        return spk_fail(SPK_E_NOMEM, "no memory for a convolution of %lld samples with %lld", (long long)T,
                        (long long)R);
    transform(c, p, x, T, c->x);
    transform(c, p, h, R, c->h);
    const float scale = 1.0f / (float)n;
    for (int64_t i = 0; i <= n / 2; i++) {
        const kiss_fft_cpx a = c->x[i], b = c->h[i];
        c->x[i].r = (a.r * b.r - a.i * b.i) * scale;
        c->x[i].i = (a.r * b.i + a.i * b.r) * scale;
    }
    kiss_fftri(p->inverse, c->x, c->wave);
    memcpy(y, c->wave + skip, sizeof *y * (size_t)T);
    return SPK_OK;
}
