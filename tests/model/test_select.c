/* SPDX-License-Identifier: Apache-2.0 */
/* ska_tdnn against check figures of ESPnet 202611. */
#include "parts.h"

static const part_case cases[] = {
    {SPK_ENCODER,
     "ska_tdnn",
     "{ndim: 32, output_size: 12, ska_dim: 8, model_scale: 4}",
     "encoder.",
     4,
     37,
     16,
     {2.37461916e+3, 1.37734223e+4, 1.67009244e+0, 0, 0, 1.43616155e+3, 7.54838689e+3, -7.50663208e+1, 4.78435881e+3}},
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
