/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SpeechBrain's ECAPA-TDNN (embedding_model.ckpt of its recipes and of the published VoxCeleb models). The file holds
 * weights only; sizes are read off them, dilations are those of the recipes, 1, 2, 3, 4, 1. Features are SpeechBrain's: a
 * periodic Hamming window, a Fourier transform of 400 points, decibels with a floor of 80 dB below the maximum, the
 * utterance's mean subtracted.
 */
#include <string.h>

#include "infer/convert_impl.h"

static const spk_rename names[] = {
    {"blocks", "encoder.blocks", 0},
    {"mfa", "encoder.mfa", 0},
    {"asp", "pooling", 0},
    {"asp_bn.norm", "projector.bn", 0},
    {"fc.conv", "projector.fc", SPK_SHAPE_CONV},
};

spk_status spk_from_speechbrain(const spk_tensors *t, const char *name, spk_foreign *out)
{
    int64_t kernel[16], dilation[16];
    const int64_t blocks = spk_count_tensors(t, "blocks.", 1, ".tdnn1.conv.conv.weight");
    const int64_t width = spk_extent(t, "blocks.0.conv.conv.weight", 0);
    spk_yaml *map = out->config = spk_yaml_new_map(NULL);
    if (!width || blocks < 1 || blocks > 12)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: is no ECAPA-TDNN, the one model of SpeechBrain that is read", name);
    for (int64_t i = 0; i < blocks + 2; i++) {
        char *weight = i == 0 ? spk_strdup("blocks.0.conv.conv.weight")
                       : i == blocks + 1
                           ? spk_strdup("mfa.conv.conv.weight")
                           : spk_strf("blocks.%lld.res2net_block.blocks.0.conv.conv.weight", (long long)i);
        kernel[i] = spk_extent(t, weight, 2);
        dilation[i] = i == 0 || i == blocks + 1 ? 1 : i + 1;
        spk_free(weight);
    }
    spk_put_text(map, "frontend", "speechbrain_fbank");
    spk_put_int(spk_put_map(map, "frontend_conf"), "n_mels", spk_extent(t, "blocks.0.conv.conv.weight", 1));
    spk_put_text(map, "encoder", "speechbrain_ecapa");
    spk_yaml *e = spk_put_map(map, "encoder_conf");
    spk_put_int(e, "ndim", width);
    spk_put_int(e, "output_size", spk_extent(t, "mfa.conv.conv.weight", 0));
    spk_put_int(e, "model_scale", spk_count_tensors(t, "blocks.1.res2net_block.blocks.", 0, ".conv.conv.weight") + 1);
    spk_put_int(e, "se_channels", spk_extent(t, "blocks.1.se_block.conv1.conv.weight", 0));
    spk_put_ints(e, "kernel_sizes", kernel, blocks + 2);
    spk_put_ints(e, "dilations", dilation, blocks + 2);
    spk_put_text(map, "pooling", "speechbrain_asp");
    spk_yaml *p = spk_put_map(map, "pooling_conf");
    spk_put_int(p, "attention_channels", spk_extent(t, "asp.conv.conv.weight", 1));
    spk_put_bool(p, "global_context",
                 spk_extent(t, "asp.tdnn.conv.conv.weight", 1) == 3 * spk_extent(t, "asp.conv.conv.weight", 0));
    spk_put_text(map, "projector", "linear");
    p = spk_put_map(map, "projector_conf");
    spk_put_int(p, "output_size", spk_extent(t, "fc.conv.weight", 0));
    spk_put_bool(p, "input_bn", true);
    return spk_rename_all(names, SPK_COUNT(names), t, NULL, true, name, &out->weights);
}
