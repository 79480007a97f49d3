/* SPDX-License-Identifier: Apache-2.0 */
/* preprocessor_conf: its table, and what its augmentation amounts to. */
#ifndef SPK_CONFIG_PREPROCESS_IMPL_H
#define SPK_CONFIG_PREPROCESS_IMPL_H

#include "config/opt_impl.h"
#include "spk/config.h"

/* preprocessor_conf, into a spk_preprocess_options. */
extern const spk_opt spk__preprocess_table[];
extern const int spk__n_preprocess;

/* Read noise_info, noise_scp and speed_perturb_factors, and fill the probabilities that are not given. */
spk_status spk__preprocess_derive(spk_preprocess_options *p);
void spk__preprocess_clear(spk_preprocess_options *p);
/* What a training asks: no probability without its list. */
spk_status spk__preprocess_check(const spk_preprocess_options *p);

#endif
