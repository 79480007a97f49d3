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
#include "spk/config.h" /* spk_int_list, spk_str_list, spk_triple_list, SPK_NONE */

typedef enum spk_opt_kind {
    SPK_OPT_BOOL,    /* bool */
    SPK_OPT_INT,     /* int64_t; suffixes k, M, G where SPK_OPT_SIZE is set */
    SPK_OPT_FLOAT,   /* double; takes ints */
    SPK_OPT_STR,     /* char * (owned; NULL for none); with `choices`: one of them, in the table's spelling */
    SPK_OPT_CHOICE,  /* int: index into choices; words are compared without case */
    SPK_OPT_INTS,    /* spk_int_list; none is n = 0 */
    SPK_OPT_STRS,    /* spk_str_list; repeatable on the command line; replaces the YAML's list */
    SPK_OPT_FLOATS2, /* double[2] */
    SPK_OPT_TREE,    /* spk_yaml * (owned copy of the node, NULL for none): nested structures */
    SPK_OPT_TRIPLES  /* spk_triple_list: "a,b,c" or lists of three words; repeatable as STRS */
} spk_opt_kind;

enum {
    SPK_OPT_NULLABLE = 1, /* none/null means "no value": INT gets SPK_NONE, FLOAT gets NAN, CHOICE -1 */
    SPK_OPT_SIZE = 2,     /* "10MB" */
    SPK_OPT_REQUIRED = 4,
    SPK_OPT_MANY = 8,       /* lists: one option on the command line takes all words up to the next option */
    SPK_OPT_MAP = 16,       /* TREE: must be a map; on the command line key=value and {key: value} merge into it */
    SPK_OPT_FILE_ONLY = 32, /* is no option of the command line */
    SPK_OPT_NO_DUMP = 64    /* spk_opts_dump leaves it out */
};

typedef struct spk_opt {
    const char *key;
    spk_opt_kind kind;
    size_t offset;       /* of the field in the struct that is filled */
    const char *preset;  /* default, as YAML text: "3", "true", "[1, 2]", "none" */
    double min, max;     /* numbers: bounds (both 0: none); lists of words: how many (both 0: any number) */
    const char *choices; /* CHOICE, STR: "unsorted|sorted|folded" */
    const char *help;
    int flags;
} spk_opt;

/* Fill the struct at `out` with the table's defaults, then with the entries of `map` (NULL: none).
 * `what` names the map in messages ("encoder_conf"). SPK_E_CONFIG with FILE:LINE:COLUMN for an unknown key (the
 * nearest known one is suggested), a wrong type, a value out of range, a missing required key. On failure the
 * struct holds nothing that must be freed. */
spk_status spk_opts_read(const spk_opt *table, int n, const spk_yaml *map, const char *what, void *out);
/* Set one option from command-line text; list kinds append. `origin` names the source in messages ("--lr"). */
spk_status spk_opts_set(const spk_opt *opt, const char *text, const char *origin, void *out);
/* Free the strings, lists and trees that the struct holds. */
void spk_opts_clear(const spk_opt *table, int n, void *out);
/* The struct as a map, in the table's order. */
spk_yaml *spk_opts_dump(const spk_opt *table, int n, const void *in);

/* The value of one option as text, as a message or a table of accepted values has it ("none", "3", "a,b"): new. */
char *spk_opt_text(const spk_opt *opt, const void *in);
/* The entry of a map, or -1. */
int64_t spk_yaml_index(const spk_yaml *map, const char *key);

#define SPK_COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

#endif
