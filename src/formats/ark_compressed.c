/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kaldi's compressed matrices (kaldi-matrix.h and compressed-matrix.h of Kaldi): after a smallest value and a range
 *   CM   for each column four quantiles as 16-bit numbers, then a byte an element, column by column: the byte lies
 *        between two of the quantiles (0, 64, 192, 255 are they)
 *   CM2  16 bits an element, CM3 8 bits, row by row, linear over the range
 */
#include "formats/ark_impl.h"

typedef struct quantiles {
    float at[4]; /* values of the bytes 0, 64, 192, 255 */
} quantiles;

static uint16_t word_at(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float linear(const spk_ark_head *h, double share)
{
    return (float)((double)h->least + (double)h->range * share);
}

static float between(const quantiles *q, int byte)
{
    if (byte <= 64) return q->at[0] + (q->at[1] - q->at[0]) * (float)byte / 64;
    if (byte <= 192) return q->at[1] + (q->at[2] - q->at[1]) * (float)(byte - 64) / 128;
    return q->at[2] + (q->at[3] - q->at[2]) * (float)(byte - 192) / 63;
}

/* Values that are there: 8 bytes of quantiles a column, then a byte an element. */
static void expand_columns(const spk_ark_head *h, const unsigned char *data, float *out)
{
    const int64_t rows = h->dim[0], columns = h->dim[1];
    for (int64_t c = 0; c < columns; c++) {
        quantiles q;
        const unsigned char *bytes = data + 8 * columns + c * rows;
        for (int k = 0; k < 4; k++)
            q.at[k] = linear(h, word_at(data + 8 * c + 2 * k) / 65535.0);
        for (int64_t r = 0; r < rows; r++)
            out[r * columns + c] = between(&q, bytes[r]);
    }
}

size_t spk_ark_packed_bytes(int kind, int64_t rows, int64_t columns, bool *overflow)
{
    const size_t n = spk_mul((size_t)rows, (size_t)columns, overflow);
    if (kind == 2) return spk_mul(2, n, overflow);
    if (kind == 3) return n;
    const size_t header = spk_mul(8, (size_t)columns, overflow);
    if (n > SIZE_MAX - header) *overflow = true;
    return header + n;
}

void spk_ark_expand(const spk_ark_head *h, const void *packed, float *out)
{
    const unsigned char *data = packed;
    const int64_t n = h->dim[0] * h->dim[1];
    if (h->packed == 1) expand_columns(h, data, out);
    for (int64_t i = 0; i < n && h->packed == 2; i++)
        out[i] = linear(h, word_at(data + 2 * i) / 65535.0);
    for (int64_t i = 0; i < n && h->packed == 3; i++)
        out[i] = linear(h, data[i] / 255.0);
}
