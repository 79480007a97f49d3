/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ESPnet 202611 knows: its parts and the options that their constructors take from YAML. A configuration that
 * ESPnet is to read may hold nothing else, since the typed parts refuse unknown keys.
 */
#include <string.h>

#include "model/espnet_names_impl.h"

static const struct {
    spk_part_kind kind;
    const char *part, *keys; /* "a|b" */
} names[] = {
    {SPK_FRONTEND, "asteroid_frontend", "sinc_filters|sinc_kernel_size|sinc_stride|preemph_coef|log_term"},
    {SPK_FRONTEND, "default",
     "fs|n_fft|win_length|hop_length|window|center|normalized|onesided|n_mels|fmin|fmax|htk|frontend_conf|apply_stft"},
    {SPK_FRONTEND, "melspec_torch",
     "preemp|n_fft|log|win_length|hop_length|f_min|f_max|n_mels|window_fn|mel_scale|normalize"},
    {SPK_FRONTEND, "sliding_window", "win_length|hop_length|channels|padding|fs"},
    {SPK_SPECAUG, "specaug",
     "apply_time_warp|time_warp_window|time_warp_mode|apply_freq_mask|freq_mask_width_range|num_freq_mask|"
     "apply_time_mask|time_mask_width_range|time_mask_width_ratio_range|num_time_mask|replace_with_zero"},
    {SPK_NORMALIZE, "global_mvn", "stats_file|norm_means|norm_vars|eps"},
    {SPK_NORMALIZE, "utterance_mvn", "norm_means|norm_vars|eps"},
    {SPK_ENCODER, "ecapa_tdnn", "block|model_scale|ndim|output_size|num_blocks|dilations"},
    {SPK_ENCODER, "identity", ""},
    {SPK_ENCODER, "mfaconformer",
     "output_size|attention_heads|linear_units|num_blocks|dropout_rate|positional_dropout_rate|"
     "attention_dropout_rate|input_layer|normalize_before|positionwise_layer_type|positionwise_conv_kernel_size|"
     "macaron_style|rel_pos_type|pos_enc_layer_type|selfattention_layer_type|activation_type|use_cnn_module|zero_triu|"
     "cnn_module_kernel|stochastic_depth_rate|layer_drop_rate|max_pos_emb_len|padding_idx|use_sdpa"},
    {SPK_ENCODER, "rawnet3", "block|model_scale|ndim|output_size"},
    {SPK_ENCODER, "resnet", "m_channels|resnet_type"}, /* num_blocks and block cannot be written in YAML there */
    {SPK_ENCODER, "ska_tdnn", "block|ndim|model_scale|skablock|ska_dim|output_size"},
    {SPK_ENCODER, "xvector", "ndim|output_size|kernel_sizes|paddings|dilations"},
    {SPK_POOLING, "chn_attn_stat", ""},
    {SPK_POOLING, "mean", ""},
    {SPK_POOLING, "stats", ""},
    {SPK_PROJECTOR, "rawnet3", "output_size"},
    {SPK_PROJECTOR, "ska_tdnn", "output_size"},
    {SPK_PROJECTOR, "xvector", "output_size"},
    {SPK_LOSS, "aamsoftmax", "margin|scale|easy_margin"},
    {SPK_LOSS, "aamsoftmax_sc_topk", "scale|margin|easy_margin|K|mp|k_top|do_lm"},
    {SPK_LOSS, "softmax", ""},
};

static const char *keys_of(spk_part_kind kind, const char *part)
{
    for (int i = 0; i < SPK_COUNT(names); i++)
        if (names[i].kind == kind && strcmp(names[i].part, part) == 0) return names[i].keys;
    return NULL;
}

bool spk_espnet_has_part(spk_part_kind kind, const char *part)
{
    return keys_of(kind, part) != NULL;
}

bool spk_espnet_has_option(spk_part_kind kind, const char *part, const char *key)
{
    const char *word = keys_of(kind, part);
    const size_t n = strlen(key);
    while (word && *word) {
        const size_t length = strcspn(word, "|");
        if (length == n && memcmp(word, key, n) == 0) return true;
        word += length + (word[length] == '|');
    }
    return false;
}
