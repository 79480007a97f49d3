/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines for tests: one string, blanks between the words, '~' for a blank inside of one. */
#ifndef TESTS_CONFIG_WORDS_H
#define TESTS_CONFIG_WORDS_H

#include <string.h>

typedef struct words {
    int n;
    char *v[64], text[2000];
} words;

static inline char *const *words_split(words *w, const char *line)
{
    w->n = 0;
    snprintf(w->text, sizeof w->text, "%s", line);
    for (char *s = w->text; *s;) {
        w->v[w->n++] = s;
        for (; *s && *s != ' '; s++)
            if (*s == '~') *s = ' ';
        if (*s) *s++ = 0;
    }
    return w->v;
}

#endif
