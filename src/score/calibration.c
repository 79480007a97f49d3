/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting and applying a calibration. */
#include "score/calibration_impl.h"

#include <math.h>
#include <string.h>

#include "formats/list_impl.h"
#include "score/logistic_impl.h"

/* ---- features ---- */

static spk_status add_system(const spk_calibration_input *in, int64_t system, const spk_trial_list *list,
                             double *features)
{
    spk_status status;
    spk_trial_list other = {0};
    int64_t *place = spk_new(sizeof *place * (size_t)(list->n + 1));
    SPK_GO(spk_trial_list_read(in->scores[system], in->form, true, &other));
    if (other.n != list->n)
        SPK_GO(spk_fail(SPK_E_MISMATCH, "%s has %lld scores and %s %lld; systems are fused trial by trial", other.path,
                        (long long)other.n, list->path, (long long)list->n));
    SPK_GO(spk_trial_list_match(list, &other, place));
    for (int64_t i = 0; i < list->n; i++)
        features[i * in->n_systems + system] = (double)other.score[place[i]];
done:
    spk_trial_list_clear(&other);
    spk_free(place);
    return status;
}

static spk_status add_labels(const spk_calibration_input *in, spk_trial_list *list)
{
    spk_trial_list trials = {0};
    if (!in->trials) return SPK_OK;
    SPK_TRY(spk_trial_list_read(in->trials, in->trial_form, false, &trials));
    const spk_status status = spk_trial_list_label(list, &trials, false);
    spk_trial_list_clear(&trials);
    return status;
}

spk_status spk_calibration_features(const spk_calibration_input *in, spk_calibration_kind kind, spk_trial_list *list,
                                    double **features, int64_t *F, int64_t *D)
{
    spk_status status;
    *features = NULL;
    *F = in->n_systems;
    *D = 0;
    SPK_TRY(spk_trial_list_read(in->scores[0], in->form, true, list));
    SPK_GO(add_labels(in, list));
    *features = spk_alloc(sizeof **features * (size_t)(list->n * in->n_systems));
    if (!*features) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for %lld trials", (long long)list->n));
    for (int64_t i = 0; i < list->n; i++)
        (*features)[i * in->n_systems] = (double)list->score[i];
    for (int64_t s = 1; s < in->n_systems; s++)
        SPK_GO(add_system(in, s, list, *features));
    if (kind != SPK_CALIBRATION_LINEAR) SPK_GO(spk_quality_fill(in, list, in->n_systems, features, F, D));
done:
    if (status != SPK_OK) {
        spk_trial_list_clear(list);
        spk_free(*features);
        *features = NULL;
    }
    return status;
}

/* ---- fitting ---- */

static spk_status check_trials(const spk_trial_list *t)
{
    if (!t->has_labels)
        return spk_fail(SPK_E_MISMATCH, "%s: the scores have no labels; name the list of trials: --trials LIST",
                        t->path);
    for (int64_t i = 0; i < t->n; i++)
        if (t->enroll[i] == t->test[i])
            return spk_fail(SPK_E_VALUE,
                            "%s:%lld: '%s' is compared with itself; such a trial says nothing of calibration", t->path,
                            (long long)t->line[i], t->name[t->enroll[i]]);
    return SPK_OK;
}

spk_status spk_calibration_shared_speakers(const spk_trial_list *t, const char *utt2spk, const char *train_spk2utt,
                                           int64_t *n_shared, int64_t *n_speakers)
{
    spk_status status;
    spk_list speakers = {0}, train = {0};
    spk_map seen = {0};
    *n_shared = 0;
    SPK_GO(spk_list_read(utt2spk, 0, &speakers));
    SPK_GO(spk_list_read(train_spk2utt, SPK_LIST_NO_VALUE_OK, &train));
    for (int64_t i = 0; i < t->n_names; i++) {
        const char *speaker = spk_list_get(&speakers, t->name[i]);
        if (!speaker)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: '%s' of the trials is not in %s", t->path, t->name[i], utt2spk));
        if (spk_map_put(&seen, speaker, 0)) *n_shared += spk_list_find(&train, speaker) >= 0;
    }
done:
    *n_speakers = (int64_t)seen.n;
    spk_map_clear(&seen);
    spk_list_clear(&speakers);
    spk_list_clear(&train);
    return status;
}

