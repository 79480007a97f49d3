/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of a preparation, all or none (prep_out_impl.h). */
#include "data/prep_out_impl.h"

#include <string.h>

spk_text *spk_prep_out_file(spk_prep_out *o, const char *folder, const char *name)
{
    struct spk_prep_file *f = spk_new(sizeof *f);
    f->path = spk_path_join(folder, name);
    SPK_PUSH(o->file, o->n) = f;
    return &f->text;
}

static spk_status is_same(const struct spk_prep_file *f, bool *there, bool *same)
{
    char *data = NULL;
    size_t n = 0;
    *same = false;
    *there = spk_exists(f->path);
    if (!*there) return SPK_OK;
    SPK_TRY(spk_read_file(f->path, &data, &n));
    *same = n == f->text.n && memcmp(data, spk_text_str(&f->text), n) == 0;
    spk_free(data);
    return SPK_OK;
}

static spk_status write_one(const struct spk_prep_file *f)
{
    char *folder = spk_path_folder(f->path);
    spk_status status = spk_make_folders(folder);
    spk_free(folder);
    if (status == SPK_OK) status = spk_write_file(f->path, spk_text_str(&f->text), f->text.n);
    return status;
}

spk_status spk_prep_out_commit(spk_prep_out *o)
{
    spk_status status = SPK_OK;
    bool *done = spk_new(sizeof *done * (size_t)(o->n + 1)), there = false;
    for (int64_t i = 0; i < o->n; i++) {
        SPK_GO(is_same(o->file[i], &there, &done[i]));
        if (there && !done[i] && !o->overwrite)
            SPK_GO(spk_fail(
                SPK_E_IO, "%s: is there already, with another content; give another output folder or --overwrite true",
                o->file[i]->path));
    }
    for (int64_t i = 0; i < o->n; i++)
        if (!done[i]) SPK_GO(write_one(o->file[i]));
done:
    spk_free(done);
    return status;
}

void spk_prep_out_clear(spk_prep_out *o)
{
    for (int64_t i = 0; i < o->n; i++) {
        spk_free(o->file[i]->path);
        spk_text_clear(&o->file[i]->text);
        spk_free(o->file[i]);
    }
    spk_free(o->file);
    *o = (spk_prep_out){.overwrite = o->overwrite};
}
