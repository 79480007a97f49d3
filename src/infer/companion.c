/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with a model's weights: texts beside its configuration, and a name that stands for the weights themselves. */
#include <string.h>

#include "formats/packed_impl.h"
#include "infer/embedder_impl.h"
#include "model/net_impl.h"

spk_status spk__embedder_text(const spk_embedder *e, const char *name, char **text, size_t *n, char **where)
{
    spk_status status = SPK_OK;
    *text = NULL;
    *n = 0;
    *where = e->packed ? spk_strf("%s/%s", e->home, name) : spk_path_join(e->home, name);
    if (e->packed)
        status = spk_packed_text(e->home, name, text, n);
    else if (spk_exists(*where))
        status = spk_read_file(*where, text, n);
    if (status == SPK_OK && *text) return SPK_OK;
    spk_free(*where);
    *where = NULL;
    return status;
}

/* FNV-1a over 64-bit words, as weights are many. */
static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (; bytes > 0;) {
        uint64_t word = 0;
        const size_t n = bytes < sizeof word ? bytes : sizeof word;
        memcpy(&word, p, n);
        hash = (hash ^ word) * UINT64_C(0x100000001b3);
        hash ^= hash >> 32; /* a product moves bits upwards only */
        p += n;
        bytes -= n;
    }
    return hash;
}

spk_status spk__embedder_fingerprint(const spk_embedder *e, char out[17])
{
    spk_tensors weights = {0};
    uint64_t hash = spk_hash_str("spk-weights");
    SPK_TRY(spk_params_save(spk_net_params(e->net), &weights));
    hash = mix(hash, &e->audio.sample_rate, sizeof e->audio.sample_rate);
    for (int64_t i = 0; i < weights.n; i++) {
        const spk_ndarray *a = &weights.item[i].a;
        const char *name = weights.item[i].name;
        if (spk_ends_with(name, "num_batches_tracked")) continue; /* counts a training's steps and embeds nothing */
        hash = mix(hash, name, strlen(name));
        hash = mix(hash, a->data, (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype));
    }
    spk_tensors_clear(&weights);
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
    return SPK_OK;
}
