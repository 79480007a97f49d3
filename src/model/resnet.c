/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residual networks (He, Zhang, Ren, Sun, CVPR 2016) over pictures of time and frequency, as speaker recognition has
 * them: no pooling by maximum, few channels, stride 2 on both axes into stages 2, 3 and 4 (specification 4.5).
 *
 *   basic        conv 3x3, BN, ReLU, conv 3x3, BN,                          + shortcut, ReLU
 *   bottleneck   conv 1x1, BN, ReLU, conv 3x3, BN, ReLU, conv 1x1 to 4p, BN, + shortcut, ReLU
 *   SimAM        as basic, with the attention of SimAM before the sum (Qin, Li, Weng, Li, ICASSP 2022)
 *
 * The shortcut is the input itself, or conv 1x1 and BN where stride or channels change. No convolution has a bias.
 * PyTorch's networks have frequency as height: freq_first.
 */
#include "model/resnet_impl.h"

enum { BOTTLENECK_EXPANSION = 4 };
static const double SIMAM_LAMBDA = 1e-4;

static int64_t expansion(const spk_resnet *s)
{
    return s->block == SPK_RESNET_BOTTLENECK ? BOTTLENECK_EXPANSION : 1;
}

spk_status spk_resnet_set_blocks(spk_resnet *s, const spk_int_list *num)
{
    if (num->n != SPK_RESNET_STAGES)
        return spk_fail(SPK_E_CONFIG, "encoder_conf: num_blocks has %lld entries; a residual network has %d stages",
                        (long long)num->n, SPK_RESNET_STAGES);
    for (int i = 0; i < SPK_RESNET_STAGES; i++)
        s->blocks[i] = num->v[i];
    return SPK_OK;
}

spk_status spk_resnet_check(const spk_resnet *s, const spk_part_in *in, int64_t *output_size)
{
    if (in->input_size % SPK_RESNET_DEPTH)
        return spk_fail(SPK_E_CONFIG,
                        "encoder_conf: a residual network halves the frequencies three times, so their number must be "
                        "a multiple of 8, not %lld; change the frontend's n_mels",
                        (long long)in->input_size);
    *output_size = in->input_size / SPK_RESNET_DEPTH * SPK_RESNET_DEPTH * s->planes * expansion(s);
    return SPK_OK;
}

/* NAME.conv and NAME.bn: a k x k convolution that keeps the extents but for its stride, and BatchNorm. */
static spk_tensor *conv_norm(spk_build *b, spk_tensor *x, const char *conv, const char *bn, int64_t out, int64_t k,
                             int64_t stride, bool relu)
{
    const spk_conv2d_attr attr = {
        .kt = k, .kf = k, .st = stride, .sf = stride, .pt = k / 2, .pf = k / 2, .freq_first = true};
    x = spk_layer_conv2d(b, x, conv, out, false, attr);
    return spk_layer_norm(b, x, bn, (spk_norm_shape){.relu = relu});
}

/* The nth of a block's convolutions. */
static spk_tensor *nth(spk_build *b, spk_tensor *x, const char *name, int n, int64_t out, int64_t k, int64_t stride,
                       bool relu)
{
    char conv[128], bn[128];
    snprintf(conv, sizeof conv, "%.100s.conv%d", name, n);
    snprintf(bn, sizeof bn, "%.100s.bn%d", name, n);
    return conv_norm(b, x, conv, bn, out, k, stride, relu);
}

static spk_tensor *block(spk_build *b, const spk_resnet *s, spk_tensor *x, const char *name, int64_t planes,
                         int64_t stride)
{
    char base[128], conv[128], bn[128];
    const int64_t out = expansion(s) * planes;
    spk_tensor *h, *around = x;
    if (s->block == SPK_RESNET_BOTTLENECK) {
        h = nth(b, x, name, 1, planes, 1, 1, true);
        h = nth(b, h, name, 2, planes, 3, stride, true);
        h = nth(b, h, name, 3, out, 1, 1, false);
    } else {
        h = nth(b, x, name, 1, planes, 3, stride, true);
        h = nth(b, h, name, 2, out, 3, 1, false);
    }
    if (s->block == SPK_RESNET_SIMAM) h = spk_g_simam(b->g, h, SIMAM_LAMBDA);
    if (stride != 1 || x->c != out) {
        spk_layer_name(base, name, s->shortcut, -1);
        around = conv_norm(b, x, spk_layer_name(conv, base, "0", -1), spk_layer_name(bn, base, "1", -1), out, 1, stride,
                           false);
    }
    return spk_g_add_scaled(b->g, h, around, 1, true);
}

spk_tensor *spk_resnet_build(spk_build *b, const spk_resnet *s, spk_tensor *feats)
{
    char name[64];
    spk_tensor *x = spk_g_picture(b->g, feats);
    x = conv_norm(b, x, "encoder.conv1", "encoder.bn1", s->planes, 3, 1, true);
    for (int stage = 0; stage < SPK_RESNET_STAGES; stage++) {
        for (int64_t i = 0; i < s->blocks[stage]; i++) {
            snprintf(name, sizeof name, "encoder.layer%d.%lld", stage + 1, (long long)i);
            x = block(b, s, x, name, s->planes << stage, stage > 0 && i == 0 ? 2 : 1);
        }
    }
    return s->channel_major ? spk_g_fold(b->g, x) : spk_g_flatten(b->g, x);
}
