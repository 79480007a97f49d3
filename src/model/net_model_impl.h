/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that make a network: net.c, net_model.c, net_resolve.c. */
#ifndef SPK_MODEL_NET_MODEL_IMPL_H
#define SPK_MODEL_NET_MODEL_IMPL_H

#include "model/build_impl.h"
#include "spk/net.h"

/* Fill the table of functions that the trainer calls. */
void spk__net_model_init(spk_net *net, spk_model *model, int64_t embedding_size, bool embed_only);
void spk__net_weights_changed(spk_net *net);
/* Features of a network without a frontend, 1 for waves. */
int64_t spk__net_input_size(const spk_net *net);
int64_t spk__net_n_classes(const spk_net *net);
/* A part (NULL: none), its options as its check left them, and what that check was told. */
const spk_part *spk__net_part(const spk_net *net, spk_part_kind kind);
const void *spk__net_conf(const spk_net *net, spk_part_kind kind, spk_part_in *in);
/* The graph of a training step (or of embedding) on a few waves of so many samples, without memory: new. part_end: how
 * many of its nodes lie before the end of each part. */
spk_graph *spk__net_graph(spk_net *net, int64_t samples, int part_end[SPK_N_PARTS]);
spk_pool_lengths spk__net_pool_lengths(const spk_net *net);

#endif
