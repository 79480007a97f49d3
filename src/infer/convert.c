/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a model of any format, and making sure that its weights are those of the network its configuration describes. */
#include <math.h>
#include <string.h>

#include "infer/convert_impl.h"
#include "train/init_param_impl.h"

void spk_foreign_clear(spk_foreign *f)
{
    spk_yaml_free(f->config);
    spk_tensors_clear(&f->weights);
    spk_str_list_clear(&f->speakers);
    *f = (spk_foreign){0};
}

/* ---- files ---- */

typedef struct files {
    char *weights, *config; /* config: NULL where there is none */
    spk_yaml *tree;         /* of the configuration */
    spk_tensors t;
} files;

static void files_clear(files *f)
{
    spk_free(f->weights);
    spk_free(f->config);
    spk_yaml_free(f->tree);
    spk_tensors_clear(&f->t);
}

static spk_status find_weights(const char *folder, char **out)
{
    static const char *const names[] = {"valid.eer.best.pth", "latest.pth",     "model.pth", "model.safetensors",
                                        "avg_model.pt",       "final_model.pt", "model.pt",  "embedding_model.ckpt"};
    for (int i = 0; i < SPK_COUNT(names); i++) {
        char *path = spk_path_join(folder, names[i]);
        if (spk_is_file(path)) {
            *out = path;
            return SPK_OK;
        }
        spk_free(path);
    }
    return spk_fail(SPK_E_IO,
                    "%s: no weights are there under a usual name (valid.eer.best.pth, latest.pth, model.pth, "
                    "model.safetensors, avg_model.pt, embedding_model.ckpt, ...); name the file itself",
                    folder);
}

static spk_status read_packed(const char *path, files *f)
{
    char *text = NULL;
    size_t n = 0;
    spk_status status = spk_read_packed(path, &text, &n, &f->config, &f->t);
    if (status == SPK_OK) status = spk_yaml_parse(text, n, f->config, &f->tree);
    spk_packed_free(text);
    return status;
}

static spk_status open_files(const char *model, const spk_convert_options *o, files *f)
{
    if (spk_is_folder(model))
        SPK_TRY(find_weights(model, &f->weights));
    else
        f->weights = spk_strdup(model);
    if (!spk_is_file(f->weights)) return spk_fail(SPK_E_IO, "%s: no such file or folder", model);
    if (!spk_ends_with(f->weights, ".safetensors") && spk_is_packed(f->weights)) return read_packed(f->weights, f);
    SPK_TRY(spk_weights_read(f->weights, &f->t));
    char *folder = spk_path_folder(f->weights);
    f->config = o->config ? spk_strdup(o->config) : spk_path_join(folder, "config.yaml");
    spk_free(folder);
    if (o->config || spk_is_file(f->config)) return spk_yaml_load(f->config, &f->tree);
    spk_free(f->config);
    f->config = NULL;
    return SPK_OK;
}

/* ---- which format ---- */

static const char *look(const files *f)
{
    if (spk_yaml_get(f->tree, "model_args")) return "wespeaker";
    if (spk_yaml_get(f->tree, "encoder")) return "espnet";
    if (spk_tensors_find(&f->t, "blocks.0.conv.conv.weight")) return "speechbrain";
    if (spk_tensors_find(&f->t, "xvector.tdnn.linear.weight")) return "3dspeaker";
    return NULL;
}

static spk_status read_as(const char *format, files *f, spk_foreign *out)
{
    if (strcmp(format, "wespeaker") == 0) return spk_from_wespeaker(f->tree, &f->t, f->weights, out);
    if (strcmp(format, "3dspeaker") == 0) return spk_from_3dspeaker(&f->t, f->weights, out);
    if (strcmp(format, "speechbrain") == 0) return spk_from_speechbrain(&f->t, f->weights, out);
    if (!f->tree)
        return spk_fail(SPK_E_IO, "%s: no config.yaml is beside it; name the configuration with --config", f->weights);
    out->config = f->tree;
    out->weights = f->t;
    f->tree = NULL;
    f->t = (spk_tensors){0};
    return SPK_OK;
}

/* ---- the network that it describes ---- */

