/* SPDX-License-Identifier: Apache-2.0 */
/* What is computed: in float from the wave on with five optimiser steps, and in double from the features on. */
#include <string.h>

#include "golden/golden_impl.h"
#include "optim/optim_impl.h"

enum { N_STEPS = 5 };
static const double LEARNING_RATE = 1e-5; /* of the golden runs */
static const char OPTIM_CONF[] = "{lr: 1.0e-5, weight_decay: 5.0e-5}";

static spk_status need(const golden *g, const char *name, spk_dtype dtype, int n_dims, const spk_ndarray **out)
{
    *out = golden_find(g, name);
    if (!*out) return spk_fail(SPK_E_FORMAT, "%s/golden.npz: there is no array %s%s", g->folder, g->prefix, name);
    if ((*out)->dtype != dtype || (*out)->n_dims != n_dims)
        return spk_fail(SPK_E_FORMAT, "%s/golden.npz: %s%s is not %s with %d axes", g->folder, g->prefix, name,
                        spk_dtype_name(dtype), n_dims);
    return SPK_OK;
}

static void row_of_view(golden *g, const char *name, spk_view v, spk_dtype dtype, bool channel_major)
{
    double *ours = golden_copy(v, dtype, channel_major);
    golden_row(g, name, ours, spk_rows(&v) * v.c);
    spk_free(ours);
}

/* Rows of "grad/NAME" for all parameters and, in float, "buffer1/NAME" for the running statistics. */
static void rows_of_parameters(golden *g, spk_dtype dtype)
{
    const spk_params *params = spk_net_params(g->net);
    spk_params_bring_here(params);
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        if (p->dtype == SPK_I64) continue;
        char *name = spk_strf("%s/%s", p->trainable ? "grad" : "buffer1", p->name);
        double *ours = golden_block(p->trainable ? p->grad : p->data, dtype, p->count);
        golden_row(g, name, ours, p->count);
        spk_free(ours);
        spk_free(name);
    }
}

/* ---- float ---- */

static spk_status embed_rows(golden *g, const float *speech, int64_t n, int64_t samples, const char *embedding,
                             bool all)
{
    spk_net_plan *p;
    SPK_TRY(spk_net_plan_for(g->net, SPK_NET_EMBED, n, samples, SPK_NET_EVEN, &p));
    spk_plan_bind(p->plan, p->speech, speech);
    spk_net_forward(g->net, p);
    if (all) {
        row_of_view(g, "feats", spk_plan_value(p->plan, p->feats), SPK_F32, false);
        row_of_view(g, "frames_eval", spk_plan_value(p->plan, p->frames), SPK_F32, true);
    }
    row_of_view(g, embedding, spk_plan_value(p->plan, p->embedding), SPK_F32, false);
    return SPK_OK;
}

/* Each utterance followed by its own first half. */
static spk_status embed_long(golden *g, const float *speech, int64_t n, int64_t samples)
{
    const int64_t half = samples / 2, length = samples + half;
    float *longer = spk_new((size_t)(n * length) * sizeof *longer);
    for (int64_t i = 0; i < n; i++) {
        memcpy(longer + i * length, speech + i * samples, (size_t)samples * sizeof *longer);
        memcpy(longer + i * length + samples, speech + i * samples, (size_t)half * sizeof *longer);
    }
    const spk_status status = embed_rows(g, longer, n, length, "embedding_eval_long", false);
    spk_free(longer);
    return status;
}

static spk_status train_rows(golden *g, const spk_ndarray *speech, const int64_t *labels, spk_optim *optim)
{
    spk_model *model = spk_net_model(g->net);
    float *parameters, *gradients;
    int64_t n;
    double losses[N_STEPS], accuracies[N_STEPS];
    model->blocks(model->self, &parameters, &gradients, &n);
    for (int i = 0; i < N_STEPS; i++) {
        spk_train_stats stats;
        model->zero_grad(model->self);
        SPK_TRY(model->forward_backward(model->self, speech->data, labels, speech->dim[0], speech->dim[1], 1, &stats));
        losses[i] = stats.loss;
        accuracies[i] = (float)stats.accuracy;
        if (i == 0) rows_of_parameters(g, SPK_F32);
        spk_optim_step(optim, parameters, gradients, LEARNING_RATE, 1);
        model->parameters_changed(model->self);
    }
    golden_row(g, "losses", losses, N_STEPS);
    golden_exact(g, "accuracies", accuracies, N_STEPS);
    return embed_rows(g, speech->data, speech->dim[0], speech->dim[1], "embedding_after5", false);
}

