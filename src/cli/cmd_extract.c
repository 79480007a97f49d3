/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk extract, in two ways: ESPnet's (options that name lists or trials: segments of each distinct utterance, to
 * OUT/SET_embeddings.npz), and embedding whatever the words of the command line name, as whole recordings.
 */
#include <math.h>
#include <string.h>

#include "cli/extract_impl.h"
#include "cli/inputs_impl.h"
#include "comm/comm_impl.h"

#define OWN_ROWS                                                                                                       \
    GROUP("Output")                                                                                                    \
    ROW(output_dir, STR, output_dir, "none", 0, 0, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                                \
        "folder of the result, which is made; none: the current folder, or standard output with --format jsonl")       \
    ROW(format, STR, format, "npz", 0, 0, "npz|npy|ark|jsonl", 0, WORKS, NULL,                                         \
        "one compressed file of arrays; a file for each; Kaldi's ark and scp; JSON lines")                             \
    GROUP("What is embedded")                                                                                          \
    ROW(whole, BOOL, whole, "false", 0, 0, NULL, 0, WORKS, NULL,                                                       \
        "whole recordings instead of segments; true where IN... is given")                                             \
    ROW(target_duration, FLOAT, target_duration, "none", 0.01, 86400, NULL, SPK_OPT_NULLABLE, WORKS, NULL,             \
        "seconds of a segment; none: 3, as in ESPnet, or as in the model's training where IN... is given")             \
    ROW(num_eval, INT, num_eval, "none", 1, 100000, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                               \
        "segments of an utterance; none: 10, as in ESPnet, or as in the model's training where IN... is given")        \
    ROW(average_embd, BOOL, average_embd, "false", 0, 0, NULL, 0, WORKS, NULL,                                         \
        "the mean over the segments instead of one embedding for each")                                                \
    ROW(valid_batch_size, INT, valid_batch_size, "none", 1, 100000, NULL, SPK_OPT_NULLABLE, WORKS, NULL,               \
        "utterances computed at once; none: chosen")                                                                   \
    GROUP("Windows")                                                                                                   \
    ROW(window, FLOAT, window, "none", 0.01, 86400, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                               \
        "windows of so many seconds, with their times in the file segments, as for diarisation; none: no windows")     \
    ROW(hop, FLOAT, hop, "none", 0.01, 86400, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                                     \
        "seconds from one window to the next; none: half a window")                                                    \
    ROW(min_window, FLOAT, min_window, "0.5", 0, 86400, NULL, 0, WORKS, NULL,                                          \
        "with --vad: stretches of speech that are shorter, in seconds, have no window")                                \
    SPEECH_ROWS

#include "cli/eval_tables.def"

static spk_status extract_items(const eval_options *o, const eval_task *t, const spk_embed_item *items, int64_t n,
                                const char *stem, int64_t *n_failed)
{
    if (!isnan(o->window)) return extract_windows(o, t, items, n, stem, n_failed);
    return extract_list(o, t, items, n, stem, n_failed);
}

/* ---- ESPnet's way ---- */

/* "SET_embeddings": SET is the name of the folder that holds the first data file. A new string. */
static char *set_stem(const eval_options *o)
{
    char *folder = o->valid_dir ? spk_strdup(o->valid_dir) : spk_path_folder(o->data.v[0].part[0]);
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = 0;
    const char *name = spk_path_name(folder);
    const bool plain = *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
    char *stem = spk_strf("%s%sembeddings", plain ? name : "", plain ? "_" : "");
    spk_free(folder);
    return stem;
}

static spk_status extract_segments(const eval_options *o, eval_task *t, const char *stem)
{
    const char *folder = o->output_dir ? o->output_dir : ".";
    spk_extraction done;
    char *name = spk_strf("%s.npz", stem);
    spk_info("extract", "%lld utterances, %lld segments of %g s each", (long long)spk_trial_set_n_utterances(t->set),
             (long long)t->num_eval, t->target_duration);
    const spk_status status =
        spk_trainer_extract_embed_to(spk_net_model(t->embedder->net), t->iterator, &t->options, &t->distributed, folder,
                                     name, t->batch_size, o->average_embd, &done);
    spk_free(name);
    if (status == SPK_OK) printf("%s: %lld embeddings\n", done.path, (long long)done.n_utterances);
    return status;
}

static spk_status extract_set(const eval_options *o, eval_task *t, bool *usage, int64_t *n_failed)
{
    spk_status status = SPK_OK;
    if (o->output_dir && spk_comm_is_first(cli_comm())) status = spk_make_folders(o->output_dir);
    if (status == SPK_OK) status = eval_open_data(o, true, false, t, usage);
    SPK_TRY(spk_comm_agree(cli_comm(), status));
    SPK_TRY(eval_same(t));
    char *stem = set_stem(o);
    /* ESPnet's own loop knows nothing of speech and of what cannot be read. */
    if (strcmp(o->format, "npz") == 0 && !o->whole && !t->speech && !(o->speech.min_speech > 0)) {
        status = extract_segments(o, t, stem);
    } else {
        const int64_t n = spk_trial_set_n_utterances(t->set);
        spk_embed_item *items = spk_new(sizeof *items * (size_t)(n + 1));
        for (int64_t i = 0; i < n; i++)
            items[i] = (spk_embed_item){spk_trial_set_utterance(t->set, i), spk_trial_set_path(t->set, i)};
        status = extract_items(o, t, items, n, stem, n_failed);
        spk_free(items);
    }
    spk_free(stem);
    return status;
}

