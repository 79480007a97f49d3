/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the recordings below a folder, by speaker; tree_impl.h states the rules. */
#define _XOPEN_SOURCE 700 /* realpath */
#include "data/tree_scan_impl.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 32 };

void spk__tree_clear(spk__tree *t)
{
    for (int64_t i = 0; i < t->n_speakers; i++) {
        for (int64_t k = 0; k < t->speaker[i].n; k++) {
            spk_free(t->speaker[i].recording[k].id);
            spk_free(t->speaker[i].recording[k].path);
        }
        spk_free(t->speaker[i].recording);
        spk_free(t->speaker[i].name);
    }
    spk_free(t->speaker);
    *t = (spk__tree){0};
}

bool spk__is_recording(const char *name)
{
    static const char *const ends[] = {".wav", ".flac", ".ogg", ".mp3", ".opus"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i]) == 0) return true;
    return false;
}

/* Names become words of a list: no white space, no star, no control characters. */
static void make_word(char *s)
{
    for (; *s; s++)
        if (isspace((unsigned char)*s) || iscntrl((unsigned char)*s) || *s == '*') *s = '_';
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

spk_status spk__folder_names(const char *folder, char ***names, int64_t *n)
{
    *names = NULL;
    *n = 0;
    DIR *d = opendir(folder);
    if (!d) return spk_fail_errno(folder, "list the folder");
    const struct dirent *e;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.') SPK_PUSH(*names, *n) = spk_strdup(e->d_name);
    closedir(d);
    if (*n > 0) qsort(*names, (size_t)*n, sizeof **names, compare_names);
    return SPK_OK;
}

static void free_names(char **names, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        spk_free(names[i]);
    spk_free(names);
}

/* ---- one speaker ---- */

/* below: the path of `folder` below the speaker's, "" for the speaker's own. Ids are made later. */
static spk_status scan_speaker(spk__tree *t, spk__tree_speaker *s, const char *folder, const char *below, int depth)
{
    char **names;
    int64_t n;
    spk_status status = SPK_OK;
    if (depth > MAX_DEPTH) return spk_fail(SPK_E_VALUE, "%s: folders are nested more than %d deep", folder, MAX_DEPTH);
    SPK_TRY(spk__folder_names(folder, &names, &n));
    for (int64_t i = 0; i < n && status == SPK_OK; i++) {
        char *path = spk_path_join(folder, names[i]);
        char *rest = below[0] ? spk_strf("%s-%s", below, names[i]) : spk_strdup(names[i]);
        if (spk_is_folder(path)) {
            status = scan_speaker(t, s, path, rest, depth + 1);
            spk_free(path);
            spk_free(rest);
        } else if (strchr(path, '\n')) {
            status = spk_fail(SPK_E_VALUE, "%s: a line break in a name cannot stand in a list; rename it", path);
            spk_free(path);
            spk_free(rest);
        } else if (spk__is_recording(names[i])) {
            const struct spk__recording found = {.id = rest, .path = path};
            SPK_PUSH(s->recording, s->n) = found;
        } else {
            t->n_ignored++;
            spk_free(path);
            spk_free(rest);
        }
    }
    free_names(names, n);
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    const struct spk__recording *x = a, *y = b;
    const int order = strcmp(x->id, y->id);
    return order ? order : strcmp(x->path, y->path);
}

/* Ids from the names below the speaker's folder: without the extension where that is enough. */
static spk_status name_recordings(spk__tree_speaker *s, spk_map *seen)
{
    for (int64_t i = 0; i < s->n; i++) {
        char *rest = s->recording[i].id, *dot = strrchr(rest, '.');
        make_word(rest);
        char *shorter = spk_strf("%s-%.*s", s->name, (int)(dot - rest), rest);
        char *longer = spk_strf("%s-%.*s_%s", s->name, (int)(dot - rest), rest, dot + 1);
        spk_free(rest);
        const bool first = spk_map_put(seen, shorter, i);
        s->recording[i].id = first ? shorter : longer;
        if (!first && !spk_map_put(seen, longer, i)) {
            s->recording[i].id = shorter;
            const spk_status status =
                spk_fail(SPK_E_VALUE, "%s: its utterance id '%s' is that of another file; rename it",
                         s->recording[i].path, longer);
            spk_free(longer);
            return status;
        }
        spk_free(first ? longer : shorter);
    }
    if (s->n > 0) qsort(s->recording, (size_t)s->n, sizeof *s->recording, compare_ids);
    return SPK_OK;
}

/* ---- all speakers ---- */

static int compare_speakers(const void *a, const void *b)
{
    const spk__tree_speaker *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static spk_status add_speaker(spk__tree *t, const char *folder, const char *name)
{
    spk__tree_speaker s = {.name = spk_strdup(name)};
    make_word(s.name);
    const spk_status status = scan_speaker(t, &s, folder, "", 0);
    if (status == SPK_OK && s.n == 0) {
        spk_free(s.name);
        return SPK_OK;
    }
    SPK_PUSH(t->speaker, t->n_speakers) = s; /* also on failure: spk__tree_clear frees it */
    return status;
}

static spk_status name_all(spk__tree *t)
{
    spk_status status = SPK_OK;
    spk_map seen = {0};
    if (t->n_speakers > 0) qsort(t->speaker, (size_t)t->n_speakers, sizeof *t->speaker, compare_speakers);
    for (int64_t i = 1; i < t->n_speakers; i++)
        if (strcmp(t->speaker[i].name, t->speaker[i - 1].name) == 0)
            SPK_GO(spk_fail(SPK_E_VALUE, "%s: two folders would be speaker '%s'; rename one",
                            t->speaker[i].recording[0].path, t->speaker[i].name));
    for (int64_t i = 0; i < t->n_speakers; i++)
        SPK_GO(name_recordings(&t->speaker[i], &seen));
done:
    spk_map_clear(&seen);
    return status;
}

spk_status spk__tree_scan(const char *input, spk__tree *out)
{
    spk_status status = SPK_OK;
    char **names = NULL;
    int64_t n = 0;
    *out = (spk__tree){0};
    char *root = realpath(input, NULL);
    if (!root) return spk_fail_errno(input, "open the folder");
    SPK_GO(spk__folder_names(root, &names, &n));
    for (int64_t i = 0; i < n; i++) {
        char *folder = spk_path_join(root, names[i]);
        if (spk_is_folder(folder))
            status = add_speaker(out, folder, names[i]);
        else
            out->n_ignored++;
        spk_free(folder);
        if (status != SPK_OK) goto done;
    }
    SPK_GO(name_all(out));
done:
    free_names(names, n);
    spk_free(root); /* from malloc, as all of ours */
    if (status != SPK_OK) spk__tree_clear(out);
    return status;
}
