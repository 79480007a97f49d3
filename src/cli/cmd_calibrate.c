/* SPDX-License-Identifier: Apache-2.0 */
/* spk calibrate: scores of one system or of several to log likelihood ratios. */
#include <math.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "score/calibration_impl.h"

typedef struct calibrate_options {
    spk_str_list fit, apply;
    char *trials, *trial_form, *form, *output, *output_form, *model;
    char *fit_utt2spk, *train_spk2utt, *fit_embeddings, *fit_durations, *apply_embeddings, *apply_durations, *log_level;
    int kind;
    double prior, l2;
    int64_t threads;
    bool probability, quiet;
} calibrate_options;

#define FIELD(name) offsetof(calibrate_options, name)
static const spk_opt table[] = {
    {"fit", SPK_OPT_STRS, FIELD(fit), "[]", 0, 0, NULL,
     "scores of trials with labels to fit on; files of several systems on the same trials are fused", SPK_OPT_MANY},
    {"trials", SPK_OPT_STR, FIELD(trials), "none", 0, 0, NULL, "the labels of --fit; none: its scores have them",
     SPK_OPT_NULLABLE},
    {"apply", SPK_OPT_STRS, FIELD(apply), "[]", 0, 0, NULL,
     "scores to calibrate: a file for each of --fit, in its order", SPK_OPT_MANY},
    {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL, "file of the calibrated scores; none: standard output",
     SPK_OPT_NULLABLE},
    {"model", SPK_OPT_STR, FIELD(model), "none", 0, 0, NULL,
     "JSON file of the calibration: written with --fit, read without", SPK_OPT_NULLABLE},
    {"kind", SPK_OPT_CHOICE, FIELD(kind), "linear", 0, 0, "linear|qmf|qmf_espnet",
     "of the scores alone; with measures of quality; or the latter as ESPnet does it (a probability, features "
     "unscaled)",
     0},
    {"prior", SPK_OPT_FLOAT, FIELD(prior), "0.5", 1e-9, 0.999999, NULL,
     "of targets, that the fit is best for (not of qmf_espnet)", 0},
    {"l2", SPK_OPT_FLOAT, FIELD(l2), "none", 0, 1e9, NULL,
     "penalty l2/2 of the squared weights; none: 0 for linear, 1e-4 for qmf, 1 for qmf_espnet", SPK_OPT_NULLABLE},
    {"probability", SPK_OPT_BOOL, FIELD(probability), "false", 0, 0, NULL,
     "write the probability of a target at the prior of the fit instead of the log likelihood ratio", 0},
    {"fit_utt2spk", SPK_OPT_STR, FIELD(fit_utt2spk), "none", 0, 0, NULL,
     "the speaker of each name in --fit, for a warning where", SPK_OPT_NULLABLE},
    {"train_spk2utt", SPK_OPT_STR, FIELD(train_spk2utt), "none", 0, 0, NULL,
     "this list, of the speakers that the model was trained on, has them too", SPK_OPT_NULLABLE},
    {"fit_embeddings", SPK_OPT_STR, FIELD(fit_embeddings), "none", 0, 0, NULL, "for quality: of the names in --fit",
     SPK_OPT_NULLABLE},
    {"fit_durations", SPK_OPT_STR, FIELD(fit_durations), "none", 0, 0, NULL,
     "for quality: 'UTT SECONDS' or 'UTT AUDIO' a line (utt2dur, wav.scp)", SPK_OPT_NULLABLE},
    {"apply_embeddings", SPK_OPT_STR, FIELD(apply_embeddings), "none", 0, 0, NULL, "the same for --apply",
     SPK_OPT_NULLABLE},
    {"apply_durations", SPK_OPT_STR, FIELD(apply_durations), "none", 0, 0, NULL, "the same for --apply",
     SPK_OPT_NULLABLE},
    {"form", SPK_OPT_STR, FIELD(form), "none", 0, 0, "espnet|kaldi|wespeaker|speechbrain|nemo",
     "of a line of scores that are read; none: as the first line looks", SPK_OPT_NULLABLE},
    {"trial_form", SPK_OPT_STR, FIELD(trial_form), "none", 0, 0, "espnet|kaldi|voxceleb",
     "of a line of --trials; none: as the first line looks", SPK_OPT_NULLABLE},
    {"output_form", SPK_OPT_STR, FIELD(output_form), "none", 0, 0, "espnet|kaldi|wespeaker|speechbrain|nemo",
     "of a line of the result; none: as the scores", SPK_OPT_NULLABLE},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "threads that compute; none: all processors",
     SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0},
    {"log_level", SPK_OPT_STR, FIELD(log_level), "INFO", 0, 0, "CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET",
     "least severe messages on stderr", 0},
};

