/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init_param: weights that a training starts from, in ESPnet's words FILE[:SOURCE[:TARGET[:EXCLUDE]]]. Names of FILE that
 * begin with one of EXCLUDE (a list with commas) are left out; of the rest those below SOURCE are taken, SOURCE cut off,
 * and put below TARGET. "exp/latest.pth:encoder:encoder" takes an encoder, "old.pth:::loss" all but the loss.
 *
 * Beyond ESPnet: SOURCE and TARGET end at a dot ("enc" does not catch "encoder"); a file that does not hold all weights of
 * its target is refused, unless only the loss's are missing; and rows of the loss that belong to classes are moved by
 * the speakers' names.
 */
#ifndef SPK_TRAIN_INIT_PARAM_IMPL_H
#define SPK_TRAIN_INIT_PARAM_IMPL_H

#include "base/base_impl.h"
#include "spk/config.h"
#include "spk/model.h"

typedef struct spk_init_param {
    char *file, *source, *target; /* source, target: "" for all */
    spk_str_list exclude;
} spk_init_param;

/* SPK_E_CONFIG: not of that form. */
spk_status spk_init_param_parse(const char *text, spk_init_param *out);
void spk_init_param_clear(spk_init_param *p);

typedef struct spk_class_names {
    int64_t n;
    const char *const *name;
} spk_class_names;

/*
 * Put the weights that `text` stands for into the model. `speakers` are the model's classes in their order (n 0: not
 * known). SPK_E_MISMATCH names what is missing, surplus or misshapen, and nothing has changed; with `ignore_mismatch` what
 * fits is taken and the log names the rest.
 */
spk_status spk_init_param_apply(spk_model *model, const char *text, const spk_class_names *speakers,
                                bool ignore_mismatch);

/* The classes of the model that a file of weights belongs to, in their order: speakers.txt beside it, or the spk2utt
 * that the config.yaml beside it names. None there: *out is empty. */
spk_status spk_read_speakers_of(const char *weights, spk_str_list *out);
void spk_str_list_clear(spk_str_list *list);

#endif
