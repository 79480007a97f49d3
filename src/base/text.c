/* SPDX-License-Identifier: Apache-2.0 */
/* Growable text, strict numbers, hashes, near names, and a string map. */
#include "base/base_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- growable text ---- */

void spk_text_addn(spk_text *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->room) {
        t->room = 2 * (t->n + n + 1);
        t->s = spk_renew(t->s, t->room);
    }
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void spk_text_add(spk_text *t, const char *s)
{
    spk_text_addn(t, s, strlen(s));
}

static char *format(const char *fmt, va_list args, size_t *n)
{
    va_list again;
    va_copy(again, args);
    const int need = vsnprintf(NULL, 0, fmt, args);
    SPK_ASSERT(need >= 0);
    char *s = spk_new((size_t)need + 1);
    vsnprintf(s, (size_t)need + 1, fmt, again);
    va_end(again);
    *n = (size_t)need;
    return s;
}

void spk_text_addf(spk_text *t, const char *fmt, ...)
{
    va_list args;
    size_t n;
    va_start(args, fmt);
    char *s = format(fmt, args, &n);
    va_end(args);
    spk_text_addn(t, s, n);
    spk_free(s);
}

const char *spk_text_str(const spk_text *t)
{
    return t->s ? t->s : "";
}

void spk_text_clear(spk_text *t)
{
    spk_free(t->s);
    memset(t, 0, sizeof *t);
}

char *spk_strf(const char *fmt, ...)
{
    va_list args;
    size_t n;
    va_start(args, fmt);
    char *s = format(fmt, args, &n);
    va_end(args);
    return s;
}

/* ---- strings and numbers ---- */

uint64_t spk_hash(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

uint64_t spk_hash_str(const char *s)
{
    return spk_hash(s, strlen(s));
}

bool spk_starts_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

bool spk_ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n >= m && memcmp(s + n - m, end, m) == 0;
}

/* Levenshtein distance; words longer than the table are far from everything. */
static int distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    const int n = (int)strlen(a), m = (int)strlen(b);
    int row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST) return LONGEST;
    for (int j = 0; j <= m; j++)
        row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int up = row[j];
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (up + 1 < best) best = up + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = up;
            row[j] = best;
        }
    }
    return row[m];
}

const char *spk_nearest(const char *word, const char *const *names, int n)
{
    const char *best = NULL;
    int best_distance = 1 + (int)strlen(word) / 3; /* further is no typing mistake */
    for (int i = 0; i < n; i++) {
        const int d = distance(word, names[i]);
        if (d <= best_distance && (!best || d < best_distance)) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}

bool spk_parse_int(const char *s, int64_t *out)
{
    char *end;
    errno = 0;
    const long long v = strtoll(s, &end, 10);
    if (end == s || *end || errno || *s == ' ') return false;
    *out = v;
    return true;
}

bool spk_parse_double(const char *s, double *out)
{
    char *end;
    if (*s == ' ' || strpbrk(s, "xXpP")) return false;
    const double v = strtod(s, &end);
    if (end == s || *end) return false;
    *out = v;
    return true;
}

bool spk_parse_bool(const char *s, bool *out)
{
    static const char *const words[] = {"false", "no", "off", "0", "f", "n", "true", "yes", "on", "1", "t", "y"};
    for (int i = 0; i < 12; i++)
        if (strcasecmp(s, words[i]) == 0) {
            *out = i >= 6;
            return true;
        }
    return false;
}

void spk_format_double(double x, char out[32])
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, x);
        if (strtod(out, NULL) == x) return;
    }
}

/* ---- map ---- */

static size_t map_slot(const spk_map *m, const char *key)
{
    size_t i = (size_t)spk_hash_str(key) & (m->room - 1);
    while (m->key[i] && strcmp(m->key[i], key) != 0)
        i = (i + 1) & (m->room - 1);
    return i;
}

static void map_grow(spk_map *m)
{
    spk_map bigger = {.room = m->room ? 2 * m->room : 64};
    bigger.key = spk_new(bigger.room * sizeof *bigger.key);
    bigger.value = spk_new(bigger.room * sizeof *bigger.value);
    for (size_t i = 0; i < m->room; i++)
        if (m->key[i]) {
            const size_t slot = map_slot(&bigger, m->key[i]);
            bigger.key[slot] = m->key[i];
            bigger.value[slot] = m->value[i];
        }
    bigger.n = m->n;
    spk_map_clear(m);
    *m = bigger;
}

bool spk_map_put(spk_map *m, const char *key, int64_t value)
{
    if (2 * (m->n + 1) > m->room) map_grow(m);
    const size_t i = map_slot(m, key);
    if (m->key[i]) return false;
    m->key[i] = key;
    m->value[i] = value;
    m->n++;
    return true;
}

bool spk_map_get(const spk_map *m, const char *key, int64_t *value)
{
    if (m->room == 0) return false;
    const size_t i = map_slot(m, key);
    if (!m->key[i]) return false;
    *value = m->value[i];
    return true;
}

void spk_map_clear(spk_map *m)
{
    spk_free(m->key);
    spk_free(m->value);
    memset(m, 0, sizeof *m);
}
