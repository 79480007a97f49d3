/* SPDX-License-Identifier: Apache-2.0 */
/* CN-Celeb 1 and 2 as data folders: training speakers, models of enrolment, tests, trials (prep_impl.h). */
#include "data/prep_impl.h"

#include <string.h>

#include "formats/list_impl.h"

struct cn {
    const spk_cnceleb_options *o;
    char *root1, *root2;
    spk_datadir dev, second, train, eval, apart;
    int64_t n_ignored;
    spk_prep_out out;
    spk_prep_report *report;
};

/* ---- training speakers ---- */

/* data/id00012/singing-01-001.flac is "id00012-singing-01-001" of id00012. */
static spk_status add_speaker(struct cn *c, spk_datadir *set, const char *folder, const char *speaker)
{
    char **names = NULL;
    int64_t n = 0;
    SPK_TRY(spk__prep_files(folder, &names, &n, &c->n_ignored));
    for (int64_t i = 0; i < n; i++) {
        char *stem = spk__stem(names[i]), *path = spk_path_join(folder, names[i]),
             *id = spk_starts_with(stem, speaker) ? spk_strdup(stem) : spk_strf("%s-%s", speaker, stem);
        if (spk__is_m4a(names[i]))
            c->n_ignored++;
        else
            spk_datadir_add(set, id, speaker, path);
        spk_free(stem);
        spk_free(path);
        spk_free(id);
    }
    spk__prep_free_names(names, n);
    return SPK_OK;
}

/* The speakers of a list, from ROOT/data. */
static spk_status scan_listed(struct cn *c, const char *root, const char *list_name, spk_datadir *set)
{
    spk_status status;
    spk_list list = {0};
    spk__missing missing = {0};
    char *path = spk_path_join(root, list_name), *data = spk_path_join(root, "data");
    SPK_GO(spk_list_read(path, SPK_LIST_NO_VALUE_OK, &list));
    for (int64_t i = 0; i < list.n; i++) {
        const char *speaker = list.entry[i].key;
        const int64_t before = set->n;
        char *folder = spk_path_join(data, speaker);
        status = spk_is_folder(folder) ? add_speaker(c, set, folder, speaker) : SPK_OK;
        spk_free(folder);
        SPK_GO(status);
        if (set->n == before) spk__missing_add(&missing, speaker);
        if (c->o->progress) c->o->progress(c->o->user, list_name, i + 1, list.n);
    }
    if (missing.n > 0 && !c->o->allow_missing)
        SPK_GO(spk_fail(SPK_E_MISMATCH,
                        "%s: %lld of its %lld speakers have no recordings in %s (%s); complete the corpus, or go on "
                        "without them by --allow_missing true",
                        path, (long long)missing.n, (long long)list.n, data, missing.first.s));
    if (missing.n > 0)
        spk_warn("prep", "%s: %lld of its %lld speakers have no recordings (%s)", path, (long long)missing.n,
                 (long long)list.n, missing.first.s);
    SPK_GO(spk_datadir_sort(set));
done:
    spk_text_clear(&missing.first);
    spk_list_clear(&list);
    spk_free(path);
    spk_free(data);
    return status;
}

/* ---- models and tests ---- */

/* eval/enroll/id00800-enroll.flac, eval/test/id00800-singing-01-001.flac: the speaker is what stands before the dash. */
static spk_status add_eval(struct cn *c, const char *part, spk_datadir *set)
{
    char **names = NULL, *folder = spk_path_join(c->root1, part);
    int64_t n = 0;
    spk_status status = spk_is_folder(folder) ? spk__prep_files(folder, &names, &n, &c->n_ignored)
                                              : spk_fail(SPK_E_IO, "%s: there is no such folder", folder);
    if (status == SPK_OK && n == 0) status = spk_fail(SPK_E_IO, "%s: no recording is in it", folder);
    for (int64_t i = 0; i < n; i++) {
        char *stem = spk__stem(names[i]), *path = spk_path_join(folder, names[i]),
             *speaker = spk_strndup(stem, strcspn(stem, "-"));
        spk_datadir_add(set, stem, speaker, path);
        spk_free(stem);
        spk_free(path);
        spk_free(speaker);
    }
    spk__prep_free_names(names, n);
    spk_free(folder);
    return status;
}

/* A file that a list names below `folder`, with whatever extension it has here: new, or NULL. */
static char *find_file(const char *folder, const char *name)
{
    static const char *const ends[] = {".flac", ".wav", ".ogg", ".mp3", ".opus"};
    char *path = spk_path_join(folder, name);
    if (spk_is_file(path)) return path;
    spk_free(path);
    char *stem = spk__stem(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *file = spk_strf("%s/%s%s", folder, stem, ends[i]);
        if (spk_is_file(file)) {
            spk_free(stem);
            return file;
        }
        spk_free(file);
    }
    spk_free(stem);
    return NULL;
}

/* A line of enroll.map: "id00800-enroll id00800/singing-01-001.flac id00800/..."; ids are "id00800-enroll-singing-01-001", so
 * that none is that of a test. */
