/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An optimiser whose state lives on a device, beside the weights and gradients there. The blocks here remain as copies,
 * for checkpoints: pull and push bring them up to date in either direction.
 */
#include "backend/device_impl.h"
#include "optim/kind_impl.h"

bool spk_optim_fits_device(const spk_optim *o)
{
    bool fits = o->kind->update_there && !o->kind->start && o->real == SPK_F32 && o->own_n == o->n;
    for (int i = 0; i < o->n_groups; i++)
        fits = fits && o->group[i].freeze_steps == 0;
    return fits;
}

static size_t block_bytes(const spk_optim *o)
{
    return (size_t)o->own_n * spk_dtype_size(o->real);
}

void spk__optim_free_there(spk_optim *o)
{
    for (int i = 0; i < SPK_OPTIM_MAX_BLOCKS; i++) {
        if (o->there[i]) o->device->t->free(o->device->self, o->there[i]);
        o->there[i] = NULL;
    }
}

spk_status spk__optim_make_there(spk_optim *o)
{
    const size_t bytes = block_bytes(o);
    for (int i = 0; i < o->n_blocks; i++) {
        o->there[i] = o->device->t->alloc(o->device->self, bytes);
        if (!o->there[i])
            return spk_fail(SPK_E_NOMEM,
                            "optim: not enough memory on the GPU for the state of %s: %d blocks of %.3f GB",
                            o->kind->name, o->n_blocks, (double)bytes * 1e-9);
    }
    spk_optim_push(o);
    return SPK_OK;
}

spk_status spk_optim_use_device(spk_optim *o, const spk_device *device)
{
    SPK_ASSERT(!o->device && spk_optim_fits_device(o));
    o->device = device;
    const spk_status status = spk__optim_make_there(o);
    if (status == SPK_OK) return SPK_OK;
    spk__optim_free_there(o);
    o->device = NULL;
    return status;
}

void spk_optim_pull(spk_optim *o)
{
    for (int i = 0; i < o->n_blocks && o->device; i++)
        spk_device_get(o->device, o->block[i].v, o->there[i], block_bytes(o));
}

void spk_optim_push(spk_optim *o)
{
    for (int i = 0; i < o->n_blocks && o->device; i++)
        spk_device_put(o->device, o->there[i], o->block[i].v, block_bytes(o));
}

/* Neighbouring pieces of one group are one launch. */
void spk__optim_step_there(const spk_optim *o, float *w, const float *g)
{
    for (int64_t i = 0, next; i < o->n_pieces; i = next) {
        const int64_t at = o->piece[i].at;
        void *state[SPK_OPTIM_MAX_BLOCKS] = {0};
        int64_t n = 0;
        for (next = i; next < o->n_pieces && o->piece[next].group == o->piece[i].group; next++)
            n += o->piece[next].n;
        for (int b = 0; b < o->n_blocks; b++)
            state[b] = (float *)o->there[b] + at;
        o->kind->update_there(o->device, &o->scalars[o->piece[i].group], n, w + at, g + at, state);
    }
}

double spk__optim_norm_there(const spk_optim *o, const float *gradients, double p)
{
    return o->device->t->norm(o->device->self, gradients, o->n, p);
}
