/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that make a network: net.c, net_model.c, net_resolve.c. */
#ifndef SPK_MODEL_NET_MODEL_IMPL_H
#define SPK_MODEL_NET_MODEL_IMPL_H

#include "model/build_impl.h"
#include "model/head_impl.h"
#include "spk/net.h"

/* Fill the table of functions that the trainer calls. */
void spk__net_model_init(spk_net *net, spk_model *model, int64_t embedding_size, bool embed_only);
/* What a training with several processes wants of the next steps; zero: nothing. */
typedef struct spk_net_team {
    const spk_reduction *sync;
    const spk_class_team *classes;
    void (*ready)(void *user, int64_t from);
    void *user;
} spk_net_team;
spk_net_team *spk__net_team(spk_net *net);
/* Lengths of the items of the next training batch, and those that were given, once; NULL: all are full. */
void spk__net_give_lengths(spk_net *net, const int64_t *lengths, int64_t n);
const int64_t *spk__net_take_lengths(spk_net *net, int64_t n);
/* The loss where other processes have the other classes; NULL: plans have it. */
const spk_device *spk__net_device(const spk_net *net); /* NULL: the processor computes */
spk_head *spk__net_head(const spk_net *net);
void spk__net_weights_changed(spk_net *net);
/* Features of a network without a frontend, 1 for waves. */
int64_t spk__net_input_size(const spk_net *net);
int64_t spk__net_n_classes(const spk_net *net);
bool spk__net_embeds_only(const spk_net *net);
bool spk__net_is_f64(const spk_net *net);
/* Utterances of one speaker that stand together in training batches because the loss asks for it; else 1. */
int64_t spk__net_group(const spk_net *net);
/* Set the margin that the step's place in the training asks for. */
void spk__net_step_margin(spk_net *net, const spk_step_info *info);
/* The margin in force; false: it follows no schedule. */
bool spk__net_margin(const spk_net *net, double *margin);
/* A part (NULL: none), its options as its check left them, and what that check was told. */
const spk_part *spk__net_part(const spk_net *net, spk_part_kind kind);
const void *spk__net_conf(const spk_net *net, spk_part_kind kind, spk_part_in *in);
/* The graph of a training step (or of embedding) on a few waves of so many samples, without memory: new. part_end: how
 * many of its nodes lie before the end of each part. */
spk_graph *spk__net_graph(spk_net *net, int64_t samples, int part_end[SPK_N_PARTS]);
spk_pool_lengths spk__net_pool_lengths(const spk_net *net);
/* SPK_E_MISMATCH where a table of the frontend among `in` is not the one that its options give (to 1e-4 of its largest
 * value). Called before weights are loaded. */
spk_status spk__net_check_tables(const spk_params *params, const spk_tensors *in);

#endif
