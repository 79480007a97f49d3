/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the preparation of VoxCeleb: its sets, and trials over them. */
#ifndef SPK_DATA_PREP_VOX_IMPL_H
#define SPK_DATA_PREP_VOX_IMPL_H

#include "data/prep_impl.h"

enum { VOX_DEV1, VOX_TEST1, VOX_DEV2, VOX_TEST2, VOX_SETS };

struct vox_set {
    const char *name, *part;
    int corpus;
    int64_t n_speakers, n_utterances; /* of the complete corpus */
};

struct vox {
    const spk_voxceleb_options *o;
    spk_datadir set[VOX_SETS];
    int64_t n_ignored;
    /* m4a files: which items of which set they are, and where the converted ones lie */
    int64_t n_m4a;
    struct m4a {
        int set;
        int64_t item;
        char *rest; /* PART/SPEAKER/VIDEO/STEM */
    } * m4a;
    spk_prep_out out;
    spk_prep_report *report;
    bool has_trials; /* voxceleb1_test has its list */
};

/* Read a list of trials, hold it against the sets of VoxCeleb1, and add what is written of it (prep_vox_trials.c). */
spk_status spk__vox_trials(struct vox *v, const char *path) SPK_NODISCARD;

#endif