static spk_status take_model(struct cn *c, const spk_list *map, const spk_list_entry *e, spk_text *to)
{
    spk_status status = SPK_OK;
    char *speaker = spk_strndup(e->key, strcspn(e->key, "-")), *data = spk_path_join(c->root1, "data"),
         *line = spk_strdup(e->value), *rest = NULL;
    spk_text_addf(to, "%s-enroll", speaker);
    for (const char *word = strtok_r(line, " \t", &rest); word && status == SPK_OK;
         word = strtok_r(NULL, " \t", &rest)) {
        char *file = find_file(data, word), *stem = spk__stem(spk_path_name(word));
        const char *own = spk_starts_with(stem, speaker) ? stem + strlen(speaker) + 1 : stem;
        char *id = spk_strf("%s-enroll-%s", speaker, own);
        if (file) {
            spk_datadir_add(&c->apart, id, speaker, file);
            spk_text_addf(to, " %s", id);
        } else {
            status = spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' of model '%s' is not in %s", map->path, (long long)e->line,
                              word, e->key, data);
        }
        spk_free(file);
        spk_free(stem);
        spk_free(id);
    }
    spk_text_add(to, "\n");
    spk_free(speaker);
    spk_free(data);
    spk_free(line);
    return status;
}

static spk_status add_apart(struct cn *c)
{
    spk_status status;
    spk_list map = {0};
    char *path = spk_path_join(c->root1, "eval/lists/enroll.map"),
         *folder = spk_path_join(c->o->output, "cnceleb1_eval_sep");
    if (!spk_exists(path)) {
        spk_info("prep", "%s: is not there, so there is no cnceleb1_eval_sep", path);
        status = SPK_OK;
        goto done;
    }
    SPK_GO(spk_list_read(path, 0, &map));
    SPK_GO(add_eval(c, "eval/test", &c->apart));
    spk_text *to = spk_prep_out_file(&c->out, folder, "enroll.map");
    for (int64_t i = 0; i < map.n; i++)
        SPK_GO(take_model(c, &map, &map.entry[i], to));
    SPK_GO(spk_datadir_sort(&c->apart));
done:
    spk_list_clear(&map);
    spk_free(path);
    spk_free(folder);
    return status;
}

/* enroll.lst says which file a model is: "id00800-enroll enroll/id00800-enroll.wav". */
static spk_status check_models(struct cn *c)
{
    spk_status status;
    spk_list list = {0};
    char *path = spk_path_join(c->root1, "eval/lists/enroll.lst"), *eval = spk_path_join(c->root1, "eval");
    SPK_GO(spk_list_read(path, 0, &list));
    for (int64_t i = 0; i < list.n; i++) {
        const spk_list_entry *e = &list.entry[i];
        char *file = find_file(eval, e->value);
        int64_t at;
        if (!file)
            status = spk_fail(SPK_E_MISMATCH, "%s:%lld: %s is not in %s", path, (long long)e->line, e->value, eval);
        else if (!spk_map_get(&c->eval.index, e->key, &at) || strcmp(c->eval.item[at].source, file) != 0)
            status = spk_fail(SPK_E_MISMATCH, "%s:%lld: model '%s' should be the file eval/enroll/%s.*, not %s", path,
                              (long long)e->line, e->key, e->key, e->value);
        spk_free(file);
        SPK_GO(status);
    }
done:
    spk_list_clear(&list);
    spk_free(path);
    spk_free(eval);
    return status;
}

/* ---- trials ---- */

/* "id00800-enroll test/id00800-singing-01-001.wav 1" */
static spk_status take_trial(const struct cn *c, const spk_list *list, const spk_list_entry *e, spk_pair *pair,
                             bool *there, spk__missing *missing)
{
    char *line = spk_strdup(e->value), *rest = NULL;
    const char *test = strtok_r(line, " \t", &rest), *label = strtok_r(NULL, " \t", &rest);
    spk_status status = SPK_OK;
    pair->target = label && (strcmp(label, "1") == 0 || strcmp(label, "target") == 0);
    if (!label || strtok_r(NULL, " \t", &rest) ||
        (!pair->target && strcmp(label, "0") != 0 && strcmp(label, "nontarget") != 0)) {
        status =
            spk_fail(SPK_E_FORMAT, "%s:%lld: a line of CN-Celeb's trials is 'id00800-enroll test/NAME.wav 1', or 0",
                     list->path, (long long)e->line);
    } else {
        char *stem = spk__stem(spk_path_name(test));
        *there = spk_map_get(&c->eval.index, e->key, &pair->a) && spk_map_get(&c->eval.index, stem, &pair->b);
        if (!*there) {
            char *name = spk_strf("%s*%s", e->key, stem);
            spk__missing_add(missing, name);
            spk_free(name);
        }
        spk_free(stem);
    }
    spk_free(line);
    return status;
}

