/* SPDX-License-Identifier: Apache-2.0 */
/* Conformer: layer norm, attention, gates, positions, dropout. (depthwise, layer_norm, attention, glu, pos_add, dropout, choose) */

/* The entries of the table of reference kernels. */
#define REF_CONFORMER_TABLE
