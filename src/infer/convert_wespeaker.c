/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WeSpeaker's models (wespeaker/models: ECAPA_TDNN, ResNet, SimAM_ResNet, XVEC, CAMPPlus; specification W) and 3D-Speaker's
 * CAM++, whose names are the same. Sizes are read off the weights; the configuration says what these do not: how features
 * are made and how they are pooled.
 */
#include <string.h>
#include <strings.h>

#include "infer/convert_impl.h"

/* ---- names ---- */

static const spk_rename ecapa_names[] = {
    {"layer1.conv", "encoder.conv", 0},
    {"layer1.bn", "encoder.bn", 0},
    {"layer{2}.se_res2block.0.conv", "encoder.layer{1}.conv1", 0},
    {"layer{2}.se_res2block.0.bn", "encoder.layer{1}.bn1", 0},
    {"layer{2}.se_res2block.1.convs.{0}", "encoder.layer{1}.convs.{0}", 0},
    {"layer{2}.se_res2block.1.bns.{0}", "encoder.layer{1}.bns.{0}", 0},
    {"layer{2}.se_res2block.2.conv", "encoder.layer{1}.conv3", 0},
    {"layer{2}.se_res2block.2.bn", "encoder.layer{1}.bn3", 0},
    {"layer{2}.se_res2block.3.linear1", "encoder.layer{1}.se.se.1", SPK_SHAPE_LINEAR},
    {"layer{2}.se_res2block.3.linear2", "encoder.layer{1}.se.se.4", SPK_SHAPE_LINEAR},
    {"conv", "encoder.layer4", 0},
    {"pool", "pooling", 0},
    {"bn", "projector.bn", 0},
    {"linear", "projector.fc", SPK_SHAPE_LINEAR},
    {"bn2", "projector.bn2", 0},
};
static const spk_rename xvec_names[] = {
    {"frame_1.conv_1d", "encoder.layers.0", 0},
    {"frame_1.bn", "encoder.layers.2", 0},
    {"frame_2.conv_1d", "encoder.layers.3", 0},
    {"frame_2.bn", "encoder.layers.5", 0},
    {"frame_3.conv_1d", "encoder.layers.6", 0},
    {"frame_3.bn", "encoder.layers.8", 0},
    {"frame_4.conv_1d", "encoder.layers.9", 0},
    {"frame_4.bn", "encoder.layers.11", 0},
    {"frame_5.conv_1d", "encoder.layers.12", 0},
    {"frame_5.bn", "encoder.layers.14", 0},
    {"pool", "pooling", 0},
    {"seg_1", "projector.fc1", 0},
    {"seg_bn_1", "projector.bn", 0},
    {"seg_2", "projector.fc2", 0},
};
static const spk_rename resnet_names[] = {{"pool", "pooling", 0}, {"seg_1", "projector.fc", 0}, {"", "encoder", 0}};
static const spk_rename resnet_two_names[] = {
    {"pool", "pooling", 0},
    {"seg_1", "projector.fc1", 0},
    {"seg_bn_1", "projector.bn", 0},
    {"seg_2", "projector.fc2", 0},
    {"", "encoder", 0},
};
static const spk_rename simam_names[] = {
    {"front", "encoder", 0}, {"pooling", "pooling", 0}, {"bottleneck", "projector.fc", 0}};
static const spk_rename campplus_names[] = {{"pool", "pooling", 0},
                                            {"xvector.dense.linear", "projector.fc", SPK_SHAPE_CONV},
                                            {"xvector.dense.nonlinear.batchnorm", "projector.bn2", 0},
                                            {"", "encoder", 0}};

/* The training head, a learned frontend, and the second name of CAM++'s pooling. */
static const char *const dropped[] = {"projection.", "frontend.", "xvector.stats.", "spk_prompt", NULL};

/* ---- reading ---- */

typedef struct source {
    const spk_yaml *config; /* NULL: none */
    const spk_tensors *t;
    const char *name;
    spk_yaml *out;
} source;

static const char *word(const spk_yaml *map, const char *key)
{
    const spk_yaml *v = spk_yaml_get(map, key);
    return v && v->kind == SPK_YAML_SCALAR && !spk_yaml_is_null(v) ? v->text : NULL;
}

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
    const char *func = word(args, "pooling_func");
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
    const char *text = word(from, theirs);
    if (text) spk_put_text(to, key, text);
}

