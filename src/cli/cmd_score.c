/* SPDX-License-Identifier: Apache-2.0 */
/* spk score: trials and embeddings to scores. */
#include "cli/cli_impl.h"
#include "score/scoring_impl.h"

typedef struct score_options {
    char *embeddings, *trials, *trial_form, *output, *form, *enroll, *subtract_mean, *backend;
    char *cohort, *cohort_spk2utt, *cohort_utt2spk, *log_level;
    int scorer, enroll_by, norm;
    int64_t top_k, threads;
    bool quiet;
} score_options;

#define FIELD(name) offsetof(score_options, name)
static const spk_opt table[] = {
    {"embeddings", SPK_OPT_STR, FIELD(embeddings), "none", 0, 0, NULL,
     "FILE.npz (as `spk extract` and ESPnet write), FILE.scp or FILE.ark of Kaldi, or a folder of .npy files",
     SPK_OPT_REQUIRED},
    {"trials", SPK_OPT_STR, FIELD(trials), "none", 0, 0, NULL, "list of trials, with or without labels",
     SPK_OPT_REQUIRED},
    {"trial_form", SPK_OPT_STR, FIELD(trial_form), "none", 0, 0, "espnet|kaldi|voxceleb",
     "'utt1*utt2 1', 'utt1 utt2 target' or '1 utt1 utt2'; none: as the first line looks", SPK_OPT_NULLABLE},
    {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL, "file of the scores; none: standard output",
     SPK_OPT_NULLABLE},
    {"form", SPK_OPT_STR, FIELD(form), "none", 0, 0, "espnet|kaldi|wespeaker|speechbrain|nemo",
     "of a line of scores: 'utt1*utt2 S 1', 'utt1 utt2 S', 'utt1 utt2 S target', 'utt1 utt2 1 S' or 'S 1'; none: "
     "espnet for "
     "trials of that form, else kaldi",
     SPK_OPT_NULLABLE},
    {"scorer", SPK_OPT_CHOICE, FIELD(scorer), "auto", 0, 0, "auto|distance|cosine|plda",
     "minus the mean distance between all pairs of segments (ESPnet's), the cosine between means over segments, or the "
     "log "
     "likelihood ratio of --backend's PLDA; auto: what --backend ends in, distance without",
     0},
    {"backend", SPK_OPT_STR, FIELD(backend), "none", 0, 0, NULL,
     "what is done to embeddings first: of `spk backend fit`, or a folder of Kaldi's mean.vec, transform.mat, plda",
     SPK_OPT_NULLABLE},
    {"subtract_mean", SPK_OPT_STR, FIELD(subtract_mean), "none", 0, 0, NULL,
     "embeddings whose mean is subtracted from all others first", SPK_OPT_NULLABLE},
    {"enroll", SPK_OPT_STR, FIELD(enroll), "none", 0, 0, NULL,
     "'MODEL utt utt ...' a line (as spk2utt): what the first names of the trials stand for", SPK_OPT_NULLABLE},
    {"enroll_by", SPK_OPT_CHOICE, FIELD(enroll_by), "embeddings", 0, 0, "embeddings|scores|max",
     "of a model's utterances: average the embeddings, average the scores, or take the largest score", 0},
    {"norm", SPK_OPT_CHOICE, FIELD(norm), "none", 0, 0, "none|asnorm|asnorm_espnet|snorm|znorm|tnorm",
     "normalise scores by a cohort (asnorm_espnet: deviations with divisor top_k - 1)", 0},
    {"cohort", SPK_OPT_STR, FIELD(cohort), "none", 0, 0, NULL, "embeddings of the cohort, read as --embeddings",
     SPK_OPT_NULLABLE},
    {"cohort_spk2utt", SPK_OPT_STR, FIELD(cohort_spk2utt), "none", 0, 0, NULL,
     "average the cohort over speakers ('SPEAKER utt utt ...'; utterances that are not in the cohort are passed over)",
     SPK_OPT_NULLABLE},
    {"cohort_utt2spk", SPK_OPT_STR, FIELD(cohort_utt2spk), "none", 0, 0, NULL,
     "the same from 'UTT SPEAKER' lines, which must have all of the cohort", SPK_OPT_NULLABLE},
    {"top_k", SPK_OPT_INT, FIELD(top_k), "none", 2, 1e9, NULL,
     "so many of the nearest items of the cohort count; none: 500 for asnorm and asnorm_espnet, else all",
     SPK_OPT_NULLABLE},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "threads that compute; none: all processors",
     SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0},
    {"log_level", SPK_OPT_STR, FIELD(log_level), "INFO", 0, 0, "CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET",
     "least severe messages on stderr", 0},
};