static void write_trials(struct cn *c, const spk_pair *pair, int64_t n)
{
    char *folder = spk_path_join(c->o->output, "cnceleb1_eval"),
         *sep = spk_path_join(c->o->output, "cnceleb1_eval_sep");
    int64_t n_targets = 0;
    for (int64_t i = 0; i < n; i++)
        n_targets += pair[i].target;
    for (int k = 0; k < (c->apart.n > 0 ? 2 : 1); k++) {
        const spk_datadir *set = k ? &c->apart : &c->eval;
        spk__prep_write(set, c->o->output, k ? "cnceleb1_eval_sep" : "cnceleb1_eval", &c->out, c->report);
        c->report->row[c->report->n - 1].n_trials = n;
        c->report->row[c->report->n - 1].n_targets = n_targets;
    }
    spk_datadir_write_trials(&c->eval, pair, n, &c->out, folder);
    spk_text *models = c->apart.n > 0 ? spk_prep_out_file(&c->out, sep, "enroll_trials") : NULL;
    for (int64_t i = 0; models && i < n; i++)
        spk_text_addf(models, "%s %s %s\n", c->eval.item[pair[i].a].id, c->eval.item[pair[i].b].id,
                      pair[i].target ? "target" : "nontarget");
    spk_free(folder);
    spk_free(sep);
}

static spk_status read_trials(struct cn *c)
{
    spk_status status;
    spk_list list = {0};
    spk__missing missing = {0};
    spk_pair *pair = NULL;
    int64_t n = 0;
    char *path = spk_path_join(c->root1, "eval/lists/trials.lst");
    SPK_GO(spk_list_read(path, SPK_LIST_DUPLICATES_OK, &list));
    pair = spk_new(sizeof *pair * (size_t)(list.n + 1));
    for (int64_t i = 0; i < list.n; i++) {
        bool there = false;
        SPK_GO(take_trial(c, &list, &list.entry[i], &pair[n], &there, &missing));
        n += there;
    }
    if (missing.n > 0 && !c->o->allow_missing)
        SPK_GO(spk_fail(
            SPK_E_MISMATCH,
            "%s: the recordings of %lld trials are not in eval/enroll and eval/test (%s); complete the corpus, "
            "or leave these out with --allow_missing true, which changes the error rate",
            path, (long long)missing.n, missing.first.s));
    if (missing.n > 0)
        spk_warn("prep", "%s: %lld of %lld trials are left out: their recordings are not there (%s)", path,
                 (long long)missing.n, (long long)list.n, missing.first.s);
    if (n == 0) SPK_GO(spk_fail(SPK_E_VALUE, "%s: no trial is left", path));
    write_trials(c, pair, n);
done:
    spk_text_clear(&missing.first);
    spk_list_clear(&list);
    spk_free(pair);
    spk_free(path);
    return status;
}

/* ---- all together ---- */

static spk_status gather(struct cn *c)
{
    SPK_TRY(spk__prep_root(c->o->cnceleb1, "CN-Celeb1", &c->root1));
    if (c->o->cnceleb2) SPK_TRY(spk__prep_root(c->o->cnceleb2, "CN-Celeb2", &c->root2));
    SPK_TRY(scan_listed(c, c->root1, "dev/dev.lst", &c->dev));
    spk__prep_write(&c->dev, c->o->output, "cnceleb1_dev", &c->out, c->report);
    spk__datadir_append(&c->dev, &c->train);
    if (c->root2) {
        SPK_TRY(scan_listed(c, c->root2, "spk.lst", &c->second));
        spk__prep_write(&c->second, c->o->output, "cnceleb2", &c->out, c->report);
        spk__datadir_append(&c->second, &c->train);
    }
    SPK_TRY(spk_datadir_sort(&c->train));
    spk__prep_write(&c->train, c->o->output, "cnceleb_train", &c->out, c->report);
    SPK_TRY(add_eval(c, "eval/enroll", &c->eval));
    SPK_TRY(add_eval(c, "eval/test", &c->eval));
    SPK_TRY(spk_datadir_sort(&c->eval));
    SPK_TRY(check_models(c));
    SPK_TRY(add_apart(c));
    return read_trials(c);
}

spk_status spk_prep_cnceleb(const spk_cnceleb_options *o, spk_prep_report *report)
{
    struct cn c = {.o = o, .out = {.overwrite = o->overwrite}, .report = report};
    *report = (spk_prep_report){0};
    spk_status status = gather(&c);
    if (status == SPK_OK) status = spk_prep_out_commit(&c.out);
    if (status == SPK_OK && c.n_ignored > 0)
        spk_info("prep", "%lld files and folders were left out: not audio", (long long)c.n_ignored);
    spk_datadir_clear(&c.dev);
    spk_datadir_clear(&c.second);
    spk_datadir_clear(&c.train);
    spk_datadir_clear(&c.eval);
    spk_datadir_clear(&c.apart);
    spk_prep_out_clear(&c.out);
    spk_free(c.root1);
    spk_free(c.root2);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}
