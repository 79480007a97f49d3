/* SPDX-License-Identifier: Apache-2.0 */
/* extract.def as arrays. */
#include "config/extract_impl.h"

#include <math.h>
#include <string.h>

#include "config/fields_impl.h"

#define GROUP(title, first)
#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, help)                                      \
    _Static_assert(_Generic(((spk_extract_options *)0)->key, FIELD_##kind : 1, default : 0), "type of field " #key);
#include "config/extract.def"
#undef ROW

#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, help) AT_##key,
enum {
#include "config/extract.def"
    N_OPTIONS
};
#undef ROW

#define ROW(key, kind, preset, min, max, choices, flags, support, accepted, help)                                      \
    {#key, SPK_OPT_##kind, offsetof(spk_extract_options, key), preset, min, max, choices, help, flags},
static const spk_opt table[N_OPTIONS] = {
#include "config/extract.def"
};
#undef ROW
#undef GROUP

#define GROUP(title, first) [AT_##first].group = title,
#define ROW(key, kind, preset, min, max, choices, flags, kept, allowed, help)                                          \
    [AT_##key].support = SPK_SUPPORT_##kept, [AT_##key].accepted = allowed,
static const spk_opt_meta meta[N_OPTIONS] = {
#include "config/extract.def"
};
#undef ROW
#undef GROUP

const spk_options spk_extract_table = {table, meta, N_OPTIONS};

const spk_args_spec spk_extract_spec = {
    .command = "spk extract",
    .usage = "--model EXP IN... | --spk_train_config FILE --spk_model_file FILE --data_path_and_name_and_type ...",
    .about = "Embed speech: files, folders, a wav.scp, or - for a list on stdin; or the utterances of a data list.",
    .words = "audio files, folders, wav.scp, or -",
    .max_words = -1,
    .options = {table, meta, N_OPTIONS},
};

void spk_extract_options_clear(spk_extract_options *options)
{
    spk_opts_clear(table, N_OPTIONS, options);
    memset(options, 0, sizeof *options);
}
