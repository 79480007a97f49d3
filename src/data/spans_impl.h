/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a recording, in samples. */
#ifndef SPK_DATA_SPANS_IMPL_H
#define SPK_DATA_SPANS_IMPL_H

#include "base/base_impl.h"

typedef struct spk_span {
    int64_t begin, end; /* [begin, end) */
} spk_span;

typedef struct spk_spans {
    spk_span *v;
    int64_t n;
} spk_spans; /* zero-initialise */

void spk_spans_add(spk_spans *s, int64_t begin, int64_t end);
/* Put them in order, cut them to [0, length), make those that touch or overlap one, and drop empty ones. */
void spk_spans_settle(spk_spans *s, int64_t length);
int64_t spk_spans_total(const spk_spans *s); /* samples */
void spk_spans_clear(spk_spans *s);

#endif
