/* SPDX-License-Identifier: Apache-2.0 */
/* spk enroll: puts speakers into a gallery, takes them out, lists them. */
#include "cli/voice_impl.h"
#include "spk/gallery.h"

#define OWN_ROWS                                                                                                       \
    GROUP("What is done")                                                                                              \
    ROW(replace, BOOL, replace, "false", 0, 0, NULL, 0, WORKS, NULL,                                                   \
        "a name that is there gets these recordings instead of its own")                                               \
    ROW(add, BOOL, add, "false", 0, 0, NULL, 0, WORKS, NULL, "a name that is there gets these recordings too")         \
    ROW(remove, BOOL, remove, "false", 0, 0, NULL, 0, WORKS, NULL,                                                     \
        "take the name out; no recordings and no model are needed")                                                    \
    ROW(list, BOOL, list, "false", 0, 0, NULL, 0, WORKS, NULL, "show who is enrolled, with how many recordings")
#include "cli/voice_tables.def"

static spk_status list_names(const char *path)
{
    spk_gallery *g = NULL;
    table_of_words rows = {.n_columns = 2};
    spk_text text = {0};
    SPK_TRY(spk_gallery_open(path, NULL, false, &g));
    table_add(&rows, "name");
    table_add(&rows, "recordings");
    for (int64_t i = 0; i < spk_gallery_n(g); i++) {
        table_add(&rows, "%s", spk_gallery_name(g, i));
        table_add(&rows, "%lld", (long long)spk_gallery_recordings(g, i));
    }
    table_text(&rows, &text);
    printf("%s\n%lld speakers, enrolled with %s\n", spk_text_str(&text), (long long)spk_gallery_n(g),
           spk_gallery_model(g));
    spk_text_clear(&text);
    table_clear(&rows);
    spk_gallery_close(g);
    return SPK_OK;
}

static spk_status remove_name(const char *path, const char *name)
{
    spk_gallery *g = NULL;
    if (!spk_exists(path)) return spk_fail(SPK_E_IO, "%s: there is no such gallery", path);
    SPK_TRY(spk_gallery_open(path, NULL, true, &g));
    spk_status status = spk_gallery_remove(g, name);
    if (status == SPK_OK) status = spk_gallery_write(g);
    if (status == SPK_OK) printf("%s: %s is out; %lld speakers\n", path, name, (long long)spk_gallery_n(g));
    spk_gallery_close(g);
    return status;
}

/* The gallery is opened last: others wait for it no longer than a file is written. */
static spk_status put(const voice_options *o, const spk_embedder *e, const char *path, const char *name,
                      const voices *v)
{
    const spk_gallery_how how = o->replace ? SPK_GALLERY_REPLACE : o->add ? SPK_GALLERY_ADD : SPK_GALLERY_NEW;
    spk_gallery *g = NULL;
    SPK_TRY(spk_gallery_open(path, e, true, &g));
    spk_status status = spk_gallery_put(g, name, how, v->n, v->row);
    if (status == SPK_OK) status = spk_gallery_write(g);
    if (status == SPK_OK)
        printf("%s: %s is enrolled with %lld recording%s; %lld speaker%s\n", path, name,
               (long long)spk_gallery_recordings(g, spk_gallery_find(g, name)),
               spk_gallery_recordings(g, spk_gallery_find(g, name)) == 1 ? "" : "s", (long long)spk_gallery_n(g),
               spk_gallery_n(g) == 1 ? "" : "s");
    spk_gallery_close(g);
    return status;
}

static spk_status enroll(const voice_options *o, const spk_str_list *words, bool *usage)
{
    const char *path = words->v[0], *name = words->v[1];
    spk_embedder *e = NULL;
    inputs in = {0};
    voices v = {0};
    spk_status status;
    SPK_GO(inputs_read(words->v + 2, words->n - 2, &in));
    SPK_GO(voice_open(o, &e, usage));
    SPK_GO(voices_embed(o, e, in.item, in.n, &v));
    if (v.n_failed > 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "%lld of the %lld recordings of %s could not be embedded; %s is as it was",
                        (long long)v.n_failed, (long long)v.n, name, path));
    SPK_GO(put(o, e, path, name, &v));
done:
    voices_clear(&v);
    inputs_clear(&in);
    spk_embedder_close(e);
    return status;
}

/* What contradicts itself: NULL when nothing does. */
static const char *wrong_use(const voice_options *o, int64_t n_words)
{
    if (o->replace + o->add + o->remove + o->list > 1) return "give one of --replace, --add, --remove and --list";
    if (o->list && n_words > 1) return "--list takes the gallery alone";
    if (o->remove && n_words != 2) return "--remove takes the gallery and a name";
    if (!o->list && n_words < 2) return "name the speaker: spk enroll GALLERY NAME RECORDING...";
    if (!o->list && !o->remove && n_words < 3)
        return "name the speaker's recordings: spk enroll GALLERY NAME RECORDING...";
    return NULL;
}

static spk_status tend_gallery(const voice_options *o, const spk_str_list *words, bool *usage)
{
    const char *wrong = wrong_use(o, words->n);
    *usage = wrong != NULL;
    if (wrong) return spk_fail(SPK_E_CONFIG, "%s", wrong);
    if (o->list) return list_names(words->v[0]);
    if (o->remove) return remove_name(words->v[0], words->v[1]);
    return enroll(o, words, usage);
}

int cmd_enroll(int argc, char **argv)
{
    static spk_opt_meta meta[SPK_COUNT(table)];
    cli_meta(meta_rows, SPK_COUNT(meta_rows), meta);
    const spk_args_spec spec = {
        .command = "spk enroll",
        .usage = "GALLERY NAME IN... --model EXP | GALLERY NAME --remove | GALLERY --list",
        .about = "Embeds whole recordings of a speaker and keeps them under a name in the file GALLERY, which is made "
                 "where\n"
                 "it is not there and always written whole or not at all. IN is a file, a folder, a list *.scp or -.\n"
                 "A gallery belongs to the model that made it; `spk identify` and `spk enroll` refuse another one.",
        .words = "the gallery, a name and recordings",
        .min_words = 1,
        .max_words = -1,
        .options = {table, meta, SPK_COUNT(table)}};
    return voice_command(&spec, argc, argv, tend_gallery);
}
