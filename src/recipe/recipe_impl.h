/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: a YAML file with variables and a list of steps, each a command line of this program with what it reads and
 * what it makes. A step runs when its command, an input or the program's version is another than when its outputs were
 * made; docs/recipes.md has the form.
 */
#ifndef SPK_RECIPE_RECIPE_IMPL_H
#define SPK_RECIPE_RECIPE_IMPL_H

#include "base/base_impl.h"
#include "formats/yaml_impl.h"
#include "spk/config.h" /* spk_str_list */

typedef struct spk_recipe_variable {
    char *name, *help;
    char *preset; /* as the recipe has it, on one line */
    bool is_list; /* stands for any number of words */
    bool set;     /* from outside: `value` is literal */
    spk_str_list value;
    const spk_yaml *node;
} spk_recipe_variable;

typedef struct spk_recipe_step {
    char *name, *about;
    int64_t stage; /* ESPnet's number; where a step has none, that of the step before (0 at the beginning) */
    bool has_stage;
    char *when;          /* "false", "no", "none", "0" or "": the step is left out */
    spk_yaml *node;      /* as read, for places in messages */
    spk_str_list run;    /* words behind "spk" */
    spk_str_list anew;   /* further ones where there may be leavings of another run */
    spk_str_list resume; /* further ones where the same run was interrupted */
    char *checkpoint;    /* where that run has written this file; NULL without `resume` */
    spk_str_list inputs; /* files; folders stand for the files that lie directly in them */
    spk_str_list outputs;
    bool left_out;
} spk_recipe_step;

typedef struct spk_recipe {
    char *path, *title, *exp;
    spk_str_list results; /* files that are shown at the end */
    int64_t n_variables, n;
    spk_recipe_variable *variable;
    spk_recipe_step *step;
    spk_yaml *root;
} spk_recipe;

/* Read a recipe: variables and steps, nothing put in yet. SPK_E_CONFIG with FILE:LINE:COLUMN. */
spk_status spk_recipe_load(const char *path, spk_recipe *out);
void spk_recipe_clear(spk_recipe *r);
/* Give a variable another value (literal; a list's words are split at blanks). The variable must exist. */
spk_status spk_recipe_set(spk_recipe *r, const char *name, const char *text);
/* Put the values into variables, commands and paths. SPK_E_CONFIG: a name that no variable has. */
spk_status spk_recipe_settle(spk_recipe *r);

/* First and last step of a run, each a step's name or a stage's number; NULL: all. SPK_E_CONFIG: there is none. */
spk_status spk_recipe_range(const spk_recipe *r, const char *from, const char *to, int64_t *first, int64_t *last);
/* "FILE:LINE: step 'NAME'": a new string. */
char *spk_recipe_where(const spk_recipe *r, int64_t step);
/* Which step makes that path (it is an output, lies in one, or has one in it), or -1. */
int64_t spk_recipe_maker(const spk_recipe *r, const char *path);

/* ---- words (recipe_words.c) ---- */

/* Words of a text, split at blanks; '...' and "..." hold blanks. Appends to `out`. SPK_E_CONFIG: a quote that does not end. */
spk_status spk_words_split(const char *text, const char *where, spk_str_list *out);
void spk_words_clear(spk_str_list *w);
/* Put values in place of ${NAME}, ${here} (the recipe's folder), ${env.NAME:-TEXT}; "$$" is "$". Only variables before
 * `n_known` are known. A word that is nothing but a list's ${NAME} becomes the list's words. */
spk_status spk_recipe_expand(const spk_recipe *r, int64_t n_known, const spk_str_list *words, const char *where,
                             spk_str_list *out);
/* Words as a line that a shell reads back: a new string. */
char *spk_words_line(const spk_str_list *w);

/* ---- what files hold (digest.c) ---- */

/* `quick` changes with names, sizes and times, `content` only with names and contents. */
typedef struct spk_digest {
    bool there;
    uint64_t quick, content;
} spk_digest;
/* Of a file, or of the files that lie directly in a folder, without those of `but` (may be NULL). Where `known` has the same
 * quick figure its content is taken over, unread. */
spk_status spk_digest_take(const char *path, const spk_str_list *but, const spk_digest *known, spk_digest *out);

/* ---- what is known of a step's last run: EXP/.recipe/NAME.json (state.c) ---- */

typedef enum spk_step_state { SPK_STEP_NONE, SPK_STEP_BEGUN, SPK_STEP_FAILED, SPK_STEP_DONE } spk_step_state;
typedef struct spk_step_record {
    spk_step_state state;
    char *version;
    spk_str_list command, inputs, outputs;
    spk_digest *input, *output; /* of inputs, of outputs */
    double seconds;
    int64_t began; /* nanoseconds since 1970 */
} spk_step_record;
/* A file that is not there or that cannot be read is a record of state NONE. */
void spk_step_record_read(const spk_recipe *r, int64_t step, spk_step_record *out);
spk_status spk_step_record_write(const spk_recipe *r, int64_t step, const spk_step_record *rec);
void spk_step_record_clear(spk_step_record *rec);
/* The inputs as they are, with the command and the version: what a run that begins now would be. `before` may be NULL. */
spk_status spk_step_record_now(const spk_recipe *r, int64_t step, const spk_step_record *before, spk_step_record *out);

/* ---- running (run.c, child.c) ---- */

typedef enum spk_step_turn { SPK_TURN_LEFT_OUT, SPK_TURN_UP_TO_DATE, SPK_TURN_ANEW, SPK_TURN_RESUME } spk_step_turn;
/* What a step's turn would be and why (a new string). `now` is that of spk_step_record_now. */
spk_status spk_recipe_turn(const spk_recipe *r, int64_t step, const spk_step_record *before, const spk_step_record *now,
                           bool any_version, spk_step_turn *turn, char **why);
/* Inputs that are neither there nor made by a step of first..last before: SPK_E_MISMATCH says who makes them. */
spk_status spk_recipe_check_inputs(const spk_recipe *r, int64_t first, int64_t last);

typedef enum spk_step_event { SPK_STEP_TURN, SPK_STEP_TICK, SPK_STEP_ENDED, SPK_STEP_BROKE } spk_step_event;
typedef struct spk_recipe_run_options {
    int64_t first, last;
    bool anew;        /* run what is up to date, too */
    bool any_version; /* results of another version of the program count */
    bool dry_run;     /* only tell the turns */
    void *user;
    /* TURN: what and why; TICK: about once a second while it runs; ENDED, BROKE (failed or interrupted). */
    void (*tell)(void *user, spk_step_event event, int64_t step, spk_step_turn turn, const char *why, double seconds);
} spk_recipe_run_options;
/* Run the steps in order until one fails. Signals INT, TERM and HUP go to the running step, whose end is awaited:
 * SPK_E_INTERRUPTED. */
spk_status spk_recipe_run(const spk_recipe *r, const spk_recipe_run_options *o);
/* EXP/logs/NN-NAME.log: a new string. */
char *spk_recipe_log(const spk_recipe *r, int64_t step);
/* The signal that ended the run; 0: none. */
int spk_recipe_signal(void);

typedef struct spk_child {
    int code;    /* exit status; -1 where a signal ended it */
    int by;      /* that signal */
    bool passed; /* a signal was passed on to it */
} spk_child;
/* Run this program with these words, output appended to `log`, and wait; tick (may be NULL) is called now and then. `keep` is
 * a file descriptor that the child gets, too; -1: none. */
spk_status spk_child_run(const spk_str_list *words, const char *log, int keep, void (*tick)(void *user), void *user,
                         spk_child *out);

#endif
