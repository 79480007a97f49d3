/* SPDX-License-Identifier: Apache-2.0 */
/* Files, folders and lists as recordings with ids. */
#include "cli/inputs_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "comm/comm_impl.h"
#include "data/tree_scan_impl.h"
#include "formats/list_impl.h"

static void add(inputs *in, char *id, char *path)
{
    for (char *s = id; *s; s++) /* an id is one word */
        if (*s == ' ' || *s == '\t') *s = '_';
    SPK_PUSH(in->item, in->n) = (spk_embed_item){id, path};
}

void inputs_clear(inputs *in)
{
    for (int64_t i = 0; i < in->n; i++) {
        spk_free((void *)(uintptr_t)in->item[i].id);
        spk_free((void *)(uintptr_t)in->item[i].path);
    }
    spk_free(in->item);
    *in = (inputs){0};
}

/* Without ".wav": a new string. */
static char *without_extension(const char *path)
{
    const char *name = spk_path_name(path), *dot = strrchr(name, '.');
    return spk_strndup(path, dot && dot > name ? (size_t)(dot - path) : strlen(path));
}

char *inputs_id(const char *path)
{
    return without_extension(spk_path_name(path));
}

/* ---- folders ---- */

/* `below`: the way from the folder that was named, "" at first. */
static spk_status add_folder(inputs *in, const char *path, const char *below, int depth)
{
    char **names;
    int64_t n;
    if (depth > 64) return spk_fail(SPK_E_IO, "%s: folders are nested too deep", path);
    spk_status status = spk__folder_names(path, &names, &n);
    for (int64_t i = 0; i < n; i++) {
        char *full = spk_path_join(path, names[i]);
        char *id = spk_strf("%s%s%s", below, *below ? "/" : "", names[i]);
        if (status == SPK_OK && spk_is_folder(full)) {
            status = add_folder(in, full, id, depth + 1);
        } else if (status == SPK_OK && spk__is_recording(names[i])) {
            add(in, without_extension(id), full);
            full = NULL;
        }
        spk_free(id);
        spk_free(full);
        spk_free(names[i]);
    }
    spk_free(names);
    return status;
}

/* ---- lists ---- */

static spk_status add_scp(inputs *in, const char *path)
{
    spk_list list;
    SPK_TRY(spk_list_read(path, 0, &list));
    for (int64_t i = 0; i < list.n; i++)
        add(in, spk_strdup(list.entry[i].key), spk_list_resolve_path(path, list.entry[i].value));
    spk_list_clear(&list);
    return SPK_OK;
}

/* "PATH" or "ID PATH"; a line that names a file as a whole is a path. */
static void add_line(inputs *in, char *line)
{
    line += strspn(line, " \t");
    for (size_t n = strlen(line); n > 0 && strchr(" \t\r\n", line[n - 1]); n--)
        line[n - 1] = 0;
    const size_t n_id = strcspn(line, " \t");
    const char *rest = line + n_id + strspn(line + n_id, " \t");
    if (!*line) return;
    if (!*rest || spk_is_file(line))
        add(in, without_extension(spk_path_name(line)), spk_strdup(line));
    else
        add(in, spk_strndup(line, n_id), spk_strdup(rest));
}

static spk_status add_stdin(inputs *in)
{
    char *line = NULL;
    size_t room = 0;
    errno = 0;
    while (getline(&line, &room, stdin) >= 0)
        add_line(in, line);
    free(line); /* getline's own */
    return ferror(stdin) ? spk_fail_errno("standard input", "read") : SPK_OK;
}

/* ---- all ---- */

/* Recordings that were named one by one: whether two have one name. */
static bool names_collide(const inputs *in, const bool *single)
{
    spk_map seen = {0};
    bool collide = false;
    for (int64_t i = 0; i < in->n; i++)
        if (single[i] && !spk_map_put(&seen, in->item[i].id, i)) collide = true;
    spk_map_clear(&seen);
    return collide;
}

