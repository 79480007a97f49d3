/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend is, and how fast a matrix product runs on this processor. */
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/dnnl_impl.h"

const char *spk_backend_version(void)
{
    static char text[64];
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

const char *spk_backend_isa(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        return __builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx512";
    return "avx2";
}

bool spk_backend_has_bf16(void)
{
    const char *forced = getenv("SPK_BF16");
    return (forced && strcmp(forced, "1") == 0) || strcmp(spk_backend_isa(), "avx512_bf16") == 0;
}

/* ---- the matrix peak: of a square product ---- */

enum { SIZE = 2048, RUNS = 8 };
static const double ENOUGH = 5; /* seconds after which no further run begins */

typedef struct product {
    void *a, *b, *c, *pad;
    dnnl_primitive_t bf16; /* NULL: in float */
    dnnl_memory_t rows, weights, scratchpad;
} product;

static void run(const product *p)
{
    if (p->bf16)
        spk__execute(p->bf16,
                     (spk_dnnl_arg[]){{DNNL_ARG_SRC, p->rows, p->a},
                                      {DNNL_ARG_WEIGHTS, p->weights, p->b},
                                      {DNNL_ARG_DST, p->rows, p->c},
                                      {DNNL_ARG_SCRATCHPAD, p->scratchpad, p->pad}},
                     4);
    else
        SPK_DNNL(dnnl_sgemm('N', 'N', SIZE, SIZE, SIZE, 1, p->a, SIZE, p->b, SIZE, 0, p->c, SIZE));
}

/* In bfloat16 it is what the models' products are: a convolution with one tap. */
static void make_bf16(product *p)
{
    spk_conv_md md = {.stride = {1}};
    dnnl_primitive_attr_t attr = spk__attr_new();
    md.src = spk__md_strided(dnnl_bf16, 3, (int64_t[]){1, SIZE, SIZE}, (int64_t[]){SIZE * SIZE, 1, SIZE});
    md.dst = spk__md_strided(dnnl_bf16, 3, (int64_t[]){1, SIZE, SIZE}, (int64_t[]){SIZE * SIZE, 1, SIZE});
    md.weights = spk__md_any(dnnl_bf16, 3, (int64_t[]){SIZE, SIZE, 1});
    dnnl_primitive_desc_t pd = spk__conv_fwd_pd(&md, true, false, attr);
    SPK_DNNL(dnnl_primitive_create(&p->bf16, pd));
    p->rows = spk__memory(spk__md_ref(&md.src));
    p->weights = spk__memory(spk__pd_md(pd, dnnl_query_weights_md));
    p->scratchpad = spk__memory(spk__pd_md(pd, dnnl_query_scratchpad_md));
    p->pad = spk_alloc_zero(spk__pd_scratch_bytes(pd) + 1);
    SPK_DNNL(dnnl_primitive_desc_destroy(pd));
    SPK_DNNL(dnnl_primitive_attr_destroy(attr));
    spk__md_free(&md.src);
    spk__md_free(&md.dst);
    spk__md_free(&md.weights);
}

double spk_backend_peak_gflops(int n_threads, bool bf16)
{
    (void)n_threads; /* the library uses OpenMP's number of threads */
    product p = {0};
    double best = 0;
    p.a = spk_alloc_zero(sizeof(float) * SIZE * SIZE);
    p.b = spk_alloc_zero(sizeof(float) * SIZE * SIZE);
    p.c = spk_alloc_zero(sizeof(float) * SIZE * SIZE);
    /* Below AVX-512 the library has no such product, and what is bfloat16 is multiplied in float (tables.c). */
    if (bf16 && strncmp(spk_backend_isa(), "avx512", 6) == 0) make_bf16(&p);
    const double begin = spk_now();
    for (int i = 0; p.a && p.b && p.c && i < RUNS && (i == 0 || spk_now() - begin < ENOUGH); i++) {
        const double start = spk_now();
        run(&p);
        const double rate = 2e-9 * SIZE * SIZE * (double)SIZE / (spk_now() - start);
        if (rate > best) best = rate;
    }
    if (p.bf16) {
        dnnl_primitive_destroy(p.bf16);
        dnnl_memory_destroy(p.rows);
        dnnl_memory_destroy(p.weights);
        dnnl_memory_destroy(p.scratchpad);
    }
    spk_free(p.a);
    spk_free(p.b);
    spk_free(p.c);
    spk_free(p.pad);
    return best;
}
