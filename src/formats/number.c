/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text. */
#include "formats/number_impl.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reads_back(float x, int digits, char out[32])
{
    snprintf(out, 32, "%.*g", digits, (double)x);
    return !isfinite(x) || strtof(out, NULL) == x;
}

/* n with `places` digits behind a point, without zeros at the end, and with the sign of x. */
static void print_fixed(float x, int64_t n, int places, char out[32])
{
    char text[32];
    int at = 31;
    text[at] = '\0';
    for (; places > 0 && n % 10 == 0; places--)
        n /= 10;
    for (int k = 0; n > 0 || k <= places; k++, n /= 10) {
        if (k == places && places > 0) text[--at] = '.';
        text[--at] = (char)('0' + n % 10);
    }
    if (x < 0) text[--at] = '-';
    memcpy(out, text + at, (size_t)(32 - at));
}

typedef enum answer { NO, YES, UNKNOWN } answer;

/* Whether `digits` read back, and the text of "%.*g" where they do, without printf: a product with a power of ten is as good as
 * exact but for what lies half-way. UNKNOWN there, and for numbers of unusual size. */
static answer quick(float x, int digits, char out[32])
{
    static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13};
    const double size = fabs((double)x);
    int whole = 0; /* digits before the point; below 0: zeros behind it */
    if (!(size >= 1e-4 && size < 1e4)) return UNKNOWN;
    while (size >= power[whole])
        whole++;
    while (whole <= 0 && size * power[-whole + 1] < 1)
        whole--;
    const double scaled = size * power[digits - whole], n = floor(scaled + 0.5);
    if (fabs(scaled - floor(scaled) - 0.5) < 1e-5 || n >= power[digits]) return UNKNOWN;
    if ((float)(n / power[digits - whole]) != (float)size) return NO;
    print_fixed(x, (int64_t)n, digits - whole, out);
    return YES;
}

/* Most float32 values need 8 or 9 digits; more digits never read back worse, and few values have 2 to 4,
 * which five say as well. */
void spk_format_float(float x, char out[32])
{
    answer found = quick(x, 7, out);
    if (found == YES) {
        for (int digits = 5; digits <= 7; digits++)
            if ((found = quick(x, digits, out)) != NO) break;
    } else {
        for (int digits = 8; digits <= 9 && found == NO; digits++)
            found = quick(x, digits, out);
    }
    if (found == YES) return;
    if (!reads_back(x, 7, out)) {
        if (!reads_back(x, 8, out)) reads_back(x, 9, out);
        return;
    }
    for (int digits = 5; digits <= 7; digits++)
        if (reads_back(x, digits, out)) return;
}
