/* SPDX-License-Identifier: Apache-2.0 */
/* Between winograd.c, which explains the transforms, and winograd_weights.c: tiles and what becomes of them. */
#ifndef SPK_CPU_ISA_WINOGRAD_IMPL_H
#define SPK_CPU_ISA_WINOGRAD_IMPL_H

#include "backend/cpu/isa/product_impl.h"

enum { SPK_PLACES = 16 }; /* of a tile of 4 x 4 */

/* Where the tiles lie: rows of tiles over time, columns over frequency, all items one behind the other. */
typedef struct spk_tiles {
    int64_t rows, columns, n;
} spk_tiles;

SPK_INLINE spk_tiles spk__tiles(const spk_view *y)
{
    const int64_t rows = (y->h + 1) / 2, columns = (y->w + 1) / 2;
    return (spk_tiles){rows, columns, y->n * rows * columns};
}

/* The side x side places that tile i covers, whose first lies `before` in front of its two outputs; `outside` where there
 * is no such place. */
SPK_INLINE void spk__tile_places(const spk_view *x, const spk_tiles *all, int64_t i, int side, int before,
                                 const float *outside, const float **at)
{
    const int64_t column = i % all->columns, row = i / all->columns % all->rows;
    const float *item = (const float *)x->p + i / (all->columns * all->rows) * x->h * x->w * x->c;
    for (int k = 0; k < side * side; k++) {
        const int64_t t = 2 * row - before + k / side, f = 2 * column - before + k % side;
        at[k] = t < 0 || t >= x->h || f < 0 || f >= x->w ? outside : item + (t * x->w + f) * x->c;
    }
}

SPK_INLINE spk_vec spk__load(const float *p)
{
    spk_vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

SPK_INLINE void spk__save(float *p, spk_vec v)
{
    memcpy(p, &v, sizeof v);
}

/* B' d B of a vector of channels, from c on; the places go `step` floats apart. */
SPK_INLINE void spk__transform_inputs(const float *const d[SPK_PLACES], int64_t c, float *v, int64_t step)
{
    spk_vec h[4][4];
    for (int j = 0; j < 4; j++) {
        const spk_vec d0 = spk__load(d[j] + c), d1 = spk__load(d[4 + j] + c), d2 = spk__load(d[8 + j] + c),
                      d3 = spk__load(d[12 + j] + c);
        h[0][j] = d0 - d2;
        h[1][j] = d1 + d2;
        h[2][j] = d2 - d1;
        h[3][j] = d1 - d3;
    }
    for (int i = 0; i < 4; i++) {
        spk__save(v + (4 * i) * step, h[i][0] - h[i][2]);
        spk__save(v + (4 * i + 1) * step, h[i][1] + h[i][2]);
        spk__save(v + (4 * i + 2) * step, h[i][2] - h[i][1]);
        spk__save(v + (4 * i + 3) * step, h[i][1] - h[i][3]);
    }
}

/* winograd_weights.c: what it needs of a's scratch; the gradients of weights and bias are added to. */
size_t SPK_ISA_NAME(spk__winograd_weights_bytes)(const spk_geom *g);
void SPK_ISA_NAME(spk__winograd_weights)(const spk_kargs *a);

#endif
