/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multi-head self-attention (Vaswani et al., 2017), with relative positions (Dai et al., Transformer-XL, 2019), and
 * ESPnet's older form of those, whose skew hands a query the next query's row (specification 4.7.4).
 *
 * L is an item's valid length. Its scores are ((q_i + u).k_j + P_ij) / sqrt(d_k) over j < L; rows past L are zero.
 *   RELATIVE: P_ij = (q_i + v).p_m, m = T - 1 - i + j; zero_triu: none for j > i.
 *   LEGACY:   P_ij = (q_i + v).p_m, m = s + L - 1 - i + j, for j <= i; none for j = i + 1;
 *             (q_{i+1} + v).p_m, m = s + j - i - 2, behind it. s is zero unless the batch is longer than the table.
 */

/* A head of an item. */
typedef struct attn_head {
    const spk_kargs *a;
    const spk_attention_attr *attr;
    int64_t n, h, t, len, d_k, c0; /* t frames, of which len are valid; the head's first channel */
    double scale;                  /* 1 / sqrt(d_k) */
    int64_t skip;                  /* s */
    /* backward: sums for this head */
    double *dq, *dk, *dv, *dp, *du, *dbias; /* (T,d_k), (T,d_k), (T,d_k), (P,d_k), (d_k), (d_k) */
    double *w, *g;                          /* (T): probabilities of a row, gradients of its scores */
} attn_head;

/* Rows of the batch's table before those of an item's own. */
static int64_t attention_skip(const spk_attention_attr *attr, int64_t t, int64_t len)
{
    if (attr->kind != SPK_ATTN_LEGACY || t <= attr->table_len) return 0;
    return t - (len > attr->table_len ? len : attr->table_len);
}

static attn_head attention_head(const spk_kargs *a, int64_t n, int64_t h)
{
    const spk_attention_attr *attr = a->attr;
    const int64_t t = a->in[0].w, d_k = a->in[0].c / attr->heads, n_p = a->in[3].p ? a->in[3].w : 0;
    const int64_t len = spk__valid(&a->in[0], n);
    double *s = a->scratch;
    return (attn_head){.a = a,
                       .attr = attr,
                       .n = n,
                       .h = h,
                       .t = t,
                       .len = len,
                       .skip = attention_skip(attr, t, len),
                       .d_k = d_k,
                       .c0 = h * d_k,
                       .scale = 1 / sqrt((double)d_k),
                       .w = s,
                       .g = s + t,
                       .dq = s + 2 * t,
                       .dk = s + 2 * t + t * d_k,
                       .dv = s + 2 * t + 2 * t * d_k,
                       .dp = s + 2 * t + 3 * t * d_k,
                       .du = s + 2 * t + (3 * t + n_p) * d_k,
                       .dbias = s + 2 * t + (3 * t + n_p + 1) * d_k};
}

static size_t attention_scratch(const spk_geom *g, const void *state)
{
    const spk_attention_attr *attr = g->attr;
    const int64_t t = g->in[0].w, d_k = g->in[0].c / attr->heads, n_p = g->has_in[3] ? g->in[3].w : 0;
    (void)state;
    return (size_t)(2 * t + (3 * t + n_p + 2) * d_k) * sizeof(double);
}

/* Row i of an input at this head's channels. */
static const SPK_REAL *head_row(const attn_head *at, int input, int64_t i)
{
    return row(&at->a->in[input], at->n * at->t + i) + at->c0;
}

/* The row of p that the score of (i, j) looks at, and the query row that looks; -1: none. */
static int64_t attention_position(const attn_head *at, int64_t i, int64_t j, int64_t *query)
{
    *query = i;
    switch (at->attr->kind) {
    case SPK_ATTN_RELATIVE:
        return at->attr->zero_triu && j > i ? -1 : at->t - 1 - i + j;
    case SPK_ATTN_LEGACY:
        if (j <= i) return at->skip + at->len - 1 - i + j;
        *query = i + 1;
        return j == i + 1 ? -1 : at->skip + j - i - 2;
    case SPK_ATTN_PLAIN:
    default:
        return -1;
    }
}

/* (query row + bias) . other; the bias (input 4 or 5) may be absent. */
static double biased_product(const attn_head *at, int64_t i, int bias, const SPK_REAL *other)
{
    const SPK_REAL *q = head_row(at, 0, i), *b = at->a->in[bias].p ? dense(&at->a->in[bias]) + at->c0 : NULL;
    double sum = 0;
    for (int64_t d = 0; d < at->d_k; d++)
        sum += ((double)q[d] + (b ? (double)b[d] : 0)) * (double)other[d];
    return sum;
}

/* w: the probabilities of row i, before dropout. */
static void attention_row(const attn_head *at, int64_t i)
{
    double max = -INFINITY, sum = 0;
    for (int64_t j = 0; j < at->len; j++) {
        int64_t query;
        const int64_t m = attention_position(at, i, j, &query);
        at->w[j] = biased_product(at, i, 4, head_row(at, 1, j));
        if (m >= 0) at->w[j] += biased_product(at, query, 5, row(&at->a->in[3], m) + at->c0);
        at->w[j] *= at->scale;
        max = fmax(max, at->w[j]);
    }
    for (int64_t j = 0; j < at->len; j++)
        sum += at->w[j] = exp(at->w[j] - max);
    for (int64_t j = 0; j < at->len; j++)
        at->w[j] /= sum;
}

