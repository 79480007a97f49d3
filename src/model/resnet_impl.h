/* SPDX-License-Identifier: Apache-2.0 */
/* The residual network over time and frequency that `resnet` and `simam_resnet` are: resnet.c. */
#ifndef SPK_MODEL_RESNET_IMPL_H
#define SPK_MODEL_RESNET_IMPL_H

#include "model/build_impl.h"

enum { SPK_RESNET_STAGES = 4, SPK_RESNET_DEPTH = 8 }; /* frequencies come out divided by the depth */

typedef enum spk_resnet_block { SPK_RESNET_BASIC, SPK_RESNET_BOTTLENECK, SPK_RESNET_SIMAM } spk_resnet_block;

typedef struct spk_resnet {
    spk_resnet_block block;
    int64_t blocks[SPK_RESNET_STAGES];
    int64_t planes;       /* of the first stage; each later one has twice those before it */
    const char *shortcut; /* the name of a block's shortcut */
    bool channel_major;   /* output channel c * bins + bin instead of bin * channels + c */
} spk_resnet;

/* The choices of an option `flatten`, in the order of channel_major. */
#define SPK_RESNET_FLATTEN "frequency_major|channel_major"
#define SPK_RESNET_FLATTEN_HELP "what is outer among the features that come out"

/* Take a list as the blocks of the stages: four entries. */
spk_status spk_resnet_set_blocks(spk_resnet *s, const spk_int_list *num);
/* The input's size must suit; *output_size. */
spk_status spk_resnet_check(const spk_resnet *s, const spk_part_in *in, int64_t *output_size);
/* Features (N,1,T,F) -> (N,1,T/8,output_size), T/8 rounded up. */
spk_tensor *spk_resnet_build(spk_build *b, const spk_resnet *s, spk_tensor *feats);

#endif