static spk_calibration_input input_of(const calibrate_options *o, bool fit)
{
    const spk_str_list *files = fit ? &o->fit : &o->apply;
    return (spk_calibration_input){.scores = (const char *const *)files->v,
                                   .n_systems = files->n,
                                   .form = spk_form_of(o->form),
                                   .trials = fit ? o->trials : NULL,
                                   .trial_form = spk_form_of(o->trial_form),
                                   .utt2spk = fit ? o->fit_utt2spk : NULL,
                                   .train_spk2utt = fit ? o->train_spk2utt : NULL,
                                   .embeddings = fit ? o->fit_embeddings : o->apply_embeddings,
                                   .durations = fit ? o->fit_durations : o->apply_durations};
}

static spk_status get_calibration(const calibrate_options *o, spk_calibration *c)
{
    if (o->fit.n == 0) return spk_calibration_read(o->model, c);
    const spk_calibration_input in = input_of(o, true);
    SPK_TRY(spk_calibration_fit(&in, (spk_calibration_kind)o->kind, o->prior, o->l2, c));
    for (int64_t s = 0; s < c->n_systems; s++)
        spk_info("calibrate", "%s: weight %.6g", o->fit.v[s], c->weight[s]);
    spk_info("calibrate", "bias %.6g, %lld features", c->bias, (long long)c->F);
    return o->model ? spk_calibration_write(c, o->model) : SPK_OK;
}

static spk_status apply(const calibrate_options *o, const spk_calibration *c)
{
    spk_trial_list list = {0};
    float *scores = NULL;
    const spk_calibration_input in = input_of(o, false);
    if (c->kind != SPK_CALIBRATION_LINEAR && (!in.embeddings || !in.durations))
        return spk_fail(SPK_E_CONFIG, "a calibration of the kind %s needs --apply_embeddings and --apply_durations",
                        spk_calibration_kind_name(c->kind));
    SPK_TRY(spk_calibration_apply(c, &in, o->probability, &list, &scores));
    const spk_form form = o->output_form ? spk_form_of(o->output_form) : list.form;
    const spk_status status = spk_trial_list_write(&list, scores, form, o->output, stdout);
    spk_free(scores);
    spk_trial_list_clear(&list);
    return status;
}

static spk_status calibrate(const calibrate_options *o)
{
    spk_calibration c = {0};
    spk_status status = get_calibration(o, &c);
    if (status == SPK_OK && o->apply.n > 0) status = apply(o, &c);
    spk_calibration_clear(&c);
    return status;
}

/* What contradicts itself: NULL when nothing does. */
static const char *wrong_use(const calibrate_options *o)
{
    const bool quality = o->kind != SPK_CALIBRATION_LINEAR;
    if (o->fit.n == 0 && !o->model) return "name scores to fit on (--fit FILE...) or a calibration (--model FILE)";
    if (o->apply.n == 0 && (o->fit.n == 0 || !o->model))
        return "nothing would come of it: name scores to calibrate (--apply FILE...), or --fit and --model";
    if (o->fit.n > 0 && quality && (!o->fit_embeddings || !o->fit_durations))
        return "--kind qmf and qmf_espnet need --fit_embeddings and --fit_durations";
    if (!o->fit_utt2spk != !o->train_spk2utt) return "--fit_utt2spk and --train_spk2utt go together";
    if (o->fit.n > 1 && o->kind == SPK_CALIBRATION_QMF_ESPNET) return "--kind qmf_espnet takes one system; use qmf";
    return NULL;
}

int cmd_calibrate(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk calibrate",
        .usage = "--fit SCORES... [--model FILE] [--apply SCORES... --output FILE] [OPTION...]",
        .about =
            "Logistic regression to convergence on trials that neither train the model nor are the test. What comes\n"
            "out are natural log likelihood ratios: accept where one is above log((1-p) C_fa / (p C_miss)).",
        .no_file = true,
        .options = {table, NULL, SPK_COUNT(table)}};
    calibrate_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, cli_log_level(o.log_level));
    cli_threads(o.threads);
    const char *wrong = wrong_use(&o);
    rc = wrong ? cli_usage("%s", wrong) : cli_failed(calibrate(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
