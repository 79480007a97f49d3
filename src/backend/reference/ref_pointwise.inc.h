/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that work row by row: act, add, copy, scale_add, row_bias. */

/* Of the self-normalising unit (Klambauer et al., 2017), as PyTorch has them. */
static const double SELU_ALPHA = 1.6732632423543772848170429916717, SELU_SCALE = 1.0507009873554804934193349852946;

static double act_value(spk_act act, double x)
{
    switch (act) {
    case SPK_SIGMOID:
        return 1 / (1 + exp(-x));
    case SPK_TANH:
        return tanh(x);
    case SPK_SWISH:
        return x / (1 + exp(-x));
    case SPK_HARDTANH:
        return clamp(x, -1, 1);
    case SPK_SELU:
        return SELU_SCALE * (x < 0 ? SELU_ALPHA * expm1(x) : x);
    case SPK_LINEAR:
        return x;
    case SPK_RELU:
    default:
        return x < 0 ? 0 : x;
    }
}

/* The slope at the result y; for swish at the argument y. */
static double act_slope(spk_act act, double y)
{
    double s;
    switch (act) {
    case SPK_SIGMOID:
        return y * (1 - y);
    case SPK_TANH:
        return 1 - y * y;
    case SPK_SWISH:
        s = 1 / (1 + exp(-y));
        return s * (1 + y * (1 - s));
    case SPK_HARDTANH:
        return y > -1 && y < 1;
    case SPK_SELU:
        return y > 0 ? SELU_SCALE : y + SELU_SCALE * SELU_ALPHA;
    case SPK_LINEAR:
        return 1;
    case SPK_RELU:
    default:
        return y > 0;
    }
}

static void act_fwd(const spk_kargs *a)
{
    const spk_act_attr *attr = a->attr;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++)
        for (int64_t c = 0; c < a->out[0].c; c++)
            row(&a->out[0], r)[c] = (SPK_REAL)act_value(attr->act, (double)row(&a->in[0], r)[c]);
}

static void act_bwd(const spk_kargs *a)
{
    const spk_act_attr *attr = a->attr;
    const spk_view *at = attr->act == SPK_SWISH ? &a->in[0] : &a->out[0];
    if (!a->din[0].p) return;
    for (int64_t r = 0; r < spk_rows(at); r++) {
        for (int64_t c = 0; c < at->c; c++) {
            const double dy = (double)row(&a->dout[0], r)[c], slope = act_slope(attr->act, (double)row(at, r)[c]);
            put(row(&a->din[0], r) + c, slope != 0 ? dy * slope : 0, a->add[0]);
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

/* y = [relu](a + factor b) */
static void add_fwd(const spk_kargs *a)
{
    const spk_add_attr *attr = a->attr;
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double y = (double)row(&a->in[0], r)[c] + attr->factor * (double)row(&a->in[1], r)[c];
            row(&a->out[0], r)[c] = (SPK_REAL)(attr->relu && y < 0 ? 0 : y);
        }
    }
}

static void add_bwd(const spk_kargs *a)
{
    const spk_add_attr *attr = a->attr;
    for (int i = 0; i < 2; i++) {
        const double factor = i ? attr->factor : 1;
        for (int64_t r = 0; r < spk_rows(&a->dout[0]) && a->din[i].p; r++) {
            for (int64_t c = 0; c < a->dout[0].c; c++) {
                const bool zero = attr->relu && row(&a->out[0], r)[c] <= 0;
                put(row(&a->din[i], r) + c, zero ? 0 : factor * (double)row(&a->dout[0], r)[c], a->add[i]);
            }
        }
    }
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

/* y = act(x + v[n,c]) */
static double row_bias_act(spk_act act, double x)
{
    return act == SPK_TANH ? tanh(x) : act == SPK_LINEAR ? x : x < 0 ? 0 : x;
}

static void row_bias_fwd(const spk_kargs *a)
{
    const spk_row_bias_attr *attr = a->attr;
    const int64_t n_t = spk__frames(&a->out[0]);
    for (int64_t r = 0; r < spk_rows(&a->out[0]); r++) {
        for (int64_t c = 0; c < a->out[0].c; c++) {
            const double y = (double)row(&a->in[0], r)[c] + (double)row(&a->in[1], r / n_t)[c];
            row(&a->out[0], r)[c] = (SPK_REAL)row_bias_act(attr->act, y);
        }
    }
}

static void row_bias_bwd(const spk_kargs *a)
{
    const spk_row_bias_attr *attr = a->attr;
    const spk_view *dy = &a->dout[0];
    const int64_t n_t = spk__frames(dy);
    for (int64_t n = 0; n < dy->n; n++) {
        for (int64_t c = 0; c < dy->c; c++) {
            double dv = 0;
            for (int64_t r = n * n_t; r < (n + 1) * n_t; r++) {
                const double y = attr->act == SPK_LINEAR ? 0 : (double)row(&a->out[0], r)[c];
                const double k = attr->act == SPK_LINEAR ? 1 : attr->act == SPK_TANH ? 1 - y * y : y > 0;
                const double d = k * (double)row(dy, r)[c];
                dv += d;
                if (a->din[0].p) put(row(&a->din[0], r) + c, d, a->add[0]);
            }
            if (a->din[1].p) put(row(&a->din[1], n) + c, dv, a->add[1]);
        }
    }
}