/* ---- words ---- */

static spk_status extract_words(const eval_options *o, eval_task *t, const spk_str_list *words, int64_t *n_failed)
{
    const spk_config *c = &t->embedder->config;
    inputs in;
    SPK_TRY(eval_same(t));
    SPK_TRY(inputs_read_together(words->v, words->n, &in));
    t->num_eval = o->num_eval != SPK_NONE ? o->num_eval : c->preprocess.num_eval;
    t->target_duration = isnan(o->target_duration) ? c->preprocess.target_duration : o->target_duration;
    const spk_status status = extract_items(o, t, in.item, in.n, "embeddings", n_failed);
    inputs_clear(&in);
    return status;
}

static spk_status check_options(eval_options *o, const spk_args *args)
{
    const bool words = args->words.n > 0;
    if (words && (o->data.n || o->valid_dir))
        return spk_fail(SPK_E_CONFIG, "'%s' and %s both name data; give one of them", args->words.v[0],
                        o->valid_dir ? "--valid_dir" : "--data_path_and_name_and_type");
    if ((words || !isnan(o->window)) && !spk_args_given(args, "whole")) o->whole = true;
    if (isnan(o->window) && (spk_args_given(args, "hop") || spk_args_given(args, "min_window")))
        return spk_fail(SPK_E_CONFIG, "--hop and --min_window are about windows: give --window SECONDS");
    if (!isnan(o->window) && !o->whole)
        return spk_fail(SPK_E_CONFIG, "--window and --whole false both cut recordings; give one of them");
    if (o->whole && (spk_args_given(args, "num_eval") || spk_args_given(args, "target_duration")))
        return spk_fail(SPK_E_CONFIG, "--num_eval and --target_duration are about segments: add --whole false");
    if (o->whole && o->average_embd)
        return spk_fail(SPK_E_CONFIG, "--average_embd averages over segments: add --whole false");
    if (spk_comm_size(cli_comm()) > 1 && !extract_folder(o))
        return spk_fail(SPK_E_CONFIG, "several processes bring their parts together in a folder: give --output_dir");
    if (!words && !o->data.n && !o->valid_dir)
        return spk_fail(SPK_E_CONFIG,
                        "name what to embed: files, a folder, a list *.scp or '-', or --valid_dir FOLDER, "
                        "or --data_path_and_name_and_type");
    return SPK_OK;
}

static spk_status extract(eval_options *o, const spk_args *args, bool *usage, int64_t *n_failed)
{
    eval_task t = {0};
    spk_status status = check_options(o, args);
    *usage = status != SPK_OK;
    if (status == SPK_OK) status = speech_open(&o->speech, &t.speech);
    if (status == SPK_OK) status = eval_open_model(o, &t, usage);
    status = spk_comm_agree(cli_comm(), status);
    if (status == SPK_OK) {
        SPK_ASSERT(t.embedder && "who fails to open it is heard by all");
        status = args->words.n ? extract_words(o, &t, &args->words, n_failed) : extract_set(o, &t, usage, n_failed);
    }
    eval_close(&t);
    return status;
}

int cmd_extract(int argc, char **argv)
{
    static spk_opt_meta meta[SPK_COUNT(table)];
    cli_meta(meta_rows, SPK_COUNT(meta_rows), meta);
    const spk_args_spec spec = {
        .command = "spk extract",
        .usage = "--model EXP IN... | --model EXP --valid_dir FOLDER --output_dir OUT [OPTION...]",
        .about =
            "Embeds recordings. IN is a file, a folder (all recordings in it), a list *.scp (\"id path\"), or - for a\n"
            "list on standard input (a path, or an id and a path, in each line): whole recordings, to\n"
            "OUT/embeddings.npz. A recording that fails is named, the others are kept, and the exit status is 1.\n"
            "With --valid_dir or --data_path_and_name_and_type, as in ESPnet: segments of each distinct utterance, to\n"
            "OUT/SET_embeddings.npz, where SET is the name of the folder that holds the first data file.\n"
            "Embeddings are float32 and not normalised; key = utterance id. With --window: windows of each recording,\n"
            "key = UTT-BEGIN-END in hundredths of seconds, and Kaldi's segments beside them.",
        .words = "files, folders and lists",
        .max_words = -1,
        .options = {table, meta, SPK_COUNT(table)}};
    eval_options o;
    spk_args args;
    bool usage = false;
    int64_t n_failed = 0;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    eval_start(&o);
    rc = cli_failed(extract(&o, &args, &usage, &n_failed));
    if (rc != CLI_OK && usage) rc = CLI_USAGE;
    if (rc == CLI_OK && n_failed > 0) {
        const spk_status some = spk_fail(
            SPK_E_VALUE, "%lld of the recordings could not be embedded; the others were kept", (long long)n_failed);
        rc = cli_failed(spk_comm_agree(cli_comm(), some));
    }
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    const int flushed = cli_flush();
    return rc == CLI_OK ? flushed : rc;
}
