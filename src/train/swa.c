/* SPDX-License-Identifier: Apache-2.0 */
/* Stochastic weight averaging at a training's end (swa_impl.h). */
#include "train/swa_impl.h"

#include <inttypes.h>
#include <string.h>

#include "spk/state.h"
#include "train/average_impl.h"
#include "train/classes_impl.h"
#include "train/lengths_impl.h"
#include "train/validation_impl.h"

static const char NAME[] = "swa.pth", UNFINISHED[] = "swa.weights.pth";

/* Counters begin anew; the first batch overwrites the statistics themselves. */
static void clear_counters(spk_tensors *state)
{
    for (int64_t i = 0; i < state->n; i++)
        if (spk_ends_with(state->item[i].name, "num_batches_tracked") && state->item[i].a.dtype == SPK_I64)
            *(int64_t *)state->item[i].a.data = 0;
}

/* mean: the caller's, what was loaded. */
static spk_status load_mean(spk_training *t, const char *path, spk_tensors *mean)
{
    const spk_training_setup *s = t->setup;
    const int64_t n = t->epoch - s->swa_start + 1;
    int64_t *epochs = spk_new((size_t)n * sizeof *epochs);
    for (int64_t i = 0; i < n; i++)
        epochs[i] = s->swa_start + i;
    spk_status status = spk_average_write(s->output_dir, epochs, n, UNFINISHED);
    spk_free(epochs);
    if (status == SPK_OK) status = spk_pth_read(path, mean);
    clear_counters(mean);
    return status == SPK_OK ? t->model->load_state(t->model->self, mean) : status;
}

static spk_status renew(spk_training *t, spk_iterator *iterator)
{
    const spk_trainer_options *o = &t->setup->options;
    const int64_t most = t->setup->swa_steps;
    const spk_batch *batch = NULL;
    for (int64_t n = 1; most <= 0 || n <= most; n++) {
        SPK_TRY(iterator->next(iterator->self, &batch));
        if (!batch) break;
        const spk_array *speech = spk_batch_find(batch, "speech"), *labels = spk_batch_find(batch, "spk_labels");
        SPK_TRY(spk_train_lengths(t->model, batch, speech));
        SPK_TRY(t->model->renew_statistics(t->model->self, speech->data, labels->data, batch->n, speech->dim[1], n));
        if (o->progress) o->progress(o->user, "statistics", n, most > 0 ? most : iterator->n_batches);
        if (spk_interrupted())
            return spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal while %s is made: --resume makes it anew",
                            NAME);
    }
    return SPK_OK;
}

/* With the mean's weights in the model; of divided classes the model has a part alone, and the mean all. */
static spk_status renew_and_write(spk_training *t, spk_tensors *mean, const char *to)
{
    spk_tensors state = {0};
    spk_status status;
    const int64_t last = t->epoch;
    t->epoch = last + 1; /* batches that no epoch had */
    status = spk_with_iterator(t, t->ranks ? "train:whole" : "train", renew);
    t->epoch = last;
    SPK_GO(status);
    SPK_GO(t->model->save_state(t->model->self, &state));
    spk_classes_swap(t->model, &state, mean);
    status = spk_pth_write(to, &state);
done:
    spk_tensors_clear(&state);
    return status;
}

spk_status spk_swa_write(spk_training *t)
{
    const spk_training_setup *s = t->setup;
    spk_tensors before = {0}, mean = {0};
    spk_status status;
    if (s->swa_start < 1 || t->epoch < s->swa_start) return SPK_OK;
    if (!t->model->renew_statistics)
        return spk_fail(SPK_E_UNSUPPORTED, "swa_start: this model cannot renew the statistics of its normalisations");
    char *path = spk_path_join(s->output_dir, UNFINISHED), *to = spk_path_join(s->output_dir, NAME);
    SPK_GO(t->model->save_state(t->model->self, &before));
    status = load_mean(t, path, &mean);
    if (status == SPK_OK) status = renew_and_write(t, &mean, to);
    if (status == SPK_OK)
        spk_info("trainer", "%s: the mean of epochs %" PRId64 " to %" PRId64 ", with statistics of its own", NAME,
                 s->swa_start, t->epoch);
    const spk_status restored = t->model->load_state(t->model->self, &before);
    if (status == SPK_OK) status = restored;
    remove(path);
done:
    spk_tensors_clear(&before);
    spk_tensors_clear(&mean);
    spk_free(path);
    spk_free(to);
    return status;
}
