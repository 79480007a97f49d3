/* SPDX-License-Identifier: Apache-2.0 */
/* Means of snapshots: of the best by each criterion, of the last ones. */
#include "train/average_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spk/state.h"
#include "train/checkpoint_impl.h"

/* ---- a mean ---- */

static spk_status read_snapshot(const char *folder, int64_t epoch, spk_tensors *out)
{
    char *name = spk_strf("%" PRId64 "epoch.pth", epoch), *path = spk_path_join(folder, name);
    const spk_status status = spk_pth_read(path, out);
    spk_free(name);
    spk_free(path);
    return status;
}

static bool has_mean(const spk_ndarray *a)
{
    return a->dtype == SPK_F32 || a->dtype == SPK_F64;
}

/* All floating-point elements of a state one after the other. */
static int64_t count_elements(const spk_tensors *state)
{
    int64_t n = 0;
    for (int64_t i = 0; i < state->n; i++)
        if (has_mean(&state->item[i].a)) n += spk_ndarray_count(&state->item[i].a);
    return n;
}

static void add(double *sum, const spk_tensors *state)
{
    for (int64_t i = 0; i < state->n; i++) {
        const spk_ndarray *a = &state->item[i].a;
        const int64_t n = spk_ndarray_count(a);
        if (!has_mean(a)) continue;
        for (int64_t k = 0; k < n; k++)
            *sum++ += a->dtype == SPK_F32 ? (double)((const float *)a->data)[k] : ((const double *)a->data)[k];
    }
}

static void divide(const double *sum, double by, spk_tensors *state)
{
    for (int64_t i = 0; i < state->n; i++) {
        const spk_ndarray *a = &state->item[i].a;
        const int64_t n = spk_ndarray_count(a);
        if (!has_mean(a)) continue;
        for (int64_t k = 0; k < n; k++, sum++) {
            if (a->dtype == SPK_F32)
                ((float *)a->data)[k] = (float)(*sum / by);
            else
                ((double *)a->data)[k] = *sum / by;
        }
    }
}

static int by_epoch(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The sum over the epochs of `sorted`; *last is the latest's state. */
static spk_status sum_up(const char *folder, const int64_t *sorted, int64_t n, double **sum, spk_tensors *last)
{
    int64_t elements = 0;
    for (int64_t i = 0; i < n; i++) {
        spk_tensors_clear(last);
        SPK_TRY(read_snapshot(folder, sorted[i], last));
        if (i == 0) {
            elements = count_elements(last);
            *sum = spk_alloc_zero((size_t)(elements + 1) * sizeof **sum);
            if (!*sum) return spk_fail(SPK_E_NOMEM, "no memory for a mean of %" PRId64 " weights", elements);
        }
        if (count_elements(last) != elements)
            return spk_fail(SPK_E_MISMATCH, "%s: %" PRId64 "epoch.pth and %" PRId64 "epoch.pth are of different models",
                            folder, sorted[0], sorted[i]);
        add(*sum, last);
    }
    return SPK_OK;
}

spk_status spk_average_write(const char *folder, const int64_t *epochs, int64_t n, const char *name)
{
    spk_status status;
    spk_tensors state = {0};
    double *sum = NULL;
    char *path = spk_path_join(folder, name);
    int64_t *sorted = spk_new((size_t)n * sizeof *sorted);
    memcpy(sorted, epochs, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_epoch);
    SPK_GO(sum_up(folder, sorted, n, &sum, &state));
    divide(sum, (double)n, &state);
    status = spk_pth_write(path, &state);
done:
    spk_free(sum);
    spk_free(sorted);
    spk_free(path);
    spk_tensors_clear(&state);
    return status;
}

/* ---- of the best ---- */

/* Epochs with a value, best first: new. */
static int64_t ranked(const spk_training *t, const spk_criterion *c, int64_t **out)
{
    const int64_t room = spk_reporter_sort(t->reporter, c->phase, c->key, c->mode, NULL, 0);
    double value;
    int64_t n = 0;
    *out = spk_new((size_t)(room + 1) * sizeof **out);
    spk_reporter_sort(t->reporter, c->phase, c->key, c->mode, *out, room);
    while (n < room && spk_reporter_get(t->reporter, (*out)[n], c->phase, c->key, &value) && !isnan(value))
        n++;
    return n;
}

static spk_status write_one(const spk_training *t, const char *stem, const int64_t *epochs, int64_t n, const char *end)
{
    const char *folder = t->setup->output_dir;
    char *name = spk_strf("%s_%" PRId64 "best.%spth", stem, n, end);
    char *snapshot = spk_strf("%" PRId64 "epoch.pth", epochs[0]);
    const spk_status status =
        n == 1 && !*end ? spk_folder_link(folder, name, snapshot) : spk_average_write(folder, epochs, n, name);
    if (status == SPK_OK) spk_info("trainer", "%s: the mean of the best %" PRId64 " epochs", name, n);
    spk_free(snapshot);
    spk_free(name);
    return status;
}

static spk_status average_by(const spk_training *t, const spk_criterion *c, const char *end)
{
    const spk_training_setup *s = t->setup;
    spk_status status = SPK_OK;
    int64_t *epochs = NULL, largest = 0;
    const int64_t there = ranked(t, c, &epochs);
    char *stem = spk_strf("%s.%s.ave", c->phase, c->key), *link = spk_strf("%s.%spth", stem, end), *target = NULL;
    for (int i = 0; there > 0 && i < s->n_average_nbest; i++) {
        const int64_t n = s->average_nbest[i] < there ? s->average_nbest[i] : there;
        if (n < 1) continue;
        SPK_GO(write_one(t, stem, epochs, n, end));
        largest = n > largest ? n : largest;
    }
    if (largest == 0) goto done;
    target = spk_strf("%s_%" PRId64 "best.%spth", stem, largest, end);
    status = spk_folder_link(s->output_dir, link, target);
done:
    spk_free(target);
    spk_free(link);
    spk_free(stem);
    spk_free(epochs);
    return status;
}

spk_status spk_average_best(const spk_training *t, bool till)
{
    spk_status status = SPK_OK;
    char *end = till ? spk_strf("till%" PRId64 "epoch.", t->epoch) : spk_strdup("");
    for (int i = 0; i < t->setup->n_best_model_criterion && status == SPK_OK; i++)
        status = average_by(t, &t->setup->best_model_criterion[i], end);
    spk_free(end);
    return status;
}

/* ---- of the last ---- */

spk_status spk_average_last(const spk_training *t)
{
    const int64_t most = t->setup->average_last, n = most < t->epoch ? most : t->epoch;
    if (most < 2 || n < 1) return SPK_OK;
    int64_t *epochs = spk_new((size_t)n * sizeof *epochs);
    for (int64_t i = 0; i < n; i++)
        epochs[i] = t->epoch - i;
    char *name = spk_strf("ave_last%" PRId64 ".pth", n);
    const spk_status status = spk_average_write(t->setup->output_dir, epochs, n, name);
    if (status == SPK_OK) spk_info("trainer", "%s: the mean of the last %" PRId64 " epochs", name, n);
    spk_free(name);
    spk_free(epochs);
    return status;
}
