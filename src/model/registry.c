/* SPDX-License-Identifier: Apache-2.0 */
/* All model parts under ESPnet's names. A new part is a file and a line here. */
#include <string.h>

#include "model/build_impl.h"

extern const spk_part spk__frontend_melspec_torch, spk__encoder_ecapa_tdnn, spk__pooling_chn_attn_stat,
    spk__projector_rawnet3, spk__normalize_utterance_mvn, spk__loss_aamsoftmax;
extern const spk_part spk__encoder_mfaconformer;
extern const spk_part spk__encoder_ska_tdnn, spk__encoder_campplus;

extern const spk_part spk__encoder_identity, spk__encoder_xvector, spk__encoder_rawnet3, spk__frontend_asteroid,
    spk__pooling_mean, spk__pooling_stats, spk__pooling_astp, spk__pooling_tstp, spk__projector_ska_tdnn,
    spk__projector_xvector, spk__projector_linear, spk__projector_two_layer;

extern const spk_part spk__encoder_resnet, spk__encoder_simam_resnet, spk__pooling_asp;
extern const spk_part spk__frontend_default, spk__frontend_kaldi_fbank, spk__frontend_mfcc,
    spk__frontend_speechbrain_fbank, spk__frontend_sliding_window;

extern const spk_part spk__frontend_layer_weights, spk__specaug_specaug, spk__normalize_global_mvn;

extern const spk_part spk__loss_aamsoftmax_sc_topk, spk__loss_softmax, spk__loss_amsoftmax, spk__loss_sphereface2,
    spk__loss_softmaxproto, spk__loss_angleproto, spk__loss_ge2e;
extern const spk_part spk__encoder_speechbrain_ecapa, spk__pooling_speechbrain_asp;

static const struct {
    const char *kind;
    const spk_part *const part[16]; /* NULL-terminated */
} registry[SPK_N_PARTS] = {
    [SPK_FRONTEND] = {"frontend",
                      {&spk__frontend_layer_weights, &spk__frontend_melspec_torch, &spk__frontend_default,
                       &spk__frontend_kaldi_fbank, &spk__frontend_mfcc, &spk__frontend_speechbrain_fbank,
                       &spk__frontend_sliding_window, &spk__frontend_asteroid}},
    [SPK_SPECAUG] = {"specaug", {&spk__specaug_specaug}},
    [SPK_NORMALIZE] = {"normalize", {&spk__normalize_utterance_mvn, &spk__normalize_global_mvn}},
    [SPK_ENCODER] = {"encoder",
                     {&spk__encoder_mfaconformer, &spk__encoder_ska_tdnn, &spk__encoder_campplus,
                      &spk__encoder_ecapa_tdnn, &spk__encoder_identity, &spk__encoder_xvector, &spk__encoder_rawnet3,
                      &spk__encoder_resnet, &spk__encoder_simam_resnet, &spk__encoder_speechbrain_ecapa}},
    [SPK_POOLING] = {"pooling",
                     {&spk__pooling_chn_attn_stat, &spk__pooling_mean, &spk__pooling_stats, &spk__pooling_astp,
                      &spk__pooling_tstp, &spk__pooling_asp, &spk__pooling_speechbrain_asp}},
    [SPK_PROJECTOR] = {"projector",
                       {&spk__projector_rawnet3, &spk__projector_ska_tdnn, &spk__projector_xvector,
                        &spk__projector_linear, &spk__projector_two_layer}},
    [SPK_LOSS] = {"loss",
                  {&spk__loss_aamsoftmax, &spk__loss_aamsoftmax_sc_topk, &spk__loss_softmax, &spk__loss_amsoftmax,
                   &spk__loss_sphereface2, &spk__loss_softmaxproto, &spk__loss_angleproto, &spk__loss_ge2e}},
};

const spk_part *spk_part_find(spk_part_kind kind, const char *name)
{
    for (const spk_part *const *p = registry[kind].part; *p; p++)
        if (strcmp((*p)->name, name) == 0) return *p;
    return NULL;
}

const char *spk_part_kind_name(spk_part_kind kind)
{
    return registry[kind].kind;
}
