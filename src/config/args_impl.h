/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines of all commands, from the same tables as configuration files: an option's table says how it is
 * written, what it means when it stands alone, and what --help prints; a second column says whether the option works,
 * has no effect, or is refused when it asks for something that is not there yet.
 *
 *     --key value   --key=value   --flag (true)   --list a --list b   --many a b c   --x_conf a.b=1   --x_conf "{a: 1}"
 *
 * A word that does not start with "--" is a positional one, as is everything behind "--"; "-" is one too.
 */
#ifndef SPK_CONFIG_ARGS_IMPL_H
#define SPK_CONFIG_ARGS_IMPL_H

#include "config/opt_impl.h"

typedef enum spk_support {
    SPK_SUPPORT_WORKS, /* used */
    SPK_SUPPORT_ANY,   /* accepted at any value, without effect */
    SPK_SUPPORT_ONLY   /* refused unless the value is one of `accepted` */
} spk_support;

typedef struct spk_opt_meta {
    const char *group; /* heading in --help; NULL: that of the option before */
    spk_support support;
    const char *accepted; /* "a|b"; NULL: only the default */
    int use;              /* spk_options_check looks at options whose use is at most the one asked for */
} spk_opt_meta;

typedef struct spk_options {
    const spk_opt *table;
    const spk_opt_meta *meta; /* NULL: all work */
    int n;
} spk_options;

typedef struct spk_args_spec {
    const char *command;      /* "spk extract" */
    const char *usage;        /* behind it: "--model EXP IN..." */
    const char *about;        /* a few sentences, lines broken */
    const char *words;        /* what the positional words are, for messages: "files"; NULL: there are none */
    int min_words, max_words; /* max -1: any number */
    bool no_file;             /* a --config of the table is an option like the others, not a file of options */
    spk_options options;
} spk_args_spec;

typedef struct spk_args {
    bool help;          /* --help was given: nothing else was looked at; options hold their defaults */
    bool usage;         /* the failure was a mistake on the command line (exit status 2) */
    spk_str_list words; /* positional */
    spk_yaml *given;    /* what was given, by the file of --config and by the command line (which wins) */
} spk_args;

/* Read argv (without the program and the command) into the struct that the table describes: defaults, then the file
 * of --config where the table has such an option, then the command line. Refuses unsupported values. `args` is
 * always filled and must be cleared; on failure `out` holds nothing that must be freed. */
spk_status spk_args_parse(const spk_args_spec *spec, int argc, char *const *argv, void *out, spk_args *args);
void spk_args_clear(spk_args *args);
/* Whether an option was given, in a file or on the command line. */
bool spk_args_given(const spk_args *args, const char *key);
/* The text of --help: a new string. */
char *spk_args_help(const spk_args_spec *spec);

/* SPK_E_UNSUPPORTED for the first option that asks for what is not there yet: its name, value, place in `given` (may be
 * NULL), and what to do. *usage (may be NULL): whether it stood on the command line. */
spk_status spk_options_check(const spk_options *options, const void *in, const spk_yaml *given, int use, bool *usage);
/* "FILE:LINE:COLUMN: KEY" or "--KEY" of a given option, or "KEY" when it was not given; `out` is overwritten. */
const char *spk_option_where(const spk_yaml *given, const char *key, char *out, size_t room);
bool spk_option_on_command_line(const spk_yaml *given, const char *key);
/* "none" (or NULL): SPK_NONE; "mean": SPK_CONFIG_CHANNEL_MEAN; a number from 0. */
spk_status spk_channel_parse(const char *text, const spk_yaml *given, int64_t *out);

/* ---- for the command-line reader itself ---- */

/* A node for command-line text, by the option's kind; `origin` is "--key". */
spk_status spk__opt_node(const spk_opt *opt, const char *text, const char *origin, spk_yaml **out);
/* Whether a node can be the option's value; the message if not. */
spk_status spk__opt_try(const spk_opt *opt, const spk_yaml *node);
/* Put the entries of `from` into `into`: maps merge key by key, anything else replaces. */
void spk__yaml_merge(spk_yaml *into, const spk_yaml *from);

#endif
