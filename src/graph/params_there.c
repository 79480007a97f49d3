/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters on a device: two blocks that may be newer here or there, and gradients, which are made there. */
#include "graph/params_there_impl.h"

enum { VALUES, BUFFERS, N_BLOCKS };

typedef struct block {
    void *here, *there;
    size_t bytes;
    bool stale_here, stale_there;
} block;

struct spk_params_there {
    const spk_device *device;
    block block[N_BLOCKS];
    void *grad;
};

static spk_status take(const spk_device *d, size_t bytes, void **out)
{
    *out = d->t->alloc(d->self, bytes ? bytes : 1);
    return *out ? SPK_OK
                : spk_fail(SPK_E_NOMEM, "out of memory on the GPU: %.2f GB are needed for parameters",
                           (double)bytes / 1e9);
}

spk_status spk__params_there_new(const spk_device *device, void *values, size_t value_bytes, void *buffers,
                                 size_t buffer_bytes, spk_params_there **out)
{
    spk_status status;
    spk_params_there *t = spk_new(sizeof *t);
    t->device = device;
    t->block[VALUES] = (block){.here = values, .bytes = value_bytes, .stale_there = true};
    t->block[BUFFERS] = (block){.here = buffers, .bytes = buffer_bytes, .stale_there = true};
    SPK_GO(take(device, value_bytes, &t->block[VALUES].there));
    SPK_GO(take(device, buffer_bytes, &t->block[BUFFERS].there));
    SPK_GO(take(device, value_bytes, &t->grad));
    spk__params_there_zero(t, value_bytes);
    *out = t;
done:
    if (status != SPK_OK) spk__params_there_free(t);
    return status;
}

static void give_back(const spk_device *d, void *p)
{
    if (p) d->t->free(d->self, p);
}

void spk__params_there_free(spk_params_there *t)
{
    if (!t) return;
    for (int i = 0; i < N_BLOCKS; i++)
        give_back(t->device, t->block[i].there);
    give_back(t->device, t->grad);
    spk_free(t);
}

void spk__params_there_place(const spk_params_there *t, bool trainable, size_t at, spk_param *q)
{
    q->data_there = (char *)t->block[trainable ? VALUES : BUFFERS].there + at;
    q->grad_there = trainable ? (char *)t->grad + at : NULL;
}

void spk__params_there_stale(spk_params_there *t, unsigned what, bool there)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        if (!(what >> i & 1)) continue;
        SPK_ASSERT(!(there ? t->block[i].stale_here : t->block[i].stale_there) && "both sides were written");
        t->block[i].stale_there |= there;
        t->block[i].stale_here |= !there;
    }
}

void spk__params_there_bring(spk_params_there *t, bool here)
{
    for (int i = 0; i < N_BLOCKS; i++) {
        block *b = &t->block[i];
        if (here && b->stale_here) spk_device_get(t->device, b->here, b->there, b->bytes);
        if (!here && b->stale_there) spk_device_put(t->device, b->there, b->here, b->bytes);
        if (here)
            b->stale_here = false;
        else
            b->stale_there = false;
    }
}

void spk__params_there_gradients(const spk_params_there *t, void *grad, size_t bytes)
{
    spk_device_get(t->device, grad, t->grad, bytes);
}

void spk__params_there_zero(const spk_params_there *t, size_t bytes)
{
    t->device->t->zero(t->device->self, t->grad, bytes);
}

void spk__params_there_blocks(const spk_params_there *t, float **data, float **grad)
{
    *data = t->block[VALUES].there;
    *grad = t->grad;
}
