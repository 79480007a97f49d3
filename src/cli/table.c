/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of words. */
#include "cli/table_impl.h"

#include <string.h>

void table_add(table_of_words *t, const char *fmt, ...)
{
    char cell[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(cell, sizeof cell, fmt, args);
    va_end(args);
    SPK_PUSH(t->cell, t->n) = spk_strdup(cell);
}

/* Characters of UTF-8 text. */
static int width_of(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static int column_width(const table_of_words *t, int column)
{
    int width = 0;
    for (int64_t i = column; i < t->n; i += t->n_columns)
        width = width_of(t->cell[i]) > width ? width_of(t->cell[i]) : width;
    return width;
}

void table_text(const table_of_words *t, spk_text *out)
{
    for (int64_t i = 0; i < t->n; i++) {
        const int column = (int)(i % t->n_columns), pad = column_width(t, column) - width_of(t->cell[i]);
        if (column == 0)
            spk_text_addf(out, "%s%*s", t->cell[i], pad, "");
        else
            spk_text_addf(out, "  %*s%s", pad, "", t->cell[i]);
        if (column == t->n_columns - 1) spk_text_add(out, "\n");
    }
}

static void add_escaped(spk_text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '|' || *s == '*' || *s == '_' || *s == '\\') spk_text_add(out, "\\");
        spk_text_addn(out, s, 1);
    }
}

void table_markdown(const table_of_words *t, spk_text *out)
{
    for (int64_t i = 0; i < t->n; i++) {
        const int column = (int)(i % t->n_columns);
        spk_text_add(out, column ? " " : "| ");
        add_escaped(out, t->cell[i]);
        spk_text_add(out, column == t->n_columns - 1 ? " |\n" : " |");
        if (i + 1 != t->n_columns) continue;
        for (int c = 0; c < t->n_columns; c++)
            spk_text_add(out, c ? "---:|" : "|---|");
        spk_text_add(out, "\n");
    }
}

void table_clear(table_of_words *t)
{
    for (int64_t i = 0; i < t->n; i++)
        spk_free(t->cell[i]);
    spk_free(t->cell);
    memset(t, 0, sizeof *t);
}
