/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that work row by row: act, add, copy, scale_add, row_bias. */

static void act_fwd(const spk_kargs *a)
{
    const spk_act_attr *attr = a->attr;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double x = (double)row(&a->in[0], r)[c];
            row(&a->out[0], r)[c] = (SPK_REAL)(attr->act == SPK_SIGMOID ? 1 / (1 + exp(-x)) : x < 0 ? 0 : x);
        }
    }
}

static void act_bwd(const spk_kargs *a)
{
    const spk_act_attr *attr = a->attr;
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double y = (double)row(&a->out[0], r)[c], dy = (double)row(&a->dout[0], r)[c];
            put(row(&a->din[0], r) + c, attr->act == SPK_SIGMOID ? dy * y * (1 - y) : y > 0 ? dy : 0, a->add[0]);
        }
    }
}

/* din[i] gets dy. */
static void pass_gradient(const spk_kargs *a, int i)
{
    if (!a->din[i].p) return;
    for (int64_t r = 0; r < spk_rows(&a->dout[0]); r++)
        for (int64_t c = 0; c < a->dout[0].c; c++)
            put(row(&a->din[i], r) + c, (double)row(&a->dout[0], r)[c], a->add[i]);
}

static void add_fwd(const spk_kargs *a)
{
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = row(&a->in[0], r)[c] + row(&a->in[1], r)[c];
}

static void add_bwd(const spk_kargs *a)
{
    pass_gradient(a, 0);
    pass_gradient(a, 1);
}

static void copy_fwd(const spk_kargs *a)
{
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = row(&a->in[0], r)[c];
}

static void copy_bwd(const spk_kargs *a)
{
    pass_gradient(a, 0);
}

/* y = x s[n,c] + r */
static void scale_add_fwd(const spk_kargs *a)
{
    const int64_t n_t = spk__frames(&a->out[0]);
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double scaled = (double)row(&a->in[0], r)[c] * (double)row(&a->in[1], r / n_t)[c];
            row(&a->out[0], r)[c] = (SPK_REAL)(scaled + (a->in[2].p ? (double)row(&a->in[2], r)[c] : 0));
        }
    }
}

static void scale_add_bwd(const spk_kargs *a)
{
    const spk_view *dy = &a->dout[0];
    const int64_t n_t = spk__frames(dy);
    for (int64_t n = 0; n < dy->n; n++) {
        for (int64_t c = 0; c < dy->c; c++) {
            const double s = (double)row(&a->in[1], n)[c];
            double ds = 0;
            for (int64_t r = n * n_t; r < (n + 1) * n_t; r++) {
                ds += (double)row(dy, r)[c] * (double)row(&a->in[0], r)[c];
                if (a->din[0].p) put(row(&a->din[0], r) + c, (double)row(dy, r)[c] * s, a->add[0]);
            }
            if (a->din[1].p) put(row(&a->din[1], n) + c, ds, a->add[1]);
        }
    }
    pass_gradient(a, 2);
}

/* y = relu(x + v[n,c]) */
static void row_bias_fwd(const spk_kargs *a)
{
    const int64_t n_t = spk__frames(&a->out[0]);
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double y = (double)row(&a->in[0], r)[c] + (double)row(&a->in[1], r / n_t)[c];
            row(&a->out[0], r)[c] = (SPK_REAL)(y < 0 ? 0 : y);
        }
    }
}

static void row_bias_bwd(const spk_kargs *a)
{
    const spk_view *y = &a->out[0];
    const int64_t n_t = spk__frames(y);
    for (int64_t n = 0; n < y->n; n++) {
        for (int64_t c = 0; c < y->c; c++) {
            double dv = 0;
            for (int64_t r = n * n_t; r < (n + 1) * n_t; r++) {
                const double d = row(y, r)[c] > 0 ? (double)row(&a->dout[0], r)[c] : 0;
                dv += d;
                if (a->din[0].p) put(row(&a->din[0], r) + c, d, a->add[0]);
            }
            if (a->din[1].p) put(row(&a->din[1], n) + c, dv, a->add[1]);
        }
    }
}
