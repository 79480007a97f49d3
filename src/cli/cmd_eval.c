/* SPDX-License-Identifier: Apache-2.0 */
/* spk eval: how good scores are. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "cli/measure_impl.h"
#include "recipe/recipe_impl.h" /* spk_words_line */

#define FIELD(name) offsetof(measure_options, name)
static const spk_opt table[] = {
    {"trials", SPK_OPT_STR, FIELD(trials), "none", 0, 0, NULL,
     "list of trials with labels; none: the scores have labels. Each trial of the list must have a score",
     SPK_OPT_NULLABLE},
    {"form", SPK_OPT_STR, FIELD(form), "none", 0, 0, "espnet|kaldi|wespeaker|speechbrain|nemo",
     "of a line of scores; none: as the first line looks", SPK_OPT_NULLABLE},
    {"trial_form", SPK_OPT_STR, FIELD(trial_form), "none", 0, 0, "espnet|kaldi|voxceleb",
     "of a line of --trials; none: as the first line looks", SPK_OPT_NULLABLE},
    {"p_target", SPK_OPT_STRS, FIELD(p_target), "[\"0.05\", \"0.01\"]", 0, 0, NULL,
     "priors of targets for detection costs, at most 8", SPK_OPT_MANY},
    {"c_miss", SPK_OPT_FLOAT, FIELD(c_miss), "1", 1e-6, 1e6, NULL, "cost of a miss", 0},
    {"c_fa", SPK_OPT_FLOAT, FIELD(c_fa), "1", 1e-6, 1e6, NULL, "cost of a false alarm", 0},
    {"utt2spk", SPK_OPT_STR, FIELD(utt2spk), "none", 0, 0, NULL,
     "the speaker of each name in the trials: gives intervals by drawing speakers anew", SPK_OPT_NULLABLE},
    {"bootstrap", SPK_OPT_INT, FIELD(bootstrap), "1000", 1, 1000000, NULL, "how often speakers are drawn", 0},
    {"confidence", SPK_OPT_FLOAT, FIELD(confidence), "0.95", 0.01, 0.9999, NULL, "of the intervals", 0},
    {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the draws", 0},
    {"condition", SPK_OPT_STRS, FIELD(conditions), "[]", 0, 0, NULL,
     "lists 'UTT WORD' (utt2gender, ...), or 'SPEAKER WORD' with --utt2spk: figures for trials by the words of both "
     "sides",
     SPK_OPT_MANY},
    {"utt2dur", SPK_OPT_STR, FIELD(utt2dur), "none", 0, 0, NULL,
     "'UTT SECONDS' or 'UTT AUDIO' a line (wav.scp): figures for trials by the durations of their two sides",
     SPK_OPT_NULLABLE},
    {"duration_bins", SPK_OPT_STRS, FIELD(duration_bins), "[\"2\", \"4\", \"6\"]", 0, 0, NULL,
     "seconds between the bins of --utt2dur; one more bin lies below and one above", SPK_OPT_MANY},
    {"json", SPK_OPT_BOOL, FIELD(json), "false", 0, 0, NULL, "print one JSON object instead of tables", 0},
    {"results", SPK_OPT_STR, FIELD(results), "none", 0, 0, NULL, "also write the tables as Markdown: RESULTS.md",
     SPK_OPT_NULLABLE},
    {"images", SPK_OPT_STR, FIELD(images), "none", 0, 0, NULL,
     "folder for det.png (all systems) and scores.png (scores_N.png of several)", SPK_OPT_NULLABLE},
    {"html", SPK_OPT_STR, FIELD(html), "none", 0, 0, NULL,
     "one page with tables and figures that needs no other file: report.html", SPK_OPT_NULLABLE},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "threads that compute; none: all processors",
     SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0},
    {"log_level", SPK_OPT_STR, FIELD(log_level), "INFO", 0, 0, "CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET",
     "least severe messages on stderr", 0},
};

