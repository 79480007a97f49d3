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

spk_tensor *spk_layer_conv1d(spk_build *b, spk_tensor *x, const char *name, int64_t out, int64_t k, int64_t dilation,
                             int64_t pad, bool relu)
{
    const spk_param *w = spk_layer_param(b, name, "weight", 3, (int64_t[]){out, x->c, k}, x->c * k);
    const spk_param *bias = spk_layer_param(b, name, "bias", 1, &out, x->c * k);
    return spk_g_conv1d(b->g, x, w, 0, bias, dilation, pad, relu);
}

spk_tensor *spk_layer_linear(spk_build *b, spk_tensor *x, const char *name, int64_t out)
{
    const spk_param *w = spk_layer_param(b, name, "weight", 2, (int64_t[]){out, x->c}, x->c);
    const spk_param *bias = spk_layer_param(b, name, "bias", 1, &out, x->c);
    return spk_g_conv1d(b->g, x, w, 0, bias, 1, 0, false);
}

static const spk_param *constant(spk_build *b, const char *name, const char *leaf, bool trainable, int64_t n,
                                 double value)
{
    char *full = spk_strf("%s.%s", name, leaf);
    const spk_param *p = spk_params_declare(b->params, full, trainable, 1, &n, (spk_init){SPK_INIT_CONST, value, NULL});
    spk_free(full);
    return p;
}

spk_tensor *spk_layer_batch_norm(spk_build *b, spk_tensor *x, const char *name)
{
    const spk_param *gamma = constant(b, name, "weight", true, x->c, 1);
    const spk_param *beta = constant(b, name, "bias", true, x->c, 0);
    const spk_param *mean = constant(b, name, "running_mean", false, x->c, 0);
    const spk_param *var = constant(b, name, "running_var", false, x->c, 1);
    char *full = spk_strf("%s.num_batches_tracked", name);
    const spk_param *count = spk_params_declare_count(b->params, full);
    spk_free(full);
    return spk_g_batch_norm(b->g, x, gamma, beta, mean, var, count, b->train);
}
