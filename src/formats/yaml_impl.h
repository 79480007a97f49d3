/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as a tree that remembers where each node stood (libyaml reads and writes it). A document is
 * one node; maps keep their order; a key that stands twice in a map is an error with line and column.
 */
#ifndef SPK_FORMATS_YAML_IMPL_H
#define SPK_FORMATS_YAML_IMPL_H

#include "base/base_impl.h"

typedef enum spk_yaml_kind { SPK_YAML_SCALAR, SPK_YAML_LIST, SPK_YAML_MAP } spk_yaml_kind;

typedef struct spk_yaml {
    spk_yaml_kind kind;
    char *text;       /* scalar: its text */
    bool quoted;      /* scalar: was written in quotes, so it is a string whatever it looks like */
    const char *file; /* name of the source for messages ("conf.yaml", "--optim_conf"); owned by the root */
    int line, column; /* from 1; 0: not from a file */
    int64_t n;        /* list, map: entries */
    struct spk_yaml **item;
    char **key; /* map: names of the entries */
    int *key_line, *key_column;
    char *owned_file; /* the root's */
} spk_yaml;

/* Read a file, or parse text that is called `name` in messages. An empty document is an empty map. */
spk_status spk_yaml_load(const char *path, spk_yaml **out);
spk_status spk_yaml_parse(const char *text, size_t n, const char *name, spk_yaml **out);
void spk_yaml_free(spk_yaml *node); /* the whole tree; NULL is allowed */
spk_yaml *spk_yaml_copy(const spk_yaml *node);

/* NULL when `map` is NULL, no map, or has no such key. */
spk_yaml *spk_yaml_get(const spk_yaml *map, const char *key);
/* New nodes, for values from the command line and for dumps. */
spk_yaml *spk_yaml_new_map(const char *file);
spk_yaml *spk_yaml_new_list(const char *file);
spk_yaml *spk_yaml_new_scalar(const char *file, const char *text, bool quoted);
void spk_yaml_set(spk_yaml *map, const char *key, spk_yaml *value); /* replaces; takes the value */
void spk_yaml_append(spk_yaml *list, spk_yaml *value);              /* takes the value */

/* How a plain scalar reads (YAML 1.1 words and numbers, and 1e-3, which ESPnet reads as text, as a number). */
bool spk_yaml_is_null(const spk_yaml *node); /* null, Null, NULL, ~, empty and plain */
bool spk_yaml_bool(const spk_yaml *node, bool *out);
bool spk_yaml_int(const spk_yaml *node, int64_t *out);
bool spk_yaml_double(const spk_yaml *node, double *out); /* also of an int */

/* Block-style text with 4 spaces, keys in order; what spk_yaml_parse reads back as the same tree.
 * A quoted scalar is quoted again only where it would otherwise read as something else. */
void spk_yaml_print(const spk_yaml *node, spk_text *out);

/* "FILE:LINE:COLUMN" of a node, or just FILE when it has no line; `out` is overwritten. */
const char *spk_yaml_where(const spk_yaml *node, char *out, size_t room);

#endif
