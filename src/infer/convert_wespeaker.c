/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WeSpeaker's models (wespeaker/models: ECAPA_TDNN, ResNet, SimAM_ResNet, XVEC, CAMPPlus; specification W) and 3D-Speaker's
 * CAM++, whose names are the same. Sizes are read off the weights; the configuration says what these do not: how features
 * are made and how they are pooled.
 */
#include <string.h>
#include <strings.h>

#include "infer/convert_impl.h"
#include "infer/wespeaker_names_impl.h"

/* The training head, a learned frontend, and the second name of CAM++'s pooling. */
static const char *const dropped[] = {"projection.", "frontend.", "xvector.stats.", "spk_prompt", NULL};

typedef struct source {
    const spk_yaml *config; /* NULL: none */
    const spk_tensors *t;
    const char *name;
    spk_yaml *out;
} source;

static spk_status refuse(const source *s, const char *key, const char *value, const char *instead)
{
    return spk_fail(SPK_E_UNSUPPORTED, "%s: %s is %s, which is not supported; %s", s->name, key, value, instead);
}

static spk_yaml *conf(const source *s, const char *kind, const char *part)
{
    char key[32];
    spk_put_text(s->out, kind, part);
    snprintf(key, sizeof key, "%s_conf", kind);
    return spk_put_map(s->out, key);
}

/* ASTP owns weights and is known by them. */
static spk_status read_pooling(const source *s)
{
    const spk_yaml *args = spk_yaml_get(s->config, "model_args");
    const char *func = spk_text_of(args, "pooling_func");
    const int64_t seen = spk_extent(s->t, "pool.linear1.weight", 1), c = spk_extent(s->t, "pool.linear2.weight", 0);
    if (seen) {
        spk_put_bool(conf(s, "pooling", "astp"), "global_context_att", seen == 3 * c);
        return SPK_OK;
    }
    if (func && strcmp(func, "TSTP") != 0) return refuse(s, "pooling_func", func, "ASTP and TSTP are");
    conf(s, "pooling", "tstp");
    return SPK_OK;
}

static spk_status read_ecapa(const source *s, const spk_rename **names, int *n)
{
    spk_yaml *e = conf(s, "encoder", "ecapa_tdnn");
    spk_put_int(e, "model_scale", spk_count_tensors(s->t, "layer2.se_res2block.1.convs.", 0, ".weight") + 1);
    spk_put_int(e, "ndim", spk_extent(s->t, "layer1.conv.weight", 0));
    spk_put_int(e, "output_size", spk_extent(s->t, "conv.weight", 0));
    spk_put_text(e, "block_input", "previous");
    spk_put_bool(e, "se_norm", false);
    spk_yaml *p = conf(s, "projector", "linear");
    spk_put_int(p, "output_size", spk_extent(s->t, "linear.weight", 0));
    spk_put_bool(p, "input_bn", true);
    if (spk_extent(s->t, "bn2.weight", 0)) spk_put_text(p, "output_bn", "affine");
    *names = ecapa_names;
    *n = sizeof ecapa_names / sizeof *ecapa_names;
    return read_pooling(s);
}

static spk_status read_xvec(const source *s, const spk_rename **names, int *n)
{
    static const int64_t paddings[] = {0, 0, 0, 0, 0};
    spk_yaml *e = conf(s, "encoder", "xvector");
    spk_put_int(e, "ndim", spk_extent(s->t, "frame_1.conv_1d.weight", 0));
    spk_put_int(e, "output_size", spk_extent(s->t, "frame_5.conv_1d.weight", 0));
    spk_put_ints(e, "paddings", paddings, 5);
    spk_put_bool(e, "affine", false);
    spk_put_int(conf(s, "projector", "two_layer"), "output_size", spk_extent(s->t, "seg_2.weight", 0));
    *names = xvec_names;
    *n = sizeof xvec_names / sizeof *xvec_names;
    return read_pooling(s);
}

/* Blocks of each stage, by their names: "layer1.0.conv1.weight", ... */
static void count_blocks(const spk_tensors *t, const char *before, int64_t blocks[4])
{
    for (int i = 0; i < 4; i++) {
        char *stage = spk_strf("%slayer%d.", before, i + 1);
        blocks[i] = spk_count_tensors(t, stage, 0, ".conv1.weight");
        spk_free(stage);
    }
}

static spk_status read_resnet(const source *s, const spk_rename **names, int *n)
{
    int64_t blocks[4];
    const int64_t two = spk_extent(s->t, "seg_2.weight", 0);
    spk_yaml *e = conf(s, "encoder", "resnet");
    count_blocks(s->t, "", blocks);
    spk_put_text(e, "block", spk_extent(s->t, "layer1.0.conv3.weight", 0) ? "Bottleneck" : "BasicBlock");
    spk_put_ints(e, "num_blocks", blocks, 4);
    spk_put_int(e, "m_channels", spk_extent(s->t, "conv1.weight", 0));
    spk_put_text(e, "flatten", "channel_major");
    spk_put_int(conf(s, "projector", two ? "two_layer" : "linear"), "output_size", spk_extent(s->t, "seg_1.weight", 0));
    *names = two ? resnet_two_names : resnet_names;
    *n = two ? 5 : 3;
    return read_pooling(s);
}

static spk_status read_simam(const source *s, const spk_rename **names, int *n)
{
    int64_t blocks[4];
    spk_yaml *e = conf(s, "encoder", "simam_resnet");
    count_blocks(s->t, "front.", blocks);
    spk_put_ints(e, "num_blocks", blocks, 4);
    spk_put_int(e, "in_planes", spk_extent(s->t, "front.conv1.weight", 0));
    conf(s, "pooling", "asp");
    spk_put_int(conf(s, "projector", "linear"), "output_size", spk_extent(s->t, "bottleneck.weight", 0));
    *names = simam_names;
    *n = sizeof simam_names / sizeof *simam_names;
    return SPK_OK;
}

