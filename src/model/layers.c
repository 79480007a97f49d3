/* SPDX-License-Identifier: Apache-2.0 */
/* Layers with PyTorch's names and default initialisation (specification 0.3). */
#include <math.h>

#include "model/build_impl.h"

const spk_param *spk_layer_param(spk_build *b, const char *name, const char *leaf, int n_dims, const int64_t *dim,
                                 int64_t fan_in)
{
    char *full = spk_strf("%s.%s", name, leaf);
    const spk_init init = {SPK_INIT_UNIFORM, 1 / sqrt((double)fan_in), NULL};
    const spk_param *p = spk_params_declare(b->params, full, true, n_dims, dim, init);
    spk_free(full);
    return p;
}

const char *spk_layer_name(char room[128], const char *name, const char *leaf, int64_t nth)
{
    if (nth < 0)
        snprintf(room, 128, "%s.%s", name, leaf);
    else
        snprintf(room, 128, "%s.%s.%lld", name, leaf, (long long)nth);
    return room;
}

/* What looks at neighbours sees zeros behind each item's end. */
static spk_tensor *masked(spk_build *b, spk_tensor *x, bool looks_around)
{
    return looks_around ? spk_g_mask(b->g, x) : x;
}

/* A picture of one frame would be taken for sound: its bins go into the channels. */
static spk_tensor *masked_picture(spk_build *b, spk_tensor *x, bool looks_around)
{
    if (!looks_around || !x->len || x->h > 1) return masked(b, x, looks_around);
    spk_tensor *row = spk_g_mask(b->g, spk_g_reshape(b->g, x, x->n, 1, 1, x->w * x->c, x->len));
    return spk_g_reshape(b->g, row, x->n, 1, x->w, x->c, x->len);
}

spk_tensor *spk_layer_conv(spk_build *b, spk_tensor *x, const char *name, spk_conv_shape s)
{
    const int64_t k = s.k ? s.k : 1, fan_in = x->c * k;
    const spk_param *w = spk_layer_param(b, name, "weight", 3, (int64_t[]){s.out, x->c, k}, fan_in);
    const spk_param *bias = s.no_bias ? NULL : spk_layer_param(b, name, "bias", 1, &s.out, fan_in);
    x = masked(b, x, k > 1);
    return spk_g_conv1d_strided(b->g, x, w, bias, s.stride ? s.stride : 1, s.dilation ? s.dilation : 1, s.pad, s.relu);
}

spk_tensor *spk_layer_conv1d(spk_build *b, spk_tensor *x, const char *name, int64_t out, int64_t k, int64_t dilation,
                             int64_t pad, bool relu)
{
    return spk_layer_conv(b, x, name,
                          (spk_conv_shape){.out = out, .k = k, .dilation = dilation, .pad = pad, .relu = relu});
}

spk_tensor *spk_layer_conv2d(spk_build *b, spk_tensor *x, const char *name, int64_t out, bool bias,
                             spk_conv2d_attr attr)
{
    const int64_t height = attr.freq_first ? attr.kf : attr.kt, width = attr.freq_first ? attr.kt : attr.kf;
    const int64_t fan_in = x->c * height * width;
    const spk_param *w = spk_layer_param(b, name, "weight", 4, (int64_t[]){out, x->c, height, width}, fan_in);
    const spk_param *add = bias ? spk_layer_param(b, name, "bias", 1, &out, fan_in) : NULL;
    return spk_g_conv2d(b->g, masked_picture(b, x, attr.kt > 1), w, add, attr);
}

spk_tensor *spk_layer_depthwise(spk_build *b, spk_tensor *x, const char *name, int64_t k, int64_t pad)
{
    const spk_param *w = spk_layer_param(b, name, "weight", 3, (int64_t[]){x->c, 1, k}, k);
    const spk_param *bias = spk_layer_param(b, name, "bias", 1, &x->c, k);
    return spk_g_depthwise(b->g, masked(b, x, k > 1), w, bias, pad);
}

spk_tensor *spk_layer_linear(spk_build *b, spk_tensor *x, const char *name, int64_t out)
{
    const spk_param *w = spk_layer_param(b, name, "weight", 2, (int64_t[]){out, x->c}, x->c);
    const spk_param *bias = spk_layer_param(b, name, "bias", 1, &out, x->c);
    return spk_g_conv1d(b->g, x, w, 0, bias, 1, 0, false);
}

spk_tensor *spk_layer_linear_plain(spk_build *b, spk_tensor *x, const char *name, int64_t out)
{
    const spk_param *w = spk_layer_param(b, name, "weight", 2, (int64_t[]){out, x->c}, x->c);
    return spk_g_conv1d(b->g, x, w, 0, NULL, 1, 0, false);
}

const spk_param *spk_layer_constant(spk_build *b, const char *name, const char *leaf, bool trainable, int64_t n,
                                    double value)
{
    char *full = spk_strf("%s.%s", name, leaf);
    const spk_param *p = spk_params_declare(b->params, full, trainable, 1, &n, (spk_init){SPK_INIT_CONST, value, NULL});
    spk_free(full);
    return p;
}

spk_tensor *spk_layer_norm(spk_build *b, spk_tensor *x, const char *name, spk_norm_shape shape)
{
    const spk_param *gamma = shape.no_affine ? NULL : spk_layer_constant(b, name, "weight", true, x->c, 1);
    const spk_param *beta = shape.no_affine ? NULL : spk_layer_constant(b, name, "bias", true, x->c, 0);
    const spk_param *mean = spk_layer_constant(b, name, "running_mean", false, x->c, 0);
    const spk_param *var = spk_layer_constant(b, name, "running_var", false, x->c, 1);
    char *full = spk_strf("%s.num_batches_tracked", name);
    const spk_param *count = spk_params_declare_count(b->params, full);
    spk_free(full);
    return spk_g_batch_norm(b->g, x, gamma, beta, mean, var, count, b->train, shape.relu);
}

spk_tensor *spk_layer_batch_norm(spk_build *b, spk_tensor *x, const char *name)
{
    return spk_layer_norm(b, x, name, (spk_norm_shape){0});
}

spk_tensor *spk_layer_layer_norm(spk_build *b, spk_tensor *x, const char *name, double eps)
{
    const spk_param *gamma = spk_layer_constant(b, name, "weight", true, x->c, 1);
    const spk_param *beta = spk_layer_constant(b, name, "bias", true, x->c, 0);
    return spk_g_layer_norm(b->g, x, gamma, beta, eps);
}
