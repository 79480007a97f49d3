/* SPDX-License-Identifier: Apache-2.0 */
/* What the program finds in the plugin: the device's functions, its kernels by op, and values that follow the host's. */
#include "backend/cuda/cuda_impl.h"

#include <stdlib.h>
#include <string.h>

/* ---- values that follow the host's ---- */

static spk_follow *find_follow(spk_cuda *d, const void *host)
{
    for (int i = 0; i < d->n_follow; i++)
        if (d->follow[i].host == host) return &d->follow[i];
    return nullptr;
}

static void copy_over(spk_cuda *d, spk_follow *f)
{
    const spk_device_rows rows = {1, f->bytes, 0, 0};
    memcpy(f->last, f->host, f->bytes);
    spk_cuda_runtime.put(d, f->copy, f->host, &rows);
}

const void *spk_cuda_follow_bytes(void *self, const void *host, size_t bytes)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    spk_follow *f = find_follow(d, host);
    if (f && f->bytes >= bytes) {
        f->users++;
        return f->copy;
    }
    spk_follow made = {host, static_cast<unsigned char *>(malloc(bytes ? bytes : 1)),
                       spk_cuda_runtime.alloc(d, bytes ? bytes : 1), bytes, 1};
    spk_follow *all = static_cast<spk_follow *>(realloc(d->follow, sizeof *all * static_cast<size_t>(d->n_follow + 1)));
    if (!made.last || !made.copy || !all) spk_cuda_short_of_memory(bytes);
    d->follow = all;
    d->follow[d->n_follow++] = made;
    copy_over(d, &made);
    return made.copy;
}

void spk_cuda_unfollow_bytes(void *self, const void *host)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    spk_follow *f = find_follow(d, host);
    if (!f || --f->users > 0) return;
    spk_cuda_runtime.free(d, f->copy);
    free(f->last);
    *f = d->follow[--d->n_follow];
}

void spk_cuda_refresh(void *self)
{
    spk_cuda *d = static_cast<spk_cuda *>(self);
    for (int i = 0; i < d->n_follow; i++)
        if (memcmp(d->follow[i].last, d->follow[i].host, d->follow[i].bytes) != 0) copy_over(d, &d->follow[i]);
}

/* ---- kernels ---- */

static const spk_kernel *kernel_of(spk_op op)
{
    static const spk_kernel *const kernels[] = {
#define SPK_CUDA_KERNEL(NAME, name) &spk__cuda_##name,
        SPK_OPS(SPK_CUDA_KERNEL)
#undef SPK_CUDA_KERNEL
    };
    return kernels[op];
}

extern "C" __attribute__((visibility("default"))) const spk_device_table *spk_device_plugin(void)
{
    static spk_device_table table;
    table = spk_cuda_runtime;
    table.kernel = kernel_of;
    table.follow = spk_cuda_follow_bytes;
    table.unfollow = spk_cuda_unfollow_bytes;
    table.refresh = spk_cuda_refresh;
    table.norm = spk_cuda_norm;
    table.adam = spk_cuda_adam;
    table.sgd = spk_cuda_sgd;
    return &table;
}