static spk_status read_campplus(const source *s, const spk_rename **names, int *n)
{
    spk_yaml *e = conf(s, "encoder", "campplus");
    const int64_t growth = spk_extent(s->t, "xvector.block1.tdnnd1.cam_layer.linear_local.weight", 0);
    const int64_t inner = spk_extent(s->t, "xvector.block1.tdnnd1.linear1.weight", 0);
    if (growth < 1 || inner % growth)
        return spk_fail(SPK_E_MISMATCH, "%s: the layers of CAM++ are not whole: %lld and %lld channels", s->name,
                        (long long)inner, (long long)growth);
    int64_t layers[3];
    for (int i = 0; i < 3; i++) {
        char *block = spk_strf("xvector.block%d.tdnnd", i + 1);
        layers[i] = spk_count_tensors(s->t, block, 1, ".linear1.weight");
        spk_free(block);
    }
    spk_put_int(e, "growth_rate", growth);
    spk_put_int(e, "bn_size", inner / growth);
    spk_put_int(e, "init_channels", spk_extent(s->t, "xvector.tdnn.linear.weight", 0));
    spk_put_ints(e, "num_layers", layers, 3);
    spk_yaml *p = conf(s, "projector", "linear");
    spk_put_int(p, "output_size", spk_extent(s->t, "xvector.dense.linear.weight", 0));
    spk_put_bool(p, "bias", false);
    spk_put_text(p, "output_bn", "plain");
    *names = campplus_names;
    *n = sizeof campplus_names / sizeof *campplus_names;
    return read_pooling(s);
}

/* Which model it is, by a weight that only it has. */
static const struct {
    const char *weight;
    spk_status (*read)(const source *s, const spk_rename **names, int *n);
} models[] = {
    {"layer1.conv.weight", read_ecapa},
    {"frame_1.conv_1d.weight", read_xvec},
    {"seg_1.weight", read_resnet},
    {"front.layer1.0.conv1.weight", read_simam},
    {"xvector.tdnn.linear.weight", read_campplus},
};

static spk_status read_model(const source *s, spk_foreign *out)
{
    const spk_rename *names = NULL;
    int n = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        if (!spk_tensors_find(s->t, models[i].weight)) continue;
        SPK_TRY(models[i].read(s, &names, &n));
        return spk_rename_all(names, n, s->t, dropped, true, s->name, &out->weights);
    }
    return spk_fail(SPK_E_UNSUPPORTED,
                    "%s: holds none of the models that are known: ECAPA_TDNN, ResNet, SimAM_ResNet, XVEC, CAMPPlus",
                    s->name);
}

/* Copy a number of fbank_args where it is given. */
static void take(spk_yaml *to, const char *key, const spk_yaml *from, const char *theirs)
{
    const char *text = spk_text_of(from, theirs);
    if (text) spk_put_text(to, key, text);
}

static spk_status read_features(const source *s)
{
    const spk_yaml *data = spk_yaml_get(s->config, "dataset_args"), *cmvn = spk_yaml_get(data, "cmvn_args");
    const spk_yaml *fbank = spk_yaml_get(data, "fbank_args");
    const char *kind = spk_text_of(data, "frontend");
    bool mean = true, var = false, on = true;
    if (kind && strcmp(kind, "fbank") != 0) return refuse(s, "dataset_args.frontend", kind, "filterbanks (fbank) are");
    if (!fbank) fbank = spk_yaml_get(s->config, "feature_args"); /* older releases */
    spk_yaml *f = conf(s, "frontend", "kaldi_fbank");
    spk_put_text(f, "preset", "wespeaker");
    take(f, "num_mel_bins", fbank, "num_mel_bins");
    take(f, "frame_shift", fbank, "frame_shift");
    take(f, "frame_length", fbank, "frame_length");
    take(f, "dither", fbank, "dither");
    if (spk_yaml_get(data, "cmvn")) spk_yaml_bool(spk_yaml_get(data, "cmvn"), &on);
    if (spk_yaml_get(cmvn, "norm_mean")) spk_yaml_bool(spk_yaml_get(cmvn, "norm_mean"), &mean);
    if (spk_yaml_get(cmvn, "norm_var")) spk_yaml_bool(spk_yaml_get(cmvn, "norm_var"), &var);
    if (on && var) return refuse(s, "dataset_args.cmvn_args.norm_var", "true", "false is");
    if (!on || !mean) spk_put_bool(f, "cmn", false);
    if (spk_text_of(data, "resample_rate"))
        spk_put_text(spk_put_map(s->out, "preprocessor_conf"), "sample_rate", spk_text_of(data, "resample_rate"));
    return SPK_OK;
}

spk_status spk_from_wespeaker(const spk_yaml *config, const spk_tensors *t, const char *name, spk_foreign *out)
{
    const source s = {.config = config, .t = t, .name = name, .out = spk_yaml_new_map(NULL)};
    out->config = s.out;
    SPK_TRY(read_features(&s));
    return read_model(&s, out);
}

spk_status spk_from_3dspeaker(const spk_tensors *t, const char *name, spk_foreign *out)
{
    const source s = {.t = t, .name = name, .out = spk_yaml_new_map(NULL)};
    out->config = s.out;
    if (!spk_tensors_find(t, "xvector.tdnn.linear.weight"))
        return spk_fail(SPK_E_UNSUPPORTED, "%s: is no CAM++, the one model of 3D-Speaker that is read", name);
    spk_put_text(conf(&s, "frontend", "kaldi_fbank"), "preset", "3dspeaker");
    return read_model(&s, out);
}
