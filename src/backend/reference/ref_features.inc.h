/* SPDX-License-Identifier: Apache-2.0 */
/* Between frontend and encoder. (mvn, feature_norm, specaug, layer_sum) */

/* The entries of the table of reference kernels. */
#define REF_FEATURES_TABLE
