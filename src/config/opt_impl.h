/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table describes a set of options: key, type, default, range, choices, help. From it come the
 * reading of YAML maps (`encoder_conf`), of command lines, `--help`, dumps, and every message about a
 * wrong key, type or range. Tables of the model parts stand in the files of the parts.
 */
#ifndef SPK_CONFIG_OPT_IMPL_H
#define SPK_CONFIG_OPT_IMPL_H

#include "base/base_impl.h"
#include "formats/yaml_impl.h"

typedef struct spk_int_list {
    int64_t n, *v;
} spk_int_list;
typedef struct spk_str_list {
    int64_t n;
    char **v;
} spk_str_list;

typedef enum spk_opt_kind {
    SPK_OPT_BOOL,     /* bool */
    SPK_OPT_INT,      /* int64_t; suffixes k, M, G where SPK_OPT_SIZE is set */
    SPK_OPT_FLOAT,    /* double; takes ints */
    SPK_OPT_STR,      /* char * (owned; NULL for none) */
    SPK_OPT_CHOICE,   /* int: index into choices; words are compared without case */
    SPK_OPT_INTS,     /* spk_int_list; none is n = 0 */
    SPK_OPT_STRS,     /* spk_str_list; repeatable on the command line; replaces the YAML's list */
    SPK_OPT_FLOATS2,  /* double[2] */
    SPK_OPT_TREE      /* spk_yaml * (owned copy of the node, NULL for none): nested structures */
} spk_opt_kind;

enum {
    SPK_OPT_NULLABLE = 1, /* none/null means "no value": INT gets SPK_NONE, FLOAT gets NAN, CHOICE -1 */
    SPK_OPT_SIZE = 2,     /* "10MB" */
    SPK_OPT_REQUIRED = 4
};
#define SPK_NONE INT64_MIN

typedef struct spk_opt {
    const char *key;
    spk_opt_kind kind;
    size_t offset;       /* of the field in the struct that is filled */
    const char *preset;  /* default, as YAML text: "3", "true", "[1, 2]", "none" */
    double min, max;     /* numbers; both 0: no bounds */
    const char *choices; /* CHOICE: "unsorted|sorted|folded" */
    const char *help;
    int flags;
} spk_opt;

/* Fill the struct at `out` with the table's defaults, then with the entries of `map` (NULL: none).
 * `what` names the map in messages ("encoder_conf"). SPK_E_CONFIG with FILE:LINE:COLUMN for an unknown key (the
 * nearest known one is suggested), a wrong type, a value out of range, a missing required key. On failure the
 * struct holds nothing that must be freed. */
spk_status spk_opts_read(const spk_opt *table, int n, const spk_yaml *map, const char *what, void *out);
/* Set one option from command-line text. */
spk_status spk_opts_set(const spk_opt *opt, const char *text, const char *origin, void *out);
/* Free the strings, lists and trees that the struct holds. */
void spk_opts_clear(const spk_opt *table, int n, void *out);
/* The struct as a map, in the table's order. */
spk_yaml *spk_opts_dump(const spk_opt *table, int n, const void *in);

#define SPK_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
