/* SPDX-License-Identifier: Apache-2.0 */
/* spk eval: how good scores are. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "cli/report_impl.h"
#include "score/duration_impl.h"

typedef struct measure_options {
    char *trials, *form, *trial_form, *utt2spk, *results, *images, *log_level;
    char *utt2dur;
    spk_str_list conditions, duration_bins, p_target;
    double c_miss, c_fa, confidence;
    int64_t bootstrap, seed, threads;
    bool json, quiet;
} measure_options;

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
     "lists 'UTT WORD' (utt2gender, ...): figures for trials by the words of their two sides", SPK_OPT_MANY},
    {"utt2dur", SPK_OPT_STR, FIELD(utt2dur), "none", 0, 0, NULL,
     "'UTT SECONDS' or 'UTT AUDIO' a line (wav.scp): figures for trials by the durations of their two sides, in",
     SPK_OPT_NULLABLE},
    {"duration_bins", SPK_OPT_STRS, FIELD(duration_bins), "[\"2\", \"4\", \"6\"]", 0, 0, NULL,
     "bins between these seconds, and below and above them", SPK_OPT_MANY},
    {"json", SPK_OPT_BOOL, FIELD(json), "false", 0, 0, NULL, "print one JSON object instead of tables", 0},
    {"results", SPK_OPT_STR, FIELD(results), "none", 0, 0, NULL, "also write the tables as Markdown: RESULTS.md",
     SPK_OPT_NULLABLE},
    {"images", SPK_OPT_STR, FIELD(images), "none", 0, 0, NULL,
     "folder for det.png (all systems) and scores.png (scores_N.png of several)", SPK_OPT_NULLABLE},
    {"threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "threads that compute; none: all processors",
     SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0},
    {"log_level", SPK_OPT_STR, FIELD(log_level), "INFO", 0, 0, "CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET",
     "least severe messages on stderr", 0},
};

/* ---- one system ---- */

static spk_status read_scores(const measure_options *o, const char *path, const spk_trial_list *trials,
                              report_system *s)
{
    s->name = path;
    SPK_TRY(spk_trial_list_read(path, spk_form_of(o->form), true, &s->scores));
    spk_info("eval", "%s: %lld scores of the form '%s' (%s)", path, (long long)s->scores.n,
             spk_form_line(s->scores.form, true), spk_form_name(s->scores.form));
    if (s->scores.n_repeated)
        spk_warn("eval", "%s: %lld trials stand there more than once", path, (long long)s->scores.n_repeated);
    if (trials->n > 0) return spk_trial_list_label(&s->scores, trials, true);
    if (!s->scores.has_labels)
        return spk_fail(SPK_E_MISMATCH, "%s: the scores have no labels; name the list of trials: --trials LIST", path);
    return SPK_OK;
}

static spk_status add_intervals(const measure_options *o, report_system *s)
{
    const spk_trial_list *t = &s->scores;
    int64_t *enroll = spk_new(sizeof *enroll * (size_t)t->n), *test = spk_new(sizeof *test * (size_t)t->n);
    spk_bootstrap_options b = {.enroll_speaker = enroll,
                               .test_speaker = test,
                               .replicates = o->bootstrap,
                               .confidence = o->confidence,
                               .seed = (uint64_t)o->seed,
                               .dcf = s->e.dcf,
                               .n_dcf = s->e.n_dcf};
    spk_status status;
    SPK_GO(spk_trial_speakers(t, o->utt2spk, enroll, test, &b.n_speakers));
    SPK_GO(spk_metrics_bootstrap(t->score, t->label, t->n, &b, &s->e.interval));
    s->e.has_intervals = true;
done:
    spk_free(enroll);
    spk_free(test);
    return status;
}

