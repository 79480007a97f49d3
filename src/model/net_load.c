/* SPDX-License-Identifier: Apache-2.0 */
/* Weights into a network: from files, under today's names, strictly. */
#include "model/net_impl.h"
#include "model/net_model_impl.h"
#include "spk/state.h"

/* Without the loss's own tensors: what an embedder needs. */
static void drop_loss(spk_tensors *t)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < t->n; i++) {
        if (spk_starts_with(t->item[i].name, "loss.")) {
            spk_free(t->item[i].name);
            spk_ndarray_clear(&t->item[i].a);
        } else {
            t->item[kept++] = t->item[i];
        }
    }
    t->n = kept;
}

/* Older releases' names become today's. */
static void rename_old(const spk_net *net, spk_tensors *t)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < t->n; i++) {
        char *name = NULL;
        for (spk_part_kind kind = 0; kind < SPK_N_PARTS && !name; kind++) {
            const spk_part *part = spk__net_part(net, kind);
            if (part && part->renamed) name = part->renamed(t->item[i].name);
        }
        if (name) {
            spk_free(t->item[i].name);
            t->item[i].name = name;
        }
        if (t->item[i].name[0]) {
            t->item[kept++] = t->item[i];
        } else {
            spk_free(t->item[i].name);
            spk_ndarray_clear(&t->item[i].a);
        }
    }
    t->n = kept;
}

spk_status spk_net_take(spk_net *net, spk_tensors *t)
{
    if (spk__net_embeds_only(net)) drop_loss(t);
    rename_old(net, t);
    SPK_TRY(spk__net_check_tables(spk_net_params(net), t));
    SPK_TRY(spk_params_load(spk_net_params(net), t));
    spk__net_weights_changed(net);
    return SPK_OK;
}

spk_status spk_net_load(spk_net *net, const char *path)
{
    spk_tensors t = {0};
    SPK_TRY(spk_weights_read(path, &t));
    spk_status status = spk_net_take(net, &t);
    if (status != SPK_OK) status = spk_fail_in(status, "%s", path);
    spk_tensors_clear(&t);
    return status;
}
