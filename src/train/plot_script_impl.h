/* SPDX-License-Identifier: Apache-2.0 */
/* The gnuplot script of a set of pictures: data and drawing in one text. */
#ifndef SPK_TRAIN_PLOT_SCRIPT_IMPL_H
#define SPK_TRAIN_PLOT_SCRIPT_IMPL_H

#include "train/plot_impl.h"

/* Append the script that draws all pictures into `folder`; returns how many there are. */
int spk_plot_script(const char *folder, const spk_reporter *r, const spk_plot_scores *scores, spk_text *out);

#endif
