/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text. */
#include "formats/number_impl.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static bool reads_back(float x, int digits, char out[32])
{
    snprintf(out, 32, "%.*g", digits, (double)x);
    return !isfinite(x) || strtof(out, NULL) == x;
}

/* Most float32 values need 8 or 9 digits; more digits never read back worse, and few values have 2 to 4. */
void spk_format_float(float x, char out[32])
{
    if (!reads_back(x, 7, out)) {
        if (!reads_back(x, 8, out)) reads_back(x, 9, out);
        return;
    }
    static const int fewer[] = {1, 5, 6, 7};
    for (int i = 0; i < 4; i++)
        if (reads_back(x, fewer[i], out)) return;
}
