/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of noises (MUSAN) and of room responses (RIRS_NOISES) for the loader's augmentation (prep_impl.h). */
#include "data/prep_impl.h"

#include <string.h>

#include "data/tree_scan_impl.h"
#include "formats/list_impl.h"

enum { MAX_DEPTH = 16 };

/* All recordings below a folder, as "KEY PATH" with the path below `root` as the key: names with blanks stay whole. */
static spk_status list_below(const char *root, const char *below, int depth, spk_text *out, int64_t *n)
{
    char **names = NULL, *folder = spk_path_join(root, below);
    int64_t n_names = 0;
    spk_status status = spk__folder_names(folder, &names, &n_names);
    if (status == SPK_OK && depth > MAX_DEPTH) status = spk_fail(SPK_E_VALUE, "%s: too many folders deep", folder);
    for (int64_t i = 0; i < n_names && status == SPK_OK; i++) {
        char *rest = spk_strf("%s/%s", below, names[i]), *path = spk_path_join(root, rest);
        if (spk__is_recording(names[i])) {
            char *key = spk__stem(rest);
            for (char *c = key; *c; c++)
                if (*c == ' ' || *c == '\t') *c = '_';
            spk_text_addf(out, "%s %s\n", key, path);
            spk_free(key);
            ++*n;
        } else if (spk_is_folder(path)) {
            status = list_below(root, rest, depth + 1, out, n);
        }
        spk_free(rest);
        spk_free(path);
    }
    spk__prep_free_names(names, n_names);
    spk_free(folder);
    return status;
}

/* DIR, or DIR/INNER where `part` lies there. */
static spk_status find_root(const char *dir, const char *inner, const char *part, const char *what, char **out)
{
    char *beside = spk_strf("%s/%s", dir, part), *within = spk_strf("%s/%s", dir, inner),
         *deep = spk_strf("%s/%s/%s", dir, inner, part);
    spk_status status;
    *out = NULL;
    if (!spk_is_folder(dir))
        status = spk_fail(SPK_E_IO, "%s: there is no such folder of %s", dir, what);
    else if (spk_is_folder(beside))
        status = spk__prep_root(dir, what, out);
    else if (spk_is_folder(deep))
        status = spk__prep_root(within, what, out);
    else
        status = spk_fail(SPK_E_IO, "%s: is not %s: there is no %s in it", dir, what, part);
    spk_free(beside);
    spk_free(within);
    spk_free(deep);
    return status;
}

static spk_status add_list(const char *root, const char *below, spk_text *to, int64_t *n)
{
    char *folder = spk_path_join(root, below);
    const int64_t before = *n;
    spk_status status = spk_is_folder(folder) ? list_below(root, below, 0, to, n)
                                              : spk_fail(SPK_E_IO, "%s: there is no such folder", folder);
    if (status == SPK_OK && *n == before) status = spk_fail(SPK_E_IO, "%s: no recording is in it", folder);
    spk_free(folder);
    return status;
}

spk_status spk_prep_musan(const char *dir, const char *output, bool overwrite, spk_prep_report *report)
{
    static const char *const kinds[] = {"speech", "noise", "music"};
    spk_status status;
    char *root = NULL;
    spk_prep_out out = {.overwrite = overwrite};
    *report = (spk_prep_report){0};
    SPK_GO(find_root(dir, "musan", "noise", "MUSAN", &root));
    for (int i = 0; i < 3; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "musan_%s.scp", kinds[i]);
        SPK_GO(add_list(root, kinds[i], spk_prep_out_file(&out, output, name),
                        &spk_prep_report_add(report, output, name)->n_files));
    }
    SPK_GO(spk_prep_out_commit(&out));
done:
    spk_prep_out_clear(&out);
    spk_free(root);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}

/* The measured responses by RIRS_NOISES' own list, whose last word on a line is a path from beside RIRS_NOISES; the folder
 * also holds noises. Without the list: files that have "noise" in their names are noises. */
static spk_status add_real(const char *root, spk_text *to, int64_t *n)
{
    static const char folder[] = "real_rirs_isotropic_noises";
    spk_status status;
    spk_list list = {0};
    spk_text all = {0};
    int64_t n_all = 0;
    char *lines = NULL, *rest = NULL, *names = spk_strf("%s/%s/rir_list", root, folder);
    spk_map real = {0};
    if (spk_exists(names)) SPK_GO(spk_list_read(names, SPK_LIST_DUPLICATES_OK, &list));
    for (int64_t i = 0; i < list.n; i++) {
        const char *blank = strrchr(list.entry[i].value, ' ');
        spk_map_put(&real, spk_path_name(blank ? blank + 1 : list.entry[i].value), i);
    }
    SPK_GO(add_list(root, folder, &all, &n_all));
    lines = spk_strdup(all.s);
    for (const char *line = strtok_r(lines, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int64_t at;
        const char *name = spk_path_name(line);
        if (list.n > 0 ? !spk_map_get(&real, name, &at) : strstr(name, "noise") != NULL) continue;
        spk_text_addf(to, "%s\n", line);
        ++*n;
    }
    status = SPK_OK;
done:
    spk_map_clear(&real);
    spk_list_clear(&list);
    spk_text_clear(&all);
    spk_free(lines);
    spk_free(names);
    return status;
}

spk_status spk_prep_rirs(const char *dir, const char *output, int which, bool overwrite, spk_prep_report *report)
{
    static const struct {
        int flag;
        const char *folder;
    } rooms[] = {{SPK_RIRS_LARGE, "simulated_rirs/largeroom"},
                 {SPK_RIRS_MEDIUM, "simulated_rirs/mediumroom"},
                 {SPK_RIRS_SMALL, "simulated_rirs/smallroom"}};
    spk_status status;
    char *root = NULL;
    spk_prep_out out = {.overwrite = overwrite};
    *report = (spk_prep_report){0};
    const bool real = which & SPK_RIRS_REAL, simulated = which != SPK_RIRS_REAL;
    SPK_GO(find_root(dir, "RIRS_NOISES", simulated ? "simulated_rirs" : "real_rirs_isotropic_noises", "RIRS_NOISES",
                     &root));
    spk_text *to = spk_prep_out_file(&out, output, "rirs.scp");
    int64_t *n = &spk_prep_report_add(report, output, "rirs.scp")->n_files;
    if (real) SPK_GO(add_real(root, to, n));
    for (int i = 0; i < 3; i++)
        if (which & rooms[i].flag) SPK_GO(add_list(root, rooms[i].folder, to, n));
    SPK_GO(spk_prep_out_commit(&out));
done:
    spk_prep_out_clear(&out);
    spk_free(root);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}
