/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a model in the format of another program, and what that program has no counterpart for. */
#include <string.h>

#include "infer/convert_impl.h"
#include "model/espnet_names_impl.h"
#include "train/init_param_impl.h"

/* ---- ESPnet ---- */

static bool keeps_frames(const spk_config *c)
{
    return strcmp(c->encoder, "ecapa_tdnn") == 0 || strcmp(c->encoder, "identity") == 0;
}

/* ESPnet 202611 pools by the frontend's lengths (specification D1). */
static spk_status check_pooling(const spk_config *c, const spk_convert_options *o)
{
    if (strcmp(c->pool_lengths, "frontend") == 0) return SPK_OK;
    if (strcmp(c->pool_lengths, "encoder") == 0 && keeps_frames(c)) return SPK_OK;
    if (o->allow_different_pooling) {
        spk_warn("convert",
                 "pool_lengths: the model has %s, ESPnet 202611 will compute with frontend: its embeddings differ",
                 c->pool_lengths);
        return SPK_OK;
    }
    return spk_fail(
        SPK_E_UNSUPPORTED,
        "pool_lengths: the model has %s, and ESPnet 202611 divides by the frontend's frames, so it would compute "
        "other embeddings from these weights; train with pool_lengths: frontend, or take that with "
        "--allow_different_pooling true",
        c->pool_lengths);
}

static const char *chosen(const spk_config *c, spk_part_kind kind, const spk_yaml **conf)
{
    const char *const name[SPK_N_PARTS] = {c->frontend, c->specaug,   c->normalize, c->encoder,
                                           c->pooling,  c->projector, c->loss};
    const spk_yaml *const map[SPK_N_PARTS] = {c->frontend_conf, c->specaug_conf,   c->normalize_conf, c->encoder_conf,
                                              c->pooling_conf,  c->projector_conf, c->loss_conf};
    *conf = map[kind];
    return name[kind];
}

/* All that ESPnet lacks, by name. */
static spk_status check_parts(const spk_config *c)
{
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++) {
        const spk_yaml *conf;
        const char *name = chosen(c, kind, &conf), *what = spk_part_kind_name(kind);
        if (!name) continue;
        if (!spk_espnet_has_part(kind, name))
            return spk_fail(SPK_E_UNSUPPORTED, "%s: ESPnet has no %s of the name %s; the model cannot be brought there",
                            what, what, name);
        for (int64_t i = 0; conf && i < conf->n && kind != SPK_LOSS; i++)
            if (!spk_espnet_has_option(kind, name, conf->key[i]))
                return spk_fail(SPK_E_UNSUPPORTED,
                                "%s_conf.%s: ESPnet's %s has no such option, and it is not at the value "
                                "that ESPnet computes with",
                                what, conf->key[i], name);
    }
    return SPK_OK;
}

/* Options of the loss that only this program has do not change embeddings: they are left out with a word. */
static void drop_loss_options(spk_config *c)
{
    spk_yaml *rest = spk_yaml_new_map(NULL);
    for (int64_t i = 0; c->loss_conf && i < c->loss_conf->n; i++) {
        const char *key = c->loss_conf->key[i];
        if (spk_espnet_has_option(SPK_LOSS, c->loss, key))
            spk_yaml_set(rest, key, spk_yaml_copy(c->loss_conf->item[i]));
        else
            spk_warn("convert",
                     "loss_conf.%s: ESPnet's %s has no such option; it is left out, which changes training there", key,
                     c->loss);
    }
    spk_yaml_free(c->loss_conf);
    c->loss_conf = rest;
}

static spk_status settle_for_espnet(spk_net *net, spk_config *c, const spk_convert_options *o, const char *was)
{
    char *now = c->pool_lengths;
    c->pool_lengths = spk_strdup(was);
    const spk_status status = check_pooling(c, o);
    spk_free(c->pool_lengths);
    c->pool_lengths = now;
    SPK_TRY(status);
    spk_net_resolve(net, c);
    SPK_TRY(check_parts(c));
    drop_loss_options(c);
    if (c->spk_num == SPK_NONE) c->spk_num = 1; /* ESPnet builds a loss in any case */
    return SPK_OK;
}

/* ---- files ---- */

typedef struct output {
    const char *folder;
    char *done[3]; /* files that are there: removed when a later one fails */
    int n;
} output;

static char *next(output *out, const char *name)
{
    return out->done[out->n++] = spk_path_join(out->folder, name);
}

