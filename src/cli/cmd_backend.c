/* SPDX-License-Identifier: Apache-2.0 */
/* spk backend fit: learn what is done to embeddings before they are compared. spk backend convert: to and from Kaldi. */
#include <string.h>

#include "cli/cli_impl.h"
#include "score/backend_impl.h"

typedef struct backend_options {
    char *embeddings, *utt2spk, *output;
    int type, plda_whiten, plda_length;
    int64_t lda_dim, iterations, threads;
    double shrinkage, smoothing;
    bool each_segment, unit_segments, length_norm, quiet;
} backend_options;

enum { TYPE_MEAN, TYPE_LDA, TYPE_WHITEN, TYPE_WCCN, TYPE_PLDA };

#define FIELD(name) offsetof(backend_options, name)
#define LENGTHS "none|kaldi|simple"
static const spk_opt table[] = {
    {"embeddings", SPK_OPT_STR, FIELD(embeddings), "none", 0, 0, NULL,
     "of the speakers to learn from, read as those of `spk score`; not those of the trials", SPK_OPT_REQUIRED},
    {"utt2spk", SPK_OPT_STR, FIELD(utt2spk), "none", 0, 0, NULL,
     "'UTT SPEAKER' a line; each must have an embedding, others are passed over", SPK_OPT_REQUIRED},
    {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL,
     "FILE.npz, or a folder for Kaldi's mean.vec, transform.mat and plda", SPK_OPT_REQUIRED},
    {"type", SPK_OPT_CHOICE, FIELD(type), "plda", 0, 0, "mean|lda|whiten|wccn|plda",
     "all subtract the mean; then LDA where it is asked for; then whiten (the covariance of all embeddings becomes the "
     "unit "
     "matrix), wccn (that within speakers does), or plda",
     0},
    {"lda_dim", SPK_OPT_INT, FIELD(lda_dim), "none", 1, 1e6, NULL,
     "dimensions that LDA keeps, fewer than speakers; none: no LDA, and with --type lda as many as there can be",
     SPK_OPT_NULLABLE},
    {"shrinkage", SPK_OPT_FLOAT, FIELD(shrinkage), "0", 0, 1, NULL,
     "share of the unit matrix (of the same trace) in covariances that LDA, whiten and wccn invert", 0},
    {"unit_segments", SPK_OPT_BOOL, FIELD(unit_segments), "false", 0, 0, NULL,
     "bring each segment to norm 1 before all else, here and when scoring", 0},
    {"each_segment", SPK_OPT_BOOL, FIELD(each_segment), "false", 0, 0, NULL,
     "learn from segments as if they were utterances, not from the mean over an utterance's", 0},
    {"iterations", SPK_OPT_INT, FIELD(iterations), "10", 1, 10000, NULL, "of the PLDA's fit, as Kaldi's", 0},
    {"length_norm", SPK_OPT_BOOL, FIELD(length_norm), "true", 0, 0, NULL,
     "bring vectors to norm sqrt(their size) before the PLDA (ivector-normalize-length)", 0},
    {"plda_whiten", SPK_OPT_CHOICE, FIELD(plda_whiten), "none", 0, 0, "none|whiten|wccn",
     "before that, whiten them (with a length norm it makes a difference)", 0},
    {"plda_length", SPK_OPT_CHOICE, FIELD(plda_length), "kaldi", 0, 0, LENGTHS,
     "norm of vectors in the PLDA's basis: Kaldi's --normalize-length, that with --simple-length-normalization, or "
     "none",
     0},
    {"smoothing", SPK_OPT_FLOAT, FIELD(smoothing), "0", 0, 1, NULL,
     "add so much of the PLDA's covariance between speakers to that within (ivector-copy-plda --smoothing)", 0},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "threads that compute; none: all processors",
     SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0},
};

/* ---- fit ---- */

static spk_status fit(const backend_options *o)
{
    const spk_whitening whitenings[] = {SPK_WHITEN_NONE, SPK_WHITEN_TOTAL, SPK_WHITEN_WITHIN};
    spk_backend_fit_options f = {.embeddings = o->embeddings,
                                 .utt2spk = o->utt2spk,
                                 .each_segment = o->each_segment,
                                 .unit_segments = o->unit_segments,
                                 .length_norm = o->length_norm,
                                 .lda_dim = o->lda_dim != SPK_NONE ? o->lda_dim
                                            : o->type == TYPE_LDA  ? SPK_LDA_MOST
                                                                   : 0,
                                 .whiten = o->type == TYPE_WHITEN ? SPK_WHITEN_TOTAL
                                           : o->type == TYPE_WCCN ? SPK_WHITEN_WITHIN
                                           : o->type == TYPE_PLDA ? whitenings[o->plda_whiten]
                                                                  : SPK_WHITEN_NONE,
                                 .shrinkage = o->shrinkage,
                                 .plda = o->type == TYPE_PLDA,
                                 .iterations = o->iterations,
                                 .smoothing = o->smoothing,
                                 .length = (spk_plda_length)o->plda_length};
    spk_backend b;
    spk_backend_counts n;
    SPK_TRY(spk_backend_fit(&f, &b, &n));
    spk_info("backend", "learned from %lld utterances of %lld speakers: %lld values to %lld", (long long)n.utterances,
             (long long)n.speakers, (long long)b.D, (long long)b.R);
    if (n.unused > 0)
        spk_info("backend", "%s: %lld embeddings are not in %s and were passed over", o->embeddings,
                 (long long)n.unused, o->utt2spk);
    const spk_status status = spk_backend_write(&b, o->output);
    spk_backend_clear(&b);
    return status;
}

