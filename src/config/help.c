/* SPDX-License-Identifier: Apache-2.0 */
/* The text of --help, from an option table. */
#include "config/args_impl.h"

#include <string.h>

enum { HELP_COLUMN = 40, WIDTH = 118 };

static const char *value_word(const spk_opt *o)
{
    switch (o->kind) {
    case SPK_OPT_BOOL:
        return "true|false";
    case SPK_OPT_INT:
        return o->flags & SPK_OPT_SIZE ? "SIZE" : "N";
    case SPK_OPT_FLOAT:
        return "X";
    case SPK_OPT_STR:
    case SPK_OPT_CHOICE:
        return o->choices ? "WORD" : "TEXT";
    case SPK_OPT_INTS:
        return o->flags & SPK_OPT_MANY ? "N..." : "N";
    case SPK_OPT_STRS:
        return o->flags & SPK_OPT_MANY ? "TEXT..." : "TEXT";
    case SPK_OPT_FLOATS2:
        return "[X, X]";
    case SPK_OPT_TREE:
        return "KEY=VALUE";
    case SPK_OPT_TRIPLES:
        return o->flags & SPK_OPT_MANY ? "A,B,C..." : "A,B,C";
    }
    return "";
}

/* Words of `s` from HELP_COLUMN on. */
static void add_wrapped(spk_text *t, const char *s)
{
    for (int at = HELP_COLUMN; *s; s += strspn(s, " ")) {
        const int n = (int)strcspn(s, " ");
        if (at > HELP_COLUMN && at + 1 + n > WIDTH) {
            spk_text_addf(t, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            spk_text_add(t, " ");
            at++;
        }
        spk_text_addn(t, s, (size_t)n);
        at += n;
        s += n;
    }
}

static void add_option(spk_text *t, const spk_opt *o, const spk_opt_meta *m)
{
    spk_text left = {0}, right = {0};
    spk_text_addf(&left, "  --%s %s", o->key, value_word(o));
    spk_text_add(&right, o->help);
    if (o->choices && !(m && m->support == SPK_SUPPORT_ONLY)) spk_text_addf(&right, " (%s)", o->choices);
    if (o->flags & SPK_OPT_REQUIRED)
        spk_text_add(&right, " (required)");
    else if (o->preset && o->preset[0])
        spk_text_addf(&right, " (default %s)", o->preset);
    if (m && m->support == SPK_SUPPORT_ANY) spk_text_add(&right, " [accepted, no effect]");
    if (m && m->support == SPK_SUPPORT_ONLY)
        spk_text_addf(&right, " [only %s yet]",
                      m->accepted               ? m->accepted
                      : o->preset && *o->preset ? o->preset
                                                : "empty");
    if (left.n + 2 > HELP_COLUMN)
        spk_text_addf(t, "%s\n%*s", spk_text_str(&left), HELP_COLUMN, "");
    else
        spk_text_addf(t, "%-*s", HELP_COLUMN, spk_text_str(&left));
    add_wrapped(t, spk_text_str(&right));
    spk_text_add(t, "\n");
    spk_text_clear(&left);
    spk_text_clear(&right);
}

char *spk_args_help(const spk_args_spec *spec)
{
    spk_text t = {0};
    const spk_options *o = &spec->options;
    spk_text_addf(&t, "usage: %s %s\n\n%s\n", spec->command, spec->usage, spec->about);
    if (!o->meta && o->n) spk_text_add(&t, "\nOptions\n");
    for (int i = 0; i < o->n; i++) {
        const spk_opt_meta *m = o->meta ? &o->meta[i] : NULL;
        if (m && m->group && !(o->table[i].flags & SPK_OPT_FILE_ONLY)) spk_text_addf(&t, "\n%s\n", m->group);
        if (!(o->table[i].flags & SPK_OPT_FILE_ONLY)) add_option(&t, &o->table[i], m);
    }
    spk_text_addf(&t, "  %-*s%s\n", HELP_COLUMN - 2, "--help", "print this text");
    char *text = spk_strdup(spk_text_str(&t));
    spk_text_clear(&t);
    return text;
}
