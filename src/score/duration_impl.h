/* SPDX-License-Identifier: Apache-2.0 */
/* Durations of the names in a list of trials, and trials by them. */
#ifndef SPK_SCORE_DURATION_IMPL_H
#define SPK_SCORE_DURATION_IMPL_H

#include "formats/list_impl.h"
#include "score/evaluation_impl.h"

/* Seconds of entry i of a list "UTT SECONDS" or "UTT AUDIO"; SPK_E_VALUE, and what audio gives, with file and line. */
spk_status spk_duration_of(const spk_list *list, int64_t i, double *seconds);

/* Trials by the durations of their two sides, whichever is which: n rising edges in seconds make n + 1 bins. A duration that
 * is an edge is in the bin above it. */
spk_status spk_condition_durations(const spk_trial_list *t, const char *durations, const double *edge, int64_t n,
                                   spk_condition *out);

#endif
