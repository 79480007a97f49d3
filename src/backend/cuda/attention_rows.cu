/* SPDX-License-Identifier: Apache-2.0 */
/* attention: scores to probabilities and back, a warp a row; where positions meet scores. (attention_impl.h) */
#include "backend/cuda/attention_impl.h"
#include "backend/cuda/draw_cuda_impl.h"

enum { WARPS = 8 };
static const int64_t MOST_BLOCKS_PER_SM = 32;

/* What a kernel knows of a pass: plain values. */
struct rows_of {
    const int64_t *len;
    const spk_draws *draws;
    spk_attention_kind kind;
    bool zero_triu;
    int64_t table_len, heads, t, s_ld, scored; /* scored: rows of all heads and items */
    float scale;
    uint64_t stream;
    uint32_t bound;
    float keep;
    spk_attention_pass s;
};

static rows_of rows_for(const spk_attention *w, const spk_attention_pass *s)
{
    rows_of r = {};
    r.len = w->len;
    r.draws = w->draws;
    r.kind = w->attr->kind;
    r.zero_triu = w->attr->zero_triu;
    r.table_len = w->attr->table_len;
    r.heads = w->heads;
    r.t = w->t;
    r.s_ld = w->s_ld;
    r.scored = w->heads * s->m * s->rows;
    r.scale = w->scale;
    r.stream = w->attr->stream;
    r.bound = spk__drop_below(w->attr->dropout);
    r.keep = static_cast<float>(spk__drop_scale(w->attr->dropout));
    r.s = *s;
    return r;
}

/* A row of scores: of head and item `block` (head m + item), query i. */
struct score_row {
    int64_t block, i, len, first; /* first: element of the row's first draw */
};

__device__ static inline score_row row_at(const rows_of &w, int64_t row)
{
    score_row r;
    r.block = row / w.s.rows;
    r.i = w.s.i0 + row % w.s.rows;
    const int64_t item = w.s.item0 + r.block % w.s.m, head = r.block / w.s.m;
    r.len = !w.len || w.len[item] > w.t ? w.t : w.len[item] < 0 ? 0 : w.len[item];
    r.first = ((item * w.heads + head) * w.t + r.i) * w.t;
    return r;
}

/* Legacy: rows of the batch's table before those of an item's own. */
__device__ static inline int64_t skipped(const rows_of &w, int64_t len)
{
    return w.t <= w.table_len ? 0 : w.t - (len > w.table_len ? len : w.table_len);
}

/* Where a row's scores find their products with positions: key j at left + j up to its own frame, at right + j from `next`
 * on. */
struct score_places {
    int64_t left, right, next;
};

__device__ static inline score_places places_of(const rows_of &w, const score_row &r)
{
    const int64_t row = (r.block * w.s.q_rows + r.i - w.s.i0) * w.s.p_ld, skip = skipped(w, r.len);
    if (w.kind == SPK_ATTN_LEGACY) return {row + skip + r.len - 1 - r.i, row + w.s.p_ld + skip - r.i - 2, r.i + 2};
    const int64_t left = row + w.t - 1 - r.i - w.s.p0;
    return {left, left, w.zero_triu ? w.t : r.i + 1};
}

__device__ static inline float score(const rows_of &w, const score_row &r, const score_places &at, const float *s,
                                     const float *pos, int64_t j)
{
    float x = s[j];
    if (pos && j <= r.i) x += pos[at.left + j];
    if (pos && j >= at.next) x += pos[at.right + j];
    return w.scale * x;
}

/* What dropout makes of x, the probability of key j or its gradient. */
__device__ static inline float drop(const rows_of &w, const score_row &r, spk_draw_key key, int64_t j, float x)
{
    return spk_cuda_draw(key, static_cast<uint64_t>(r.first + j)) >= w.bound ? x * w.keep : 0;
}

/* All threads of a block must come here. Without dropout there need not be draws. */
__device__ static inline spk_draw_key key_of(const rows_of &w)
{
    return w.bound > 0 ? spk_cuda_block_key(w.draws, w.stream) : spk_draw_key();
}

/* Rows go round the warps of the grid; a warp's lanes stay together. */
static unsigned blocks_for(const spk_attention *w, int64_t rows)
{
    const int64_t all = (rows + WARPS - 1) / WARPS, most = w->d->n_sm * MOST_BLOCKS_PER_SM;
    return static_cast<unsigned>(all < most ? all : most);
}

/* ---- forward ---- */

