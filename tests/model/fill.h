/* SPDX-License-Identifier: Apache-2.0 */
/* The deterministic fill and the sums of the specification's check figures: every number comes from a name. */
#ifndef TESTS_MODEL_FILL_H
#define TESTS_MODEL_FILL_H

#include <math.h>
#include <string.h>

#include "graph/params_impl.h"

typedef struct fill {
    uint32_t z;
} fill;

static inline fill fill_begin(const char *name)
{
    fill f = {2166136261u};
    for (; *name; name++)
        f.z = (f.z ^ (unsigned char)*name) * 16777619u;
    return f;
}

static inline double fill_next(fill *f)
{
    f->z = 1664525u * f->z + 1013904223u;
    return (double)f->z / 2147483648.0 - 1;
}

static inline double *fill_input(const char *name, int64_t n)
{
    double *x = spk_new((size_t)n * sizeof *x);
    fill f = fill_begin(name);
    for (int64_t i = 0; i < n; i++)
        x[i] = fill_next(&f);
    return x;
}

/* Value of one element by the kind of tensor: norm weights, scales, running statistics, matrices, the rest. */
static inline double fill_value(const spk_param *p, double v)
{
    if (spk_ends_with(p->name, "running_mean")) return 0.2 * v;
    if (spk_ends_with(p->name, "running_var")) return 1 + 0.5 * v;
    if (p->n_dims == 1 && spk_ends_with(p->name, ".weight")) return 1 + 0.2 * v;
    if (spk_ends_with(p->name, ".alpha")) return 1 + 0.2 * v;
    if (spk_ends_with(p->name, "pos_bias_u") || spk_ends_with(p->name, "pos_bias_v")) return 0.1 * v;
    if (p->n_dims >= 2) return v * sqrt(6.0 / ((double)p->count / (double)p->dim[0]));
    return 0.1 * v;
}

/* Fill all but the frontend; `drop` is a prefix that the specification's names do not have. */
static inline void fill_params(const spk_params *params, const char *drop)
{
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *p = spk_params_at(params, i);
        if (p->dtype == SPK_I64 || spk_starts_with(p->name, "frontend.")) continue;
        fill f = fill_begin(p->name + (spk_starts_with(p->name, drop) ? strlen(drop) : 0));
        for (int64_t k = 0; k < p->count; k++) {
            const double v = fill_value(p, fill_next(&f));
            if (p->dtype == SPK_F64)
                ((double *)p->data)[k] = v;
            else
                ((float *)p->data)[k] = (float)v;
        }
    }
}

#endif
