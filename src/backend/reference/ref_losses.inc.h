/* SPDX-License-Identifier: Apache-2.0 */
/* Margin and metric losses. (margin_softmax, proto_loss) */

/* The entries of the table of reference kernels. */
#define REF_LOSSES_TABLE