/* The trials of one group; a group of one class has counts only. */
static spk_status add_part(const spk_condition *c, int64_t group, const char *condition, report_system *s)
{
    const spk_trial_list *t = &s->scores;
    spk_status status = SPK_OK;
    int64_t n = 0;
    float *score = spk_new(sizeof *score * (size_t)t->n);
    uint8_t *label = spk_new((size_t)t->n);
    report_part *p = &SPK_PUSH(s->part, s->n_parts);
    *p = (report_part){.condition = spk_strdup(condition), .name = spk_strdup(c->name[group])};
    for (int64_t i = 0; i < t->n; i++) {
        if (c->group[i] != group) continue;
        score[n] = t->score[i];
        label[n++] = t->label[i];
        p->n_targets += t->label[i];
    }
    p->n_nontargets = n - p->n_targets;
    p->there = p->n_targets > 0 && p->n_nontargets > 0;
    if (p->there) status = spk_evaluate(score, label, n, s->e.dcf, s->e.n_dcf, &p->e);
    spk_free(score);
    spk_free(label);
    return status;
}

static spk_status add_durations(const measure_options *o, report_system *s)
{
    enum { MOST_BINS = 16 };
    double edge[MOST_BINS];
    spk_condition c;
    const int64_t n = o->duration_bins.n;
    if (n < 1 || n > MOST_BINS) return spk_fail(SPK_E_CONFIG, "--duration_bins takes 1 to %d times", MOST_BINS);
    for (int64_t i = 0; i < n; i++)
        if (!spk_parse_double(o->duration_bins.v[i], &edge[i]) || !(edge[i] > (i ? edge[i - 1] : 0)))
            return spk_fail(SPK_E_CONFIG, "--duration_bins: '%s' is no time above the one before",
                            o->duration_bins.v[i]);
    spk_status status = spk_condition_durations(&s->scores, o->utt2dur, edge, n, &c);
    for (int64_t g = 0; status == SPK_OK && g < c.n; g++)
        status = add_part(&c, g, "duration", s);
    spk_condition_clear(&c);
    return status;
}

static spk_status add_conditions(const measure_options *o, report_system *s)
{
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < o->conditions.n && status == SPK_OK; i++) {
        spk_condition c;
        status = spk_condition_read(&s->scores, o->conditions.v[i], &c);
        if (status == SPK_OK && c.n > 1000) {
            status = spk_fail(SPK_E_VALUE, "%s: makes %lld groups of trials; at most 1000 are shown",
                              o->conditions.v[i], (long long)c.n);
        }
        for (int64_t g = 0; status == SPK_OK && g < c.n; g++)
            status = add_part(&c, g, spk_path_name(o->conditions.v[i]), s);
        spk_condition_clear(&c);
    }
    return status;
}

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

static spk_status evaluate(const measure_options *o, const spk_dcf *dcf, const char *path, const spk_trial_list *trials,
                           report_system *s)
{
    SPK_TRY(read_scores(o, path, trials, s));
    const spk_status status =
        spk_evaluate(s->scores.score, s->scores.label, s->scores.n, dcf, (int)o->p_target.n, &s->e);
    if (status != SPK_OK) return spk_fail_in(status, "%s", path);
    if (o->utt2spk) SPK_TRY(add_intervals(o, s));
    SPK_TRY(add_conditions(o, s));
    return o->utt2dur ? add_durations(o, s) : SPK_OK;
}

static spk_status put_results(const measure_options *o, const report *r)
{
    spk_text text = {0};
    spk_status status = SPK_OK;
    if (o->results) {
        char *folder = spk_path_folder(o->results);
        status = spk_make_folders(folder);
        spk_free(folder);
        if (status != SPK_OK) goto done;
        report_text(r, true, &text);
        SPK_GO(spk_write_file(o->results, spk_text_str(&text), text.n));
        text.n = 0;
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
    return status;
}

static spk_status eval(const measure_options *o, const spk_dcf *dcf, const spk_str_list *files)
{
    spk_status status = SPK_OK;
    spk_trial_list trials = {0};
    report r = {.confidence = o->confidence};
    r.system = spk_new(sizeof *r.system * (size_t)files->n);
    if (o->trials) SPK_GO(spk_trial_list_read(o->trials, spk_form_of(o->trial_form), false, &trials));
    for (int64_t i = 0; i < files->n; i++) {
        r.n = i + 1;
        SPK_GO(evaluate(o, dcf, files->v[i], &trials, &r.system[i]));
    }
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
        rc = cli_failed(eval(&o, dcf, &args.words));
    }
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