spk_status golden_run_f32(golden *g)
{
    const spk_ndarray *speech, *labels;
    spk_status status;
    spk_yaml *conf = NULL;
    spk_optim *optim = NULL;
    float *parameters, *gradients;
    int64_t n;
    SPK_TRY(need(g, "speech", SPK_F32, 2, &speech));
    SPK_TRY(need(g, "labels", SPK_I64, 1, &labels));
    if (labels->dim[0] != speech->dim[0])
        return spk_fail(SPK_E_FORMAT, "%s/golden.npz: speech and labels differ in length", g->folder);
    spk_model *model = spk_net_model(g->net);
    model->blocks(model->self, &parameters, &gradients, &n);
    SPK_GO(spk_yaml_parse(OPTIM_CONF, sizeof OPTIM_CONF - 1, "optim_conf", &conf));
    SPK_GO(spk_optim_new("adam", conf, n, &optim));
    SPK_GO(embed_rows(g, speech->data, speech->dim[0], speech->dim[1], "embedding_eval", true));
    SPK_GO(embed_long(g, speech->data, speech->dim[0], speech->dim[1]));
    SPK_GO(train_rows(g, speech, labels->data, optim));
done:
    spk_optim_free(optim);
    spk_yaml_free(conf);
    return status;
}

/* ---- double ---- */

/* The pooling gets one length for all: the frames that the features have (specification D1). */
static spk_status check_lengths(const golden *g, const spk_ndarray *lengths, int64_t frames)
{
    for (int64_t i = 0; i < spk_ndarray_count(lengths); i++) {
        const double v = lengths->dtype == SPK_F32   ? ((const float *)lengths->data)[i]
                         : lengths->dtype == SPK_F64 ? ((const double *)lengths->data)[i]
                         : lengths->dtype == SPK_I64 ? (double)((const int64_t *)lengths->data)[i]
                                                     : (double)((const int32_t *)lengths->data)[i];
        if (v != (double)frames)
            return spk_fail(SPK_E_UNSUPPORTED, "%s: feature lengths other than all %lld frames are not supported yet",
                            g->folder, (long long)frames);
    }
    return SPK_OK;
}

spk_status golden_run_f64(golden *g)
{
    const spk_ndarray *feats, *labels = spk_tensors_find(&g->arrays, "labels");
    spk_net_plan *p;
    SPK_TRY(need(g, "feats", SPK_F64, 3, &feats));
    if (!labels || labels->dtype != SPK_I64 || labels->n_dims != 1 || labels->dim[0] != feats->dim[0])
        return spk_fail(SPK_E_FORMAT, "%s/golden.npz: labels are not one int64 for each utterance", g->folder);
    const spk_ndarray *lengths = golden_find(g, "feat_lengths");
    if (lengths) SPK_TRY(check_lengths(g, lengths, feats->dim[1]));
    SPK_TRY(spk_net_plan_for(g->net, SPK_NET_TRAIN_FROM_FEATURES, feats->dim[0], feats->dim[1], SPK_NET_EVEN, &p));
    if (p->feats->c != feats->dim[2])
        return spk_fail(SPK_E_SHAPE, "%s/golden.npz: f64/feats has %lld features, the configuration %lld", g->folder,
                        (long long)feats->dim[2], (long long)p->feats->c);
    spk_params_zero_grad(spk_net_params(g->net));
    spk_plan_bind(p->plan, p->speech, feats->data);
    spk_plan_bind(p->plan, p->labels, labels->data);
    spk_net_forward(g->net, p);
    row_of_view(g, "frames_train", spk_plan_value(p->plan, p->frames), SPK_F64, true);
    row_of_view(g, "embedding_train", spk_plan_value(p->plan, p->embedding), SPK_F64, false);
    golden_row(g, "loss", spk_plan_value(p->plan, p->loss).p, 1);
    spk_plan_backward(p->plan, 1);
    rows_of_parameters(g, SPK_F64);
    return SPK_OK;
}
