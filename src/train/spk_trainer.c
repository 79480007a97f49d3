/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-set validation: embeddings of the distinct utterances, scores of the trials, figures of merit.
 * Letters: U utterances, K segments of each, E embedding size.
 */
#include "spk/spk_trainer.h"

#include <string.h>

#include "spk/score.h"
#include "train/embed_impl.h"
#include "train/validation_impl.h"

/* Segments in one call of the model. */
enum { CALL_SEGMENTS = 48 };

/* Normalised embeddings, (U, K, E) in the order of the utterances. */
typedef struct embeddings {
    int64_t E, K, U, room;
    float *v;
} embeddings;

static spk_status keep(void *user, int64_t index, const char *id, const float *embedding, int64_t n_segments)
{
    embeddings *m = user;
    SPK_ASSERT(index == m->U && "the queue keeps the order");
    if (index == 0) m->K = n_segments;
    if (n_segments != m->K)
        return spk_fail(SPK_E_VALUE, "utterance %s: has %lld segments where the ones before it have %lld", id,
                        (long long)n_segments, (long long)m->K);
    const size_t row = (size_t)(m->K * m->E) * sizeof(float);
    if (index == m->room) {
        const int64_t room = m->room ? 2 * m->room : 64;
        float *grown = spk_alloc((size_t)room * row);
        if (!grown) return spk_fail(SPK_E_NOMEM, "no memory for the embeddings of %lld utterances", (long long)room);
        if (m->room) memcpy(grown, m->v, (size_t)m->room * row);
        spk_free(m->v);
        m->v = grown;
        m->room = room;
    }
    memcpy(m->v + index * m->K * m->E, embedding, row);
    spk_score_normalize_rows(m->v + index * m->K * m->E, m->K, m->E);
    m->U++;
    return SPK_OK;
}

static spk_status check_classes(const spk_pass_set *set)
{
    int64_t targets = 0;
    for (int64_t i = 0; i < set->n_trials; i++)
        targets += set->label[i];
    if (set->n_trials == 0)
        return spk_fail(SPK_E_VALUE, "the iterator gave no trials: an equal error rate needs some of each class");
    if (targets == 0 || targets == set->n_trials)
        return spk_fail(SPK_E_VALUE,
                        "all %lld trials are %s: an equal error rate needs trials of the same speaker (label 1) and "
                        "of different ones (label 0)",
                        (long long)set->n_trials,
                        targets ? "of the same speaker (label 1)" : "of different speakers (label 0)");
    return SPK_OK;
}

static spk_status score_trials(const spk_pass_set *set, const embeddings *m, float *scores)
{
    spk_trial *trials = spk_alloc((size_t)set->n_trials * sizeof *trials);
    if (!trials) return spk_fail(SPK_E_NOMEM, "no memory for %lld trials", (long long)set->n_trials);
    for (int64_t i = 0; i < set->n_trials; i++)
        trials[i] = (spk_trial){.enroll = set->enroll[i], .test = set->test[i], .label = set->label[i], .id = ""};
    const spk_status status = spk_score_mean_distance(m->v, m->U, m->K, m->E, trials, set->n_trials, scores);
    spk_free(trials);
    return status;
}

static spk_status fill(const spk_pass_set *set, const embeddings *m, const spk_embed_queue *queue, spk_validation *v)
{
    spk_metrics metrics;
    v->n_trials = set->n_trials;
    v->scores = spk_alloc((size_t)set->n_trials * sizeof *v->scores);
    v->labels = spk_alloc((size_t)set->n_trials);
    if (!v->scores || !v->labels)
        return spk_fail(SPK_E_NOMEM, "no memory for the scores of %lld trials", (long long)set->n_trials);
    memcpy(v->labels, set->label, (size_t)set->n_trials);
    SPK_TRY(score_trials(set, m, v->scores));
    SPK_TRY(spk_metrics_compute(v->scores, v->labels, v->n_trials, &metrics));
    v->eer = metrics.eer;
    v->eer_espnet = metrics.eer_espnet;
    v->mindcf = metrics.mindcf.cost;
    v->mindcf_espnet = metrics.mindcf_espnet.cost;
    v->mindcf_p01 = metrics.mindcf_p01.cost;
    v->threshold_eer = metrics.threshold_eer;
    v->threshold_mindcf = metrics.mindcf.threshold;
    v->threshold_mindcf_p01 = metrics.mindcf_p01.threshold;
    v->trg_mean = metrics.trg_mean;
    v->trg_std = metrics.trg_std;
    v->nontrg_mean = metrics.nontrg_mean;
    v->nontrg_std = metrics.nontrg_std;
    v->n_utterances = set->n_utterances;
    v->n_segments = spk_embed_queue_segments(queue);
    v->n_embedded = spk_embed_queue_embedded(queue);
    return SPK_OK;
}

spk_status spk_trainer_validate_scores(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                       const spk_trainer_options *options,
                                       const spk_distributed_option *distributed_option, spk_validation *out)
{
    spk_status status = SPK_OK;
    spk_pass_set set = {0};
    spk_validation v = {0};
    SPK_ASSERT(iterator && "an iterator is needed");
    SPK_TRY(spk_trainer_check_options(model, options, distributed_option));
    embeddings m = {.E = model->embedding_size};
    spk_embed_queue *queue = spk_embed_queue_new(model, 0, CALL_SEGMENTS, keep, &m);
    const spk_pass pass = {
        .queue = queue, .options = options, .what = "valid", .labels = true, .feature_size = model->feature_size};
    SPK_GO(spk_pass_run(&pass, iterator, &set));
    SPK_GO(check_classes(&set));
    SPK_GO(spk_embed_queue_flush(queue));
    SPK_GO(fill(&set, &m, queue, &v));
    if (reporter) SPK_GO(spk_register_figures(reporter, &v, NULL));
    if (out) {
        *out = v;
        memset(&v, 0, sizeof v);
    }
done:
    spk_validation_clear(&v);
    spk_embed_queue_free(queue);
    spk_pass_set_clear(&set);
    spk_free(m.v);
    return status;
}

spk_status spk_trainer_validate_one_epoch(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                          const spk_trainer_options *options,
                                          const spk_distributed_option *distributed_option)
{
    SPK_ASSERT(reporter && "a reporter is needed");
    return spk_trainer_validate_scores(model, iterator, reporter, options, distributed_option, NULL);
}

void spk_validation_clear(spk_validation *v)
{
    spk_free(v->scores);
    spk_free(v->labels);
    memset(v, 0, sizeof *v);
}
