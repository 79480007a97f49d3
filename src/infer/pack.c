/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing a model: config.yaml as it stands, model.pth, and what lies beside them. The file is read by
 * espnet2.main_funcs.pack_funcs.unpack, which makes a path of the configuration point into its folder where a member has
 * that name: hence statistics keep the name that the configuration gives them.
 */
#include "infer/pack_impl.h"

#include <string.h>
#include <unistd.h>

#include "formats/packed_impl.h"
#include "formats/yaml_impl.h"
#include "infer/embedder_impl.h"
#include "score/calibration_impl.h"
#include "spk/state.h"

static const char config_name[] = "config.yaml", weights_name[] = "model.pth";

static spk_status add_file(spk_packed_members *m, const char *path, const char *name)
{
    char *data = NULL;
    size_t n = 0;
    SPK_TRY(spk_read_file(path, &data, &n));
    return spk_packed_members_add(m, name, data, n);
}

static spk_status add_if_there(spk_packed_members *m, const char *folder, const char *file, const char *name)
{
    char *path = spk_path_join(folder, file);
    const spk_status status = spk_is_file(path) ? add_file(m, path, name) : SPK_OK;
    spk_free(path);
    return status;
}

/* A .pth as it is; safetensors as a .pth, which is what ESPnet reads. */
static spk_status add_weights(spk_packed_members *m, const char *path, const char *output)
{
    spk_tensors t = {0};
    if (!spk_ends_with(path, ".safetensors")) return add_file(m, path, weights_name);
    char *beside = spk_strf("%s.model.pth", output);
    spk_status status = spk_safetensors_read(path, &t, NULL);
    if (status == SPK_OK) status = spk_pth_write(beside, &t);
    if (status == SPK_OK) {
        status = add_file(m, beside, weights_name);
        unlink(beside);
    }
    spk_tensors_clear(&t);
    spk_free(beside);
    return status;
}

static spk_status add_calibration(spk_packed_members *m, const char *folder, const char *named)
{
    spk_calibration c;
    if (!named) return add_if_there(m, folder, "calibration.json", "calibration.json");
    SPK_TRY(spk_calibration_read(named, &c)); /* is it one? */
    spk_calibration_clear(&c);
    return add_file(m, named, "calibration.json");
}

static spk_status add_licence(spk_packed_members *m, const char *folder, const char *named)
{
    static const char *const usual[] = {"LICENSE", "LICENCE", "LICENSE.txt", "COPYING"};
    for (int i = 0; !named && i < 4; i++) {
        char *path = spk_path_join(folder, usual[i]);
        const bool there = spk_is_file(path);
        const spk_status status = there ? add_file(m, path, "LICENSE") : SPK_OK;
        spk_free(path);
        if (there) return status;
    }
    if (!named) return SPK_OK;
    if (spk_exists(named)) return add_file(m, named, "LICENSE");
    if (strchr(named, '/') || spk_ends_with(named, ".txt") || spk_ends_with(named, ".md"))
        return spk_fail(SPK_E_IO, "%s: there is no such file with a licence", named);
    char *text = spk_strf("%s\n", named);
    return spk_packed_members_add(m, "LICENSE", text, strlen(text));
}

/* Statistics of global_mvn: the weights hold them, but ESPnet builds the layer from the file. */
static spk_status add_statistics(spk_packed_members *m, const spk_config *c)
{
    const spk_yaml *file = spk_yaml_get(c->normalize_conf, "stats_file");
    if (!c->normalize || strcmp(c->normalize, "global_mvn") != 0 || !file || file->kind != SPK_YAML_SCALAR ||
        spk_yaml_is_null(file))
        return SPK_OK;
    if (file->text[0] == '/' || strstr(file->text, "..") || !spk_is_file(file->text)) {
        spk_warn("pack",
                 "normalize_conf.stats_file %s is not packed (not there, or no path below this folder): this program "
                 "does without, ESPnet will look for it",
                 file->text);
        return SPK_OK;
    }
    return add_file(m, file->text, file->text);
}

static spk_status gather(const spk_embedder *e, const char *output, const spk_pack_options *o, spk_packed_members *m)
{
    SPK_TRY(add_file(m, e->config_file, config_name));
    SPK_TRY(add_weights(m, e->model_file, output));
    SPK_TRY(add_statistics(m, &e->config));
    SPK_TRY(add_calibration(m, e->home, o->calibration));
    SPK_TRY(add_if_there(m, e->home, "speakers.txt", "speakers.txt"));
    SPK_TRY(o->results ? add_file(m, o->results, "RESULTS.md") : add_if_there(m, e->home, "RESULTS.md", "RESULTS.md"));
    SPK_TRY(add_licence(m, e->home, o->licence));
    for (int64_t i = 0; o->add && i < o->add->n; i++)
        SPK_TRY(add_file(m, o->add->v[i], spk_path_name(o->add->v[i])));
    return SPK_OK;
}

spk_status spk_pack(const char *folder, const char *output, const spk_pack_options *o, spk_str_list *members)
{
    const spk_embedder_options how = {.model_file = o->model_file, .channel = SPK_CHANNEL_REFUSE};
    spk_embedder *e = NULL;
    spk_packed_members m = {0};
    spk_status status;
    if (spk_is_packed(folder))
        return spk_fail(SPK_E_VALUE, "%s: is packed already; name the folder of a training or of spk convert", folder);
    SPK_GO(spk_embedder_open(folder, &how, &e)); /* what cannot be opened is not packed */
    SPK_GO(gather(e, output, o, &m));
    SPK_GO(spk_packed_write(output, config_name, weights_name, &m));
    for (int64_t i = 0; members && i < m.n; i++)
        SPK_PUSH(members->v, members->n) = spk_strdup(m.v[i].name);
done:
    spk_packed_members_clear(&m);
    spk_embedder_close(e);
    return status;
}
