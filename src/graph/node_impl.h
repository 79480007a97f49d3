/* SPDX-License-Identifier: Apache-2.0 */
/* Making nodes, for the files that hold op builders. Not for models. */
#ifndef SPK_GRAPH_NODE_IMPL_H
#define SPK_GRAPH_NODE_IMPL_H

#include "graph/graph_impl.h"

spk_tensor *spk__g_tensor(spk_graph *g, int64_t n, int64_t h, int64_t w, int64_t c);
spk_node *spk__g_node(spk_graph *g, spk_op op);
/* NULL: this optional input is absent. */
void spk__g_in(spk_node *node, spk_tensor *t);
spk_tensor *spk__g_out(spk_graph *g, spk_node *node, int64_t n, int64_t h, int64_t w, int64_t c);
/* With the extents and lengths of x. */
spk_tensor *spk__g_out_like(spk_graph *g, spk_node *node, const spk_tensor *x);
bool spk__g_same(const spk_tensor *a, const spk_tensor *b);
/* x, or a copy where it is a slice; it stays dense from now on. */
spk_tensor *spk__g_dense(spk_graph *g, spk_tensor *x);

#endif
