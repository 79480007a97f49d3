/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a network's layers: names, shapes, parameters, work. */
#include <string.h>

#include "model/net_impl.h"
#include "model/net_model_impl.h"

/* The weights' common name: "encoder.conv" of "encoder.conv.weight". */
static char *layer_name(const spk_param *p)
{
    const char *dot = strrchr(p->name, '.');
    return spk_strndup(p->name, dot ? (size_t)(dot - p->name) : strlen(p->name));
}

/* Weights that a node reads or, as running statistics, writes; each is counted where it is met first. */
static void count_weights(const spk_node *node, spk_map *seen, spk_net_layer *layer)
{
    for (int i = 0; i < node->n_in + node->n_out; i++) {
        const spk_tensor *t = i < node->n_in ? node->in[i] : node->out[i - node->n_in];
        if (!t || !t->param) continue;
        if (!layer->name) layer->name = layer_name(t->param);
        if (!spk_map_put(seen, t->param->name, 1)) continue;
        if (t->param->trainable)
            layer->n_parameters += t->param->count;
        else
            layer->n_buffers += t->param->count;
    }
}

static spk_part_kind part_of(const int part_end[SPK_N_PARTS], int i)
{
    spk_part_kind kind = 0;
    while (kind < SPK_LOSS && i >= part_end[kind])
        kind++;
    return kind;
}

spk_status spk_net_layers(spk_net *net, int64_t samples, spk_net_layer **out, int64_t *n)
{
    int part_end[SPK_N_PARTS];
    spk_map seen = {0};
    *out = NULL;
    *n = 0;
    if (samples < spk_net_min_samples(net))
        return spk_fail(SPK_E_VALUE, "%lld samples are too short for the model, which needs %lld", (long long)samples,
                        (long long)spk_net_min_samples(net));
    spk_graph *g = spk__net_graph(net, samples, part_end);
    for (int i = 0; i < spk_graph_n_nodes(g); i++) {
        const spk_node *node = spk_graph_node(g, i);
        const spk_tensor *y = node->out[0];
        spk_net_layer layer = {.part = part_of(part_end, i), .op = spk_op_name(node->op)};
        layer.h = y->h;
        layer.w = y->w;
        layer.c = y->c;
        layer.flops = spk_node_flops(node) / (double)node->in[0]->n;
        count_weights(node, &seen, &layer);
        if (!layer.name && layer.flops == 0) continue;
        if (!layer.name) layer.name = spk_strdup("");
        SPK_PUSH(*out, *n) = layer;
    }
    spk_map_clear(&seen);
    spk_graph_free(g);
    return SPK_OK;
}

void spk_net_layers_free(spk_net_layer *layers, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        spk_free(layers[i].name);
    spk_free(layers);
}
