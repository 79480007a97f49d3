/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists in splits, as ESPnet's multiple_iterator takes them: a list is a folder of num_splits, which holds the number N,
 * and split.0 to split.N-1, each a list.
 */
#ifndef SPK_DATA_SPLITS_IMPL_H
#define SPK_DATA_SPLITS_IMPL_H

#include "base/base_impl.h"

/* How many splits all of the n folders have (NULL ones are passed over). SPK_E_IO: one is no such folder, or a split is
 * not there; SPK_E_FORMAT: num_splits is no number from 1, or there are more; SPK_E_MISMATCH: they have not as many. */
spk_status spk__splits_count(const char *const *folder, int64_t n, int64_t *n_splits) SPK_NODISCARD;
/* The list of split k: new. */
char *spk__split_path(const char *folder, int64_t k);
/* Which of the steps of an epoch split k of n_splits gets, as ESPnet deals them out: floor((m + k) / n_splits). */
int64_t spk__split_iters(int64_t m, int64_t k, int64_t n_splits);

#endif
