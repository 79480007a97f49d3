/* SPDX-License-Identifier: Apache-2.0 */
/* Kaldi's text lists: cut up in place in the buffer that the file was read into. */
#include "formats/list_impl.h"

#include <string.h>

#include "formats/h5_impl.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Bytes of the UTF-8 character at p (which has `n` bytes after it), 0 when it is none. Overlong forms, surrogates
 * and what lies beyond U+10FFFF are none. */
static int utf8_length(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80) return 1;
    const int need = p[0] >= 0xc2 && p[0] <= 0xdf   ? 2
                     : (p[0] & 0xf0) == 0xe0        ? 3
                     : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                    : 0;
    if (need == 0 || (size_t)need > n) return 0;
    for (int i = 1; i < need; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    const bool bad = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
                     (p[0] == 0xf4 && p[1] > 0x8f);
    return bad ? 0 : need;
}

static spk_status check_text(const char *s, size_t n, const char *name, int64_t line)
{
    const unsigned char *p = (const unsigned char *)s;
    for (size_t i = 0; i < n;) {
        if (p[i] == 0)
            return spk_fail(SPK_E_FORMAT, "%s:%lld: the line holds a NUL byte; a text file is expected", name,
                            (long long)line);
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        const int step = utf8_length(p + i, n - i);
        if (step == 0)
            return spk_fail(SPK_E_FORMAT, "%s:%lld: the line is not UTF-8 text (byte %zu is 0x%02x)", name,
                            (long long)line, i + 1, p[i]);
        i += (size_t)step;
    }
    return SPK_OK;
}

/* One line of n bytes, which may be overwritten. */
static spk_status add_line(spk_list *list, char *s, size_t n, int64_t line, int flags)
{
    SPK_TRY(check_text(s, n, list->path, line));
    while (n > 0 && is_blank(s[n - 1]))
        n--;
    while (n > 0 && is_blank(*s)) {
        s++;
        n--;
    }
    if (n == 0) return spk_fail(SPK_E_FORMAT, "%s:%lld: the line is blank; remove it", list->path, (long long)line);
    s[n] = 0;
    size_t key_bytes = 0;
    while (key_bytes < n && !is_blank(s[key_bytes]))
        key_bytes++;
    char *value = s + key_bytes;
    while (is_blank(*value))
        value++;
    s[key_bytes] = 0;
    if (*value == 0 && !(flags & SPK_LIST_NO_VALUE_OK))
        return spk_fail(SPK_E_FORMAT, "%s:%lld: nothing follows the key '%s'", list->path, (long long)line, s);
    const bool known = !(flags & SPK_LIST_NO_INDEX) && !spk_map_put(&list->index, s, list->n);
    if (known && !(flags & SPK_LIST_DUPLICATES_OK)) {
        int64_t first = 0;
        spk_map_get(&list->index, s, &first);
        return spk_fail(SPK_E_FORMAT, "%s:%lld: key '%s' stands twice (first at line %lld)", list->path,
                        (long long)line, s, (long long)list->entry[first].line);
    }
    SPK_PUSH(list->entry, list->n) = (spk_list_entry){s, value, line};
    return SPK_OK;
}

/* wrong NULL and strict: the first wrong line ends it. */
static spk_status parse(char *text, size_t n, const char *name, int flags, bool strict, spk_list_wrong wrong,
                        void *user, spk_list *out)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    spk_status status = SPK_OK;
    memset(out, 0, sizeof *out);
    out->path = spk_strdup(name);
    out->buffer = text;
    char *s = text, *const end = text + n;
    if (n >= 3 && memcmp(s, byte_order_mark, 3) == 0) s += 3;
    for (int64_t line = 1; s < end && status == SPK_OK; line++) {
        char *newline = memchr(s, '\n', (size_t)(end - s));
        char *stop = newline ? newline : end;
        status = add_line(out, s, (size_t)(stop - s), line, flags);
        if (status != SPK_OK && !strict) {
            if (wrong) wrong(user, spk_errmsg());
            status = SPK_OK;
        }
        s = stop + 1;
    }
    if (status != SPK_OK) spk_list_clear(out);
    return status;
}

spk_status spk_list_parse(char *text, size_t n, const char *name, int flags, spk_list *out)
{
    return parse(text, n, name, flags, true, NULL, NULL, out);
}

spk_status spk_list_read(const char *path, int flags, spk_list *out)
{
    char *text = NULL;
    size_t n = 0;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_read_file(path, &text, &n));
    return parse(text, n, path, flags, true, NULL, NULL, out);
}

spk_status spk_list_read_leniently(const char *path, int flags, spk_list_wrong wrong, void *user, spk_list *out)
{
    char *text = NULL;
    size_t n = 0;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_read_file(path, &text, &n));
    return parse(text, n, path, flags, false, wrong, user, out);
}

void spk_list_clear(spk_list *list)
{
    spk_free(list->path);
    spk_free(list->entry);
    spk_free(list->buffer);
    spk_map_clear(&list->index);
    memset(list, 0, sizeof *list);
}

int64_t spk_list_find(const spk_list *list, const char *key)
{
    int64_t i = -1;
    return spk_map_get(&list->index, key, &i) ? i : -1;
}

const char *spk_list_get(const spk_list *list, const char *key)
{
    const int64_t i = spk_list_find(list, key);
    return i < 0 ? NULL : list->entry[i].value;
}

/* "hdf5:FILE::NAME": the file is looked for. */
static char *resolve_array(const char *list_path, const char *file, size_t n_file, const char *name)
{
    char *given = spk_strndup(file, n_file), *found = spk_list_resolve_path(list_path, given);
    char *all = spk_strf("hdf5:%s::%s", found, name);
    spk_free(given);
    spk_free(found);
    return all;
}

char *spk_list_resolve_path(const char *list_path, const char *value)
{
    const char *array_file, *array;
    size_t n_file;
    if (spk_h5_parse(value, &n_file, &array_file, &array)) return resolve_array(list_path, array_file, n_file, array);
    if (value[0] == '/' || spk_exists(value)) return spk_strdup(value);
    char *folder = spk_path_folder(list_path);
    char *beside = spk_path_join(folder, value);
    spk_free(folder);
    if (spk_exists(beside)) return beside;
    spk_free(beside);
    const char *colon = strrchr(value, ':');
    int64_t offset;
    if (!colon || !spk_parse_int(colon + 1, &offset)) return spk_strdup(value);
    char *file = spk_strndup(value, (size_t)(colon - value)), *found = spk_list_resolve_path(list_path, file);
    char *with_offset = spk_strf("%s%s", found, colon);
    spk_free(file);
    spk_free(found);
    return with_offset;
}
