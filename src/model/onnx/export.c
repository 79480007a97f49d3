/* SPDX-License-Identifier: Apache-2.0 */
/* spk_net_export_onnx: the embedding graph of one utterance, op by op (onnx_export_impl.h). */
#include "spk/onnx.h"

#include "model/net_impl.h"
#include "model/onnx/onnx_export_impl.h"
#include "model/onnx/sherpa_impl.h"

/* The graph is made for some length; nothing of it goes into the model. */
enum { USUAL_SAMPLES = 16000 };

/* ---- inputs and outputs ---- */

static void wave_inputs(xp *x, const spk_net_plan *p)
{
    const int64_t middle = 1;
    const bool features = p->speech->c > 1 || p->feats == p->speech;
    char width[24];
    snprintf(width, sizeof width, "%lld", (long long)p->speech->c);
    const char *const wave_dims[] = {"N", "samples"}, *const feature_dims[] = {"N", "frames", width};
    const spk_value speech = spk_onnx_input(x->o, features ? "feats" : "speech", SPK_F32, features ? 3 : 2,
                                            features ? feature_dims : wave_dims);
    const char *const n[] = {"N"};
    SPK_PUSH(x->mask, x->n_masks) =
        (xp_mask){p->lengths, spk_onnx_input(x->o, features ? "feats_lengths" : "speech_lengths", SPK_I64, 1, n), NULL};
    xp_set(x, p->speech,
           features ? xp_transpose(x, speech, 3, (int64_t[]){0, 2, 1}) : xp_unsqueeze(x, speech, 1, &middle));
}

static void feature_input(xp *x, spk_tensor *feats)
{
    char width[24];
    snprintf(width, sizeof width, "%lld", (long long)feats->c);
    const char *const dims[] = {"N", "T", width};
    const spk_value v = spk_onnx_input(x->o, "x", SPK_F32, 3, dims);
    xp_set(x, feats, xp_transpose(x, v, 3, (int64_t[]){0, 2, 1}));
}

static void embedding_output(xp *x, spk_tensor *embedding)
{
    char width[24];
    snprintf(width, sizeof width, "%lld", (long long)embedding->c);
    const char *const dims[] = {"N", width};
    const spk_value v = xp_reshape(x, xp_value(x, embedding), 2, (int64_t[]){0, embedding->c});
    spk_onnx_output(x->o, v, "embedding", SPK_F32, 2, dims);
}

/* ---- nodes ---- */

static spk_status convert_node(xp *x, const spk_node *node)
{
    bool (*const groups[])(xp *, const spk_node *) = {xp_op_pointwise, xp_op_conv,   xp_op_time,
                                                      xp_op_attention, xp_op_select, xp_op_frontend};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (groups[i](x, node)) return SPK_OK;
    return spk_fail(SPK_E_UNSUPPORTED, "the op %s cannot be written as ONNX", spk_op_name(node->op));
}

/* All nodes, or those behind the frontend (whose output has a value already). */
static spk_status convert(xp *x, const spk_net_plan *p)
{
    bool behind = p->feats == p->speech || x->value[p->feats->id] == NULL;
    if (p->feats == p->speech) x->frames = xp_extent(x, xp_value(x, p->feats), 2);
    for (int i = 0; i < spk_graph_n_nodes(p->graph); i++) {
        const spk_node *node = spk_graph_node(p->graph, i);
        if (behind) SPK_TRY(convert_node(x, node));
        if (node->out[0] != p->feats) continue;
        behind = true;
        x->frames = xp_extent(x, xp_value(x, p->feats), 2);
    }
    return SPK_OK;
}

spk_status spk_net_export_onnx(spk_net *net, const spk_onnx_options *options, const char *path)
{
    SPK_ASSERT(options && path);
    const bool sherpa = options->target == SPK_ONNX_SHERPA;
    const int64_t least = spk_net_min_samples(net), samples = least + USUAL_SAMPLES;
    spk_net_plan *p;
    spk_status status;
    if (sherpa) SPK_TRY(spk__sherpa_check(net));
    SPK_TRY(spk_net_plan_for(net, SPK_NET_EMBED, 1, samples, sherpa ? SPK_NET_EVEN : SPK_NET_RAGGED, &p));
    xp x = {.o = spk_onnx_new("speaker_embedding"), .g = p->graph};
    x.value = spk_new((size_t)spk_graph_n_tensors(p->graph) * sizeof *x.value);
    if (sherpa)
        feature_input(&x, p->feats);
    else
        wave_inputs(&x, p);
    SPK_GO(convert(&x, p));
    embedding_output(&x, p->embedding);
    if (sherpa) spk__sherpa_metadata(x.o, net, options);
    SPK_GO(spk_onnx_write(x.o, path));
done:
    spk_onnx_free(x.o);
    spk_free(x.value);
    spk_free(x.mask);
    return status;
}
