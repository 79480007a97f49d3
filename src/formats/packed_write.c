/* SPDX-License-Identifier: Apache-2.0 */
/* Packing a model as espnet2.bin.pack does, but without times. */
#include "formats/packed_impl.h"

#include <string.h>

#include "formats/yaml_impl.h"
#include "formats/zip_impl.h"
#include "spk/status.h"

enum { STORED = 64 }; /* weights hardly shrink: they are not compressed, and begin at such a multiple */

spk_status spk_packed_members_add(spk_packed_members *m, const char *name, char *data, size_t bytes)
{
    for (int64_t i = 0; i < m->n; i++)
        if (strcmp(m->v[i].name, name) == 0) {
            spk_free(data);
            return spk_fail(SPK_E_VALUE, "two files would be packed under the name %s; rename one", name);
        }
    SPK_PUSH(m->v, m->n) = (spk_packed_member){spk_strdup(name), data, bytes};
    return SPK_OK;
}

void spk_packed_members_clear(spk_packed_members *m)
{
    for (int64_t i = 0; i < m->n; i++) {
        spk_free(m->v[i].name);
        spk_free(m->v[i].data);
    }
    spk_free(m->v);
    memset(m, 0, sizeof *m);
}

static void meta_text(const char *config, const char *weights, spk_text *out)
{
    spk_yaml *meta = spk_yaml_new_map("meta.yaml"), *files = spk_yaml_new_map("meta.yaml"),
             *yaml_files = spk_yaml_new_map("meta.yaml");
    spk_yaml_set(files, "model_file", spk_yaml_new_scalar("meta.yaml", weights, false));
    spk_yaml_set(yaml_files, "train_config", spk_yaml_new_scalar("meta.yaml", config, false));
    spk_yaml_set(meta, "files", files);
    spk_yaml_set(meta, "spk", spk_yaml_new_scalar("meta.yaml", spk_version(), true));
    spk_yaml_set(meta, "yaml_files", yaml_files);
    spk_yaml_print(meta, out);
    spk_yaml_free(meta);
}

static spk_status add(spk_zip_writer *w, const char *name, const char *data, size_t bytes, bool stored)
{
    SPK_TRY(spk_zip_add(w, name, (int64_t)bytes, stored ? STORED : 0));
    SPK_TRY(spk_zip_write(w, data, (int64_t)bytes));
    return spk_zip_add_end(w);
}

spk_status spk_packed_write(const char *path, const char *config, const char *weights, const spk_packed_members *m)
{
    spk_zip_writer *w = NULL;
    spk_text meta = {0};
    spk_status status;
    meta_text(config, weights, &meta);
    SPK_GO(spk_zip_create(path, &w));
    SPK_GO(add(w, "meta.yaml", meta.s, meta.n, false));
    for (int64_t i = 0; i < m->n; i++)
        SPK_GO(add(w, m->v[i].name, m->v[i].data, m->v[i].bytes, strcmp(m->v[i].name, weights) == 0));
done:
    spk_text_clear(&meta);
    if (status == SPK_OK) return spk_zip_finish(w);
    spk_zip_abort(w);
    return status;
}
