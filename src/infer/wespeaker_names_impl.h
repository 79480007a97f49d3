/* SPDX-License-Identifier: Apache-2.0 */
/* WeSpeaker's names of weights and this program's, for reading and for writing. */
#ifndef SPK_INFER_WESPEAKER_NAMES_IMPL_H
#define SPK_INFER_WESPEAKER_NAMES_IMPL_H

#include "infer/convert_impl.h"

static const spk_rename ecapa_names[] = {
    {"layer1.conv", "encoder.conv", 0},
    {"layer1.bn", "encoder.bn", 0},
    {"layer{2}.se_res2block.0.conv", "encoder.layer{1}.conv1", 0},
    {"layer{2}.se_res2block.0.bn", "encoder.layer{1}.bn1", 0},
    {"layer{2}.se_res2block.1.convs.{0}", "encoder.layer{1}.convs.{0}", 0},
    {"layer{2}.se_res2block.1.bns.{0}", "encoder.layer{1}.bns.{0}", 0},
    {"layer{2}.se_res2block.2.conv", "encoder.layer{1}.conv3", 0},
    {"layer{2}.se_res2block.2.bn", "encoder.layer{1}.bn3", 0},
    {"layer{2}.se_res2block.3.linear1", "encoder.layer{1}.se.se.1", SPK_SHAPE_LINEAR},
    {"layer{2}.se_res2block.3.linear2", "encoder.layer{1}.se.se.4", SPK_SHAPE_LINEAR},
    {"conv", "encoder.layer4", 0},
    {"pool", "pooling", 0},
    {"bn", "projector.bn", 0},
    {"linear", "projector.fc", SPK_SHAPE_LINEAR},
    {"bn2", "projector.bn2", 0},
};
static const spk_rename xvec_names[] = {
    {"frame_1.conv_1d", "encoder.layers.0", 0},
    {"frame_1.bn", "encoder.layers.2", 0},
    {"frame_2.conv_1d", "encoder.layers.3", 0},
    {"frame_2.bn", "encoder.layers.5", 0},
    {"frame_3.conv_1d", "encoder.layers.6", 0},
    {"frame_3.bn", "encoder.layers.8", 0},
    {"frame_4.conv_1d", "encoder.layers.9", 0},
    {"frame_4.bn", "encoder.layers.11", 0},
    {"frame_5.conv_1d", "encoder.layers.12", 0},
    {"frame_5.bn", "encoder.layers.14", 0},
    {"pool", "pooling", 0},
    {"seg_1", "projector.fc1", 0},
    {"seg_bn_1", "projector.bn", 0},
    {"seg_2", "projector.fc2", 0},
};
static const spk_rename resnet_names[] = {{"pool", "pooling", 0}, {"seg_1", "projector.fc", 0}, {"", "encoder", 0}};
static const spk_rename resnet_two_names[] = {
    {"pool", "pooling", 0},
    {"seg_1", "projector.fc1", 0},
    {"seg_bn_1", "projector.bn", 0},
    {"seg_2", "projector.fc2", 0},
    {"", "encoder", 0},
};
static const spk_rename simam_names[] = {
    {"front", "encoder", 0}, {"pooling", "pooling", 0}, {"bottleneck", "projector.fc", 0}};
static const spk_rename campplus_names[] = {{"pool", "pooling", 0},
                                            {"xvector.dense.linear", "projector.fc", SPK_SHAPE_CONV},
                                            {"xvector.dense.nonlinear.batchnorm", "projector.bn2", 0},
                                            {"", "encoder", 0}};

#endif
