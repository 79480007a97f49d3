/* SPDX-License-Identifier: Apache-2.0 */
/* The ops and their table, for one SPK_REAL: the body of ref_f32.c and ref_f64.c. */
#include "backend/reference/ref_impl.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <string.h>

#include "backend/margin_impl.h"
#include "backend/reference/ref_util.inc.h"

#include "backend/reference/ref_batch_norm.inc.h"
#include "backend/reference/ref_conformer.inc.h"
#include "backend/reference/ref_conv1d.inc.h"
#include "backend/reference/ref_conv2d.inc.h"
#include "backend/reference/ref_features.inc.h"
#include "backend/reference/ref_losses.inc.h"
#include "backend/reference/ref_melspec.inc.h"
#include "backend/reference/ref_pointwise.inc.h"
#include "backend/reference/ref_proto.inc.h"
#include "backend/reference/ref_rawnet.inc.h"
#include "backend/reference/ref_select.inc.h"
#include "backend/reference/ref_time.inc.h"

#define PLAIN(op) .name = "reference", .fwd = op##_fwd, .bwd = op##_bwd

const spk_kernel SPK_REF_TABLE[SPK_N_OPS] = {
    [SPK_OP_MELSPEC] = {.name = "reference", .fwd = melspec_fwd, .scratch_bytes = melspec_scratch},
    [SPK_OP_CONV1D] = {PLAIN(conv1d), .scratch_bytes = conv1d_scratch},
    [SPK_OP_BATCH_NORM] = {PLAIN(batch_norm), .save_bytes = batch_norm_save, .again = batch_norm_again},
    [SPK_OP_ACT] = {PLAIN(act)},
    [SPK_OP_ADD] = {PLAIN(add), .again = add_fwd},
    [SPK_OP_COPY] = {PLAIN(copy), .again = copy_fwd},
    [SPK_OP_TIME_MEAN] = {PLAIN(time_mean)},
    [SPK_OP_SCALE_ADD] = {PLAIN(scale_add)},
    [SPK_OP_ROW_BIAS] = {PLAIN(row_bias)},
    [SPK_OP_TIME_STATS] = {PLAIN(time_stats)},
    [SPK_OP_ATTN_STATS] = {PLAIN(attn_stats)},
    /* clang-format off */
    REF_CONV2D_TABLE
    REF_RAWNET_TABLE
    REF_CONFORMER_TABLE
    REF_SELECT_TABLE
    REF_FEATURES_TABLE
    REF_LOSSES_TABLE
    /* clang-format on */
};
