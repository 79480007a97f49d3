/* SPDX-License-Identifier: Apache-2.0 */
/* The fast float kernels that this processor can run. */
#include "backend/cpu/isa_impl.h"

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

/* Those of the two that there are and that this processor can run, best first. */
static void choose(const spk_kernel *v4, const spk_kernel *v3, const spk_kernel *kernels[3])
{
    int n = 0;
    __builtin_cpu_init();
    if (v4 && has_avx512()) kernels[n++] = v4;
    if (v3 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels[n++] = v3;
    kernels[n] = NULL;
}

void spk__omp_kernels(spk_op op, const spk_kernel *kernels[3])
{
    static const spk_kernel *const v3[SPK_N_OPS] = {
#define SPK_OMP_V3(NAME, name) [SPK_OP_##NAME] = &spk__omp_##name##_v3,
        SPK_OMP_OPS(SPK_OMP_V3)
#undef SPK_OMP_V3
    };
    static const spk_kernel *const v4[SPK_N_OPS] = {
#define SPK_OMP_V4(NAME, name) [SPK_OP_##NAME] = &spk__omp_##name##_v4,
        SPK_OMP_OPS(SPK_OMP_V4)
#undef SPK_OMP_V4
    };
    choose(v4[op], v3[op], kernels);
}

void spk__omp_bf16_kernels(spk_op op, const spk_kernel *kernels[3])
{
    static const spk_kernel *const v3[SPK_N_OPS] = {
#define SPK_OMP_V3(NAME, name) [SPK_OP_##NAME] = &spk__omp_##name##_bf16_v3,
        SPK_OMP_BF16_OPS(SPK_OMP_V3)
#undef SPK_OMP_V3
    };
    static const spk_kernel *const v4[SPK_N_OPS] = {
#define SPK_OMP_V4(NAME, name) [SPK_OP_##NAME] = &spk__omp_##name##_bf16_v4,
        SPK_OMP_BF16_OPS(SPK_OMP_V4)
#undef SPK_OMP_V4
    };
    choose(v4[op], v3[op], kernels);
}
