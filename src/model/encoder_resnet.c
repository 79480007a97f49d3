/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resnet: residual networks of 18 to 293 layers (He, Zhang, Ren, Sun, CVPR 2016), as espnet2.spk.encoder and WeSpeaker have
 * them (specification 4.5, W.4): resnet.c. `flatten: channel_major` is WeSpeaker's order of the output.
 */
#include "model/resnet_impl.h"

typedef struct resnet_conf {
    int resnet_type, block, flatten;
    spk_int_list num_blocks;
    int64_t m_channels;
} resnet_conf;

static const struct {
    spk_resnet_block block;
    int64_t blocks[SPK_RESNET_STAGES];
} types[] = {
    {SPK_RESNET_BASIC, {2, 2, 2, 2}},         {SPK_RESNET_BASIC, {3, 4, 6, 3}},
    {SPK_RESNET_BOTTLENECK, {3, 4, 6, 3}},    {SPK_RESNET_BOTTLENECK, {3, 4, 23, 3}},
    {SPK_RESNET_BOTTLENECK, {3, 8, 36, 3}},   {SPK_RESNET_BOTTLENECK, {6, 16, 48, 3}},
    {SPK_RESNET_BOTTLENECK, {10, 20, 64, 3}},
};

#define FIELD(name) offsetof(resnet_conf, name)
static const spk_opt options[] = {
    {"resnet_type", SPK_OPT_CHOICE, FIELD(resnet_type), "none", 0, 0,
     "resnet18|resnet34|resnet50|resnet101|resnet152|resnet221|resnet293",
     "block and num_blocks of that network; none: theirs", SPK_OPT_NULLABLE},
    {"block", SPK_OPT_CHOICE, FIELD(block), "none", 0, 0, "BasicBlock|Bottleneck", "kind of block; none: BasicBlock",
     SPK_OPT_NULLABLE},
    {"num_blocks", SPK_OPT_INTS, FIELD(num_blocks), "none", 1, 1000, NULL,
     "blocks of each of the four stages; none: 2, 2, 2, 2", SPK_OPT_NULLABLE},
    {"m_channels", SPK_OPT_INT, FIELD(m_channels), "32", 1, 8192, NULL, "channels of the first stage", 0},
    {"flatten", SPK_OPT_CHOICE, FIELD(flatten), "frequency_major", 0, 0, SPK_RESNET_FLATTEN, SPK_RESNET_FLATTEN_HELP,
     0},
};

/* resnet_type wins over the other two, as in ESPnet; a block or list there that is neither its own nor the default is a
 * contradiction. */
static spk_status agrees(const resnet_conf *c, const spk_resnet *s)
{
    bool own = true, preset = true;
    for (int64_t i = 0; i < c->num_blocks.n; i++) {
        own = own && i < SPK_RESNET_STAGES && c->num_blocks.v[i] == s->blocks[i];
        preset = preset && i < SPK_RESNET_STAGES && c->num_blocks.v[i] == types[0].blocks[i];
    }
    if ((own || preset) && (c->block != 1 || s->block == SPK_RESNET_BOTTLENECK)) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "encoder_conf: resnet_type has a block and num_blocks of its own, and others are given; leave out "
                    "those or resnet_type");
}

/* A network by its type, or by its blocks. */
static spk_status shape_of(const resnet_conf *c, spk_resnet *s)
{
    const int type = c->resnet_type < 0 ? 0 : c->resnet_type;
    *s = (spk_resnet){
        .block = types[type].block, .planes = c->m_channels, .shortcut = "shortcut", .channel_major = c->flatten == 1};
    for (int i = 0; i < SPK_RESNET_STAGES; i++)
        s->blocks[i] = types[type].blocks[i];
    if (c->resnet_type >= 0) return agrees(c, s);
    if (c->block == 1) s->block = SPK_RESNET_BOTTLENECK;
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

const spk_part spk__encoder_resnet = {.name = "resnet",
                                      .options = options,
                                      .n_options = SPK_COUNT(options),
                                      .conf_bytes = sizeof(resnet_conf),
                                      .check = check,
                                      .build = build};
