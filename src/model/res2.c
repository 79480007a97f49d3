/* SPDX-License-Identifier: Apache-2.0 */
/* Res2 groups between two layers over channels. */
#include "model/res2_impl.h"

/* Group i is convolved together with the result of group i - 1; the last group passes untouched. */
static spk_tensor *groups(spk_build *b, spk_tensor *h, const char *name, int64_t scale, int64_t dilation)
{
    char room[128];
    const int64_t w = h->c / scale;
    spk_tensor **part = spk_new((size_t)scale * sizeof *part), *before = NULL;
    for (int64_t i = 0; i < scale; i++) {
        spk_tensor *group = spk_g_slice(b->g, h, i * w, w);
        if (i < scale - 1) {
            if (before) group = spk_g_add(b->g, before, group);
            group = spk_layer_conv1d(b, group, spk_layer_name(room, name, "convs", i), w, 3, dilation, dilation, true);
            group = spk_layer_batch_norm(b, group, spk_layer_name(room, name, "bns", i));
        }
        part[i] = before = group;
    }
    spk_tensor *whole = spk_g_concat(b->g, part, (int)scale);
    spk_free(part);
    return whole;
}

spk_tensor *spk_layer_res2(spk_build *b, spk_tensor *x, const char *name, int64_t width, int64_t scale,
                           int64_t dilation)
{
    char room[128];
    spk_tensor *h =
        spk_layer_conv1d(b, x, spk_layer_name(room, name, "conv1", -1), width / scale * scale, 1, 1, 0, true);
    h = spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn1", -1));
    h = groups(b, h, name, scale, dilation);
    h = spk_layer_conv1d(b, h, spk_layer_name(room, name, "conv3", -1), width, 1, 1, 0, true);
    return spk_layer_batch_norm(b, h, spk_layer_name(room, name, "bn3", -1));
}