/* What dropout multiplies the probability of (i, j) by. */
static double attention_keeps(const attn_head *at, int64_t i, int64_t j)
{
    if (at->attr->dropout <= 0) return 1;
    const spk_draw_key key = spk__draw_key(&at->a->ctx->draws, at->attr->stream);
    const uint64_t e = (uint64_t)(((at->n * at->attr->heads + at->h) * at->t + i) * at->t + j);
    return spk__draw(key, e) < spk__drop_below(at->attr->dropout) ? 0 : spk__drop_scale(at->attr->dropout);
}

static void attention_head_fwd(const attn_head *at)
{
    for (int64_t i = 0; i < at->t; i++) {
        SPK_REAL *y = row(&at->a->out[0], at->n * at->t + i) + at->c0;
        if (i < at->len) attention_row(at, i);
        for (int64_t j = 0; j < at->len && i < at->len; j++)
            at->w[j] *= attention_keeps(at, i, j);
        for (int64_t d = 0; d < at->d_k; d++) {
            double sum = 0;
            for (int64_t j = 0; j < at->len && i < at->len; j++)
                sum += at->w[j] * (double)head_row(at, 2, j)[d];
            y[d] = (SPK_REAL)sum;
        }
    }
}

static void attention_fwd(const spk_kargs *a)
{
    const spk_attention_attr *attr = a->attr;
    for (int64_t n = 0; n < a->in[0].n; n++) {
        for (int64_t h = 0; h < attr->heads; h++) {
            const attn_head at = attention_head(a, n, h);
            attention_head_fwd(&at);
        }
    }
}

/* Row i: gradients of the values, and g of the scores. */
static void attention_bwd_scores(const attn_head *at, int64_t i)
{
    const SPK_REAL *dy = row(&at->a->dout[0], at->n * at->t + i) + at->c0;
    double dot = 0;
    for (int64_t j = 0; j < at->len; j++) {
        const double keeps = attention_keeps(at, i, j);
        double product = 0;
        for (int64_t d = 0; d < at->d_k; d++) {
            product += (double)dy[d] * (double)head_row(at, 2, j)[d];
            at->dv[j * at->d_k + d] += at->w[j] * keeps * (double)dy[d];
        }
        at->g[j] = product * keeps;
        dot += at->w[j] * at->g[j];
    }
    for (int64_t j = 0; j < at->len; j++)
        at->g[j] = at->scale * at->w[j] * (at->g[j] - dot);
}

/* The score of (i, j) has gradient g: to queries, keys, positions and biases. */
static void attention_bwd_score(const attn_head *at, int64_t i, int64_t j)
{
    const spk_kargs *a = at->a;
    int64_t query;
    const int64_t m = attention_position(at, i, j, &query);
    const double g = at->g[j];
    for (int64_t d = 0; d < at->d_k; d++) {
        const double k = (double)head_row(at, 1, j)[d];
        at->dq[i * at->d_k + d] += g * k;
        at->du[d] += g * k;
        at->dk[j * at->d_k + d] +=
            g * ((double)head_row(at, 0, i)[d] + (a->in[4].p ? (double)dense(&a->in[4])[at->c0 + d] : 0));
        if (m < 0) continue;
        const double p = (double)row(&a->in[3], m)[at->c0 + d];
        at->dq[query * at->d_k + d] += g * p;
        at->dbias[d] += g * p;
        at->dp[m * at->d_k + d] +=
            g * ((double)head_row(at, 0, query)[d] + (a->in[5].p ? (double)dense(&a->in[5])[at->c0 + d] : 0));
    }
}

/* Rows first .. first + n of a gradient, from sums. */
static void attention_put(const attn_head *at, int i, int64_t first, int64_t n, const double *sums)
{
    if (!at->a->din[i].p) return;
    for (int64_t r = 0; r < n; r++)
        for (int64_t d = 0; d < at->d_k; d++)
            put(row(&at->a->din[i], first + r) + at->c0 + d, sums[r * at->d_k + d], at->a->add[i]);
}

static void attention_bwd(const spk_kargs *a)
{
    const spk_attention_attr *attr = a->attr;
    for (int64_t h = 0; h < attr->heads; h++) {
        const attn_head first = attention_head(a, 0, h);
        const int64_t n_p = a->in[3].p ? a->in[3].w : 0;
        memset(first.dp, 0, (size_t)((n_p + 2) * first.d_k) * sizeof(double));
        for (int64_t n = 0; n < a->in[0].n; n++) {
            const attn_head at = attention_head(a, n, h);
            memset(at.dq, 0, (size_t)(3 * at.t * at.d_k) * sizeof(double));
            for (int64_t i = 0; i < at.len; i++) {
                attention_row(&at, i);
                attention_bwd_scores(&at, i);
                for (int64_t j = 0; j < at.len; j++)
                    attention_bwd_score(&at, i, j);
            }
            attention_put(&at, 0, n * at.t, at.t, at.dq);
            attention_put(&at, 1, n * at.t, at.t, at.dk);
            attention_put(&at, 2, n * at.t, at.t, at.dv);
        }
        attention_put(&first, 3, 0, n_p, first.dp);
        for (int64_t d = 0; d < first.d_k; d++) { /* dense */
            if (a->din[4].p) put(dense(&a->din[4]) + first.c0 + d, first.du[d], true);
            if (a->din[5].p) put(dense(&a->din[5]) + first.c0 + d, first.dbias[d], true);
        }
    }
}