/* ---- the command ---- */

static spk_status read_costs(const measure_options *o, spk_dcf *dcf)
{
    if (o->p_target.n < 1 || o->p_target.n > SPK_MOST_DCF)
        return spk_fail(SPK_E_CONFIG, "--p_target takes 1 to %d priors, not %lld", SPK_MOST_DCF,
                        (long long)o->p_target.n);
    for (int64_t i = 0; i < o->p_target.n; i++) {
        dcf[i] = (spk_dcf){0, o->c_miss, o->c_fa};
        if (!spk_parse_double(o->p_target.v[i], &dcf[i].p_target) || !(dcf[i].p_target > 0 && dcf[i].p_target < 1))
            return spk_fail(SPK_E_CONFIG, "--p_target: '%s' is no prior between 0 and 1", o->p_target.v[i]);
    }
    return SPK_OK;
}

/* A text to a file whose folder is made. */
static spk_status put_file(const char *path, const spk_text *text)
{
    char *folder = spk_path_folder(path);
    spk_status status = spk_make_folders(folder);
    spk_free(folder);
    return status == SPK_OK ? spk_write_file(path, spk_text_str(text), text->n) : status;
}

static spk_status put_results(const measure_options *o, const report *r)
{
    spk_text text = {0}, page = {0};
    spk_status status = SPK_OK;
    if (o->results) {
        report_text(r, true, &text);
        SPK_GO(put_file(o->results, &text));
        text.n = 0;
    }
    if (o->html) {
        SPK_GO(report_html(r, &page));
        SPK_GO(put_file(o->html, &page));
    }
    if (o->images) SPK_GO(report_draw(r, o->images));
    if (o->json) {
        char *json = report_json(r);
        puts(json);
        free(json); /* jansson's malloc */
    } else {
        report_text(r, false, &text);
        fwrite(spk_text_str(&text), 1, text.n, stdout);
    }
done:
    spk_text_clear(&text);
    spk_text_clear(&page);
    return status;
}

static spk_status eval(const measure_options *o, const spk_dcf *dcf, const spk_str_list *files, const char *command)
{
    spk_status status = SPK_OK;
    spk_trial_list trials = {0};
    report r = {.confidence = o->confidence, .command = command};
    r.system = spk_new(sizeof *r.system * (size_t)files->n);
    if (o->trials) SPK_GO(spk_trial_list_read(o->trials, spk_form_of(o->trial_form), false, &trials));
    for (int64_t i = 0; i < files->n; i++) {
        r.n = i + 1;
        SPK_GO(measure_system(o, dcf, files->v[i], &trials, &r.system[i]));
    }
    report_name(&r);
    SPK_GO(put_results(o, &r));
done:
    spk_trial_list_clear(&trials);
    report_clear(&r);
    return status;
}

int cmd_eval(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk eval",
        .usage = "SCORES... [OPTION...]",
        .about =
            "Error rates and costs of one system or of several: EER (tied scores one point of the ROC, interpolated),\n"
            "minDCF, actual DCF and Cllr (scores taken as natural log likelihood ratios), minCllr, thresholds.",
        .words = "files of scores",
        .min_words = 1,
        .max_words = -1,
        .no_file = true,
        .options = {table, NULL, SPK_COUNT(table)}};
    measure_options o;
    spk_args args;
    spk_dcf dcf[SPK_MOST_DCF];
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, cli_log_level(o.log_level));
    cli_threads(o.threads);
    const spk_status read = read_costs(&o, dcf);
    if (read != SPK_OK) {
        cli_failed(read);
        rc = CLI_USAGE;
    } else {
        spk_str_list given = {argc, argv};
        char *line = spk_words_line(&given), *command = spk_strf("spk eval %s", line);
        rc = cli_failed(eval(&o, dcf, &args.words, command));
        spk_free(line);
        spk_free(command);
    }
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