static spk_status finish(output *out, spk_status status)
{
    for (int i = 0; i < out->n; i++) {
        if (status != SPK_OK) remove(out->done[i]);
        spk_free(out->done[i]);
    }
    return status;
}

static spk_status begin(const char *folder, const char *weights)
{
    const char *const names[] = {"config.yaml", weights};
    for (int i = 0; i < 2; i++) {
        char *path = spk_path_join(folder, names[i]);
        const bool there = spk_exists(path);
        spk_free(path);
        if (there) return spk_fail(SPK_E_VALUE, "%s: holds %s already; name another --output_dir", folder, names[i]);
    }
    return spk_make_folders(folder);
}

static spk_status write_speakers(output *out, const spk_str_list *speakers)
{
    spk_text text = {0};
    if (speakers->n == 0) return SPK_OK;
    for (int64_t i = 0; i < speakers->n; i++)
        spk_text_addf(&text, "%s\n", speakers->v[i]);
    const char *path = next(out, "speakers.txt");
    const spk_status status = spk_write_file(path, spk_text_str(&text), text.n);
    spk_text_clear(&text);
    return status;
}

static spk_status write_all(const spk_convert_options *o, const char *weights_name, const spk_tensors *weights,
                            const char *config, const spk_str_list *speakers)
{
    output out = {.folder = o->output_dir};
    spk_status status;
    SPK_TRY(begin(o->output_dir, weights_name));
    const char *path = next(&out, weights_name);
    status = spk_ends_with(weights_name, ".safetensors") ? spk_safetensors_write(path, weights, NULL)
                                                         : spk_pth_write(path, weights);
    if (status == SPK_OK) status = spk_write_file(next(&out, "config.yaml"), config, strlen(config));
    if (status == SPK_OK) status = write_speakers(&out, speakers);
    return finish(&out, status);
}

/* ---- the ways ---- */

static spk_status write_wespeaker(spk_net *net, const spk_foreign *f, const spk_convert_options *o)
{
    spk_yaml *yaml = NULL;
    spk_tensors t = {0};
    spk_text text = {0};
    SPK_TRY(spk_to_wespeaker(net, &f->weights, &yaml, &t));
    spk_yaml_print(yaml, &text);
    const spk_status status = write_all(o, "avg_model.pt", &t, spk_text_str(&text), &f->speakers);
    spk_yaml_free(yaml);
    spk_tensors_clear(&t);
    spk_text_clear(&text);
    return status;
}

static spk_status write_ours(spk_net *net, spk_config *c, const spk_foreign *f, const spk_convert_options *o)
{
    spk_net_resolve(net, c);
    char *text = spk_config_dump(c);
    const char *name = strcmp(o->to, "safetensors") == 0 ? "model.safetensors" : "model.pth";
    const spk_status status = write_all(o, name, &f->weights, text, &f->speakers);
    spk_config_free_text(text);
    return status;
}

static spk_status write_espnet(spk_net *net, spk_config *c, const char *was, const spk_foreign *f,
                               const spk_convert_options *o)
{
    SPK_TRY(settle_for_espnet(net, c, o, was));
    char *text = spk_config_dump(c);
    const spk_status status = write_all(o, "model.pth", &f->weights, text, &f->speakers);
    spk_config_free_text(text);
    return status;
}

spk_status spk_convert(const char *model, const spk_convert_options *o)
{
    spk_foreign f;
    spk_config as_is, config;
    spk_net *net = NULL;
    const bool espnet = strcmp(o->to, "espnet") == 0;
    SPK_TRY(spk_convert_read(model, o, &f));
    spk_status status = spk_foreign_net(&f, model, NULL, &as_is, &net);
    if (status != SPK_OK) goto done;
    if (espnet) {
        char *was = spk_strdup(as_is.pool_lengths);
        spk_net_free(net);
        net = NULL;
        status = spk_foreign_net(&f, model, "frontend", &config, &net);
        if (status == SPK_OK) {
            status = write_espnet(net, &config, was, &f, o);
            spk_config_clear(&config);
        }
        spk_free(was);
    } else {
        status = strcmp(o->to, "wespeaker") == 0 ? write_wespeaker(net, &f, o) : write_ours(net, &as_is, &f, o);
    }
    spk_config_clear(&as_is);
done:
    spk_net_free(net);
    spk_foreign_clear(&f);
    return status;
}
