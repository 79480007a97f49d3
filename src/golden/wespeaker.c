/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WeSpeaker's golden folders: a model (config.yaml, model.pt, golden.npz with speech, feats, embedding_eval,
 * embedding_train), read as `spk convert` reads it; and Kaldi's features (kaldi_fbank.npz, kaldi_fbank.yaml).
 */
#include <string.h>

#include "golden/golden_impl.h"
#include "infer/convert_impl.h"
#include "spk/arrays.h"

/* Features have no tolerance in the file. Logarithms of bins that are all but empty are ill-conditioned: against double
 * precision, the file itself is off by 4e-5 of the largest value. */
static const double FEATURE_TOLERANCE = 5e-4;

static spk_status need(const golden *g, const char *file, const char *name, int n_dims, const spk_ndarray **out)
{
    *out = spk_tensors_find(&g->arrays, name);
    if (*out && (*out)->dtype == SPK_F32 && (*out)->n_dims == n_dims) return SPK_OK;
    return spk_fail(SPK_E_FORMAT, "%s/%s: there is no float32 array %s with %d axes", g->folder, file, name, n_dims);
}

static void feature_row(golden *g, const char *name, spk_net_plan *p, const spk_ndarray *want)
{
    const spk_view v = spk_plan_value(p->plan, p->feats);
    double *ours = golden_copy(v, SPK_F32, false), scale = 0;
    for (int64_t i = 0; i < spk_ndarray_count(want); i++) {
        const double a = ((const float *)want->data)[i];
        scale = a > scale ? a : -a > scale ? -a : scale;
    }
    golden_row_within(g, name, ours, v.n * v.w * v.c, scale, FEATURE_TOLERANCE);
    spk_free(ours);
}

/* ---- Kaldi's features ---- */

static spk_status feature_case(golden *g, const char *name, const spk_yaml *options, const spk_ndarray *speech)
{
    spk_config config;
    spk_net *net = NULL;
    spk_net_plan *p;
    const spk_ndarray *want;
    const spk_net_options o = {.embed_only = true};
    spk_yaml *map = spk_yaml_new_map(NULL);
    spk_text text = {0};
    char *array = spk_strf("fbank/%s", name);
    spk_status status = need(g, "kaldi_fbank.npz", array, 3, &want);
    spk_put_text(map, "frontend", "kaldi_fbank");
    spk_yaml_set(map, "frontend_conf", spk_yaml_copy(options));
    spk_put_text(map, "encoder", "identity");
    spk_put_text(map, "pooling", "mean");
    spk_yaml_print(map, &text);
    if (status == SPK_OK) status = spk_config_parse(spk_text_str(&text), text.n, name, &config);
    if (status == SPK_OK) {
        status = spk_net_new(&config, &o, &net);
        if (status == SPK_OK) {
            spk_net_keep_all(net);
            status = spk_net_plan_for(net, SPK_NET_EMBED, speech->dim[0], speech->dim[1], SPK_NET_EVEN, &p);
        }
        if (status == SPK_OK) {
            spk_plan_bind(p->plan, p->speech, speech->data);
            spk_net_forward(net, p);
            feature_row(g, array, p, want);
        }
        spk_config_clear(&config);
    }
    spk_net_free(net);
    spk_text_clear(&text);
    spk_yaml_free(map);
    spk_free(array);
    return status;
}

spk_status golden_run_kaldi(golden *g)
{
    spk_yaml *cases = NULL;
    const spk_ndarray *speech;
    spk_status status;
    char *arrays = spk_path_join(g->folder, "kaldi_fbank.npz"), *yaml = spk_path_join(g->folder, "kaldi_fbank.yaml");
    SPK_GO(spk_npz_read(arrays, &g->arrays));
    SPK_GO(spk_yaml_load(yaml, &cases));
    SPK_GO(need(g, "kaldi_fbank.npz", "speech", 2, &speech));
    for (int64_t i = 0; i < cases->n; i++)
        SPK_GO(feature_case(g, cases->key[i], cases->item[i], speech));
done:
    spk_yaml_free(cases);
    spk_free(arrays);
    spk_free(yaml);
    return status;
}

/* ---- a model ---- */

static spk_status rows_from_speech(golden *g, spk_foreign *f, const spk_ndarray *speech, const spk_ndarray *feats)
{
    spk_config config;
    spk_net *net = NULL;
    spk_net_plan *p;
    SPK_TRY(spk_foreign_net(f, g->folder, NULL, &config, &net));
    spk_config_clear(&config);
    spk_net_keep_all(net);
    const spk_status status = spk_net_plan_for(net, SPK_NET_EMBED, speech->dim[0], speech->dim[1], SPK_NET_EVEN, &p);
    if (status == SPK_OK) {
        spk_plan_bind(p->plan, p->speech, speech->data);
        spk_net_forward(net, p);
        feature_row(g, "feats", p, feats);
    }
    spk_net_free(net);
    return status;
}

