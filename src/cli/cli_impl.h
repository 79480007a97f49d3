/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands share: exit statuses, messages, options from a table, the log on stderr, progress bars.
 *
 * Results go to stdout; log and progress to stderr. A failure is one line "spk: error: SENTENCE" on stderr.
 */
#ifndef SPK_CLI_IMPL_H
#define SPK_CLI_IMPL_H

#include "base/base_impl.h"
#include "config/args_impl.h"
#include "spk/config.h"
#include "spk/data.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* ---- commands: argv holds what follows the command's name ---- */

int cmd_train(int argc, char **argv);
int cmd_validate(int argc, char **argv);
int cmd_extract(int argc, char **argv);
int cmd_backend(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_identify(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_prep(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_bench_comm(int argc, char **argv); /* behind `spk bench --comm` */
int cmd_demo(int argc, char **argv);
int cmd_recipe(int argc, char **argv);

/* Run a command by its name: its exit status. */
int cli_command(const char *name, int argc, char **argv);
/* From now on commands only read their options (and files of options) and end with CLI_OK where these are right. */
void cli_check_only(bool on);
bool cli_checks_only(void);

/* ---- messages (output.c) ---- */

/* "spk: error: " and the sentence on stderr; returns CLI_USAGE. */
int cli_usage(const char *fmt, ...) SPK_PRINTF(1, 2);
/* The same with the sentence of the failed call; CLI_FAILED, or CLI_OK where status is SPK_OK. */
int cli_failed(spk_status status);
/* A line on stderr that --quiet leaves out; clears a progress bar that stands there. */
void cli_note(const char *fmt, ...) SPK_PRINTF(1, 2);
/* A line on stderr in any case ("spk: " and the text): what failed while the rest went on. */
void cli_complain(const char *fmt, ...) SPK_PRINTF(1, 2);
/* stdout flushed without loss? CLI_FAILED with a message where not. Call at the end of what prints results. */
int cli_flush(void);

/* Listen to the library's log: on stderr from `level` (SPK_LOG_...) on, and only warnings when quiet; a file gets
 * SPK_LOG_INFO and above in any case. `quiet` holds for notes and progress too. */
void cli_log_start(bool quiet, int level);
/* The words of --log_level. */
int cli_log_level(const char *word);
/* Leave lines with that text out of stderr: stdout shows them. */
void cli_log_hide(const char *hide);
/* From now on keep the log for the file that cli_log_file opens later. */
void cli_log_keep(void);
/* Also write the log to a file: behind what is there, or afresh. */
spk_status cli_log_file(const char *path, bool afresh) SPK_NODISCARD;
void cli_log_stop(void);
bool cli_is_quiet(void);

/* ---- several processes (team.c) ---- */

/* Join the job, where a launcher started several processes; before anything else of a command. Anything but CLI_GO_ON is
 * the exit status. */
int cli_team_open(const char *command);
void cli_team_close(void);
struct spk_comm *cli_comm(void); /* NULL: alone */
/* In the log: which rank is where. */
void cli_team_say(void);
/* Threads for this process: all processors, or its part of them. */
int cli_team_threads(void);
/* This process is not the first: of its log only what the loader warns of is shown, under that name. */
void cli_log_as(const char *name);

/* ---- progress (progress.c) ---- */

/* Draws "WHAT [#####.....] 45/100  4.2/s  0:12 left": in place on a terminal, else a line now and then. A new `what`
 * or a smaller `done` begins a new bar. Fits every `progress` entry of the library. */
void cli_progress(void *user, const char *what, int64_t done, int64_t total);
/* Text before each bar ("epoch 3/10"); NULL: none. */
void cli_progress_prefix(const char *prefix);
/* Text behind each bar ("loss 4.2  ..."); NULL: none. It holds until the next call. */
void cli_progress_suffix(const char *suffix);
/* Take the bar off the terminal, so that another line can follow; the caller holds the lock. */
void cli_progress_clear(void);
/* Held while something is written to stderr. */
void cli_lock(void);
void cli_unlock(void);

/* ---- options (options.c) ---- */

enum { CLI_GO_ON = -1 };

/* Read a command line into `out`. CLI_GO_ON: `out` and `args` are to be cleared by the caller; anything else is the exit
 * status of a command that is done: --help was printed, or one line says what is wrong. */
int cli_args(const spk_args_spec *spec, int argc, char **argv, void *out, spk_args *args);

/* Rows of a table where a heading is an entry of its own (use -1), as an array without these. */
void cli_meta(const spk_opt_meta *rows, int n, spk_opt_meta *out);

/* All processors, or what --num_threads says (SPK_NONE: not given). Also for OpenMP. */
int cli_threads(int64_t threads);
/* Audio at that rate; i_channel as spk_config has it. */
spk_audio_options cli_audio(int64_t sample_rate, int64_t i_channel);
/* The triples path,name,type as the data room takes them: a new array that borrows the words. */
spk_data_list *cli_lists(const spk_triple_list *t);

#endif
