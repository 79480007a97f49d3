/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation as a phase: the first set's figures under their plain names ("eer"), those of further sets with the set's
 * name before them ("vox1h.eer"). At an epoch's end it is a phase of the reporter; within one (setup.valid_interval) the
 * figures are said and tracked, and choose no model.
 */
#ifndef SPK_TRAIN_VALIDATION_IMPL_H
#define SPK_TRAIN_VALIDATION_IMPL_H

#include "spk/trainer.h"

/* Open the iterator of `mode`, run, close. */
spk_status spk_with_iterator(spk_training *t, const char *mode,
                             spk_status (*run)(spk_training *t, spk_iterator *iterator));
/* The phase "valid" over all sets. */
spk_status spk_validate_epoch(spk_training *t);
/* The same within an epoch where it is due: every valid_interval steps, but not at the epoch's end. */
spk_status spk_validate_midway(spk_training *t);

/* Register a set's figures; `set` NULL: under their plain names. */
spk_status spk_register_figures(spk_reporter *reporter, const spk_validation *v, const char *set);

#endif
