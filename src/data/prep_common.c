/* SPDX-License-Identifier: Apache-2.0 */
/* What the preparations of corpora share: names in folders, what is missing, rows of the report (prep_impl.h). */
#define _XOPEN_SOURCE 700 /* realpath */
#include "data/prep_impl.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/tree_scan_impl.h"

/* ---- names ---- */

spk_status spk__prep_root(const char *path, const char *what, char **out)
{
    *out = NULL;
    if (!spk_is_folder(path)) return spk_fail(SPK_E_IO, "%s: there is no such folder of %s", path, what);
    *out = realpath(path, NULL);
    return *out ? SPK_OK : spk_fail_errno(path, "open the folder");
}

bool spk__is_m4a(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && (strcasecmp(dot, ".m4a") == 0 || strcasecmp(dot, ".aac") == 0 || strcasecmp(dot, ".mp4") == 0);
}

char *spk__stem(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name ? spk_strndup(name, (size_t)(dot - name)) : spk_strdup(name);
}

void spk__prep_free_names(char **names, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        spk_free(names[i]);
    spk_free(names);
}

/* The names that are to stay move to the front. */
static void keep(char **names, int64_t n, const bool *stay, int64_t *n_kept, int64_t *ignored)
{
    int64_t k = 0;
    for (int64_t i = 0; i < n; i++) {
        if (stay[i])
            names[k++] = names[i];
        else
            spk_free(names[i]);
    }
    if (ignored) *ignored += n - k;
    *n_kept = k;
}

spk_status spk__prep_folders(const char *folder, char ***names, int64_t *n, int64_t *ignored)
{
    int64_t all = 0;
    SPK_TRY(spk__folder_names(folder, names, &all));
    bool *stay = spk_new(sizeof *stay * (size_t)(all + 1));
    for (int64_t i = 0; i < all; i++) {
        char *path = spk_path_join(folder, (*names)[i]);
        stay[i] = spk_is_folder(path);
        spk_free(path);
    }
    keep(*names, all, stay, n, ignored);
    spk_free(stay);
    return SPK_OK;
}

spk_status spk__prep_files(const char *folder, char ***names, int64_t *n, int64_t *ignored)
{
    int64_t all = 0;
    SPK_TRY(spk__folder_names(folder, names, &all));
    bool *stay = spk_new(sizeof *stay * (size_t)(all + 1));
    spk_map plain = {0}; /* stems that can be read without ffmpeg */
    char **stem = spk_new(sizeof *stem * (size_t)(all + 1));
    for (int64_t i = 0; i < all; i++) {
        stem[i] = spk__stem((*names)[i]);
        stay[i] = spk__is_recording((*names)[i]);
        if (stay[i]) spk_map_put(&plain, stem[i], i);
    }
    int64_t at;
    for (int64_t i = 0; i < all; i++)
        if (spk__is_m4a((*names)[i])) stay[i] = !spk_map_get(&plain, stem[i], &at);
    spk_map_clear(&plain);
    spk__prep_free_names(stem, all);
    keep(*names, all, stay, n, ignored);
    spk_free(stay);
    return SPK_OK;
}

/* ---- what is missing ---- */

void spk__missing_add(spk__missing *m, const char *name)
{
    enum { NAMED = 5 };
    if (m->n < NAMED)
        spk_text_addf(&m->first, "%s%s", m->n ? ", " : "", name);
    else if (m->n == NAMED)
        spk_text_add(&m->first, ", ...");
    m->n++;
}

/* ---- sets and the report ---- */

void spk__datadir_append(const spk_datadir *a, spk_datadir *b)
{
    for (int64_t i = 0; i < a->n; i++)
        spk_datadir_add(b, a->item[i].id, a->item[i].speaker, a->item[i].source);
}

struct spk_prep_row *spk_prep_report_add(spk_prep_report *r, const char *folder, const char *name)
{
    const struct spk_prep_row row = {.path = spk_path_join(folder, name)};
    SPK_PUSH(r->row, r->n) = row;
    return &r->row[r->n - 1];
}

void spk_prep_report_clear(spk_prep_report *r)
{
    for (int64_t i = 0; i < r->n; i++)
        spk_free(r->row[i].path);
    spk_free(r->row);
    *r = (spk_prep_report){0};
}

void spk__prep_row(spk_prep_report *report, const spk_datadir *set, const char *output, const char *name)
{
    struct spk_prep_row *row = spk_prep_report_add(report, output, name);
    row->n_speakers = set->n_speakers;
    row->n_utterances = set->n;
}

void spk__prep_write(const spk_datadir *set, const char *output, const char *name, spk_prep_out *out,
                     spk_prep_report *report)
{
    char *folder = spk_path_join(output, name);
    spk__prep_row(report, set, output, name);
    spk_datadir_write(set, out, folder);
    spk_free(folder);
}
