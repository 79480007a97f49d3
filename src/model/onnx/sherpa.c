/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sherpa-onnx's speaker models take features, which it computes as Kaldi does with fixed options; of the model's
 * metadata only the sample rate, the scale of samples and the mean over time are obeyed. Facts from its
 * csrc/features.h and csrc/speaker-embedding-extractor-general-impl.h.
 */
#include "model/onnx/sherpa_impl.h"

#include <math.h>
#include <string.h>

#include "model/net_impl.h"
#include "model/net_model_impl.h"

/* Options of kaldi_fbank whose values are sherpa-onnx's; `scale` and `cmn` are told in the metadata. */
static const struct {
    const char *key, *value;
} fixed[] = {
    {"num_mel_bins", "80"},   {"frame_length", "25"},  {"frame_shift", "10"},
    {"window_type", "povey"}, {"snip_edges", "false"}, {"remove_dc_offset", "true"},
    {"low_freq", "20"},       {"high_freq", "-400"},   {"preemphasis_coefficient", "0.97"},
    {"use_energy", "false"},  {"use_power", "true"},   {"use_log_fbank", "true"},
    {"energy_floor", "1"},    {"raw_energy", "true"},  {"round_to_power_of_two", "true"},
};

/* energy_floor and raw_energy say nothing without use_energy. */
static bool matters(const char *key)
{
    return strcmp(key, "energy_floor") != 0 && strcmp(key, "raw_energy") != 0;
}

/* The same word, or the same number. */
static bool same(const char *a, const char *b)
{
    double x, y;
    if (strcmp(a, b) == 0) return true;
    return spk_parse_double(a, &x) && spk_parse_double(b, &y) && fabs(x - y) < 1e-9;
}

static const char *text_of(const spk_yaml *conf, const char *key)
{
    const spk_yaml *value = spk_yaml_get(conf, key);
    return value && value->kind == SPK_YAML_SCALAR ? value->text : "none";
}

static const char *part_name(const spk_net *net, spk_part_kind kind)
{
    const spk_part *part = spk__net_part(net, kind);
    return part ? part->name : NULL;
}

spk_status spk__sherpa_check(const spk_net *net)
{
    const char *const only =
        "sherpa-onnx computes the features itself, as frontend kaldi_fbank with preset sherpa does";
    const char *name = part_name(net, SPK_FRONTEND);
    spk_text differ = {0};
    spk_status status = SPK_OK;
    if (!name || strcmp(name, "kaldi_fbank") != 0)
        return spk_fail(SPK_E_UNSUPPORTED, "frontend: %s: %s; use --target onnx", name ? name : "none", only);
    spk_yaml *conf = spk_net_resolved_conf(net, SPK_FRONTEND);
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (matters(fixed[i].key) && !same(text_of(conf, fixed[i].key), fixed[i].value))
            spk_text_addf(&differ, "%s%s is %s, not %s", differ.n ? ", " : "", fixed[i].key,
                          text_of(conf, fixed[i].key), fixed[i].value);
    const char *scale = text_of(conf, "scale");
    if (!same(scale, "1") && !same(scale, "32768"))
        spk_text_addf(&differ, "%sscale is %s, not 1 or 32768", differ.n ? ", " : "", scale);
    if (differ.n > 0)
        status = spk_fail(SPK_E_UNSUPPORTED, "frontend_conf: %s: %s; use --target onnx", spk_text_str(&differ), only);
    else if (part_name(net, SPK_NORMALIZE))
        status =
            spk_fail(SPK_E_UNSUPPORTED, "normalize: %s: %s; use --target onnx", part_name(net, SPK_NORMALIZE), only);
    spk_text_clear(&differ);
    spk_yaml_free(conf);
    return status;
}

void spk__sherpa_metadata(spk_onnx *o, spk_net *net, const spk_onnx_options *options)
{
    spk_yaml *conf = spk_net_resolved_conf(net, SPK_FRONTEND);
    char number[32];
    spk_part_in in;
    (void)spk__net_conf(net, SPK_FRONTEND, &in);
    const bool scaled = same(text_of(conf, "scale"), "32768"), mean = same(text_of(conf, "cmn"), "true");
    snprintf(number, sizeof number, "%lld", (long long)spk_net_model(net)->embedding_size);
    spk_onnx_meta(o, "framework", scaled ? "wespeaker" : "3d-speaker"); /* it knows these two */
    spk_onnx_meta(o, "language", options->language ? options->language : "unknown");
    spk_onnx_meta(o, "url", options->url ? options->url : "");
    spk_onnx_meta(o, "comment", "exported by spk");
    spk_onnx_meta(o, "output_dim", number);
    snprintf(number, sizeof number, "%lld", (long long)in.sample_rate);
    spk_onnx_meta(o, "sample_rate", number);
    spk_onnx_meta(o, "normalize_samples", scaled ? "0" : "1");
    spk_onnx_meta(o, "feature_normalize_type", mean ? "global-mean" : "");
    spk_yaml_free(conf);
}
