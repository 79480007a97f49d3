/* SPDX-License-Identifier: Apache-2.0 */
/* spk convert: a model from the files of one program to those of another. */
#include "cli/cli_impl.h"
#include "infer/convert_impl.h"

typedef struct convert_options {
    char *from, *to, *config, *output_dir;
    bool allow_different_pooling, quiet;
} convert_options;

#define FIELD(name) offsetof(convert_options, name)
static const spk_opt table[] = {
    {"to", SPK_OPT_STR, FIELD(to), "spk", 0, 0, "spk|espnet|safetensors|wespeaker",
     "spk: config.yaml, model.pth; espnet: the same, for ESPnet 202611; safetensors: config.yaml, model.safetensors; "
     "wespeaker: config.yaml, avg_model.pt",
     SPK_OPT_REQUIRED},
    {"output_dir", SPK_OPT_STR, FIELD(output_dir), "none", 0, 0, NULL, "folder that is written", SPK_OPT_REQUIRED},
    {"from", SPK_OPT_STR, FIELD(from), "none", 0, 0, "espnet|safetensors|wespeaker|3dspeaker|speechbrain",
     "what the model is; none: by the look of it", SPK_OPT_NULLABLE},
    {"config", SPK_OPT_STR, FIELD(config), "none", 0, 0, NULL,
     "its configuration; none: config.yaml beside the weights", SPK_OPT_NULLABLE},
    {"allow_different_pooling", SPK_OPT_BOOL, FIELD(allow_different_pooling), "false", 0, 0, NULL,
     "to espnet, although its pooling will compute other embeddings (see docs/weights.md)", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk convert",
    .usage = "--to FORMAT --output_dir DIR [OPTION...] MODEL",
    .about = "MODEL is a folder, a file of weights, or a model that ESPnet has packed (.zip). Reads ESPnet's and this\n"
             "program's models, safetensors, WeSpeaker's ECAPA-TDNN, ResNet, SimAM-ResNet, x-vector and CAM++, "
             "3D-Speaker's\n"
             "CAM++ and SpeechBrain's ECAPA-TDNN. The frontend comes along as options in config.yaml. What the other\n"
             "program has no counterpart for is refused by name, and then nothing is written.",
    .words = "models",
    .min_words = 1,
    .max_words = 1,
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

int cmd_convert(int argc, char **argv)
{
    convert_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    const spk_convert_options how = {o.from, o.to, o.config, o.output_dir, o.allow_different_pooling};
    rc = cli_failed(spk_convert(args.words.v[0], &how));
    if (rc == CLI_OK) cli_note("%s is written", o.output_dir);
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc;
}