/* Scores of speakers that the model was trained on are too good. */
static spk_status warn_of_training(const spk_calibration_input *in, const spk_trial_list *t)
{
    int64_t n_shared, n;
    if (!in->train_spk2utt) return SPK_OK;
    SPK_TRY(spk_calibration_shared_speakers(t, in->utt2spk, in->train_spk2utt, &n_shared, &n));
    if (n_shared > 0)
        spk_warn(
            "calibrate",
            "%lld of the %lld speakers in %s are speakers of the training (%s); their scores are better than those "
            "of others, and so the calibration will be too sure",
            (long long)n_shared, (long long)n, t->path, in->train_spk2utt);
    return SPK_OK;
}

spk_status spk_calibration_fit(const spk_calibration_input *in, spk_calibration_kind kind, double prior, double l2,
                               spk_calibration *out)
{
    spk_status status;
    spk_trial_list list = {0};
    double *x = NULL;
    const bool espnet = kind == SPK_CALIBRATION_QMF_ESPNET;
    *out = (spk_calibration){.kind = kind, .n_systems = in->n_systems, .prior = prior};
    if (isnan(l2)) l2 = espnet ? 1 : kind == SPK_CALIBRATION_QMF ? 1e-4 : 0;
    const spk_logistic_options how = {espnet ? 0 : prior, l2, espnet, !espnet};
    SPK_GO(spk_calibration_features(in, kind, &list, &x, &out->F, &out->D));
    SPK_GO(check_trials(&list));
    SPK_GO(warn_of_training(in, &list));
    out->weight = spk_new(sizeof *out->weight * (size_t)out->F);
    status = spk_logistic_fit(x, list.label, list.n, out->F, &how, out->weight, &out->bias);
    if (status != SPK_OK) spk_fail_in(status, "%s", list.path);
done:
    spk_trial_list_clear(&list);
    spk_free(x);
    if (status != SPK_OK) spk_calibration_clear(out);
    return status;
}

void spk_calibration_clear(spk_calibration *c)
{
    spk_free(c->weight);
    memset(c, 0, sizeof *c);
}

/* ---- applying ---- */

spk_status spk_calibration_apply(const spk_calibration *c, const spk_calibration_input *in, bool probability,
                                 spk_trial_list *list, float **out)
{
    double *x = NULL;
    int64_t F, D;
    const bool espnet = c->kind == SPK_CALIBRATION_QMF_ESPNET;
    const double offset = espnet ? 0 : log(c->prior / (1 - c->prior));
    *out = NULL;
    if (in->n_systems != c->n_systems)
        return spk_fail(SPK_E_MISMATCH, "%s: the calibration is of %lld systems, but %lld files of scores are given",
                        in->scores[0], (long long)c->n_systems, (long long)in->n_systems);
    SPK_TRY(spk_calibration_features(in, c->kind, list, &x, &F, &D));
    if (D != c->D) {
        spk_free(x);
        spk_trial_list_clear(list);
        return spk_fail(SPK_E_SHAPE, "%s: embeddings have %lld values, those of the calibration %lld", in->embeddings,
                        (long long)D, (long long)c->D);
    }
    float *score = spk_new(sizeof *score * (size_t)list->n);
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < list->n; i++) {
        double z = c->bias;
        for (int64_t k = 0; k < F; k++)
            z += c->weight[k] * x[i * F + k];
        score[i] = (float)(probability || espnet ? 1 / (1 + exp(-z - offset)) : z);
    }
    spk_free(x);
    *out = score;
    return SPK_OK;
}
