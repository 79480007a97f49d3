/* SPDX-License-Identifier: Apache-2.0 */
/* spk export: a trained model as an ONNX file, for other programs to run. */
#include "cli/cli_impl.h"
#include "infer/embedder_impl.h"
#include "spk/onnx.h"

typedef struct export_options {
    char *model, *model_file, *output, *format, *target, *language, *url;
    bool quiet;
} export_options;

#define FIELD(name) offsetof(export_options, name)
static const spk_opt table[] = {
    {"model", SPK_OPT_STR, FIELD(model), "none", 0, 0, NULL,
     "output folder of a training or a conversion, or its config.yaml", SPK_OPT_REQUIRED},
    {"model_file", SPK_OPT_STR, FIELD(model_file), "none", 0, 0, NULL, "weights; none: the folder's best",
     SPK_OPT_NULLABLE},
    {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL, "the file that is written", SPK_OPT_REQUIRED},
    {"format", SPK_OPT_STR, FIELD(format), "onnx", 0, 0, "onnx", "opset 17", 0},
    {"target", SPK_OPT_STR, FIELD(target), "onnx", 0, 0, "onnx|sherpa",
     "onnx: takes waveforms and their lengths, the features are inside; sherpa: takes features, for sherpa-onnx", 0},
    {"language", SPK_OPT_STR, FIELD(language), "none", 0, 0, NULL, "for sherpa: language of the training data",
     SPK_OPT_NULLABLE},
    {"url", SPK_OPT_STR, FIELD(url), "none", 0, 0, NULL, "for sherpa: where the model comes from", SPK_OPT_NULLABLE},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk export",
    .usage = "--model EXP --output FILE.onnx [OPTION...]",
    .about = "Writes a trained model as an ONNX file (opset 17; any batch size and length).\n"
             "--target onnx: inputs speech (N, samples) and speech_lengths (N), output embedding (N, E), not\n"
             "normalised; utterances of a batch do not influence each other. Checked against this program to 1e-4.\n"
             "--target sherpa: input x (N, frames, 80) and the metadata that sherpa-onnx reads; only for models whose\n"
             "frontend is kaldi_fbank as sherpa-onnx computes it (preset: sherpa).",
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

static spk_status export_model(const export_options *o)
{
    spk_embedder_options open;
    spk_embedder *e = NULL;
    spk_embedder_options_init(&open);
    open.model_file = o->model_file;
    const spk_onnx_options options = {
        .target = o->target[0] == 's' ? SPK_ONNX_SHERPA : SPK_ONNX_WAVE, .language = o->language, .url = o->url};
    SPK_TRY(spk_embedder_open(o->model, &open, &e));
    const spk_status status = spk_net_export_onnx(e->net, &options, o->output);
    if (status == SPK_OK) cli_note("%s: written from %s", o->output, spk_embedder_model_file(e));
    spk_embedder_close(e);
    return status;
}

int cmd_export(int argc, char **argv)
{
    export_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = cli_failed(export_model(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