static spk_status check_ids(const inputs *in)
{
    spk_map seen = {0};
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < in->n && status == SPK_OK; i++) {
        int64_t first = 0;
        if (spk_map_put(&seen, in->item[i].id, i)) continue;
        spk_map_get(&seen, in->item[i].id, &first);
        status =
            spk_fail(SPK_E_VALUE, "two recordings have the id '%s': %s and %s; name them apart in a list \"ID PATH\"",
                     in->item[i].id, in->item[first].path, in->item[i].path);
    }
    spk_map_clear(&seen);
    return status;
}

static spk_status read_word(inputs *in, const char *word)
{
    if (strcmp(word, "-") == 0) return add_stdin(in);
    if (spk_is_folder(word)) {
        const int64_t before = in->n;
        SPK_TRY(add_folder(in, word, "", 0));
        if (in->n == before)
            return spk_fail(SPK_E_VALUE, "%s: the folder holds no recordings (.wav .flac .ogg .mp3 .opus)", word);
        return SPK_OK;
    }
    if (spk_ends_with(word, ".scp")) return add_scp(in, word);
    add(in, without_extension(spk_path_name(word)), spk_strdup(word));
    return SPK_OK;
}

spk_status inputs_read(char *const *words, int64_t n, inputs *out)
{
    bool *single = NULL;
    spk_status status = SPK_OK;
    *out = (inputs){0};
    for (int64_t w = 0, n_single = 0; w < n && status == SPK_OK; w++) {
        const int64_t before = out->n;
        status = read_word(out, words[w]);
        for (int64_t i = before; i < out->n; i++)
            SPK_PUSH(single, n_single) = out->n == before + 1 && strcmp(out->item[i].path, words[w]) == 0;
    }
    if (status == SPK_OK && single && names_collide(out, single)) {
        for (int64_t i = 0; i < out->n; i++) {
            if (!single[i]) continue;
            spk_free((void *)(uintptr_t)out->item[i].id);
            out->item[i].id = without_extension(out->item[i].path);
        }
    }
    spk_free(single);
    if (status == SPK_OK) status = check_ids(out);
    if (status == SPK_OK && out->n == 0) status = spk_fail(SPK_E_VALUE, "the list on standard input is empty");
    if (status != SPK_OK) inputs_clear(out);
    return status;
}

/* ---- several processes ---- */

/* "id\0path\0" of all, on all ranks. */
static spk_status hand_round(spk_comm *comm, const spk_text *own, char **all, int64_t *bytes)
{
    *bytes = (int64_t)own->n;
    SPK_TRY(spk_comm_broadcast(comm, bytes, 1, SPK_COMM_I64));
    *all = spk_new((size_t)*bytes + 1);
    if (own->n) memcpy(*all, own->s, own->n);
    return spk_comm_broadcast(comm, *all, *bytes, SPK_COMM_BYTE);
}

static void unpack(const char *all, int64_t bytes, inputs *out)
{
    for (int64_t at = 0; at < bytes;) {
        const char *id = all + at, *path = id + strlen(id) + 1;
        SPK_PUSH(out->item, out->n) = (spk_embed_item){spk_strdup(id), spk_strdup(path)};
        at = path - all + (int64_t)strlen(path) + 1;
    }
}

spk_status inputs_read_together(char *const *words, int64_t n, inputs *out)
{
    spk_comm *comm = cli_comm();
    const bool first = spk_comm_is_first(comm);
    spk_text own = {0};
    char *all = NULL;
    int64_t bytes = 0;
    *out = (inputs){0};
    SPK_TRY(spk_comm_agree(comm, first ? inputs_read(words, n, out) : SPK_OK));
    if (!comm) return SPK_OK;
    for (int64_t i = 0; i < out->n; i++) {
        spk_text_addn(&own, out->item[i].id, strlen(out->item[i].id) + 1);
        spk_text_addn(&own, out->item[i].path, strlen(out->item[i].path) + 1);
    }
    const spk_status status = hand_round(comm, &own, &all, &bytes);
    if (status == SPK_OK && !first) unpack(all, bytes, out);
    if (status != SPK_OK) inputs_clear(out);
    spk_text_clear(&own);
    spk_free(all);
    return status;
}
