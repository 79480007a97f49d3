/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models that ESPnet has packed (espnet2.bin.pack spk): a zip with meta.yaml, whose `files` and `yaml_files` name the
 * weights and the configuration among the members. And weights of whatever kind, by the look of the file.
 */
#include "formats/packed_impl.h"

#include <string.h>

#include "formats/yaml_impl.h"
#include "formats/zip_impl.h"
#include "spk/state.h"

enum { LARGEST_TEXT = 16 << 20 };
static const char kind[] = "a zip file";

/* The member "meta.yaml", perhaps in a folder; -1: none. */
static int64_t find_meta(const spk_zip *z)
{
    for (int64_t i = 0; i < z->n; i++)
        if (strcmp(z->entry[i].name, "meta.yaml") == 0 || spk_ends_with(z->entry[i].name, "/meta.yaml")) return i;
    return -1;
}

int spk_is_packed(const char *path)
{
    spk_zip *z = NULL;
    if (spk_is_folder(path) || spk_zip_open(path, kind, &z) != SPK_OK) return 0;
    const int is_one = find_meta(z) >= 0;
    spk_zip_close(z);
    return is_one;
}

/* A member as text; new. */
static spk_status read_member(spk_zip *z, int64_t i, int64_t most, char **out, size_t *n)
{
    const int64_t bytes = z->entry[i].bytes;
    *out = NULL;
    if (bytes > most)
        return spk_fail(SPK_E_FORMAT, "%s: member '%s' has %lld bytes; a text is expected", z->path, z->entry[i].name,
                        (long long)bytes);
    char *data = spk_alloc((size_t)bytes + 1);
    if (!data) return spk_fail(SPK_E_NOMEM, "%s: out of memory for member '%s'", z->path, z->entry[i].name);
    const spk_status status = spk_zip_read(z, i, data);
    if (status != SPK_OK) {
        spk_free(data);
        return status;
    }
    data[bytes] = 0;
    *n = (size_t)bytes;
    *out = data;
    return SPK_OK;
}

/* The member that the entry of meta.yaml's map whose key ends so names. */
static spk_status find_named(const spk_zip *z, const spk_yaml *meta, const char *map, const char *end, int64_t *out)
{
    const spk_yaml *files = spk_yaml_get(meta, map);
    for (int64_t i = 0; files && files->kind == SPK_YAML_MAP && i < files->n; i++) {
        if (!spk_ends_with(files->key[i], end) || files->item[i]->kind != SPK_YAML_SCALAR) continue;
        const char *name = files->item[i]->text;
        *out = spk_zip_find(z, name);
        if (*out < 0 && name[0] == '/') *out = spk_zip_find(z, name + 1); /* zip files hold no leading slash */
        if (*out >= 0) return SPK_OK;
        return spk_fail(SPK_E_FORMAT, "%s: meta.yaml names %s, which is not in the file", z->path, name);
    }
    return spk_fail(SPK_E_FORMAT, "%s: meta.yaml names no %s under %s; a packed speaker model is expected", z->path,
                    end, map);
}

static spk_status read_weights(spk_zip *z, int64_t i, spk_tensors *out)
{
    char *data = NULL, *name = spk_strf("%s/%s", z->path, z->entry[i].name);
    size_t n = 0;
    spk_status status = read_member(z, i, INT64_MAX - 1, &data, &n);
    if (status == SPK_OK) status = spk_pth_read_memory(data, n, name, out);
    spk_free(data);
    spk_free(name);
    return status;
}

/* Opens the file, with its meta.yaml, and finds the configuration among its members. */
static spk_status open_packed(const char *path, spk_zip **z, spk_yaml **meta, int64_t *i_config)
{
    char *text = NULL;
    size_t bytes = 0;
    spk_status status;
    SPK_GO(spk_zip_open(path, kind, z));
    const int64_t at = find_meta(*z);
    if (at < 0) SPK_GO(spk_fail(SPK_E_FORMAT, "%s: no meta.yaml is in it; a packed model is expected", path));
    SPK_GO(read_member(*z, at, LARGEST_TEXT, &text, &bytes));
    SPK_GO(spk_yaml_parse(text, bytes, path, meta));
    SPK_GO(find_named(*z, *meta, "yaml_files", "config", i_config));
done:
    spk_free(text);
    return status;
}

spk_status spk_read_packed(const char *path, char **config, size_t *n, char **config_name, spk_tensors *weights)
{
    spk_zip *z = NULL;
    spk_yaml *meta = NULL;
    char *whole = NULL;
    int64_t at = -1;
    spk_status status;
    if (weights) memset(weights, 0, sizeof *weights);
    SPK_GO(open_packed(path, &z, &meta, &at));
    if (config) SPK_GO(read_member(z, at, LARGEST_TEXT, &whole, n));
    if (config_name) *config_name = spk_strf("%s/%s", path, z->entry[at].name);
    if (!weights) goto done;
    status = find_named(z, meta, "files", "model_file", &at);
    if (status == SPK_OK) status = read_weights(z, at, weights);
    if (status != SPK_OK && config_name) {
        spk_free(*config_name);
        *config_name = NULL;
    }
done:
    if (config) *config = status == SPK_OK ? whole : NULL;
    if (status != SPK_OK) spk_free(whole);
    spk_yaml_free(meta);
    spk_zip_close(z);
    return status;
}

spk_status spk_packed_text(const char *path, const char *name, char **text, size_t *n)
{
    spk_zip *z = NULL;
    spk_yaml *meta = NULL;
    int64_t at = -1;
    spk_status status;
    *text = NULL;
    *n = 0;
    SPK_GO(open_packed(path, &z, &meta, &at));
    char *folder = spk_path_folder(z->entry[at].name), *member = spk_path_join(folder, name);
    at = spk_zip_find(z, member);
    spk_free(folder);
    spk_free(member);
    if (at >= 0) status = read_member(z, at, LARGEST_TEXT, text, n);
done:
    spk_yaml_free(meta);
    spk_zip_close(z);
    return status;
}

void spk_packed_free(char *text)
{
    spk_free(text);
}

spk_status spk_weights_read(const char *path, spk_tensors *out)
{
    if (spk_ends_with(path, ".safetensors")) return spk_safetensors_read(path, out, NULL);
    if (spk_is_packed(path)) return spk_read_packed(path, NULL, NULL, NULL, out);
    return spk_pth_read(path, out);
}