static __global__ void softmax_rows(rows_of w, const float *scores, const float *pos, float *save, float *kept)
{
    const spk_draw_key key = key_of(w);
    const int lane = threadIdx.x % 32;
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; row < w.scored;
         row += static_cast<int64_t>(gridDim.x) * WARPS) {
        const score_row r = row_at(w, row);
        const int64_t n = r.i < r.len ? r.len : 0;
        const score_places at = places_of(w, r);
        const float *s = scores + row * w.s_ld;
        float max = -INFINITY, sum = 0;
        for (int64_t j = lane; j < n; j += 32) {
            const float x = score(w, r, at, s, pos, j);
            max = x > max ? x : max;
        }
        max = spk_warp_max(max);
        for (int64_t j = lane; j < n; j += 32)
            sum += expf(score(w, r, at, s, pos, j) - max);
        sum = spk_warp_sum(sum);
        for (int64_t j = lane; j < w.t; j += 32) {
            const float p = j < n ? expf(score(w, r, at, s, pos, j) - max) / sum : 0;
            if (save) save[(r.block * w.t + r.i) * w.s_ld + j] = p;
            if (kept) kept[row * w.s_ld + j] = w.bound > 0 && j < n ? drop(w, r, key, j, p) : p;
        }
    }
}

void spk_attention_softmax(const spk_attention *w, const spk_attention_pass *s, const float *scores, const float *pos,
                           float *save, float *kept)
{
    const rows_of r = rows_for(w, s);
    spk_launch(w->d, softmax_rows, blocks_for(w, r.scored), WARPS * 32, 0, r, scores, pos, save, kept);
}

/* ---- backward ---- */

/* A lane reads only what it wrote itself. */
static __global__ void softmax_rows_backward(rows_of w, const float *save, float *grad, float *kept)
{
    const spk_draw_key key = key_of(w);
    const int lane = threadIdx.x % 32;
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; row < w.scored;
         row += static_cast<int64_t>(gridDim.x) * WARPS) {
        const score_row r = row_at(w, row);
        const int64_t n = r.i < r.len ? r.len : 0, first = row * w.s_ld;
        float dot = 0;
        for (int64_t j = lane; j < n; j += 32) {
            const float p = save[first + j];
            float g = grad[first + j];
            if (kept) { /* one draw for both */
                const float factor = drop(w, r, key, j, 1);
                kept[first + j] = p * factor;
                grad[first + j] = g *= factor;
            }
            dot += p * g;
        }
        dot = spk_warp_sum(dot);
        for (int64_t j = lane; j < w.t; j += 32) {
            grad[first + j] = j < n ? w.scale * save[first + j] * (grad[first + j] - dot) : 0;
            if (kept && j >= n) kept[first + j] = 0;
        }
    }
}

void spk_attention_softmax_backward(const spk_attention *w, const spk_attention_pass *s, const float *save, float *grad,
                                    float *kept)
{
    const rows_of r = rows_for(w, s);
    spk_launch(w->d, softmax_rows_backward, blocks_for(w, r.scored), WARPS * 32, 0, r, save, grad, kept);
}

/* The other way round: the score, as a row of queries and a key, that looked at the product of query i and position m of a
 * whole item; key -1: none did. */
__device__ static inline int64_t looked(const rows_of &w, int64_t len, int64_t i, int64_t m, int64_t *query)
{
    *query = i;
    if (w.kind == SPK_ATTN_RELATIVE) {
        const int64_t j = m - (w.t - 1 - i);
        return i < len && j >= 0 && j < len && !(w.zero_triu && j > i) ? j : -1;
    }
    const int64_t at = m - skipped(w, len);
    if (i >= len || at < 0 || at >= len) return -1;
    if (at >= len - 1 - i) return at - (len - 1 - i);
    *query = i - 1;
    return i > 0 ? at + i + 1 : -1;
}

static __global__ void skew_rows_back(rows_of w, const float *dscores, float *dpos)
{
    for (int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; row < w.scored;
         row += static_cast<int64_t>(gridDim.x) * WARPS) {
        const score_row r = row_at(w, row);
        for (int64_t m = threadIdx.x % 32; m < w.s.p_n; m += 32) {
            int64_t query;
            const int64_t j = looked(w, r.len, r.i, m, &query);
            dpos[row * w.s.p_ld + m] = j >= 0 ? dscores[(r.block * w.t + query) * w.s_ld + j] : 0;
        }
    }
}

void spk_attention_skew_back(const spk_attention *w, const spk_attention_pass *s, const float *dscores, float *dpos)
{
    const rows_of r = rows_for(w, s);
    spk_launch(w->d, skew_rows_back, blocks_for(w, r.scored), WARPS * 32, 0, r, dscores, dpos);
}
