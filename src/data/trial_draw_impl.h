/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trials drawn among utterances, by rules that can be stated in a paper:
 *
 *  - no utterance with itself, no pair twice in either order; which side comes first is drawn, and so is the order;
 *  - a target trial is a pair of one speaker: all of them, or `targets` of each speaker (all it has where these are
 *    fewer), or max_targets of all; with sessions only pairs from two sessions;
 *  - nontarget_ratio nontarget trials for each target trial, at most all there are; with sexes only pairs of one sex.
 *    Uniform over pairs of utterances, or balanced: speaker after speaker takes part with a uniform one of its
 *    utterances and a uniform one of a uniform other speaker, so that each stands equally often in the first place.
 *    Where half of all pairs or more are wanted, the choice is uniform in any case.
 *
 * A function of the pool's order, the rules and the seed alone.
 */
#ifndef SPK_DATA_TRIAL_DRAW_IMPL_H
#define SPK_DATA_TRIAL_DRAW_IMPL_H

#include "base/base_impl.h"
#include "data/datadir_impl.h"

typedef struct spk_trial_rules {
    int64_t targets;     /* of a speaker; 0: all */
    int64_t max_targets; /* of all; 0: no bound */
    double nontarget_ratio;
    bool balanced;
    uint64_t seed;
} spk_trial_rules;

typedef struct spk_trial_pool {
    int64_t n, n_speakers;
    const int64_t *speaker; /* n: 0..n_speakers-1 */
    const int64_t *sex;     /* n_speakers: 0 or 1; NULL: does not matter */
    const int64_t *session; /* n; NULL: does not matter */
} spk_trial_pool;

typedef struct spk_trial_draw {
    spk_pair *pair; /* indices into the pool; released with spk_free */
    int64_t n, n_targets;
    int64_t n_lacking; /* speakers with fewer target pairs than `targets` */
} spk_trial_draw;

void spk_trials_draw(const spk_trial_pool *pool, const spk_trial_rules *rules, spk_trial_draw *out);

#endif
