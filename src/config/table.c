/* SPDX-License-Identifier: Apache-2.0 */
/* options.def as arrays: what the readers need, and what is supported. */
#include "config/config_impl.h"
#include "config/optim_names_impl.h"
#include "config/parts_impl.h"

#include <math.h>

/* ---- a field of the wrong type does not compile ---- */

#define FIELD_BOOL bool
#define FIELD_INT int64_t
#define FIELD_FLOAT double
#define FIELD_STR char *
#define FIELD_INTS spk_int_list
#define FIELD_STRS spk_str_list
#define FIELD_TRIPLES spk_triple_list
#define FIELD_TREE spk_yaml *

#define GROUP(title, first)
#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, use, help)                                 \
    _Static_assert(_Generic(((spk_config *)0)->key, FIELD_##kind : 1, default : 0), "field of another type: " #key);
#include "config/options.def"
#undef ROW

/* ---- the arrays ---- */

#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, use, help) AT_##key,
enum {
#include "config/options.def"
    N_OPTIONS
};
#undef ROW

#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, use, help)                                 \
    {#key, SPK_OPT_##kind, offsetof(spk_config, key), preset, min, max, choices, help, flags},
static const spk_opt table[N_OPTIONS] = {
#include "config/options.def"
};
#undef ROW
#undef GROUP

#define USE_MODEL SPK_CONFIG_MODEL
#define USE_TRAIN SPK_CONFIG_TRAIN
#define GROUP(title, first) [AT_##first].group = title,
#define ROW(key, kind, preset, min, max, choices, flags, kept, allowed, used, help)                                    \
    [AT_##key].support = SPK_SUPPORT_##kept, [AT_##key].accepted = allowed, [AT_##key].use = USE_##used,
static const spk_opt_meta meta[N_OPTIONS] = {
#include "config/options.def"
};
#undef ROW
#undef GROUP

const spk_options spk__config_options = {table, meta, N_OPTIONS};

const spk_args_spec spk__config_spec = {
    .command = "spk train",
    .usage = "--config conf.yaml --output_dir exp [--option value]...",
    .about = "Train a speaker model and measure it on trials of other speakers after every epoch. The options are\n"
             "ESPnet's; values come from the defaults, then the file of --config, then the command line. Options\n"
             "ending in _conf take key=value or \"{key: value}\" and merge with the file's; an option that is a list\n"
             "may be repeated and replaces the file's list.",
    .options = {table, meta, N_OPTIONS},
};

/* ---- preprocessor_conf ---- */

#define AT(field) offsetof(spk_preprocess_options, field)
const spk_opt spk__preprocess_table[] = {
    {"target_duration", SPK_OPT_FLOAT, AT(target_duration), "3.0", 0.01, 3600, NULL, "seconds of a crop", 0},
    {"sample_rate", SPK_OPT_INT, AT(sample_rate), "16000", 1000, 1000000, NULL, "Hz that the model hears", 0},
    {"num_eval", SPK_OPT_INT, AT(num_eval), "10", 1, 100000, NULL, "segments of a validation utterance", 0},
    {"frames_per_second", SPK_OPT_INT, AT(frames_per_second), "100", 1, 100000, NULL,
     "frames of a second, where features come from files", 0},
    {"rir_scp", SPK_OPT_STR, AT(rir_scp), "none", 0, 0, NULL, "list of room responses", SPK_OPT_NULLABLE},
    {"rir_apply_prob", SPK_OPT_FLOAT, AT(rir_apply_prob), "none", 0, 1, NULL, "how often one is applied",
     SPK_OPT_NULLABLE},
    {"rir_align", SPK_OPT_BOOL, AT(rir_align), "false", 0, 0, NULL, "take the delay of the direct sound away", 0},
    {"noise_info", SPK_OPT_TREE, AT(noise_info), "none", 0, 0, NULL, "kinds of noise", SPK_OPT_NULLABLE},
    {"noise_apply_prob", SPK_OPT_FLOAT, AT(noise_apply_prob), "none", 0, 1, NULL, "how often noise is added",
     SPK_OPT_NULLABLE},
    {"noise_scp", SPK_OPT_STR, AT(noise_scp), "none", 0, 0, NULL, "list of noises, for noise_info", SPK_OPT_NULLABLE},
    {"noise_db_range", SPK_OPT_STR, AT(noise_db_range), "13_15", 0, 0, NULL, "dB of speech over those of noise_scp", 0},
    {"noise_power_floor", SPK_OPT_FLOAT, AT(noise_power_floor), "1e-4", 0, 1, NULL, "added to both powers", 0},
    {"short_noise_thres", SPK_OPT_FLOAT, AT(short_noise_thres), "0.5", 0, INFINITY, NULL, "no effect, as in ESPnet", 0},
    {"volume_db_range", SPK_OPT_FLOATS2, AT(volume_db_range), "none", 0, 0, NULL, "dB of gain", SPK_OPT_NULLABLE},
    {"volume_apply_prob", SPK_OPT_FLOAT, AT(volume_apply_prob), "none", 0, 1, NULL, "how often the volume is changed",
     SPK_OPT_NULLABLE},
    {"speed_perturb_factors", SPK_OPT_STRS, AT(speed_perturb_factors), "[]", 0, 0, NULL, "copies at other speeds", 0},
    {"speed_perturb_classes", SPK_OPT_BOOL, AT(speed_perturb_classes), "true", 0, 0, NULL, "as speakers of their own",
     0},
    {"augment_cache_size", SPK_OPT_INT, AT(augment_cache_size), "256MB", 0, INFINITY, NULL,
     "decoded noises and responses that are kept", SPK_OPT_SIZE},
};
const int spk__n_preprocess = SPK_COUNT(spk__preprocess_table);
