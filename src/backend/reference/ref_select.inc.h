/* SPDX-License-Identifier: Apache-2.0 */
/* Selective kernels and CAM++. (sk_mix, freq_mean, fold, segment_mean, segment_scale) */

/* The entries of the table of reference kernels. */
#define REF_SELECT_TABLE
