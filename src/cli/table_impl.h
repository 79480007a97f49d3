/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of words, as text for a terminal and as Markdown. */
#ifndef SPK_CLI_TABLE_IMPL_H
#define SPK_CLI_TABLE_IMPL_H

#include "base/base_impl.h"

typedef struct table_of_words {
    int n_columns;
    int64_t n; /* cells; the first row is the heading */
    char **cell;
} table_of_words;

void table_add(table_of_words *t, const char *fmt, ...) SPK_PRINTF(2, 3);
/* Columns padded to one width: the first to the left, the others to the right. */
void table_text(const table_of_words *t, spk_text *out);
void table_markdown(const table_of_words *t, spk_text *out);
void table_clear(table_of_words *t);

#endif
