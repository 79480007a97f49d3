/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frontends in ONNX. A frame's way to its spectrum (mean removal, pre-emphasis, window, Fourier transform) is linear, so
 * it is one convolution whose filters are made here, in double.
 */
#include <math.h>

#include "model/onnx/onnx_export_impl.h"

static const double TWO_PI = 6.283185307179586;

/* ---- fixed filters ---- */

/* Bin k's filter: cosine or sine over the window, through the transposes of pre-emphasis and mean removal. */
static void make_bin(const spk_melspec_attr *a, const float *window, int64_t k, bool sine, double *r, float *out)
{
    const int64_t n = a->win_length;
    double mean = 0;
    for (int64_t i = 0; i < n; i++) {
        const double phase = TWO_PI * (double)(k * i % a->n_fft) / (double)a->n_fft;
        r[i] = (sine ? -sin(phase) : cos(phase)) * (double)window[i];
    }
    const double first = r[0];
    for (int64_t i = 0; i < n && a->preemph != 0; i++)
        r[i] -= a->preemph * (i + 1 < n ? r[i + 1] : 0);
    if (a->preemph != 0) r[0] -= a->preemph * first;
    for (int64_t i = 0; i < n; i++)
        mean += r[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(r[i] - (a->remove_dc ? mean : 0));
}

/* (2 bins, 1, win_length): cosines, then sines. */
static spk_value transform(xp *x, const spk_melspec_attr *a, const float *window)
{
    const int64_t bins = a->n_fft / 2 + 1, n = a->win_length;
    float *filters = spk_new((size_t)(2 * bins * n) * sizeof *filters);
    double *room = spk_new((size_t)n * sizeof *room);
    for (int64_t k = 0; k < 2 * bins; k++)
        make_bin(a, window, k % bins, k >= bins, room, filters + k * n);
    const spk_value v = spk_onnx_floats(x->o, filters, 3, (int64_t[]){2 * bins, 1, n});
    spk_free(filters);
    spk_free(room);
    return v;
}

/* A convolution without bias; the weight (O,C,K). */
static spk_value conv(xp *x, spk_value v, spk_value w, int64_t stride)
{
    const spk_value y = SPK_ONNX_2(x->o, "Conv", v, w);
    spk_onnx_attr_ints(x->o, "strides", 1, &stride);
    return y;
}

/* A table (rows, columns) that multiplies the channels of v: (N,rows,T) to (N,columns,T). */
static spk_value project(xp *x, spk_value v, const float *table, int64_t rows, int64_t columns)
{
    float *turned = spk_new((size_t)(rows * columns) * sizeof *turned);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            turned[c * rows + r] = table[r * columns + c];
    const spk_value w = spk_onnx_floats(x->o, turned, 3, (int64_t[]){columns, rows, 1});
    spk_free(turned);
    return conv(x, v, w, 1);
}

/* y[n] = f[0] x[n-1] + f[1] x[n], x[-1] = x[1]. */
static spk_value pre_emphasis(xp *x, spk_value v, const float *f, spk_value lengths)
{
    const spk_value n = xp_extent(x, v, 2);
    const spk_value before = xp_extend(x, v, lengths, -1, n, SPK_EDGES_REFLECT);
    return xp_add(x, xp_mul(x, v, xp_num(x, (double)f[1])), xp_mul(x, before, xp_num(x, (double)f[0])));
}

/* Frames of the longest item: a vector (1). */
static spk_value n_frames(xp *x, const spk_melspec_attr *a, spk_value samples)
{
    if (a->edges == SPK_EDGES_REPEAT)
        return xp_div(x, xp_add(x, samples, spk_onnx_int(x->o, a->hop_length / 2)), spk_onnx_int(x->o, a->hop_length));
    const int64_t outside = a->edges == SPK_EDGES_REFLECT || a->edges == SPK_EDGES_ZERO ? a->n_fft / 2 * 2 : 0;
    const int64_t frame = a->edges == SPK_EDGES_SNIP ? a->win_length : a->n_fft;
    const spk_value hops =
        xp_div(x, xp_add(x, samples, spk_onnx_int(x->o, outside - frame)), spk_onnx_int(x->o, a->hop_length));
    return xp_add(x, hops, spk_onnx_int(x->o, 1));
}

/* |X|^2 or |X| of each frame: (N,bins,T). */
static spk_value spectrum(xp *x, const spk_node *node)
{
    const spk_melspec_attr *a = &node->attr.melspec;
    const int64_t bins = a->n_fft / 2 + 1;
    const spk_value lengths = xp_lengths(x, node->in[0]->len);
    spk_value v = xp_value(x, node->in[0]);
    const spk_value frames = n_frames(x, a, xp_extent(x, v, 2));
    if (a->scale != 0 && a->scale != 1) v = xp_mul(x, v, xp_num(x, a->scale));
    if (node->in[1]) v = pre_emphasis(x, v, xp_data(node->in[1]), lengths);
    const spk_value hops = xp_mul(x, xp_sub(x, frames, spk_onnx_int(x->o, 1)), spk_onnx_int(x->o, a->hop_length));
    const spk_value count = xp_add(x, hops, spk_onnx_int(x->o, a->win_length));
    v = xp_extend(x, v, lengths, spk_melspec_begin(a, 0), count, a->edges);
    v = conv(x, v, transform(x, a, xp_data(node->in[2])), a->hop_length);
    const spk_value re = xp_slice(x, v, 1, 0, bins), im = xp_slice(x, v, 1, bins, 2 * bins);
    const spk_value power = xp_add(x, xp_mul(x, re, re), xp_mul(x, im, im));
    return a->magnitude ? xp_one(x, "Sqrt", power) : power;
}

static spk_value logarithm(xp *x, const spk_melspec_attr *a, spk_value v)
{
    v = a->log_floor > 0 ? SPK_ONNX_2(x->o, "Max", v, xp_num(x, a->log_floor)) : xp_add(x, v, xp_num(x, 1e-6));
    v = xp_one(x, "Log", v);
    return a->log_scale != 0 && a->log_scale != 1 ? xp_mul(x, v, xp_num(x, a->log_scale)) : v;
}

/* No value of an item further than top_db below its largest. */
static spk_value limit(xp *x, const spk_tensor *t, spk_value v, double top_db)
{
    const int64_t axes[] = {1, 2};
    const spk_value valid = xp_valid(x, t, v);
    const spk_value most = xp_reduce(x, "ReduceMax", valid ? xp_where(x, valid, v, xp_num(x, -1e30)) : v, 2, axes);
    return SPK_ONNX_2(x->o, "Max", v, xp_sub(x, most, xp_num(x, top_db)));
}

static spk_value melspec(xp *x, const spk_node *node)
{
    const spk_melspec_attr *a = &node->attr.melspec;
    const spk_tensor *y = node->out[0];
    spk_value v = project(x, spectrum(x, node), xp_data(node->in[3]), a->n_fft / 2 + 1, a->n_mels);
    if (a->log) v = logarithm(x, a, v);
    if (a->n_ceps) v = project(x, v, xp_data(node->in[4]), a->n_mels, a->n_ceps);
    if (a->top_db > 0) v = limit(x, y, v, a->top_db);
    if (a->mean_norm) v = xp_sub(x, v, xp_time_mean(x, y, v));
    return xp_masked(x, y, v);
}

/* ---- sinc filters (specification 2.3) ---- */

/* Filter m, even (cosine) or odd (sine), of K taps. */
static void make_sinc(const spk_node *node, int64_t m, bool odd, float *out)
{
    const spk_sinc_attr *a = &node->attr.sinc;
    const int64_t k = a->kernel_size, half = k / 2;
    const float *window = xp_data(node->in[6]), *n = xp_data(node->in[7]);
    const double low = 50 + fabs((double)xp_data(node->in[4])[m]);
    double high = low + 50 + fabs((double)xp_data(node->in[5])[m]);
    if (high > a->sample_rate / 2) high = a->sample_rate / 2;
    if (high < 50) high = 50;
    for (int64_t i = 0; i < half; i++) {
        const double p = (double)n[i];
        const double wave = odd ? cos(low * p) - cos(high * p) : sin(high * p) - sin(low * p);
        const double tap = wave / (p / 2) * (double)window[i] / (2 * (high - low));
        out[i] = (float)tap;
        out[k - 1 - i] = (float)(odd ? -tap : tap);
    }
    out[half] = odd ? 0 : 1;
}

static spk_value sinc(xp *x, const spk_node *node)
{
    const spk_sinc_attr *a = &node->attr.sinc;
    const int64_t m = node->in[4]->param->count, k = a->kernel_size;
    const spk_tensor *wave = node->in[0];
    const spk_value lengths = xp_lengths(x, wave->len);
    const spk_value y = pre_emphasis(x, xp_value(x, node->in[0]), xp_data(node->in[1]), lengths);
    const spk_value d = xp_sub(x, y, xp_time_mean(x, wave, y));
    const spk_value var = xp_add(x, xp_time_mean(x, wave, xp_mul(x, d, d)), xp_num(x, 1e-4));
    spk_value z = xp_mul(x, xp_div(x, d, xp_one(x, "Sqrt", var)), xp_num(x, (double)xp_data(node->in[2])[0]));
    z = xp_add(x, z, xp_num(x, (double)xp_data(node->in[3])[0]));
    float *bank = spk_new((size_t)(2 * m * k) * sizeof *bank);
    for (int64_t i = 0; i < 2 * m; i++)
        make_sinc(node, i % m, i >= m, bank + i * k);
    const spk_value v = conv(x, z, spk_onnx_floats(x->o, bank, 3, (int64_t[]){2 * m, 1, k}), a->stride);
    spk_free(bank);
    const spk_value logs = xp_one(x, "Log", xp_add(x, xp_one(x, "Abs", v), xp_num(x, a->log_term)));
    return xp_masked(x, node->out[0], xp_sub(x, logs, xp_time_mean(x, node->out[0], logs)));
}

bool xp_op_frontend(xp *x, const spk_node *node)
{
    if (node->op == SPK_OP_SINC)
        xp_set(x, node->out[0], sinc(x, node));
    else if (node->op == SPK_OP_MELSPEC && node->attr.melspec.energy == SPK_ENERGY_NONE &&
             !node->attr.melspec.frames_only)
        xp_set(x, node->out[0], melspec(x, node));
    else
        return false;
    return true;
}