static float half(uint16_t h)
{
    const int e = h >> 10 & 31, m = h & 1023;
    const double v = e == 0 ? ldexp(m, -24) : e == 31 ? (m ? (double)NAN : (double)INFINITY) : ldexp(1024 + m, e - 25);
    return (float)(h >> 15 ? -v : v);
}

static float brain(uint16_t b)
{
    const uint32_t bits = (uint32_t)b << 16;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Half precision becomes float32, in which all is kept. */
static spk_status widen(spk_tensors *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        spk_ndarray *a = &t->item[i].a, wide;
        if (a->dtype != SPK_F16 && a->dtype != SPK_BF16) continue;
        SPK_TRY(spk_ndarray_init(&wide, SPK_F32, a->n_dims, a->dim));
        const uint16_t *from = a->data;
        for (int64_t k = 0; k < spk_ndarray_count(a); k++)
            ((float *)wide.data)[k] = a->dtype == SPK_F16 ? half(from[k]) : brain(from[k]);
        spk_ndarray_clear(a);
        *a = wide;
    }
    return SPK_OK;
}

/* The same but for axes of one element: a linear layer and a convolution of one tap. */
static void take_shapes(const spk_params *params, spk_tensors *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        const spk_param *p = spk_params_find(params, t->item[i].name);
        spk_ndarray *a = &t->item[i].a;
        int k = 0, m = 0;
        if (!p || p->count != spk_ndarray_count(a)) continue;
        for (;; k++, m++) {
            while (k < p->n_dims && p->dim[k] == 1)
                k++;
            while (m < a->n_dims && a->dim[m] == 1)
                m++;
            if (k >= p->n_dims || m >= a->n_dims || p->dim[k] != a->dim[m]) break;
        }
        if (k < p->n_dims || m < a->n_dims) continue;
        a->n_dims = p->n_dims;
        memcpy(a->dim, p->dim, (size_t)p->n_dims * sizeof *a->dim);
    }
}

static bool has_loss(const spk_tensors *t)
{
    for (int64_t i = 0; i < t->n; i++)
        if (spk_starts_with(t->item[i].name, "loss.")) return true;
    return false;
}

spk_status spk_foreign_net(spk_foreign *f, const char *name, const char *pool_lengths, spk_config *config,
                           spk_net **net)
{
    spk_text text = {0};
    spk_yaml_print(f->config, &text);
    spk_status status = spk_config_parse(spk_text_str(&text), text.n, name, config);
    spk_text_clear(&text);
    SPK_TRY(status);
    if (pool_lengths) {
        spk_free(config->pool_lengths);
        config->pool_lengths = spk_strdup(pool_lengths);
    }
    const spk_net_options options = {.embed_only = config->spk_num == SPK_NONE || !has_loss(&f->weights),
                                     .has_weights = true};
    SPK_GO(spk_config_check(config, SPK_CONFIG_MODEL, NULL));
    SPK_GO(spk_net_new(config, &options, net));
    take_shapes(spk_net_params(*net), &f->weights);
    SPK_GO(spk_net_take(*net, &f->weights));
    spk_tensors_clear(&f->weights);
    status = spk_params_save(spk_net_params(*net), &f->weights);
done:
    if (status != SPK_OK) {
        spk_net_free(*net);
        *net = NULL;
        spk_config_clear(config);
        return spk_fail_in(status, "%s", name);
    }
    return SPK_OK;
}

spk_status spk_convert_read(const char *model, const spk_convert_options *o, spk_foreign *out)
{
    files f = {0};
    spk_status status;
    spk_config config;
    spk_net *net = NULL;
    *out = (spk_foreign){0};
    SPK_GO(open_files(model, o, &f));
    const char *format = o->from ? o->from : look(&f);
    if (!format)
        SPK_GO(spk_fail(
            SPK_E_FORMAT,
            "%s: neither its names nor a config.yaml beside it say what it is; say it with --from and --config",
            f.weights));
    SPK_GO(widen(&f.t));
    SPK_GO(read_as(format, &f, out));
    SPK_GO(spk_read_speakers_of(f.weights, &out->speakers));
    SPK_GO(spk_foreign_net(out, f.config ? f.config : f.weights, NULL, &config, &net));
    spk_net_free(net);
    spk_config_clear(&config);
done:
    files_clear(&f);
    if (status != SPK_OK) spk_foreign_clear(out);
    return status;
}
