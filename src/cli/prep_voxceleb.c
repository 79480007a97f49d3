/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep voxceleb: VoxCeleb 1 and 2 as data folders. */
#include "cli/prep_impl.h"

typedef struct voxceleb_options {
    char *vox1, *vox2, *convert, *convert_to;
    spk_str_list trials;
    int64_t jobs;
    bool allow_missing, overwrite, quiet;
} voxceleb_options;

#define FIELD(name) offsetof(voxceleb_options, name)

int prep_voxceleb(int argc, char **argv)
{
    const spk_opt table[] = {
        {"vox1", SPK_OPT_STR, FIELD(vox1), "none", 0, 0, NULL, "folder of VoxCeleb1, with dev and test",
         SPK_OPT_NULLABLE},
        {"vox2", SPK_OPT_STR, FIELD(vox2), "none", 0, 0, NULL, "folder of VoxCeleb2, with dev (and test)",
         SPK_OPT_NULLABLE},
        {"trials", SPK_OPT_STRS, FIELD(trials), "[]", 0, 0, NULL,
         "a list of trials '1 a.wav b.wav' (veri_test2.txt); may stand several times: the first list whose utterances "
         "are all of the test part "
         "goes "
         "to voxceleb1_test, others to voxceleb1_NAME",
         0},
        {"allow_missing", SPK_OPT_BOOL, FIELD(allow_missing), "false", 0, 0, NULL,
         "leave out trials of recordings that are not there", 0},
        {"convert", SPK_OPT_STR, FIELD(convert), "none", 0, 0, NULL,
         "convert m4a files once into this folder (ffmpeg); a run that was stopped goes on. none: the lists name "
         "ffmpeg, "
         "which then decodes at each reading (--allow_pipes true)",
         SPK_OPT_NULLABLE},
        {"convert_to", SPK_OPT_STR, FIELD(convert_to), "flac", 0, 0, "flac|wav", "of the converted files", 0},
        {"jobs", SPK_OPT_INT, FIELD(jobs), "0", 0, 256, NULL, "ffmpeg at once; 0: as many as processors", 0},
        PREP_OVERWRITE,
        PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep voxceleb",
        .usage = "[--vox1 DIR] [--vox2 DIR] [--trials FILE]... OUT",
        .about =
            "Turns VoxCeleb, {dev,test}/{wav,aac}/idXXXXX/VIDEO/00001.{wav,flac,m4a}, into OUT/voxceleb1_dev,\n"
            "voxceleb1_test, voxceleb2_dev, voxceleb2_test, as far as they are there, and voxceleb12_devs of both\n"
            "dev parts: wav.scp, utt2spk, spk2utt under ids as id10270/5r0dWxy17C8/00001, and trials. Audio is not\n"
            "copied.",
        .words = "the folder of the result",
        .min_words = 1,
        .max_words = 1,
        .options = {table, NULL, SPK_COUNT(table)}};
    voxceleb_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    const spk_voxceleb_options v = {.vox1 = o.vox1,
                                    .vox2 = o.vox2,
                                    .output = args.words.v[0],
                                    .trials = (const char *const *)o.trials.v,
                                    .n_trials = o.trials.n,
                                    .allow_missing = o.allow_missing,
                                    .overwrite = o.overwrite,
                                    .convert = o.convert,
                                    .convert_to = o.convert_to,
                                    .jobs = o.jobs > 0 ? (int)o.jobs : spk_cpu_count(),
                                    .progress = cli_progress};
    if (!o.vox1 && !o.vox2)
        rc = cli_usage("prep voxceleb: give --vox1 DIR, --vox2 DIR or both");
    else if (!o.vox1 && o.trials.n > 0)
        rc = cli_usage("prep voxceleb: --trials are of VoxCeleb1: give --vox1 DIR too");
    else
        rc = prep_end(spk_prep_voxceleb(&v, &report), &report);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
