/* SPDX-License-Identifier: Apache-2.0 */
/* What `spk verify`, `spk enroll` and `spk identify` share: options, the model, embeddings of recordings, answers. */
#ifndef SPK_CLI_VOICE_IMPL_H
#define SPK_CLI_VOICE_IMPL_H

#include "cli/cli_impl.h"
#include "cli/inputs_impl.h"
#include "cli/speech_impl.h"
#include "cli/table_impl.h"
#include "infer/comparer_impl.h"
#include "infer/decision_impl.h"
#include "infer/embedder_impl.h"

typedef struct voice_options {
    char *model, *spk_model_file, *channel;
    bool allow_pipes;
    speech_options speech;
    /* comparison */
    char *backend, *cohort;
    int64_t top_k;
    /* decision and result */
    double threshold, p_target, c_miss, c_fa;
    char *calibration;
    int64_t top;
    bool json;
    /* galleries */
    bool list, remove, replace, add;
    /* running */
    char *config, *log_level;
    bool quiet, use_amp;
    int64_t threads, num_workers, ngpu;
} voice_options;

/* What a command does with its options and words. A wrong command line sets *usage. */
typedef spk_status voice_work(const voice_options *o, const spk_str_list *words, bool *usage);
/* The whole command: options, log, signals, work, exit status. */
int voice_command(const spk_args_spec *spec, int argc, char **argv, voice_work *work);
/* The model that --model names. A wrong command line sets *usage. */
spk_status voice_open(const voice_options *o, spk_embedder **e, bool *usage) SPK_NODISCARD;
/* How voices are compared, and how a score is decided on. A wrong command line sets *usage. */
typedef struct voice_judge {
    spk_comparer comparer;
    spk_decider decider;
} voice_judge;
spk_status voice_judge_open(const voice_options *o, const spk_embedder *e, voice_judge *j, bool *usage) SPK_NODISCARD;
void voice_judge_close(voice_judge *j);

/* Embeddings of whole recordings. */
typedef struct voices {
    int64_t n, size; /* items, E */
    bool *good;      /* of an item: it could be embedded */
    float *row;      /* (n, E) */
    int64_t n_failed;
} voices;
/* Embed n items. What fails is complained of by name and counted. */
spk_status voices_embed(const voice_options *o, spk_embedder *e, const spk_embed_item *items, int64_t n,
                        voices *out) SPK_NODISCARD;
void voices_clear(voices *v);

/* ---- answers (answer.c) ---- */

/* Comparisons, as a table with a sentence below it, or as JSON lines. */
typedef struct answers {
    const voice_judge *judge;
    bool json;
    table_of_words table;
} answers;
void answers_begin(answers *a, const voice_judge *j, bool json, const char *first, const char *second);
/* A comparison of two names. `said`: the word for the decision, where one is made. */
void answers_add(answers *a, const char *first, const char *second, const spk_decision *d, const char *said);
/* Print the table. */
void answers_end(answers *a);
/* Figures of a comparison, for a JSON object of the caller. */
struct json_t; /* jansson's */
void answers_figures(struct json_t *to, const voice_judge *j, const spk_decision *d);
/* Print an object as a line, and free it. */
void answers_line(struct json_t *object);

#endif
