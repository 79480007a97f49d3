/* SPDX-License-Identifier: Apache-2.0 */
/* spk prep musan, spk prep rirs: lists for noise_info and rir_scp. */
#include "cli/prep_impl.h"

#include <string.h>

typedef struct sounds_options {
    spk_str_list rooms;
    bool overwrite, quiet;
} sounds_options;

#define FIELD(name) offsetof(sounds_options, name)

int prep_musan(int argc, char **argv)
{
    const spk_opt table[] = {PREP_OVERWRITE, PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep musan",
        .usage = "DIR OUT [OPTION...]",
        .about = "Lists MUSAN's recordings by kind: OUT/musan_speech.scp, musan_noise.scp, musan_music.scp, for\n"
                 "`preprocessor_conf: {noise_info: ...}`.",
        .words = "the folder of MUSAN and the folder of the lists",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    sounds_options o;
    spk_args args;
    spk_prep_report report = {0};
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = prep_end(spk_prep_musan(args.words.v[0], args.words.v[1], o.overwrite, &report), &report);
    spk_args_clear(&args);
    return rc;
}

static int find_rooms(const spk_str_list *words, int *which)
{
    static const char *const names[] = {"small", "medium", "large", "real"};
    *which = words->n == 0 ? SPK_RIRS_SMALL | SPK_RIRS_MEDIUM : 0;
    for (int64_t i = 0; i < words->n; i++) {
        int k = 0;
        while (k < 4 && strcmp(names[k], words->v[i]) != 0)
            k++;
        if (k == 4)
            return cli_usage("prep rirs: --rooms takes small, medium, large, real; there is no '%s'", words->v[i]);
        *which |= 1 << k;
    }
    return CLI_OK;
}

int prep_rirs(int argc, char **argv)
{
    const spk_opt table[] = {{"rooms", SPK_OPT_STRS, FIELD(rooms), "[]", 0, 0, NULL,
                              "small, medium, large (simulated), real (measured; of eight channels, so training needs "
                              "--channel 0); not given: medium and small, as ESPnet's recipe",
                              SPK_OPT_MANY},
                             PREP_OVERWRITE,
                             PREP_QUIET};
    const spk_args_spec spec = {
        .command = "spk prep rirs",
        .usage = "DIR OUT [OPTION...]",
        .about = "Lists the room responses of RIRS_NOISES: OUT/rirs.scp, for `preprocessor_conf: {rir_scp: ...}`.",
        .words = "the folder of RIRS_NOISES and the folder of the list",
        .min_words = 2,
        .max_words = 2,
        .options = {table, NULL, SPK_COUNT(table)}};
    sounds_options o;
    spk_args args;
    spk_prep_report report = {0};
    int which, rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    rc = find_rooms(&o.rooms, &which);
    if (rc == CLI_OK)
        rc = prep_end(spk_prep_rirs(args.words.v[0], args.words.v[1], which, o.overwrite, &report), &report);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    spk_args_clear(&args);
    return rc;
}
