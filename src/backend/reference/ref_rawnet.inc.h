/* SPDX-License-Identifier: Apache-2.0 */
/* RawNet3 and lengths: sinc filters, pooling by maximum, AFMS, masks, padding. (sinc, max_pool, afms, mask, pad_time) */

/* The entries of the table of reference kernels. */
#define REF_RAWNET_TABLE
