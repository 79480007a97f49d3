/* SPDX-License-Identifier: Apache-2.0 */
/* Groups of utterances of one speaker (sampler_pk_impl.h). */
#include "data/sampler_pk_impl.h"

#include <string.h>

static int64_t *new_ints(int64_t n)
{
    return spk_new(sizeof(int64_t) * (size_t)(n + 1));
}

spk_pk *spk_pk_new(const int64_t *speaker, int64_t n, int64_t n_speakers, int64_t K)
{
    spk_pk *p = spk_new(sizeof *p);
    *p = (spk_pk){.K = K, .n = n, .n_speakers = n_speakers};
    p->first = new_ints(n_speakers);
    p->first_group = new_ints(n_speakers);
    p->member = new_ints(n);
    p->order = new_ints(n);
    for (int64_t i = 0; i < n; i++)
        p->first[speaker[i] + 1]++;
    for (int64_t c = 0; c < n_speakers; c++) {
        p->first_group[c] = p->n_groups;
        p->n_groups += (p->first[c + 1] + K - 1) / K;
        p->first[c + 1] += p->first[c];
    }
    p->speaker = new_ints(p->n_groups);
    for (int64_t c = 0; c < n_speakers; c++)
        for (int64_t g = p->first_group[c]; g < (c + 1 < n_speakers ? p->first_group[c + 1] : p->n_groups); g++)
            p->speaker[g] = c;
    int64_t *at = new_ints(n_speakers);
    for (int64_t i = 0; i < n; i++)
        p->member[p->first[speaker[i]] + at[speaker[i]]++] = i;
    spk_free(at);
    return p;
}

void spk_pk_free(spk_pk *p)
{
    if (!p) return;
    spk_free(p->first);
    spk_free(p->first_group);
    spk_free(p->member);
    spk_free(p->order);
    spk_free(p->speaker);
    spk_free(p);
}

int64_t spk_pk_used(const spk_pk *p)
{
    int64_t used = 0;
    for (int64_t c = 0; c < p->n_speakers; c++)
        used += p->first[c + 1] > p->first[c];
    return used;
}

/* The order of a speaker's utterances in the nth pass over them within an epoch. */
static void permute(spk_pk *p, uint64_t seed, int64_t epoch, int64_t c, uint32_t nth)
{
    const int64_t n = p->first[c + 1] - p->first[c];
    spk_rng r = spk_rng_make(seed, SPK_PURPOSE_ORDER, (uint64_t)epoch, (uint64_t)c + 1, nth);
    memcpy(p->order + p->first[c], p->member + p->first[c], (size_t)n * sizeof *p->order);
    spk_rng_shuffle(&r, p->order + p->first[c], n);
}

void spk_pk_expand(spk_pk *p, uint64_t seed, int64_t epoch, spk_epoch_plan *plan)
{
    const int64_t n_groups = plan->n_items;
    int64_t *item = new_ints(n_groups * p->K);
    uint32_t *pass = spk_new(sizeof *pass * (size_t)(p->n_speakers + 1)); /* whose order is there: nth + 1 */
    for (int64_t i = 0; i < n_groups; i++) {
        const int64_t g = plan->item[i], c = p->speaker[g], n = p->first[c + 1] - p->first[c];
        if (pass[c] != plan->nth[i] + 1) {
            permute(p, seed, epoch, c, plan->nth[i]);
            pass[c] = plan->nth[i] + 1;
        }
        for (int64_t k = 0; k < p->K; k++)
            item[i * p->K + k] = p->order[p->first[c] + ((g - p->first_group[c]) * p->K + k) % n];
    }
    spk_free(pass);
    spk_free(plan->item);
    plan->item = item;
    plan->n_items = n_groups * p->K;
    plan->largest *= p->K;
    for (int64_t b = 0; b <= plan->n_batches; b++)
        plan->first[b] *= p->K;
    spk_epoch_plan_count(plan, p->n);
}
