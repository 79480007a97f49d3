/* SPDX-License-Identifier: Apache-2.0 */
/* Models for WeSpeaker: its configuration and names; what its models cannot express is refused by name. */
#include <string.h>
#include <strings.h>

#include "infer/convert_impl.h"
#include "infer/wespeaker_names_impl.h"

/* The parts of a network and their options, all of them. */
typedef struct parts {
    spk_net_info info;
    spk_yaml *conf[SPK_N_PARTS];
} parts;

static const char *value(const parts *p, spk_part_kind kind, const char *key)
{
    const char *text = spk_text_of(p->conf[kind], key);
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
