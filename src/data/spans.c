/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of parts of a recording. */
#include "data/spans_impl.h"

#include <stdlib.h>

void spk_spans_add(spk_spans *s, int64_t begin, int64_t end)
{
    if (s->n > 0 && s->v[s->n - 1].end == begin && begin < end)
        s->v[s->n - 1].end = end; /* frames come one by one */
    else
        SPK_PUSH(s->v, s->n) = (spk_span){begin, end};
}

static int by_begin(const void *a, const void *b)
{
    const spk_span *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

void spk_spans_settle(spk_spans *s, int64_t length)
{
    int64_t n = 0;
    if (s->n > 1) qsort(s->v, (size_t)s->n, sizeof *s->v, by_begin);
    for (int64_t i = 0; i < s->n; i++) {
        spk_span x = s->v[i];
        if (x.begin < 0) x.begin = 0;
        if (x.end > length) x.end = length;
        if (x.begin >= x.end) continue;
        if (n > 0 && x.begin <= s->v[n - 1].end) {
            if (x.end > s->v[n - 1].end) s->v[n - 1].end = x.end;
        } else {
            s->v[n++] = x;
        }
    }
    s->n = n;
}

int64_t spk_spans_total(const spk_spans *s)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < s->n; i++)
        sum += s->v[i].end - s->v[i].begin;
    return sum;
}

void spk_spans_clear(spk_spans *s)
{
    spk_free(s->v);
    *s = (spk_spans){0};
}
