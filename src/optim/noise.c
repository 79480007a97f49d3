/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradient noise that falls with time (Neelakantan et al., 2015), as espnet2/train/gradient_noise.py: deviation
 * 1 / (floor(count / 100) + 1)^0.55. Each piece of a parameter has its own random stream, so the numbers do not depend
 * on the number of threads, and padding stays zero.
 */
#include "optim/kind_impl.h"

double spk_grad_noise_sigma(int64_t count)
{
    const int64_t hundreds = count / 100;
    return 1 / pow((double)hundreds + 1, 0.55);
}

/* Two normal numbers from two words: Box and Muller. */
static void normal_pair(uint32_t a, uint32_t b, float sigma, float out[2])
{
    const float u = ((float)(a >> 8) + 0.5F) * 0x1p-24F, angle = (float)(b >> 8) * (6.2831853F * 0x1p-24F);
    const float r = sigma * sqrtf(-2 * logf(u));
    out[0] = r * cosf(angle);
    out[1] = r * sinf(angle);
}

#define SPK_STEP "optim/noise.inc.h"
#include "optim/both_types.inc.h"

void spk_optim_add_noise(const spk_optim *o, void *gradients, uint64_t seed, int64_t count)
{
    const float sigma = (float)spk_grad_noise_sigma(count);
    SPK_ASSERT(!o->device);
#pragma omp parallel for schedule(static) if (o->n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = 0; i < o->n_spans; i++) {
        const spk_optim_piece *p = &o->span[i];
        const spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_GRAD_NOISE, (uint64_t)count, (uint64_t)p->at, 0);
        if (o->real == SPK_F64)
            add_to_piece_f64(spk__optim_at(o, gradients, p->at), p->n, rng, sigma);
        else
            add_to_piece_f32(spk__optim_at(o, gradients, p->at), p->n, rng, sigma);
    }
}
