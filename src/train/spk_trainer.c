/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-set validation: embeddings of the distinct utterances, scores of the trials, figures of merit.
 * Letters: U utterances, K segments of each, E embedding size.
 */
#include "spk/spk_trainer.h"

#include <string.h>

#include "comm/comm_impl.h"
#include "score/distance_impl.h"
#include "spk/score.h"
#include "train/embed_impl.h"
#include "train/validation_impl.h"
#include "train/work_impl.h"

/* Segments in one call of the model. */
enum { CALL_SEGMENTS = 48 };

/* Normalised embeddings, (U, K, E) in the order of the utterances. */
typedef struct embeddings {
    int64_t E, K, U, room;
    spk_dtype type; /* float or double */
    void *v;
} embeddings;

/* Bytes of an utterance's. */
static size_t row_bytes(const embeddings *m)
{
    return (size_t)(m->K * m->E) * spk_dtype_size(m->type);
}

static void normalise(const embeddings *m, void *rows)
{
    if (m->type == SPK_F64)
        spk_score_normalize_rows_f64(rows, m->K, m->E);
    else
        spk_score_normalize_rows(rows, m->K, m->E);
}

static spk_status keep(void *user, int64_t index, const char *id, const void *embedding, int64_t n_segments)
{
    embeddings *m = user;
    SPK_ASSERT(index == m->U && "the queue keeps the order");
    if (index == 0) m->K = n_segments;
    if (n_segments != m->K)
        return spk_fail(SPK_E_VALUE, "utterance %s: has %lld segments where the ones before it have %lld", id,
                        (long long)n_segments, (long long)m->K);
    const size_t row = row_bytes(m);
    if (index == m->room) {
        const int64_t room = m->room ? 2 * m->room : 64;
        void *grown = spk_alloc((size_t)room * row);
        if (!grown) return spk_fail(SPK_E_NOMEM, "no memory for the embeddings of %lld utterances", (long long)room);
        if (m->room) memcpy(grown, m->v, (size_t)m->room * row);
        spk_free(m->v);
        m->v = grown;
        m->room = room;
    }
    char *to = (char *)m->v + (size_t)index * row;
    memcpy(to, embedding, row);
    normalise(m, to);
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

/* ---- several processes ---- */

/* The embeddings of all ranks on rank 0, in the order of the utterances. */
static spk_status gather(spk_comm *comm, int64_t n, embeddings *m)
{
    const int size = spk_comm_size(comm);
    spk_status status = SPK_OK;
    if (size == 1) return SPK_OK;
    int64_t K[2] = {m->U ? m->K : INT64_MIN, m->U ? -m->K : INT64_MIN}; /* largest and smallest */
    SPK_TRY(spk_comm_reduce(comm, K, 2, SPK_COMM_I64, SPK_COMM_MAX));
    if (K[0] != -K[1])
        return spk_comm_agree(comm,
                              spk_fail(SPK_E_VALUE, "utterances have from %lld to %lld segments: all need as many",
                                       (long long)-K[1], (long long)K[0]));
    m->K = K[0];
    const size_t row = row_bytes(m);
    const bool first = spk_comm_is_first(comm);
    char *all = first ? spk_alloc((size_t)n * row) : NULL;
    char *ordered = first ? spk_alloc((size_t)n * row) : NULL;
    int64_t *counts = spk_new((size_t)size * sizeof *counts);
    for (int r = 0; r < size; r++)
        counts[r] = spk_pass_count(n, r, size);
    if (first && (!all || !ordered))
        status = spk_fail(SPK_E_NOMEM, "no memory for the embeddings of %lld utterances", (long long)n);
    SPK_GO(spk_comm_agree(comm, status));
    SPK_GO(spk_comm_gather(comm, m->v, counts, row, all, 0));
    if (!first) goto done;
    SPK_ASSERT(all && ordered);
    for (int64_t r = 0, at = 0; r < size; at += counts[r++])
        for (int64_t i = 0; i < counts[r]; i++)
            memcpy(ordered + (size_t)(r + i * size) * row, all + (size_t)(at + i) * row, row);
    spk_free(m->v);
    m->v = ordered;
    m->U = m->room = n;
    ordered = NULL;
done:
    spk_free(all);
    spk_free(ordered);
    spk_free(counts);
    return status;
}

/* What rank 0 found, on all. */
static spk_status hand_out(spk_comm *comm, spk_validation *v)
{
    double *const figure[] = {&v->eer,           &v->eer_espnet,       &v->mindcf,
                              &v->mindcf_espnet, &v->mindcf_p01,       &v->threshold_eer,
                              &v->trg_mean,      &v->threshold_mindcf, &v->threshold_mindcf_p01,
                              &v->trg_std,       &v->nontrg_mean,      &v->nontrg_std};
    enum { N = sizeof figure / sizeof *figure };
    double values[N];
    for (int i = 0; i < N; i++)
        values[i] = *figure[i];
    SPK_TRY(spk_comm_broadcast(comm, values, N, SPK_COMM_F64));
    for (int i = 0; i < N; i++)
        *figure[i] = values[i];
    return spk_comm_broadcast(comm, v->scores, v->n_trials, SPK_COMM_F32);
}

/* ---- figures ---- */

static spk_status score_trials(const spk_pass_set *set, const embeddings *m, float *scores)
{
    spk_trial *trials = spk_alloc((size_t)set->n_trials * sizeof *trials);
    if (!trials) return spk_fail(SPK_E_NOMEM, "no memory for %lld trials", (long long)set->n_trials);
    for (int64_t i = 0; i < set->n_trials; i++)
        trials[i] = (spk_trial){.enroll = set->enroll[i], .test = set->test[i], .label = set->label[i], .id = ""};
    const spk_status status = m->type == SPK_F64
                                  ? spk_score_mean_distance_f64(m->v, m->U, m->K, m->E, trials, set->n_trials, scores)
                                  : spk_score_mean_distance(m->v, m->U, m->K, m->E, trials, set->n_trials, scores);
    spk_free(trials);
    return status;
}

static spk_status make_room(const spk_pass_set *set, spk_validation *v)
{
    v->n_trials = set->n_trials;
    v->scores = spk_alloc_zero((size_t)set->n_trials * sizeof *v->scores);
    v->labels = spk_alloc((size_t)set->n_trials);
    if (!v->scores || !v->labels)
        return spk_fail(SPK_E_NOMEM, "no memory for the scores of %lld trials", (long long)set->n_trials);
    memcpy(v->labels, set->label, (size_t)set->n_trials);
    return SPK_OK;
}

static spk_status fill(const spk_pass_set *set, const embeddings *m, spk_validation *v)
{
    spk_metrics metrics;
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
    return SPK_OK;
}

static spk_status count(spk_comm *comm, const spk_pass_set *set, const spk_embed_queue *queue, spk_validation *v)
{
    int64_t n[2] = {spk_embed_queue_segments(queue), spk_embed_queue_embedded(queue)};
    SPK_TRY(spk_comm_reduce(comm, n, 2, SPK_COMM_I64, SPK_COMM_SUM));
    v->n_utterances = set->n_total;
    v->n_segments = n[0];
    v->n_embedded = n[1];
    return SPK_OK;
}

/* This process's part: its utterances are embedded, the trials known. */
static spk_status embed(const spk_pass *pass, spk_iterator *iterator, spk_pass_set *set, spk_validation *v)
{
    SPK_TRY(spk_pass_run(pass, iterator, set));
    SPK_TRY(check_classes(set));
    SPK_TRY(spk_embed_queue_flush(pass->queue));
    return make_room(set, v);
}

/* All ranks together; out of it, a rank that is missed is one that has not embedded its utterances. */
static spk_status share_out(const spk_pass *pass, spk_iterator *iterator, spk_comm *comm, spk_pass_set *set,
                            embeddings *m, spk_validation *v)
{
    spk_work_list work;
    const spk_comm_work before = spk_comm_working(comm, spk_pass_work(pass->size, iterator, &work));
    spk_status status = spk_comm_agree(comm, embed(pass, iterator, set, v));
    if (status == SPK_OK) status = gather(comm, set->n_total, m);
    spk_comm_working(comm, before);
    return status;
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
    spk_comm *comm = distributed_option ? distributed_option->comm : NULL;
    embeddings m = {.E = model->embedding_size, .type = spk_embed_type(model)};
    spk_embed_queue *queue = spk_embed_queue_new(model, 0, CALL_SEGMENTS, keep, &m);
    const spk_pass pass = {.queue = queue,
                           .options = options,
                           .what = "valid",
                           .labels = true,
                           .feature_size = model->feature_size,
                           .rank = spk_comm_rank(comm),
                           .size = spk_comm_size(comm)};
    SPK_GO(share_out(&pass, iterator, comm, &set, &m, &v));
    SPK_GO(spk_comm_agree(comm, spk_comm_is_first(comm) ? fill(&set, &m, &v) : SPK_OK));
    SPK_GO(hand_out(comm, &v));
    SPK_GO(count(comm, &set, queue, &v));
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