/* auto is the first word of --scorer. */
static spk_scorer scorer_of(const score_options *o, const spk_backend *b)
{
    if (o->scorer > 0) return (spk_scorer)(o->scorer - 1);
    return !o->backend ? SPK_SCORER_DISTANCE : spk_backend_is_plda(b) ? SPK_SCORER_PLDA : SPK_SCORER_COSINE;
}

static spk_scoring_options scoring_options(const score_options *o, const spk_backend *b)
{
    const bool adaptive = o->norm == SPK_NORM_AS || o->norm == SPK_NORM_AS_ESPNET;
    return (spk_scoring_options){.scorer = scorer_of(o, b),
                                 .backend = o->backend ? b : NULL,
                                 .enroll_by = (spk_enroll_by)o->enroll_by,
                                 .enroll = o->enroll,
                                 .subtract_mean = o->subtract_mean,
                                 .norm = (spk_norm)o->norm,
                                 .cohort = o->cohort,
                                 .cohort_spk2utt = o->cohort_spk2utt,
                                 .cohort_utt2spk = o->cohort_utt2spk,
                                 .top_k = o->top_k != SPK_NONE ? o->top_k
                                          : adaptive           ? 500
                                                               : 0};
}

static spk_status score(const score_options *o)
{
    spk_status status;
    spk_embeddings e = {0};
    spk_trial_list t = {0};
    float *scores = NULL;
    spk_backend b = {0};
    if (o->backend) SPK_TRY(spk_backend_read(o->backend, &b));
    const spk_scoring_options how = scoring_options(o, &b);
    SPK_GO(spk_trial_list_read(o->trials, spk_form_of(o->trial_form), false, &t));
    spk_info("score", "%s: %lld trials of the form '%s' (%s)%s", o->trials, (long long)t.n,
             spk_form_line(t.form, false), spk_form_name(t.form), t.has_labels ? "" : ", without labels");
    if (t.n_repeated)
        spk_warn("score", "%s: %lld trials stand there more than once", o->trials, (long long)t.n_repeated);
    const spk_form form = o->form ? spk_form_of(o->form) : t.form == SPK_FORM_ESPNET ? SPK_FORM_ESPNET : SPK_FORM_KALDI;
    SPK_GO(spk_embeddings_read(o->embeddings, &e));
    scores = spk_alloc(sizeof *scores * (size_t)t.n);
    if (!scores) SPK_GO(spk_fail(SPK_E_NOMEM, "not enough memory for %lld scores", (long long)t.n));
    SPK_GO(spk_score_trials(&e, &t, &how, scores));
    SPK_GO(spk_trial_list_write(&t, scores, form, o->output, stdout));
done:
    spk_free(scores);
    spk_backend_clear(&b);
    spk_embeddings_clear(&e);
    spk_trial_list_clear(&t);
    return status;
}

/* What contradicts itself: NULL when nothing does. */
static const char *wrong_use(const score_options *o)
{
    if (o->norm != SPK_NORM_NONE && !o->cohort) return "--norm needs the embeddings of a cohort: --cohort FILE";
    if (o->norm == SPK_NORM_NONE && (o->cohort || o->top_k != SPK_NONE))
        return "--cohort and --top_k have no effect without --norm";
    if (o->cohort_spk2utt && o->cohort_utt2spk)
        return "--cohort_spk2utt and --cohort_utt2spk both say who the cohort's speakers are; give one of them";
    if (o->backend && o->subtract_mean) return "--backend subtracts a mean of its own; leave --subtract_mean out";
    if (!o->cohort && (o->cohort_spk2utt || o->cohort_utt2spk))
        return "--cohort_spk2utt and --cohort_utt2spk need --cohort";
    return NULL;
}

int cmd_score(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk score",
        .usage = "--embeddings FILE --trials LIST [OPTION...]",
        .about = "Scores each trial of a list: higher means more alike. Embeddings may have several segments an\n"
                 "utterance, as they stand in the file; nothing needs to be normalised before.",
        .no_file = true,
        .options = {table, NULL, SPK_COUNT(table)}};
    score_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, cli_log_level(o.log_level));
    cli_threads(o.threads);
    const char *wrong = wrong_use(&o);
    rc = wrong ? cli_usage("%s", wrong) : cli_failed(score(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
