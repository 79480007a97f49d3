/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution over time and frequency, SimAM. (conv2d, simam) */

/* The entries of the table of reference kernels. */
#define REF_CONV2D_TABLE
