/* SPDX-License-Identifier: Apache-2.0 */
/*
 * global_mvn: features minus the training data's mean, divided by their standard deviation, bin by bin. Source:
 * espnet2.layers.global_mvn (specification 3.2). The two are buffers of the model, normalize.mean and normalize.std, so
 * only a model that begins without weights needs the file (`spk train --collect_stats true` makes it). Deviations that
 * come from the file are at least 1e-5: a bin that never moves must not become noise.
 */
#include <math.h>

#include "model/build_impl.h"
#include "spk/arrays.h"

typedef struct global_mvn_conf {
    char *stats_file;
    bool norm_means, norm_vars;
    double eps;
} global_mvn_conf;

static const double LEAST_STD = 1e-5;

#define FIELD(name) offsetof(global_mvn_conf, name)
static const spk_opt options[] = {
    {"stats_file", SPK_OPT_STR, FIELD(stats_file), "none", 0, 0, NULL,
     "count, sum, sum_square in an .npz, or Kaldi's statistics in an .npy", SPK_OPT_NULLABLE},
    {"norm_means", SPK_OPT_BOOL, FIELD(norm_means), "true", 0, 0, NULL, "subtract the mean", 0},
    {"norm_vars", SPK_OPT_BOOL, FIELD(norm_vars), "true", 0, 0, NULL, "divide by the standard deviation", 0},
    {"eps", SPK_OPT_FLOAT, FIELD(eps), "1e-20", 1e-30, 1, NULL, "smallest variance", 0},
};

/* ---- the file ---- */

static double value(const spk_ndarray *a, int64_t i)
{
    switch (a->dtype) {
    case SPK_F32:
        return (double)((const float *)a->data)[i];
    case SPK_F64:
        return ((const double *)a->data)[i];
    case SPK_I64:
        return (double)((const int64_t *)a->data)[i];
    case SPK_I32:
        return (double)((const int32_t *)a->data)[i];
    default:
        return NAN;
    }
}

/* Of n bins; mean and std are from spk_new. */
typedef struct statistics {
    int64_t n;
    float *mean, *std;
} statistics;

static void statistics_clear(statistics *s)
{
    spk_free(s->mean);
    spk_free(s->std);
    *s = (statistics){0};
}

/* Where count, sums and sums of squares stand. */
typedef struct sums {
    const spk_ndarray *count, *sum, *square;
    int64_t count_at, square_at; /* first elements in their arrays */
} sums;

static spk_status take_sums(const global_mvn_conf *c, const sums *s, statistics *out)
{
    const double count = value(s->count, s->count_at);
    if (!(count >= 1)) return spk_fail(SPK_E_FORMAT, "%s: the number of frames is not above 0", c->stats_file);
    out->mean = spk_new((size_t)out->n * sizeof *out->mean);
    out->std = spk_new((size_t)out->n * sizeof *out->std);
    for (int64_t i = 0; i < out->n; i++) {
        const double mean = value(s->sum, i) / count;
        const double var = value(s->square, s->square_at + i) / count - mean * mean;
        if (!isfinite(mean) || !isfinite(var))
            return spk_fail(SPK_E_FORMAT, "%s: the sums of bin %lld are not finite", c->stats_file, (long long)i);
        out->mean[i] = (float)mean;
        out->std[i] = (float)fmax(sqrt(fmax(var, c->eps)), LEAST_STD);
    }
    return SPK_OK;
}

static spk_status wrong_shape(const global_mvn_conf *c, const spk_ndarray *a, const char *what, int64_t n)
{
    if (a->n_dims == 2 && !spk_ends_with(c->stats_file, ".npy"))
        return spk_fail(SPK_E_SHAPE,
                        "%s: %s has a row for each frame position, as ESPnet 202611 collects them; collect the "
                        "statistics anew with spk train --collect_stats true",
                        c->stats_file, what);
    return spk_fail(SPK_E_SHAPE, "%s: %s does not fit features of %lld bins", c->stats_file, what, (long long)n);
}

