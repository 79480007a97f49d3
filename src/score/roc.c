/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting trials by score. Scores are mapped to integers of the same order and sorted by radix, which is stable and
 * takes the same time for any input; the label travels in the lowest bit.
 */
#include "score/roc_impl.h"

#include <math.h>
#include <string.h>

/* Floats as integers of the same order: negative numbers are turned around. -0 and 0 become one. */
static uint32_t key_of(float score)
{
    const float positive_zero = score + 0.0F;
    uint32_t bits;
    memcpy(&bits, &positive_zero, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

static float score_of(uint32_t key)
{
    const uint32_t bits = key & 0x80000000U ? key & 0x7fffffffU : ~key;
    float score;
    memcpy(&score, &bits, sizeof score);
    return score;
}

float spk_roc_score(const spk_roc *roc, int64_t k)
{
    return score_of((uint32_t)(roc->item[k] >> 1));
}

int spk_roc_label(const spk_roc *roc, int64_t k)
{
    return (int)(roc->item[k] & 1);
}

double spk_roc_reject_all(const spk_roc *roc)
{
    return nextafter((double)roc->threshold[0], INFINITY);
}

/* One pass of the radix sort over 11 bits from `shift`. */
static void radix_pass(const uint64_t *in, uint64_t *out, int64_t n, int shift)
{
    int64_t start[2048] = {0};
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        start[(in[i] >> shift) & 2047]++;
    for (int b = 0; b < 2048; b++) {
        const int64_t count = start[b];
        start[b] = sum;
        sum += count;
    }
    for (int64_t i = 0; i < n; i++)
        out[start[(in[i] >> shift) & 2047]++] = in[i];
}

static spk_status sort_items(spk_roc *roc)
{
    uint64_t *other = spk_alloc((size_t)roc->n * sizeof *other);
    if (!other) return spk_fail(SPK_E_NOMEM, "not enough memory to sort %lld trials", (long long)roc->n);
    radix_pass(roc->item, other, roc->n, 1);
    radix_pass(other, roc->item, roc->n, 12);
    radix_pass(roc->item, other, roc->n, 23);
    spk_free(roc->item);
    roc->item = other;
    return SPK_OK;
}

spk_status spk_score_order(const float *scores, int64_t n, int32_t *order)
{
    SPK_ASSERT(n < INT32_MAX);
    uint64_t *item = spk_alloc((size_t)n * sizeof *item), *other = spk_alloc((size_t)n * sizeof *other);
    const bool good = item && other;
    if (good) { /* the key turned around, above the place */
        for (int64_t i = 0; i < n; i++)
            item[i] = (uint64_t)~key_of(scores[i]) << 32 | (uint64_t)i;
        radix_pass(item, other, n, 32);
        radix_pass(other, item, n, 43);
        radix_pass(item, other, n, 54);
        for (int64_t k = 0; k < n; k++)
            order[k] = (int32_t)(other[k] & 0xffffffffU);
    }
    spk_free(item);
    spk_free(other);
    return good ? SPK_OK : spk_fail(SPK_E_NOMEM, "not enough memory to sort %lld trials", (long long)n);
}

static spk_status take_trials(spk_roc *roc, const float *scores, const uint8_t *labels)
{
    for (int64_t i = 0; i < roc->n; i++) {
        if (!isfinite(scores[i]))
            return spk_fail(SPK_E_VALUE,
                            "the score of trial %lld of %lld is not finite; check the embeddings of its utterances",
                            (long long)i + 1, (long long)roc->n);
        if (labels[i] > 1)
            return spk_fail(SPK_E_VALUE,
                            "the label of trial %lld of %lld is %d; labels are 1 (target) and 0 (nontarget)",
                            (long long)i + 1, (long long)roc->n, labels[i]);
        roc->item[i] = (uint64_t)key_of(scores[i]) << 1 | labels[i];
        roc->n_targets += labels[i];
    }
    roc->n_nontargets = roc->n - roc->n_targets;
    if (roc->n_targets == 0 || roc->n_nontargets == 0)
        return spk_fail(SPK_E_VALUE, "all %lld trials are %s: error rates need trials of both classes",
                        (long long)roc->n, roc->n_targets == 0 ? "nontarget" : "target");
    return SPK_OK;
}

static void make_points(spk_roc *roc)
{
    int64_t tps = 0, fps = 0;
    for (int64_t k = roc->n - 1; k >= 0; k--) {
        const int label = spk_roc_label(roc, k);
        tps += label;
        fps += 1 - label;
        if (k > 0 && roc->item[k - 1] >> 1 == roc->item[k] >> 1) continue; /* tied scores are one point */
        roc->threshold[roc->n_points] = spk_roc_score(roc, k);
        roc->tps[roc->n_points] = tps;
        roc->fps[roc->n_points++] = fps;
    }
}

spk_status spk_roc_make(spk_roc *roc, const float *scores, const uint8_t *labels, int64_t n)
{
    memset(roc, 0, sizeof *roc);
    if (n < 1) return spk_fail(SPK_E_VALUE, "there are no trials to compute error rates from");
    roc->n = n;
    roc->item = spk_alloc((size_t)n * sizeof *roc->item);
    roc->threshold = spk_alloc((size_t)n * sizeof *roc->threshold);
    roc->tps = spk_alloc((size_t)n * sizeof *roc->tps);
    roc->fps = spk_alloc((size_t)n * sizeof *roc->fps);
    if (!roc->item || !roc->threshold || !roc->tps || !roc->fps)
        return spk_fail(SPK_E_NOMEM, "not enough memory for the error rates of %lld trials", (long long)n);
    SPK_TRY(take_trials(roc, scores, labels));
    SPK_TRY(sort_items(roc));
    make_points(roc);
    return SPK_OK;
}

void spk_roc_clear(spk_roc *roc)
{
    spk_free(roc->item);
    spk_free(roc->threshold);
    spk_free(roc->tps);
    spk_free(roc->fps);
    memset(roc, 0, sizeof *roc);
}
