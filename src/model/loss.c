/* SPDX-License-Identifier: Apache-2.0 */
/* What the losses share (loss_impl.h). */
#include "model/loss_impl.h"

#include <math.h>

void spk_loss_set_margin(void *conf, double margin)
{
    spk_loss_margin *m = conf;
    m->now[0] = margin;
    m->now[1] = 0;
}

const spk_param *spk_loss_weight(spk_build *b, int64_t rows, int64_t size, bool uniform)
{
    const double sum = (double)(rows + size);
    const spk_init xavier = {uniform ? SPK_INIT_UNIFORM : SPK_INIT_NORMAL, sqrt((uniform ? 6 : 2) / sum), NULL};
    const int64_t k = b->own_classes ? rows / b->n_classes : 0, own = b->own_classes * k;
    if (!own) return spk_params_declare(b->params, "loss.weight", true, 2, (int64_t[]){rows, size}, xavier);
    const spk_param *w = spk_params_declare(b->params, "loss.weight", true, 2, (int64_t[]){own, size}, xavier);
    spk_params_divide(b->params, "loss.weight", b->first_class * k, rows);
    return w;
}

spk_status spk_loss_per_speaker(const spk_part_in *in, const char *loss, int64_t *per_speaker)
{
    *per_speaker = in->per_speaker;
    if (in->per_speaker > 1 || in->n_classes == 0) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "loss: %s compares utterances of a batch and needs several of each speaker; set iterator_type to "
                    "category, batch_type to pk, and per_speaker to 2 or more",
                    loss);
}

spk_tensor *spk_loss_proto(spk_build *b, spk_tensor *embedding, spk_proto_attr attr)
{
    const spk_param *w = spk_params_declare(b->params, "loss.w", true, 0, NULL, (spk_init){SPK_INIT_CONST, 10, NULL});
    const spk_param *bias =
        spk_params_declare(b->params, "loss.b", true, 0, NULL, (spk_init){SPK_INIT_CONST, -5, NULL});
    return spk_g_proto_loss(b->g, embedding, w, bias, attr);
}
