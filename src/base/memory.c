/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory. Data blocks are 64-byte aligned (one cache line, one AVX-512 register) and may fail;
 * book-keeping objects abort when memory is short, as nothing sensible could follow. Both are
 * counted, so that a test can hold the step loop to zero allocations.
 */
#include "base/base_impl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };
static atomic_int_fast64_t n_allocs;

int64_t spk_alloc_count(void)
{
    return atomic_load(&n_allocs);
}

void *spk_alloc(size_t bytes)
{
    void *p = NULL;
    atomic_fetch_add(&n_allocs, 1);
    return posix_memalign(&p, ALIGNMENT, bytes ? bytes : 1) == 0 ? p : NULL;
}

void *spk_alloc_zero(size_t bytes)
{
    void *p = spk_alloc(bytes);
    if (p) memset(p, 0, bytes);
    return p;
}

static void *checked(void *p, size_t bytes)
{
    if (!p) {
        fprintf(stderr, "spk: out of memory (%zu bytes for book-keeping)\n", bytes);
        abort();
    }
    return p;
}

void *spk_new(size_t bytes)
{
    atomic_fetch_add(&n_allocs, 1);
    return checked(calloc(1, bytes ? bytes : 1), bytes);
}

void *spk_renew(void *p, size_t bytes)
{
    atomic_fetch_add(&n_allocs, 1);
    return checked(realloc(p, bytes ? bytes : 1), bytes);
}

char *spk_strndup(const char *s, size_t n)
{
    char *copy = spk_new(n + 1);
    memcpy(copy, s, n);
    return copy;
}

char *spk_strdup(const char *s)
{
    return spk_strndup(s, strlen(s));
}

void spk_free(void *p)
{
    free(p);
}

/* ---- memory for batches ---- */

/* A block's giver stands before it. */
typedef struct batch_block {
    void (*release)(void *p);
    char rest[ALIGNMENT - sizeof(void (*)(void *))];
} batch_block;

static void *(*alloc_batch)(size_t bytes) = spk_alloc;
static void (*release_batch)(void *p) = spk_free;

void spk_batch_memory(void *(*alloc)(size_t bytes), void (*release)(void *p))
{
    alloc_batch = alloc ? alloc : spk_alloc;
    release_batch = release ? release : spk_free;
}

void *spk_alloc_batch(size_t bytes)
{
    batch_block *b = alloc_batch(sizeof *b + bytes);
    if (!b) return NULL;
    b->release = release_batch;
    return b + 1;
}

void spk_free_batch(void *p)
{
    batch_block *b = p;
    if (b) b[-1].release(b - 1);
}

size_t spk_mul(size_t a, size_t b, bool *overflow)
{
    if (b != 0 && a > SIZE_MAX / b) {
        *overflow = true;
        return 0;
    }
    return a * b;
}
