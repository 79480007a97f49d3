/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model parts in double against check figures of ESPnet 202611: sums over the output and, in train mode, the
 * projection l = sum of y_k sin(k/2) and the norm of its gradient over all parameters. The figures have nine digits.
 */
#include "parts.h"

static const part_case cases[] = {
    {SPK_ENCODER,
     "ecapa_tdnn",
     "{ndim: 32, output_size: 12, model_scale: 4}",
     "encoder.",
     4,
     37,
     16,
     {3.73048442e+3, 2.26670878e+4, 0, 0, 0, 2.94194501e+3, 1.57388903e+4, -2.14827784e+0, 1.26308936e+3}},
    {SPK_ENCODER,
     "ecapa_tdnn",
     "{ndim: 32, output_size: 12, model_scale: 4, num_blocks: 5}",
     "encoder.",
     4,
     37,
     16,
     {1.83622325e+4, 5.84613013e+5, 1.22309350e+1, 0, 0, 8.89334898e+3, 1.43761056e+5, -2.12627037e+2, 4.28967234e+3}},
    {SPK_POOLING,
     "chn_attn_stat",
     NULL,
     "pooling.",
     3,
     11,
     6,
     {8.56091684e+0, 6.02989916e+0, -3.98219640e-2, 5.40033320e-1, 6.03986162e-1, 5.41766567e+0, 6.11650599e+0,
      -7.01653395e+0, 7.99528614e+0}},
    {SPK_PROJECTOR,
     "rawnet3",
     "{output_size: 7}",
     "projector.",
     5,
     1,
     10,
     {-4.92583298e+0, 3.25255575e+1, -1.46675547e+0, 1.40465856e+0, -3.49005958e-1, -8.29778339e-1, 7.55570712e+1,
      1.31968848e+1, 1.54961317e+1}},
};

static void parts_compute_what_espnet_computes(void **state)
{
    (void)state;
    run_cases(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_compute_what_espnet_computes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