static const char *wrong_use(const backend_options *o, const spk_args *given)
{
    static const char *const of_plda[] = {"iterations", "plda_whiten", "plda_length", "smoothing", "length_norm"};
    if (o->type == TYPE_MEAN && o->lda_dim != SPK_NONE) return "--type mean is without LDA; it is --type lda";
    for (size_t k = 0; k < SPK_COUNT(of_plda) && o->type != TYPE_PLDA; k++)
        if (spk_args_given(given, of_plda[k]))
            return "--iterations, --length_norm, --plda_whiten, --plda_length and --smoothing are of --type plda";
    return NULL;
}

static int backend_fit(int argc, char **argv)
{
    const spk_args_spec spec = {.command = "spk backend fit",
                                .usage = "--embeddings FILE --utt2spk LIST --output FILE.npz|FOLDER [OPTION...]",
                                .about = "Learns a back-end from embeddings of speakers with several utterances each: "
                                         "mean, LDA, whitening or WCCN,\n"
                                         "PLDA. `spk score --backend` uses it.",
                                .no_file = true,
                                .options = {table, NULL, SPK_COUNT(table)}};
    backend_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    cli_threads(o.threads);
    const char *wrong = wrong_use(&o, &args);
    rc = wrong ? cli_usage("%s", wrong) : cli_failed(fit(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc;
}

/* ---- convert ---- */

static spk_status convert(const char *from, const char *to, const backend_options *o, const spk_args *given)
{
    spk_backend b;
    SPK_TRY(spk_backend_read(from, &b));
    if (spk_args_given(given, "length_norm")) b.length_norm = o->length_norm;
    if (spk_args_given(given, "plda_length")) b.plda.length = (spk_plda_length)o->plda_length;
    if (o->smoothing > 0) spk_plda_smooth(&b.plda, o->smoothing);
    const spk_status status = spk_backend_write(&b, to);
    if (status == SPK_OK)
        spk_info("backend", "%s: %lld values to %lld, %s", to, (long long)b.D, (long long)b.R,
                 spk_backend_is_plda(&b) ? "PLDA" : "cosine");
    spk_backend_clear(&b);
    return status;
}

static int backend_convert(int argc, char **argv)
{
    const spk_opt rows[] = {
        {"length_norm", SPK_OPT_BOOL, FIELD(length_norm), "true", 0, 0, NULL,
         "norm sqrt(size) before the PLDA; Kaldi's files do not say it", 0},
        {"plda_length", SPK_OPT_CHOICE, FIELD(plda_length), "kaldi", 0, 0, LENGTHS,
         "norm in the PLDA's basis; Kaldi's files do not say it", 0},
        {"smoothing", SPK_OPT_FLOAT, FIELD(smoothing), "0", 0, 1, NULL, "as ivector-copy-plda --smoothing", 0},
        {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "of the log only warnings", 0}};
    const spk_args_spec spec = {.command = "spk backend convert",
                                .usage = "FROM TO [OPTION...]",
                                .about = "Between FILE.npz and a folder of Kaldi's files: mean.vec, transform.mat "
                                         "(read also as lda.mat), plda; text or\n"
                                         "binary. What is missing is a step that is left out.",
                                .words = "the back-end that is read and the one that is written",
                                .min_words = 2,
                                .max_words = 2,
                                .no_file = true,
                                .options = {rows, NULL, SPK_COUNT(rows)}};
    backend_options o = {0};
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = cli_failed(convert(args.words.v[0], args.words.v[1], &o, &args));
    spk_args_clear(&args);
    return rc;
}

int cmd_backend(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "fit") == 0) return backend_fit(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "convert") == 0) return backend_convert(argc - 1, argv + 1);
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        puts("usage: spk backend fit --embeddings FILE --utt2spk LIST --output FILE.npz|FOLDER [OPTION...]\n"
             "       spk backend convert FROM TO [OPTION...]\n\n"
             "Learn a back-end (LDA, whitening, WCCN, PLDA) for `spk score --backend`, and bring one to or from "
             "Kaldi's files.\n"
             "`spk backend fit --help` and `spk backend convert --help` tell the options.");
        return cli_flush();
    }
    if (argc > 0)
        return cli_usage("backend: there is no '%s'; it is `spk backend fit` or `spk backend convert`", argv[0]);
    return cli_usage("backend: say what: `spk backend fit` or `spk backend convert`");
}
