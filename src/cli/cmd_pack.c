/* SPDX-License-Identifier: Apache-2.0 */
/* spk pack: a trained model as one file. */
#include "cli/cli_impl.h"
#include "infer/pack_impl.h"

typedef struct pack_options {
    char *output, *spk_model_file, *calibration, *licence, *results;
    spk_str_list add;
    bool quiet;
} pack_options;

#define FIELD(name) offsetof(pack_options, name)
static const spk_opt table[] = {
    {"output", SPK_OPT_STR, FIELD(output), "none", 0, 0, NULL, "the file that is made, named *.zip", SPK_OPT_REQUIRED},
    {"spk_model_file", SPK_OPT_STR, FIELD(spk_model_file), "none", 0, 0, NULL,
     "weights; none: the folder's valid.eer.best.pth, or latest.pth", SPK_OPT_NULLABLE},
    {"calibration", SPK_OPT_STR, FIELD(calibration), "none", 0, 0, NULL,
     "file of spk calibrate; none: the folder's calibration.json, if any", SPK_OPT_NULLABLE},
    {"licence", SPK_OPT_STR, FIELD(licence), "none", 0, 0, NULL,
     "file with the licence, or its name (CC-BY-4.0); none: the folder's LICENSE, if any", SPK_OPT_NULLABLE},
    {"results", SPK_OPT_STR, FIELD(results), "none", 0, 0, NULL,
     "what the model reaches (spk eval --results); none: the folder's RESULTS.md, if any", SPK_OPT_NULLABLE},
    {"add", SPK_OPT_STRS, FIELD(add), "[]", 0, 0, NULL, "more files that go along: a cohort, a back-end", SPK_OPT_MANY},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "only warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk pack",
    .usage = "EXP --output MODEL.zip [OPTION...]",
    .about =
        "Packs the model of the folder EXP into one file that every option --model takes, as EXP itself, and that\n"
        "ESPnet unpacks: configuration and weights, and, where they are there, calibration, list of speakers, licence\n"
        "and results. config.yaml goes in as it stands, with the paths of the training's data.",
    .words = "the folder of a model",
    .min_words = 1,
    .max_words = 1,
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

static spk_status pack(const pack_options *o, const char *folder)
{
    const spk_pack_options how = {o->spk_model_file, o->calibration, o->licence, o->results, &o->add};
    spk_str_list members = {0};
    const spk_status status = spk_pack(folder, o->output, &how, &members);
    if (status == SPK_OK) printf("%s: ", o->output);
    for (int64_t i = 0; i < members.n; i++) {
        printf("%s%s", i ? ", " : "", members.v[i]);
        spk_free(members.v[i]);
    }
    if (status == SPK_OK) puts("");
    spk_free(members.v);
    return status;
}

int cmd_pack(int argc, char **argv)
{
    pack_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_WARNING);
    if (!spk_ends_with(o.output, ".zip"))
        rc = cli_usage("--output %s: the name must end in .zip, by which ESPnet knows what it is", o.output);
    else
        rc = cli_failed(pack(&o, args.words.v[0]));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
