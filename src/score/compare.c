/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of voices that are in memory: what a list of trials would give, without the list. */
#include "score/scoring_impl.h"

spk_status spk_score_voices(const spk_embeddings *e, int64_t n_enrolled, const int64_t *begin, int64_t n_tests,
                            const spk_scoring_options *o, float *scores)
{
    spk_status status;
    spk_voices v = {0};
    const int64_t n_voices = n_enrolled + n_tests, n = n_enrolled * n_tests;
    const size_t bytes = sizeof(int64_t) * (size_t)(n_voices + n + 1);
    int64_t *all = spk_new(bytes), *self = spk_new(bytes);
    spk_trial_list t = {.n = n, .enroll = spk_new(bytes), .test = spk_new(bytes)};
    for (int64_t i = 0; i < n_voices; i++) {
        all[i + 1] = i < n_enrolled ? begin[i + 1] : all[i] + 1;
        self[i] = i;
    }
    for (int64_t i = 0; i < n; i++) {
        t.enroll[i] = i / n_tests;
        t.test[i] = n_enrolled + i % n_tests;
    }
    SPK_GO(spk_score_check_backend(e, o));
    SPK_GO(spk_voices_of(e, n_voices, all, o, &v));
    SPK_GO(spk_voices_scores(&v, &t, o, e->D, NULL, self, self, scores));
done:
    spk_voices_clear(&v);
    spk_free(t.enroll);
    spk_free(t.test);
    spk_free(all);
    spk_free(self);
    return status;
}
