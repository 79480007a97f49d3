/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text. */
#include "formats/number_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Most float32 values need 6 to 9 digits; few have 2 to 4. */
void spk_format_float(float x, char out[32])
{
    for (int digits = 1; digits <= 9; digits++) {
        if (digits == 2) digits = 5;
        snprintf(out, 32, "%.*g", digits, (double)x);
        if (!isfinite(x) || strtof(out, NULL) == x) return;
    }
}
