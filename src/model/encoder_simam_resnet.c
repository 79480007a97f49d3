/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simam_resnet: residual networks with the parameter-free attention of SimAM in each block (Yang, Zhang, Li, Xie, ICML
 * 2021; Qin, Li, Weng, Li, "Simple attention module based speaker verification", ICASSP 2022), as WeSpeaker has them
 * (wespeaker/models/samresnet.py): resnet.c. Behind it stands the pooling `asp`.
 *
 * WeSpeaker's front.conv1, front.layer1.0.downsample.0, ... are encoder.conv1, encoder.layer1.0.downsample.0, ... here;
 * its acoustic_dim is the frontend's n_mels.
 */
#include "model/resnet_impl.h"

typedef struct simam_conf {
    int resnet_type, flatten;
    spk_int_list num_blocks;
    int64_t in_planes;
} simam_conf;

static const int64_t types[][SPK_RESNET_STAGES] = {{3, 4, 6, 3}, {6, 16, 24, 3}};

#define FIELD(name) offsetof(simam_conf, name)
static const spk_opt options[] = {
    {"resnet_type", SPK_OPT_CHOICE, FIELD(resnet_type), "simam_resnet34", 0, 0, "simam_resnet34|simam_resnet100",
     "which network", 0},
    {"num_blocks", SPK_OPT_INTS, FIELD(num_blocks), "none", 1, 1000, NULL,
     "blocks of each of the four stages; none: as resnet_type says", SPK_OPT_NULLABLE},
    {"in_planes", SPK_OPT_INT, FIELD(in_planes), "64", 1, 8192, NULL, "channels of the first stage", 0},
    {"flatten", SPK_OPT_CHOICE, FIELD(flatten), "channel_major", 0, 0, SPK_RESNET_FLATTEN, SPK_RESNET_FLATTEN_HELP, 0},
};

static spk_status shape_of(const simam_conf *c, spk_resnet *s)
{
    *s = (spk_resnet){
        .block = SPK_RESNET_SIMAM, .planes = c->in_planes, .shortcut = "downsample", .channel_major = c->flatten == 1};
    for (int i = 0; i < SPK_RESNET_STAGES; i++)
        s->blocks[i] = types[c->resnet_type][i];
    return c->num_blocks.n ? spk_resnet_set_blocks(s, &c->num_blocks) : SPK_OK;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    spk_resnet s;
    SPK_TRY(shape_of(conf, &s));
    return spk_resnet_check(&s, in, output_size);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *feats)
{
    spk_resnet s;
    const spk_status status = shape_of(conf, &s);
    SPK_ASSERT(status == SPK_OK);
    return spk_resnet_build(b, &s, feats);
}

const spk_part spk__encoder_simam_resnet = {.name = "simam_resnet",
                                            .options = options,
                                            .n_options = SPK_COUNT(options),
                                            .conf_bytes = sizeof(simam_conf),
                                            .check = check,
                                            .build = build};
