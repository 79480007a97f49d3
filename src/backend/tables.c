/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of each op, best first, and the choice among them. The only place that knows which kernels there are.
 * Fast kernels are for float; SPK_IMPL=NAME in the environment restricts the choice to kernels whose name begins so,
 * with the reference behind them (SPK_IMPL=reference: nothing else; SPK_IMPL=omp_v3: no AVX-512).
 */
#include "backend/backend_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/isa_impl.h"
#include "backend/device_impl.h"
#include "backend/reference/ref_impl.h"
#include "backend/widen_impl.h"

enum { MAX_KERNELS = 4 };

extern const spk_kernel spk__dnnl_conv1d, spk__dnnl_conv2d; /* cpu/dnnl_conv.c */
extern const spk_kernel spk__dnnl_conv1d_bf16, spk__dnnl_conv2d_bf16;

static const spk_kernel *table_f32[SPK_N_OPS][MAX_KERNELS + 1];
static const spk_kernel *table_f64[SPK_N_OPS][MAX_KERNELS + 1];
static const spk_kernel *table_bf16[SPK_N_OPS][MAX_KERNELS + 1];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* Put a kernel behind those that are there; NULL is left out. */
static void append(const spk_kernel **table, const spk_kernel *kernel)
{
    int n = 0;
    while (table[n])
        n++;
    SPK_ASSERT(n < MAX_KERNELS);
    table[n] = kernel;
}

static void fill_tables(void)
{
    append(table_f32[SPK_OP_CONV1D], &spk__dnnl_conv1d);
    append(table_bf16[SPK_OP_CONV1D], &spk__dnnl_conv1d_bf16);
    append(table_bf16[SPK_OP_CONV2D], &spk__dnnl_conv2d_bf16);
    for (int op = 0; op < SPK_N_OPS; op++) {
        const spk_kernel *omp[3];
        spk__omp_kernels((spk_op)op, omp);
        for (int i = 0; omp[i]; i++)
            append(table_f32[op], omp[i]);
        if (op == SPK_OP_CONV2D) append(table_f32[op], &spk__dnnl_conv2d); /* behind what is faster where it fits */
        append(table_f32[op], &spk__ref_f32[op]);
        append(table_f64[op], &spk__ref_f64[op]);
        spk__omp_bf16_kernels((spk_op)op, omp);
        for (int i = 0; omp[i]; i++)
            append(table_bf16[op], omp[i]);
        append(table_bf16[op], &spk__widened);
    }
}

const char *spk_op_name(spk_op op)
{
    static const char *const names[] = {
#define SPK_OP_NAME(NAME, name) #name,
        SPK_OPS(SPK_OP_NAME)
#undef SPK_OP_NAME
    };
    return (unsigned)op < SPK_N_OPS ? names[op] : "unknown";
}

const spk_kernel *const *spk_kernel_table(spk_op op, spk_dtype dtype)
{
    SPK_ASSERT((unsigned)op < SPK_N_OPS && (dtype == SPK_F32 || dtype == SPK_F64 || dtype == SPK_BF16));
    pthread_once(&tables_once, fill_tables);
    return dtype == SPK_F32 ? table_f32[op] : dtype == SPK_F64 ? table_f64[op] : table_bf16[op];
}

/* Are these views bfloat16, and no others? */
static bool frames_are(const spk_view *v, int n, unsigned frames)
{
    for (int i = 0; i < n; i++)
        if (v[i].n && (v[i].dtype == SPK_BF16) != (frames >> i & 1)) return false;
    return true;
}

bool spk_kernel_fits(const spk_kernel *k, const spk_geom *g)
{
    if (g->dtype == SPK_BF16 && k != &spk__widened &&
        !(frames_are(g->in, SPK_MAX_IN, k->frames_in) && frames_are(g->out, SPK_MAX_OUT, k->frames_out)))
        return false;
    return !k->supports || k->supports(g);
}

/* The device's own, or the processor's on copies. */
static const spk_kernel *find_on_device(const spk_geom *g)
{
    const spk_kernel *k = g->device->t->kernel(g->op);
    if (!k || (k->supports && !k->supports(g))) k = &spk__on_host;
    spk_debug("impl", "%s %s (%lld x %lld x %lld): %s", spk_op_name(g->op), spk_dtype_name(g->dtype),
              (long long)g->in[0].n, (long long)(g->in[0].h * g->in[0].w), (long long)g->in[0].c, k->name);
    return k;
}

const spk_kernel *spk_kernel_find(const spk_geom *g)
{
    if (g->device) return find_on_device(g);
    const char *only = getenv("SPK_IMPL");
    const spk_kernel *const *k = spk_kernel_table(g->op, g->dtype);
    /* The last one is the reference, which always fits. */
    for (; k[1]; k++)
        if ((!only || !*only || strncmp(only, (*k)->name, strlen(only)) == 0) && spk_kernel_fits(*k, g)) break;
    spk_debug("impl", "%s %s (%lld x %lld x %lld): %s", spk_op_name(g->op), spk_dtype_name(g->dtype),
              (long long)g->in[0].n, (long long)(g->in[0].h * g->in[0].w), (long long)g->in[0].c, (*k)->name);
    return *k;
}
