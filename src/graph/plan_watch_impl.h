/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for the first value of a run that is not finite: slow, for one batch that is known to have one. */
#ifndef SPK_GRAPH_PLAN_WATCH_IMPL_H
#define SPK_GRAPH_PLAN_WATCH_IMPL_H

#include "graph/plan_impl.h"

typedef struct spk_plan_watch {
    bool found;
    spk_text where; /* "the output of conv1d (encoder.conv.weight), 8 x 300 x 512"; clear it */
    bool *
        items; /* n of them, the caller's: items of the batch with such values; none set: it is a parameter's gradient */
    int64_t n;
} spk_plan_watch;

/* Look at every op's output and gradients in the next runs, until it is called with NULL. Not of plans in double. */
void spk_plan_watch_with(spk_plan *p, spk_plan_watch *watch);
/* plan_run.c: after step i. */
void spk__plan_watch_step(spk_plan_watch *watch, const spk_plan *p, int i, bool backward);

#endif
