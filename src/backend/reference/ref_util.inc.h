/* SPDX-License-Identifier: Apache-2.0 */
/* What the reference kernels share: rows of views, writing or adding. Included once for each SPK_REAL. */

/* Row r of a view: (n*h + y)*w + t. */
static inline SPK_REAL *row(const spk_view *v, int64_t r)
{
    return (SPK_REAL *)v->p + r * v->ld;
}

/* A dense parameter. */
static inline SPK_REAL *dense(const spk_view *v)
{
    return v->p;
}

static inline void put(SPK_REAL *d, double value, bool add)
{
    *d = (SPK_REAL)(add ? (double)*d + value : value);
}

/* Is row r behind its item's end? Frames are rows of sound, or rows of a picture with all their bins. */
static inline bool is_hidden(const spk_view *x, int64_t r)
{
    const int64_t n_t = x->h > 1 ? x->h : x->w, bins = x->h > 1 ? x->w : 1;
    return x->len && r / bins % n_t >= x->len[r / bins / n_t];
}

static inline double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* The smallest variance that an attribute means: below zero stands for the machine epsilon of the type. */
static inline double floor_of(double lo)
{
    return lo < 0 ? SPK_REAL_EPSILON : lo;
}
