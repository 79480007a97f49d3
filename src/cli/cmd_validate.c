/* SPDX-License-Identifier: Apache-2.0 */
/* spk validate: EER and minDCF of a model on trials. */
#include <math.h>
#include <string.h>

#include "cli/eval_impl.h"
#include "comm/comm_impl.h"
#include "spk/score.h"

#define OWN_ROWS                                                                                                       \
    GROUP("Result")                                                                                                    \
    ROW(json, BOOL, json, "false", 0, 0, NULL, 0, WORKS, NULL, "print one JSON object instead of lines")               \
    GROUP("Segments")                                                                                                  \
    ROW(target_duration, FLOAT, target_duration, "none", 0.01, 86400, NULL, SPK_OPT_NULLABLE, WORKS, NULL,             \
        "seconds of a segment; none: as in the model's training")                                                      \
    ROW(num_eval, INT, num_eval, "none", 1, 100000, NULL, SPK_OPT_NULLABLE, WORKS, NULL,                               \
        "segments of an utterance; none: as in the model's training")                                                  \
    ROW(valid_batch_size, INT, valid_batch_size, "none", 1, 100000, NULL, SPK_OPT_NULLABLE, WORKS, NULL,               \
        "utterances loaded at once; the result does not depend on it")                                                 \
    ROW(average_embd, BOOL, average_embd, "false", 0, 0, NULL, 0, WORKS, NULL,                                         \
        "score the means over the segments instead of all pairs of segments")

#include "cli/eval_tables.def"

/* ---- printing ---- */

typedef struct figure {
    const char *name;
    double value;
} figure;

/* The keys of --json, in this order; n_trials goes before trg_mean. */
enum { N_FIGURES = 12, I_TRIALS = 4 };
static void list_figures(const spk_validation *v, figure out[N_FIGURES])
{
    const figure f[N_FIGURES] = {{"eer", v->eer},
                                 {"eer_espnet", v->eer_espnet},
                                 {"mindcf", v->mindcf},
                                 {"mindcf_p01", v->mindcf_p01},
                                 {"n_trials", (double)v->n_trials},
                                 {"trg_mean", v->trg_mean},
                                 {"trg_std", v->trg_std},
                                 {"nontrg_mean", v->nontrg_mean},
                                 {"nontrg_std", v->nontrg_std},
                                 {"threshold_eer", v->threshold_eer},
                                 {"threshold_mindcf", v->threshold_mindcf},
                                 {"threshold_mindcf_p01", v->threshold_mindcf_p01}};
    memcpy(out, f, sizeof f);
}

static void print_json(const spk_validation *v)
{
    figure f[N_FIGURES];
    list_figures(v, f);
    for (int i = 0; i < N_FIGURES; i++) {
        char number[32];
        spk_format_double(f[i].value, number);
        if (i == I_TRIALS)
            printf(", \"%s\": %lld", f[i].name, (long long)v->n_trials);
        else
            printf("%s\"%s\": %s", i ? ", " : "{", f[i].name, isfinite(f[i].value) ? number : "null");
    }
    puts("}");
}

static void print_lines(const spk_validation *v)
{
    figure f[N_FIGURES];
    list_figures(v, f);
    for (int i = 0; i < N_FIGURES; i++) {
        if (i == I_TRIALS)
            printf("%s=%lld\n", f[i].name, (long long)v->n_trials);
        else
            printf("%s=%.6g\n", f[i].name, f[i].value);
    }
}

/* ---- means over segments ---- */

typedef struct averages {
    float *mean; /* (utterances, E), at norm 1 */
    int64_t size;
} averages;

static spk_status take_mean(void *user, const spk_embed_result *r)
{
    const averages *a = user;
    float *mean = a->mean + r->index * a->size;
    if (r->status != SPK_OK) return spk_fail(r->status, "%s", r->message);
    for (int64_t i = 0; i < a->size; i++) {
        double sum = 0;
        for (int64_t k = 0; k < r->n_segments; k++)
            sum += (double)r->embedding[k * a->size + i];
        mean[i] = (float)(sum / (double)r->n_segments);
    }
    spk_score_normalize_rows(mean, 1, a->size);
    return SPK_OK;
}

static spk_status score_means(const eval_task *t, const averages *a, spk_validation *v)
{
    const int64_t n = spk_trial_set_n_trials(t->set);
    const spk_trial *trials = spk_trial_set_trials(t->set);
    spk_metrics m;
    v->scores = spk_new(sizeof *v->scores * (size_t)n);
    v->labels = spk_new(sizeof *v->labels * (size_t)n);
    for (int64_t i = 0; i < n; i++)
        v->labels[i] = (uint8_t)trials[i].label;
    SPK_TRY(spk_score_mean_distance(a->mean, spk_trial_set_n_utterances(t->set), 1, a->size, trials, n, v->scores));
    SPK_TRY(spk_metrics_compute(v->scores, v->labels, n, &m));
    v->n_trials = n;
    v->eer = m.eer;
    v->eer_espnet = m.eer_espnet;
    v->mindcf = m.mindcf.cost;
    v->mindcf_p01 = m.mindcf_p01.cost;
    v->threshold_eer = m.threshold_eer;
    v->threshold_mindcf = m.mindcf.threshold;
    v->threshold_mindcf_p01 = m.mindcf_p01.threshold;
    v->trg_mean = m.trg_mean;
    v->trg_std = m.trg_std;
    v->nontrg_mean = m.nontrg_mean;
    v->nontrg_std = m.nontrg_std;
    return SPK_OK;
}

