/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The curves of the margin losses: what a logit is of a cosine, and its derivative. In double, for all kernels.
 *
 * sin = sqrt(1 - c^2) where that is positive, else 0. Its slope -c / sin has no bound at |c| = 1, where the gradient of
 * c vanishes; their product there is rounding noise of any size. So the slope is that of an angle of a thousandth at
 * least: the gradient falls to zero within that angle and stays finite in any precision.
 */
#ifndef SPK_BACKEND_MARGIN_IMPL_H
#define SPK_BACKEND_MARGIN_IMPL_H

#include <math.h>

#include "backend/backend_impl.h"

#define SPK_LEAST_SINE 1e-3

#ifdef __CUDACC__ /* for a GPU's kernels too: attributes whose `margin` points there */
#define SPK_CURVE static inline __host__ __device__
#else
#define SPK_CURVE static inline
#endif

/* cos(theta + m) for m > 0, cos(theta - |m|) for m < 0, and the derivative with respect to c = cos theta. */
SPK_CURVE double spk__cos_moved(double c, double m, double *slope)
{
    const double square = 1 - c * c, sine = square > 0 ? sqrt(square) : 0;
    *slope = cos(m) + c / fmax(sine, SPK_LEAST_SINE) * sin(m);
    return c * cos(m) - sine * sin(m);
}

/* phi of the own class: cos(theta + m) as long as that falls with theta, a line behind. */
SPK_CURVE double spk__margin_own(const spk_margin_attr *a, double c, double *slope)
{
    const double m = a->margin[0];
    *slope = 1;
    switch (a->kind) {
    case SPK_MARGIN_NONE:
        return c;
    case SPK_MARGIN_AM:
        return c - m;
    case SPK_MARGIN_AAM:
        break;
    }
    if (c > (a->easy_margin ? 0 : -cos(m))) return spk__cos_moved(c, m, slope);
    return a->easy_margin ? c : a->continuous ? c - (1 - cos(m)) : c - m * sin(m);
}

/* Of the nearest other classes: cos(theta - m'). */
SPK_CURVE double spk__margin_other(const spk_margin_attr *a, double c, double *slope)
{
    return spk__cos_moved(c, -a->margin[1], slope);
}

/* Are there classes that get the penalty? */
SPK_CURVE int64_t spk__margin_n_top(const spk_margin_attr *a)
{
    return a->margin[1] != 0 ? a->k_top : 0;
}

/* SphereFace2: g(phi) of the own class and of another, and its derivative with respect to c; specification of the
 * attribute in backend_impl.h. */
SPK_CURVE double spk__sphere_power(double z, int64_t t, double *slope)
{
    double power = 1;
    for (int64_t i = 1; i < t; i++)
        power *= (z + 1) / 2;
    *slope = (double)t * power;
    return power * (z + 1) - 1;
}

SPK_CURVE double spk__sphere_own(const spk_sphere_attr *a, double c, double *slope)
{
    const double m = a->margin[0];
    double turn = 1, value = c;
    if (a->angular) value = c > -cos(m) ? spk__cos_moved(c, m, &turn) : c - (1 - cos(m));
    value = spk__sphere_power(value, a->t, slope) - (a->angular ? 0 : m);
    *slope *= turn;
    return value;
}

SPK_CURVE double spk__sphere_other(const spk_sphere_attr *a, double c, double *slope)
{
    const double m = a->margin[0];
    double turn = 1;
    const double value = a->angular ? spk__cos_moved(c, -m, &turn) : c;
    const double g = spk__sphere_power(value, a->t, slope) + (a->angular ? 0 : m);
    *slope *= turn;
    return g;
}

#endif
