/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every part of a model by the name that configurations use: `--help` lists these, and the network finds them here (a
 * part is the variable spk__KIND_NAME of a file of src/model). A new part is a file there and a line here.
 */
#ifndef SPK_CONFIG_PARTS_IMPL_H
#define SPK_CONFIG_PARTS_IMPL_H

/* clang-format off */
/* ABSENT: ESPnet has it; why this program does not is said in src/model/net.c. */
#define SPK_FRONTENDS(PART, ABSENT) \
    PART(melspec_torch) \
    PART(default) \
    PART(asteroid_frontend) \
    PART(sliding_window) \
    ABSENT(s3prl) \
    ABSENT(fused) \
    PART(kaldi_fbank) \
    PART(mfcc) \
    PART(speechbrain_fbank) \
    PART(layer_weights)

#define SPK_SPECAUGS(PART) \
    PART(specaug)

#define SPK_NORMALIZERS(PART) \
    PART(global_mvn) \
    PART(utterance_mvn)

#define SPK_ENCODERS(PART) \
    PART(ecapa_tdnn) \
    PART(rawnet3) \
    PART(ska_tdnn) \
    PART(mfaconformer) \
    PART(xvector) \
    PART(resnet) \
    PART(identity) \
    PART(campplus) \
    PART(simam_resnet) \
    PART(speechbrain_ecapa)

#define SPK_POOLINGS(PART) \
    PART(chn_attn_stat) \
    PART(mean) \
    PART(stats) \
    PART(astp) \
    PART(tstp) \
    PART(asp) \
    PART(speechbrain_asp)

#define SPK_PROJECTORS(PART) \
    PART(rawnet3) \
    PART(ska_tdnn) \
    PART(xvector) \
    PART(linear) \
    PART(two_layer)

#define SPK_LOSSES(PART) \
    PART(aamsoftmax) \
    PART(aamsoftmax_sc_topk) \
    PART(softmax) \
    PART(amsoftmax) \
    PART(sphereface2) \
    PART(softmaxproto) \
    PART(angleproto) \
    PART(ge2e)

/* clang-format on */

/* As choices of an option: "a|b|c" is what begins behind the first bar. */
#define SPK_PART_CHOICE(name) "|" #name

#endif