static spk_status read_npz(const global_mvn_conf *c, statistics *out)
{
    spk_tensors t;
    SPK_TRY(spk_npz_read(c->stats_file, &t));
    const sums s = {.count = spk_tensors_find(&t, "count"),
                    .sum = spk_tensors_find(&t, "sum"),
                    .square = spk_tensors_find(&t, "sum_square")};
    spk_status status;
    if (!s.count || !s.sum || !s.square || spk_ndarray_count(s.count) != 1)
        status = spk_fail(SPK_E_FORMAT, "%s: does not hold count, sum and sum_square", c->stats_file);
    else if (s.sum->n_dims != 1 || s.sum->dim[0] != out->n)
        status = wrong_shape(c, s.sum, "sum", out->n);
    else if (s.square->n_dims != 1 || s.square->dim[0] != out->n)
        status = wrong_shape(c, s.square, "sum_square", out->n);
    else
        status = take_sums(c, &s, out);
    spk_tensors_clear(&t);
    return status;
}

/* Kaldi's layout: two rows of sums and of squares, the count behind the first. */
static spk_status read_npy(const global_mvn_conf *c, statistics *out)
{
    spk_ndarray a;
    SPK_TRY(spk_npy_read(c->stats_file, &a));
    const sums s = {.count = &a, .sum = &a, .square = &a, .count_at = out->n, .square_at = out->n + 1};
    const bool fits = a.n_dims == 2 && a.dim[0] == 2 && a.dim[1] == out->n + 1;
    const spk_status status = fits ? take_sums(c, &s, out) : wrong_shape(c, &a, "the array (2, bins + 1)", out->n);
    spk_ndarray_clear(&a);
    return status;
}

/* The statistics of n bins; on failure *out is empty. */
static spk_status read_file(const global_mvn_conf *c, int64_t n, statistics *out)
{
    *out = (statistics){.n = n};
    const spk_status status = spk_ends_with(c->stats_file, ".npy") ? read_npy(c, out) : read_npz(c, out);
    if (status != SPK_OK) statistics_clear(out);
    return status;
}

/* ---- the part ---- */

static bool can_wait(const global_mvn_conf *c, bool has_weights)
{
    return has_weights && (!c->stats_file || !spk_exists(c->stats_file));
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    const global_mvn_conf *c = conf;
    statistics s;
    (void)output_size;
    if (can_wait(c, in->has_weights)) return SPK_OK;
    if (!c->stats_file)
        return spk_fail(SPK_E_CONFIG, "normalize_conf: global_mvn needs a stats_file; make one with spk train "
                                      "--collect_stats true");
    if (!spk_exists(c->stats_file))
        return spk_fail(SPK_E_IO,
                        "normalize_conf: stats_file: %s is not there; make it with spk train --collect_stats true",
                        c->stats_file);
    SPK_TRY(read_file(c, in->input_size, &s));
    statistics_clear(&s);
    return SPK_OK;
}

static const spk_param *buffer(spk_build *b, const char *name, int64_t n, const float *values, double otherwise)
{
    const spk_init init = values ? (spk_init){SPK_INIT_TABLE, 0, values} : (spk_init){SPK_INIT_CONST, otherwise, NULL};
    return spk_params_declare(b->params, name, false, 1, &n, init);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const global_mvn_conf *c = conf;
    statistics s = {0};
    const bool first = !spk_params_find(b->params, "normalize.mean");
    if (first && c->stats_file && spk_exists(c->stats_file) && read_file(c, x->c, &s) != SPK_OK)
        spk_warn("model", "%s", spk_errmsg()); /* check has read it; weights that are loaded bring their own */
    const spk_param *mean = buffer(b, "normalize.mean", x->c, s.mean, 0);
    const spk_param *std = buffer(b, "normalize.std", x->c, s.std, 1);
    statistics_clear(&s);
    return spk_g_feature_norm(b->g, x, mean, std,
                              (spk_feature_norm_attr){.means = c->norm_means, .vars = c->norm_vars});
}

const spk_part spk__normalize_global_mvn = {.name = "global_mvn",
                                            .options = options,
                                            .n_options = SPK_COUNT(options),
                                            .conf_bytes = sizeof(global_mvn_conf),
                                            .check = check,
                                            .build = build};