static spk_status read_features(const source *s)
{
    const spk_yaml *data = spk_yaml_get(s->config, "dataset_args"), *cmvn = spk_yaml_get(data, "cmvn_args");
    const spk_yaml *fbank = spk_yaml_get(data, "fbank_args");
    const char *kind = word(data, "frontend");
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
    if (word(data, "resample_rate"))
        spk_put_text(spk_put_map(s->out, "preprocessor_conf"), "sample_rate", word(data, "resample_rate"));
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

/* ---- writing ---- */

/* The parts of a network and their options, all of them. */
typedef struct parts {
    spk_net_info info;
    spk_yaml *conf[SPK_N_PARTS];
} parts;

static const char *value(const parts *p, spk_part_kind kind, const char *key)
{
    const char *text = word(p->conf[kind], key);
    return text ? text : "none";
}

static int64_t number(const parts *p, spk_part_kind kind, const char *key)
{
    int64_t v = 0;
    const spk_yaml *node = spk_yaml_get(p->conf[kind], key);
    return node && spk_yaml_int(node, &v) ? v : 0;
}

static spk_status no_counterpart(const char *kind, const char *what, const char *instead)
{
    return spk_fail(SPK_E_UNSUPPORTED, "%s: %s has no counterpart in WeSpeaker; %s", kind, what, instead);
}

/* One option that must have one value there. */
typedef struct must {
    const char *key, *value;
} must;

static spk_status check_options(const parts *p, spk_part_kind kind, const must *list)
{
    for (; list->key; list++) {
        const char *is = value(p, kind, list->key);
        double x = 0, y = 0;
        const bool numbers = spk_parse_double(is, &x) && spk_parse_double(list->value, &y);
        if (numbers ? x != y : strcasecmp(is, list->value) != 0)
            return spk_fail(SPK_E_UNSUPPORTED, "%s_conf.%s: is %s; WeSpeaker has %s only", spk_part_kind_name(kind),
                            list->key, is, list->value);
    }
    return SPK_OK;
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static spk_status write_pooling(const parts *p, spk_yaml *args)
{
    if (is(p->info.pooling, "tstp")) {
        spk_put_text(args, "pooling_func", "TSTP");
        return SPK_OK;
    }
    if (!is(p->info.pooling, "astp")) return no_counterpart("pooling", p->info.pooling, "astp and tstp have one");
    spk_put_text(args, "pooling_func", "ASTP");
    if (is(value(p, SPK_POOLING, "global_context_att"), "true")) spk_put_bool(args, "global_context_att", true);
    return SPK_OK;
}

static spk_status write_ecapa(const parts *p, spk_yaml *out, spk_yaml *args)
{
    static const must encoder[] = {
        {"block_input", "previous"}, {"se_norm", "false"}, {"model_scale", "8"}, {"output_size", "1536"}, {NULL, NULL}};
    static const must projector[] = {{"input_bn", "true"}, {"bias", "true"}, {NULL, NULL}};
    const int64_t c = number(p, SPK_ENCODER, "ndim");
    const bool glob = is(value(p, SPK_POOLING, "global_context_att"), "true");
    SPK_TRY(check_options(p, SPK_ENCODER, encoder));
    if (!is(p->info.projector, "linear")) return no_counterpart("projector", p->info.projector, "linear has one");
    SPK_TRY(check_options(p, SPK_PROJECTOR, projector));
    char *name = c == 512 || c == 1024 ? spk_strf("ECAPA_TDNN_%sc%lld", glob ? "GLOB_" : "", (long long)c)
                                       : spk_strdup("ECAPA_TDNN");
    spk_put_text(out, "model", name);
    spk_free(name);
    if (c == 512 || c == 1024) { /* WeSpeaker's functions of these names set the rest themselves */
        if (!is(p->info.pooling, "astp")) return no_counterpart("pooling", p->info.pooling, "astp has one");
        spk_put_text(args, "pooling_func", "ASTP");
    } else {
        SPK_TRY(write_pooling(p, args));
        spk_put_int(args, "channels", c);
    }
    spk_put_bool(args, "emb_bn", is(value(p, SPK_PROJECTOR, "output_bn"), "affine"));
    return SPK_OK;
}

static spk_status write_xvec(const parts *p, spk_yaml *out, spk_yaml *args)
{
    static const must encoder[] = {{"affine", "false"}, {"padding", "espnet"}, {NULL, NULL}};
    const spk_yaml *paddings = spk_yaml_get(p->conf[SPK_ENCODER], "paddings");
    SPK_TRY(check_options(p, SPK_ENCODER, encoder));
    for (int64_t i = 0; !paddings || i < paddings->n; i++)
        if (!paddings || !is(paddings->item[i]->text, "0"))
            return no_counterpart("encoder_conf", "a padding other than 0", "XVEC has none");
    if (!is(p->info.projector, "two_layer")) return no_counterpart("projector", p->info.projector, "two_layer has one");
    spk_put_text(out, "model", "XVEC");
    spk_put_int(args, "hid_dim", number(p, SPK_ENCODER, "ndim"));
    spk_put_int(args, "stats_dim", number(p, SPK_ENCODER, "output_size"));
    return write_pooling(p, args);
}

static bool are(const spk_yaml *list, const int64_t blocks[4])
{
    bool same = list && list->n == 4;
    for (int i = 0; same && i < 4; i++) {
        int64_t v;
        same = spk_yaml_int(list->item[i], &v) && v == blocks[i];
    }
    return same;
}

static spk_status write_resnet(const parts *p, spk_yaml *out, spk_yaml *args)
{
    static const must encoder[] = {{"flatten", "channel_major"}, {NULL, NULL}};
    static const struct {
        const char *name, *type, *block;
        int64_t blocks[4];
    } types[] = {{"ResNet18", "resnet18", "BasicBlock", {2, 2, 2, 2}},
                 {"ResNet34", "resnet34", "BasicBlock", {3, 4, 6, 3}},
                 {"ResNet50", "resnet50", "Bottleneck", {3, 4, 6, 3}},
                 {"ResNet101", "resnet101", "Bottleneck", {3, 4, 23, 3}},
                 {"ResNet152", "resnet152", "Bottleneck", {3, 8, 36, 3}},
                 {"ResNet221", "resnet221", "Bottleneck", {6, 16, 48, 3}},
                 {"ResNet293", "resnet293", "Bottleneck", {10, 20, 64, 3}}};
    const bool two = is(p->info.projector, "two_layer");
    const char *name = NULL;
    SPK_TRY(check_options(p, SPK_ENCODER, encoder));
    if (!two && !is(p->info.projector, "linear"))
        return no_counterpart("projector", p->info.projector, "linear and two_layer have one");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is(value(p, SPK_ENCODER, "resnet_type"), types[i].type) ||
            (is(value(p, SPK_ENCODER, "block"), types[i].block) &&
             are(spk_yaml_get(p->conf[SPK_ENCODER], "num_blocks"), types[i].blocks)))
            name = types[i].name;
    if (!name) return no_counterpart("encoder_conf", "these num_blocks", "ResNet18 to ResNet293 are there");
    spk_put_text(out, "model", name);
    if (number(p, SPK_ENCODER, "m_channels") != 32)
        spk_put_int(args, "m_channels", number(p, SPK_ENCODER, "m_channels"));
    spk_put_bool(args, "two_emb_layer", two);
    return write_pooling(p, args);
}

static spk_status write_simam(const parts *p, spk_yaml *out, spk_yaml *args)
{
    static const int64_t large[4] = {6, 16, 24, 3};
    const bool is_large = is(value(p, SPK_ENCODER, "resnet_type"), "simam_resnet100") ||
                          are(spk_yaml_get(p->conf[SPK_ENCODER], "num_blocks"), large);
    if (!is(p->info.pooling, "asp")) return no_counterpart("pooling", p->info.pooling, "asp has one");
    if (!is(p->info.projector, "linear")) return no_counterpart("projector", p->info.projector, "linear has one");
    spk_put_text(out, "model", is_large ? "SimAM_ResNet100_ASP" : "SimAM_ResNet34_ASP");
    spk_put_int(args, "in_planes", number(p, SPK_ENCODER, "in_planes"));
    return SPK_OK;
}

static spk_status write_campplus(const parts *p, spk_yaml *out, spk_yaml *args)
{
    static const must projector[] = {{"input_bn", "false"}, {"bias", "false"}, {"output_bn", "plain"}, {NULL, NULL}};
    if (!is(p->info.projector, "linear")) return no_counterpart("projector", p->info.projector, "linear has one");
    SPK_TRY(check_options(p, SPK_PROJECTOR, projector));
    spk_put_text(out, "model", "CAMPPlus");
    spk_put_int(args, "growth_rate", number(p, SPK_ENCODER, "growth_rate"));
    spk_put_int(args, "bn_size", number(p, SPK_ENCODER, "bn_size"));
    spk_put_int(args, "init_channels", number(p, SPK_ENCODER, "init_channels"));
    return write_pooling(p, args);
}

static const struct {
    const char *encoder;
    spk_status (*write)(const parts *p, spk_yaml *out, spk_yaml *args);
    const spk_rename *names, *two;
    int n, n_two;
} writers[] = {
    {"ecapa_tdnn", write_ecapa, ecapa_names, NULL, SPK_COUNT(ecapa_names), 0},
    {"xvector", write_xvec, xvec_names, NULL, SPK_COUNT(xvec_names), 0},
    {"resnet", write_resnet, resnet_names, resnet_two_names, SPK_COUNT(resnet_names), SPK_COUNT(resnet_two_names)},
    {"simam_resnet", write_simam, simam_names, NULL, SPK_COUNT(simam_names), 0},
    {"campplus", write_campplus, campplus_names, NULL, SPK_COUNT(campplus_names), 0},
};

/* "25" and not "2.5e+01". */
static void put_number(spk_yaml *to, const char *key, const parts *p, const char *ours)
{
    double x = 0;
    char text[32];
    spk_parse_double(value(p, SPK_FRONTEND, ours), &x);
    snprintf(text, sizeof text, "%.9g", x);
    spk_put_text(to, key, text);
}

/* WeSpeaker makes its features in one way only. */
static spk_status write_features(const parts *p, spk_yaml *out)
{
    static const must frontend[] = {{"window_type", "hamming"},
                                    {"scale", "32768"},
                                    {"snip_edges", "true"},
                                    {"preemphasis_coefficient", "0.97"},
                                    {"low_freq", "20"},
                                    {"high_freq", "0"},
                                    {"use_energy", "false"},
                                    {"use_power", "true"},
                                    {"use_log_fbank", "true"},
                                    {"remove_dc_offset", "true"},
                                    {NULL, NULL}};
    if (!is(p->info.frontend, "kaldi_fbank"))
        return no_counterpart("frontend", p->info.frontend, "kaldi_fbank with preset wespeaker is what it computes");
    SPK_TRY(check_options(p, SPK_FRONTEND, frontend));
    if (p->conf[SPK_NORMALIZE]) return no_counterpart("normalize", "a normalisation", "leave it out");
    spk_yaml *data = spk_put_map(out, "dataset_args"), *fbank = spk_put_map(data, "fbank_args");
    spk_yaml *cmvn = spk_put_map(data, "cmvn_args");
    spk_put_text(data, "frontend", "fbank");
    spk_put_text(data, "resample_rate", value(p, SPK_FRONTEND, "sample_rate"));
    spk_put_bool(data, "cmvn", true);
    spk_put_text(cmvn, "norm_mean", value(p, SPK_FRONTEND, "cmn"));
    spk_put_bool(cmvn, "norm_var", false);
    spk_put_text(fbank, "num_mel_bins", value(p, SPK_FRONTEND, "num_mel_bins"));
    put_number(fbank, "frame_shift", p, "frame_shift");
    put_number(fbank, "frame_length", p, "frame_length");
    put_number(fbank, "dither", p, "dither");
    return SPK_OK;
}

static spk_status write_all(const parts *p, const spk_tensors *weights, spk_yaml *out, spk_tensors *to)
{
    static const char *const loss[] = {"loss.", NULL};
    spk_yaml *args = spk_put_map(out, "model_args");
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        if (!is(p->info.encoder, writers[i].encoder)) continue;
        const bool two = writers[i].two && is(p->info.projector, "two_layer");
        SPK_TRY(writers[i].write(p, out, args));
        spk_put_text(args, is(p->info.encoder, "simam_resnet") ? "acoustic_dim" : "feat_dim",
                     value(p, SPK_FRONTEND, "num_mel_bins"));
        spk_put_int(args, "embed_dim", p->info.embedding_size);
        SPK_TRY(write_features(p, out));
        return spk_rename_all(two ? writers[i].two : writers[i].names, two ? writers[i].n_two : writers[i].n, weights,
                              loss, false, "the model", to);
    }
    return no_counterpart("encoder", p->info.encoder,
                          "ecapa_tdnn, resnet, simam_resnet, xvector and campplus have one");
}

spk_status spk_to_wespeaker(spk_net *net, const spk_tensors *weights, spk_yaml **yaml, spk_tensors *out)
{
    parts p = {0};
    SPK_TRY(spk_net_describe(net, spk_net_min_samples(net), &p.info));
    for (spk_part_kind kind = 0; kind < SPK_N_PARTS; kind++)
        p.conf[kind] = spk_net_resolved_conf(net, kind);
    *yaml = spk_yaml_new_map(NULL);
    const spk_status status = write_all(&p, weights, *yaml, out);
    for (int i = 0; i < SPK_N_PARTS; i++)
        spk_yaml_free(p.conf[i]);
    if (status != SPK_OK) {
        spk_yaml_free(*yaml);
        *yaml = NULL;
        spk_tensors_clear(out);
    }
    return status;
}
