/* SPDX-License-Identifier: Apache-2.0 */
/* A trained model and what goes with it as one file. */
#ifndef SPK_INFER_PACK_IMPL_H
#define SPK_INFER_PACK_IMPL_H

#include "base/base_impl.h"
#include "spk/config.h"

typedef struct spk_pack_options {
    const char *model_file;  /* weights; NULL: the folder's own, as spk_embedder_open finds them */
    const char *calibration; /* packed as calibration.json; NULL: the folder's, if any */
    const char *licence;     /* a file, or the words themselves, packed as LICENSE; NULL: the folder's, if any */
    const char *results;     /* packed as RESULTS.md; NULL: the folder's, if any */
    const spk_str_list *add; /* more files, under their own names; NULL: none */
} spk_pack_options;

/* Pack the model of a folder (an output folder of a training, or one that spk convert wrote) into the zip file `output`,
 * which spk_embedder_open and ESPnet read. *members (may be NULL): names of what is in it, in their order; new. */
spk_status spk_pack(const char *folder, const char *output, const spk_pack_options *o,
                    spk_str_list *members) SPK_NODISCARD;

#endif