/* Of several processes rank r has utterance i where i mod size = r; all get the means of all, in their order. */
static spk_status share_means(int64_t n, averages *a)
{
    spk_comm *comm = cli_comm();
    const int size = spk_comm_size(comm);
    const size_t row = (size_t)a->size * sizeof *a->mean;
    if (size == 1) return SPK_OK;
    int64_t *counts = spk_new((size_t)size * sizeof *counts);
    float *all = spk_new((size_t)n * row + 1);
    for (int r = 0; r < size; r++)
        counts[r] = (n - r + size - 1) / size;
    const spk_status status = spk_comm_gather(comm, a->mean, counts, row, all, SPK_COMM_TO_ALL);
    for (int64_t r = 0, at = 0; status == SPK_OK && r < size; at += counts[r++])
        for (int64_t i = 0; i < counts[r]; i++)
            memcpy(a->mean + (r + i * size) * a->size, all + (at + i) * a->size, row);
    spk_free(counts);
    spk_free(all);
    return status;
}

static spk_status validate_means(const eval_task *t, spk_validation *v)
{
    spk_comm *comm = cli_comm();
    const int64_t n = spk_trial_set_n_utterances(t->set);
    const spk_embed_list_options how = {
        .num_eval = t->num_eval, .target_duration = t->target_duration, .progress = cli_progress};
    spk_embed_item *items = spk_new(sizeof *items * (size_t)(n + 1));
    averages a = {.size = spk_embedder_size(t->embedder)};
    int64_t n_own = 0;
    a.mean = spk_new(sizeof *a.mean * (size_t)(n * a.size + 1));
    for (int64_t i = spk_comm_rank(comm); i < n; i += spk_comm_size(comm))
        items[n_own++] = (spk_embed_item){spk_trial_set_utterance(t->set, i), spk_trial_set_path(t->set, i)};
    spk_status status = spk_comm_agree(comm, spk_embed_list(t->embedder, items, n_own, &how, take_mean, &a, NULL));
    if (status == SPK_OK) status = share_means(n, &a);
    if (status == SPK_OK) status = score_means(t, &a, v);
    spk_free(items);
    spk_free(a.mean);
    return status;
}

/* ---- the command ---- */

static spk_status open_task(const eval_options *o, eval_task *t, bool *usage)
{
    SPK_TRY(eval_open_model(o, t, usage));
    return eval_open_data(o, false, true, t, usage);
}

static spk_status validate(const eval_options *o, bool *usage)
{
    eval_task t = {0};
    spk_validation v = {0};
    spk_status status;
    const double begun = spk_now();
    SPK_GO(spk_comm_agree(cli_comm(), open_task(o, &t, usage)));
    SPK_GO(eval_same(&t));
    char segments[64] = "whole, as in training";
    if (t.num_eval > 0)
        snprintf(segments, sizeof segments, "%lld segments of %g s each", (long long)t.num_eval, t.target_duration);
    spk_info("validate", "%lld trials over %lld utterances, %s", (long long)spk_trial_set_n_trials(t.set),
             (long long)spk_trial_set_n_utterances(t.set), segments);
    spk_comm_where(cli_comm(), "validation");
    if (o->average_embd)
        SPK_GO(validate_means(&t, &v));
    else
        SPK_GO(spk_trainer_validate_scores(spk_net_model(t.embedder->net), t.iterator, NULL, &t.options, &t.distributed,
                                           &v));
    spk_info("validate", "done in %.1f s", spk_now() - begun);
    if (o->json)
        print_json(&v);
    else
        print_lines(&v);
done:
    spk_validation_clear(&v);
    eval_close(&t);
    return status;
}

int cmd_validate(int argc, char **argv)
{
    static spk_opt_meta meta[SPK_COUNT(table)];
    cli_meta(meta_rows, SPK_COUNT(meta_rows), meta);
    const spk_args_spec spec = {
        .command = "spk validate",
        .usage = "--model EXP --valid_dir FOLDER [OPTION...]",
        .about =
            "Embeds each utterance of the trials once, scores each trial with minus the mean distance between the\n"
            "normalised embeddings of its segments, and prints EER (in percent), minDCF (p_target 0.05, and 0.01),\n"
            "means and deviations of the two classes, and the thresholds. eer_espnet is what ESPnet would print.",
        .options = {table, meta, SPK_COUNT(table)}};
    eval_options o;
    spk_args args;
    bool usage = false;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    eval_start(&o);
    rc = cli_failed(validate(&o, &usage));
    if (rc != CLI_OK && usage) rc = CLI_USAGE;
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
