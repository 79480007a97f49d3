/* SPDX-License-Identifier: Apache-2.0 */
/* What `spk eval` measures of one file of scores. */
#ifndef SPK_CLI_MEASURE_IMPL_H
#define SPK_CLI_MEASURE_IMPL_H

#include "cli/cli_impl.h"
#include "cli/report_impl.h"

typedef struct measure_options {
    char *trials, *form, *trial_form, *utt2spk, *results, *images, *html, *log_level;
    char *utt2dur;
    spk_str_list conditions, duration_bins, p_target;
    double c_miss, c_fa, confidence;
    int64_t bootstrap, seed, threads;
    bool json, quiet;
} measure_options;

/* Read the scores, label them by `trials` (n 0: they have labels), and measure all of them and each condition's parts. */
spk_status measure_system(const measure_options *o, const spk_dcf *dcf, const char *path, const spk_trial_list *trials,
                          report_system *s);

#endif
