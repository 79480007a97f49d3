/* SPDX-License-Identifier: Apache-2.0 */
/* The first value that is not finite (plan_watch_impl.h). */
#include "graph/plan_watch_impl.h"

#include <math.h>

#include "graph/plan_inside_impl.h"

void spk_plan_watch_with(spk_plan *p, spk_plan_watch *watch)
{
    p->watch = watch;
}

/* A bfloat16's exponent is all ones where it is not finite. */
static bool is_finite_at(const spk_view *v, int64_t i)
{
    static const unsigned EXPONENT = 0x7f80;
    if (v->dtype == SPK_BF16) return (((const uint16_t *)v->p)[i] & EXPONENT) != EXPONENT;
    return v->dtype == SPK_F64 ? isfinite(((const double *)v->p)[i]) : isfinite(((const float *)v->p)[i]);
}

/* The row at element `at` of a view. */
static bool is_finite_row(const spk_view *v, int64_t at)
{
    for (int64_t i = at; i < at + v->c; i++)
        if (!is_finite_at(v, i)) return false;
    return true;
}

/* Frames behind an item's end hold anything. */
static bool is_valid(const spk_view *v, int64_t item, int64_t row)
{
    const int64_t time = v->h > 1 ? row / v->w : row;
    return !v->len || time < v->len[item];
}

/* Marks the items that have such values, where the view is one of the batch's. */
static bool scan(spk_plan_watch *watch, const spk_view *v)
{
    const int64_t rows = v->h * v->w;
    bool any = false;
    for (int64_t item = 0; item < v->n; item++)
        for (int64_t row = 0; row < rows; row++) {
            if (!is_valid(v, item, row) || is_finite_row(v, (item * rows + row) * v->ld)) continue;
            any = true;
            if (v->n == watch->n) watch->items[item] = true;
        }
    return any;
}

/* The weights that name an op's place in the network. */
static const char *first_param(const spk_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] && node->in[i]->param) return node->in[i]->param->name;
    return NULL;
}

static void found(spk_plan_watch *watch, const spk_node *node, const char *what, const char *param, const spk_view *v)
{
    watch->found = true;
    spk_text_addf(&watch->where, "%s %s", what, spk_op_name(node->op));
    if (param) spk_text_addf(&watch->where, " (%s)", param);
    spk_text_addf(&watch->where, ", %lld x ", (long long)v->n);
    if (v->h > 1) spk_text_addf(&watch->where, "%lld x ", (long long)v->h);
    spk_text_addf(&watch->where, "%lld x %lld", (long long)v->w, (long long)v->c);
}

void spk__plan_watch_step(spk_plan_watch *watch, const spk_plan *p, int i, bool backward)
{
    const spk_step *s = &p->steps[i];
    const spk_node *node = s->node;
    if (watch->found) return;
    for (int k = 0; !backward && k < node->n_out && !watch->found; k++)
        if (s->args.out[k].p && node->out[k]->dtype != SPK_I64 && scan(watch, &s->args.out[k]))
            found(watch, node, "the output of", first_param(node), &s->args.out[k]);
    for (int k = 0; backward && k < node->n_in && !watch->found; k++) {
        const spk_param *param = node->in[k] ? node->in[k]->param : NULL;
        if (s->back.din[k].p && scan(watch, &s->back.din[k]))
            found(watch, node, param ? "the weights' gradient of" : "the gradient behind",
                  param ? param->name : first_param(node), &s->back.din[k]);
    }
}
