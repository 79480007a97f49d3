/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows and filter banks are stored with a model, and are what its features are made of. Where those of the weights
 * are others than the configuration's frontend gives, one of the two is not that of this model: an error that names the
 * table and the options that make it. Where they agree, the stored ones are used, to the last bit.
 */
#include <math.h>
#include <string.h>

#include "model/net_model_impl.h"

/* Rounding of one toolkit's tables against another's is below a hundredth of this. */
static const double TOLERANCE = 1e-4;

/* The end of a table's name, and the options that it follows from. */
static const struct {
    const char *name, *options;
} origins[] = {{"spectrogram.window", "window_fn and win_length"},
               {"mel_scale.fb", "f_min, f_max, n_mels, mel_scale, n_fft and sample_rate"},
               {"logmel.melmat", "fs, n_fft, n_mels, fmin, fmax and htk"},
               {"flipped_filter", "the pre-emphasis"},
               {"filterbank.window_", "sinc_kernel_size"},
               {"filterbank.n_", "sinc_kernel_size and the sample rate"}};

static const char *origin(const char *name)
{
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++)
        if (spk_ends_with(name, origins[i].name)) return origins[i].options;
    return "its options";
}

/* Largest difference as a share of the largest value. NaN in the file is a difference. */
static double difference(const spk_param *p, const spk_ndarray *a)
{
    double most = 0, worst = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const double given = a->dtype == SPK_F64 ? ((const double *)a->data)[i] : (double)((const float *)a->data)[i];
        const double off = fabs(given - (double)p->table[i]);
        most = fmax(most, fabs((double)p->table[i]));
        if (!(off <= worst)) worst = isnan(off) ? INFINITY : off;
    }
    return most > 0 ? worst / most : worst;
}

static int64_t count_of(const spk_ndarray *a)
{
    int64_t n = 1;
    for (int i = 0; i < a->n_dims; i++)
        n *= a->dim[i];
    return n;
}

spk_status spk__net_check_tables(const spk_params *params, const spk_tensors *in)
{
    for (int64_t i = 0; i < in->n; i++) {
        const char *name = in->item[i].name;
        const spk_ndarray *a = &in->item[i].a;
        const spk_param *p = spk_params_find(params, name);
        if (!p || !p->table || p->trainable || !spk_starts_with(name, "frontend.")) continue;
        if (count_of(a) != p->count || (a->dtype != SPK_F32 && a->dtype != SPK_F64)) continue; /* said elsewhere */
        const double off = difference(p, a);
        if (off <= TOLERANCE) continue;
        return spk_fail(SPK_E_MISMATCH,
                        "%s of the weights is not what frontend_conf gives (it differs by %.2g of the largest value), "
                        "so the features would not be those of the training: correct %s",
                        name, off, origin(name));
    }
    return SPK_OK;
}