/* The configuration without its frontend, and with a loss so that there is a train mode. */
static spk_status net_of_features(const spk_foreign *f, int64_t size, bool f64, int n_threads, spk_net **net)
{
    const spk_net_options o = {.n_threads = n_threads, .f64 = f64, .has_weights = true};
    spk_config config;
    spk_tensors state = {0};
    spk_text text = {0};
    spk_yaml *map = spk_yaml_copy(f->config);
    spk_put_text(map, "frontend", "null");
    spk_yaml_set(map, "frontend_conf", spk_yaml_new_map(NULL));
    spk_put_int(map, "input_size", size);
    spk_put_int(map, "spk_num", 2);
    spk_yaml_print(map, &text);
    spk_status status = spk_config_parse(spk_text_str(&text), text.n, "config", &config);
    spk_text_clear(&text);
    spk_yaml_free(map);
    SPK_TRY(status);
    SPK_GO(spk_net_new(&config, &o, net));
    SPK_GO(spk_params_save(spk_net_params(*net), &state));
    for (int64_t i = 0; i < f->weights.n; i++) {
        spk_ndarray *to = spk_tensors_find(&state, f->weights.item[i].name);
        const spk_ndarray *from = &f->weights.item[i].a;
        const int64_t n = to ? spk_ndarray_count(to) : 0;
        if (to && to->dtype == from->dtype) memcpy(to->data, from->data, (size_t)n * spk_dtype_size(to->dtype));
        for (int64_t k = 0; k < n && to->dtype == SPK_F64 && from->dtype == SPK_F32; k++)
            ((double *)to->data)[k] = (double)((const float *)from->data)[k];
    }
    status = spk_net_take(*net, &state);
done:
    spk_tensors_clear(&state);
    spk_config_clear(&config);
    return status;
}

static void embedding_row(golden *g, const char *name, spk_net_plan *p, spk_dtype real)
{
    const spk_view v = spk_plan_value(p->plan, p->embedding);
    double *ours = golden_copy(v, real, false);
    golden_row(g, name, ours, v.n * v.c);
    spk_free(ours);
}

static spk_status rows_from_features(golden *g, spk_net *net, const spk_ndarray *feats, bool f64)
{
    const int64_t n = feats->dim[0], t = feats->dim[1], count = spk_ndarray_count(feats);
    const spk_dtype real = f64 ? SPK_F64 : SPK_F32;
    double *wide = spk_new((size_t)count * sizeof *wide);
    int64_t *labels = spk_new((size_t)n * sizeof *labels);
    spk_net_plan *p;
    spk_status status;
    for (int64_t i = 0; i < count; i++)
        wide[i] = ((const float *)feats->data)[i];
    const void *input = f64 ? (const void *)wide : feats->data;
    SPK_GO(spk_net_plan_for(net, SPK_NET_EMBED, n, t, SPK_NET_EVEN, &p));
    spk_plan_bind(p->plan, p->speech, input);
    spk_net_forward(net, p);
    embedding_row(g, "embedding_eval", p, real);
    SPK_GO(spk_net_plan_for(net, SPK_NET_TRAIN_FROM_FEATURES, n, t, SPK_NET_EVEN, &p));
    spk_plan_bind(p->plan, p->speech, input);
    spk_plan_bind(p->plan, p->labels, labels);
    spk_net_forward(net, p);
    embedding_row(g, "embedding_train", p, real);
done:
    spk_free(wide);
    spk_free(labels);
    return status;
}

spk_status golden_run_wespeaker(golden *g, bool f64, int n_threads)
{
    const spk_convert_options how = {.from = "wespeaker"};
    const spk_ndarray *speech, *feats;
    spk_foreign f = {0};
    spk_net *net = NULL;
    spk_status status;
    char *arrays = spk_path_join(g->folder, "golden.npz");
    SPK_GO(spk_npz_read(arrays, &g->arrays));
    SPK_GO(need(g, "golden.npz", "speech", 2, &speech));
    SPK_GO(need(g, "golden.npz", "feats", 3, &feats));
    SPK_GO(spk_convert_read(g->folder, &how, &f));
    if (!f64) SPK_GO(rows_from_speech(g, &f, speech, feats));
    SPK_GO(net_of_features(&f, feats->dim[2], f64, n_threads, &net));
    status = rows_from_features(g, net, feats, f64);
done:
    spk_net_free(net);
    spk_foreign_clear(&f);
    spk_free(arrays);
    return status;
}
