/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of several processes: shared statistics, and when gradients are final. */
#include "graph/plan_inside_impl.h"

void spk_plan_synchronise(spk_plan *p, const spk_reduction *reduction)
{
    p->sync = reduction;
}

/* The end of step i's last gradient of a parameter, in elements from `gradients`; 0: it has none. */
static int64_t last_gradient(const spk_step *s, const void *gradients)
{
    int64_t end = 0;
    for (int k = 0; k < s->node->n_in; k++) {
        const spk_tensor *t = s->node->in[k];
        if (!s->backward || !t || !t->param || !t->param->grad || !s->args.din[k].p) continue;
        const ptrdiff_t bytes = (const char *)t->param->grad - (const char *)gradients;
        const int64_t at = bytes / (ptrdiff_t)spk_dtype_size(t->param->dtype) + t->param->count;
        end = at > end ? at : end;
    }
    return end;
}

/* Backward runs from the last step to the first; after step i what no earlier step adds to is final. */
void spk_plan_watch_gradients(spk_plan *p, const void *gradients, void (*ready)(void *user, int64_t from), void *user)
{
    p->ready = ready;
    p->ready_user = user;
    if (!ready || p->ready_from) return;
    p->ready_from = spk_new((size_t)p->n_steps * sizeof *p->ready_from);
    for (int i = 1; i < p->n_steps; i++) {
        const int64_t end = last_gradient(&p->steps[i - 1], gradients);
        p->ready_from[i] = end > p->ready_from[i - 1] ? end : p->ready_from[i - 1];
    }
}
