/* SPDX-License-Identifier: Apache-2.0 */
/* Between net.c and net_model.c. */
#ifndef SPK_MODEL_NET_MODEL_IMPL_H
#define SPK_MODEL_NET_MODEL_IMPL_H

#include "spk/net.h"

/* Fill the table of functions that the trainer calls. */
void spk__net_model_init(spk_net *net, spk_model *model, int64_t embedding_size, bool embed_only);
void spk__net_weights_changed(spk_net *net);
/* Features of a network without a frontend, 1 for waves. */
int64_t spk__net_input_size(const spk_net *net);
int64_t spk__net_n_classes(const spk_net *net);

#endif
