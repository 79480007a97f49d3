/* SPDX-License-Identifier: Apache-2.0 */
/* The emulated device: its memory is the processor's, filled with NaN at first, and its products are plain loops in double. */
#include "backend/cuda/product_impl.h"

void spk_cuda_check(cudaError_t error, const char *file, int line)
{
    if (error == cudaSuccess) return;
    fprintf(stderr, "emulated CUDA: error %d (%s, line %d)\n", error, file, line);
    abort();
}

void spk_cuda_short_of_memory(size_t bytes)
{
    fprintf(stderr, "emulated CUDA: out of memory for %zu bytes\n", bytes);
    abort();
}

static int count(void)
{
    return 64; /* one for each process of a test */
}

static const char *open(const spk_device_options *options, void **self, spk_device_info *info)
{
    spk_cuda *d = static_cast<spk_cuda *>(calloc(1, sizeof *d));
    d->options = *options;
    d->n_sm = 4;
    snprintf(info->name, sizeof info->name, "emulated GPU");
    snprintf(info->library, sizeof info->library, "CUDA on the processor");
    info->memory_gb = 4;
    *self = d;
    return nullptr;
}

static void close(void *self)
{
    free(static_cast<spk_cuda *>(self)->follow);
    free(static_cast<spk_cuda *>(self)->parts);
    free(self);
}

/* SPK_EMULATED_BYTES in the environment: a block may have so many. */
static size_t most_bytes(void)
{
    const char *text = getenv("SPK_EMULATED_BYTES");
    return text ? strtoull(text, nullptr, 10) : size_t(4) << 30;
}

static void *alloc(void *, size_t bytes)
{
    const size_t whole = (bytes + 255) / 256 * 256;
    void *p = whole <= most_bytes() ? aligned_alloc(256, whole ? whole : 256) : nullptr;
    if (p) memset(p, 0xff, whole);
    return p;
}

static void free_memory(void *, void *p)
{
    free(p);
}

static void *host_alloc(size_t bytes)
{
    return aligned_alloc(256, (bytes + 255) / 256 * 256);
}

static size_t most_used(void *)
{
    return 0;
}

static size_t room(void *)
{
    return most_bytes();
}

static void copy(void *, void *to, const void *from, const spk_device_rows *r)
{
    for (int64_t i = 0; i < r->n; i++)
        memcpy(static_cast<char *>(to) + static_cast<size_t>(i) * r->to_ld,
               static_cast<const char *>(from) + static_cast<size_t>(i) * r->from_ld, r->bytes);
}

static void zero(void *, void *p, size_t bytes)
{
    memset(p, 0, bytes);
}

static void wait(void *)
{
}
const spk_device_table spk_cuda_runtime = {.version = SPK_DEVICE_VERSION,
                                           .kind = "emulated CUDA",
                                           .count = count,
                                           .open = open,
                                           .close = close,
                                           .alloc = alloc,
                                           .free = free_memory,
                                           .room = room,
                                           .most_used = most_used,
                                           .host_alloc = host_alloc,
                                           .host_free = free,
                                           .put = copy,
                                           .get = copy,
                                           .zero = zero,
                                           .wait = wait,
                                           .kernel = nullptr,
                                           .follow = nullptr,
                                           .unfollow = nullptr,
                                           .refresh = nullptr,
                                           .begin_record = nullptr, /* it cannot record */
                                           .end_record = nullptr,
                                           .replay = nullptr,
                                           .forget = nullptr};

/* ---- products ---- */

static double at(const spk_matrix *m, int64_t batch, int64_t i, int64_t j)
{
    const int64_t place = batch * m->stride + i * m->ld + j;
    return m->type == SPK_BF16 ? static_cast<double>(spk_load(static_cast<const spk_b16 *>(m->p) + place))
                               : static_cast<double>(static_cast<const float *>(m->p)[place]);
}

/* SPK_CUDA_PRODUCT=tile in the environment: by the kernel that takes what cuBLASLt leaves. */
void spk_cuda_product(spk_cuda *d, const spk_matrix *a, const spk_matrix *b, const spk_matrix *c,
                      const spk_product *how)
{
    const char *path = getenv("SPK_CUDA_PRODUCT");
    if (path && strcmp(path, "tile") == 0) {
        spk_tile_product(d, a, b, c, how);
        return;
    }
    const int64_t inner = how->transpose_a ? a->rows : a->cols;
    for (int64_t n = 0; n < how->batch; n++)
        for (int64_t i = 0; i < c->rows; i++)
            for (int64_t j = 0; j < c->cols; j++) {
                double sum = how->bias ? static_cast<double>(how->bias[j]) : 0;
                for (int64_t k = 0; k < inner; k++)
                    sum += (how->transpose_a ? at(a, n, k, i) : at(a, n, i, k)) *
                           (how->transpose_b ? at(b, n, j, k) : at(b, n, k, j));
                if (how->relu && sum < 0) sum = 0;
                const int64_t place = n * c->stride + i * c->ld + j;
                if (c->type == SPK_BF16)
                    spk_put(static_cast<spk_b16 *>(c->p) + place, static_cast<float>(sum), how->add);
                else
                    spk_put(static_cast<float *>(c->p) + place, static_cast<float>(sum), how->add);
            }
}
