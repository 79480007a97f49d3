/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings of the distinct utterances of an iterator, streamed into a compressed .npz. All batches are treated
 * alike: nothing is normalised.
 */
#include "spk/spk_trainer.h"

#include <string.h>
#include <unistd.h>

#include "spk/arrays.h"
#include "train/embed_impl.h"

typedef struct extraction {
    spk_npz_writer *npz;
    int64_t E;
    bool average;
    float *mean; /* (E) */
} extraction;

/* The mean over the K segments, summed in double. */
static void average_segments(const float *embedding, int64_t K, int64_t E, float *mean)
{
    for (int64_t e = 0; e < E; e++) {
        double sum = 0.0;
        for (int64_t k = 0; k < K; k++)
            sum += (double)embedding[k * E + e];
        mean[e] = (float)(sum / (double)K);
    }
}

static spk_status write_one(void *user, int64_t index, const char *id, const float *embedding, int64_t n_segments)
{
    extraction *x = user;
    (void)index;
    if (!x->average) {
        const int64_t dim[2] = {n_segments, x->E};
        return spk_npz_add(x->npz, id, SPK_F32, 2, dim, embedding);
    }
    average_segments(embedding, n_segments, x->E, x->mean);
    return spk_npz_add(x->npz, id, SPK_F32, 1, &x->E, x->mean);
}

static spk_status check_folder(const char *folder)
{
    if (!spk_exists(folder)) return spk_fail(SPK_E_IO, "%s: the output folder does not exist: make it first", folder);
    if (!spk_is_folder(folder)) return spk_fail(SPK_E_IO, "%s: is not a folder: name one for the embeddings", folder);
    if (access(folder, W_OK | X_OK) != 0) return spk_fail_errno(folder, "write into the output folder");
    return SPK_OK;
}

static double seconds_of(const spk_pass_set *set, const spk_trainer_options *options)
{
    const int64_t rate = options && options->sample_rate > 0 ? options->sample_rate : 16000;
    double samples = 0.0;
    for (int64_t i = 0; i < set->n_utterances; i++)
        samples += (double)set->n_segments[i] * (double)set->samples[i];
    return samples / (double)rate;
}

static spk_status run(spk_model *model, spk_iterator *iterator, const spk_trainer_options *options, const char *path,
                      int64_t custom_bs, bool average, spk_pass_set *set)
{
    spk_status status = SPK_OK;
    extraction x = {.E = model->embedding_size, .average = average};
    spk_embed_queue *queue = spk_embed_queue_new(model, custom_bs, 0, write_one, &x);
    const spk_pass pass = {
        .queue = queue, .options = options, .what = "extract", .labels = false, .feature_size = model->feature_size};
    SPK_GO(spk_npz_create(path, &x.npz));
    x.mean = spk_new((size_t)x.E * sizeof *x.mean);
    SPK_GO(spk_pass_run(&pass, iterator, set));
    SPK_GO(spk_embed_queue_flush(queue));
    if (set->n_utterances == 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: the iterator gave no utterances, so there is nothing to write", path));
    spk_npz_writer *npz = x.npz;
    x.npz = NULL;
    SPK_GO(spk_npz_finish(npz));
done:
    spk_npz_abort(x.npz);
    spk_free(x.mean);
    spk_embed_queue_free(queue);
    return status;
}

spk_status spk_trainer_extract_embed_to(spk_model *model, spk_iterator *iterator, const spk_trainer_options *options,
                                        const spk_distributed_option *distributed_option, const char *output_dir,
                                        const char *name, int64_t custom_bs, bool average, spk_extraction *out)
{
    spk_pass_set set = {0};
    const double start = spk_now();
    SPK_ASSERT(output_dir && name && "a folder and a name are needed");
    SPK_ASSERT(iterator && "an iterator is needed");
    SPK_TRY(spk_trainer_check_options(model, options, distributed_option));
    if (custom_bs < 1)
        return spk_fail(SPK_E_VALUE, "batch size %lld: at least 1 utterance must be embedded at a time",
                        (long long)custom_bs);
    SPK_TRY(check_folder(output_dir));
    char *path = spk_path_join(output_dir, name);
    const spk_status status = run(model, iterator, options, path, custom_bs, average, &set);
    if (status == SPK_OK) {
        spk_extraction done = {.n_utterances = set.n_utterances, .audio_s = seconds_of(&set, options)};
        done.wall_s = spk_now() - start;
        snprintf(done.path, sizeof done.path, "%s", path);
        spk_info("extract", "%lld utterances, %.1f s of audio in %.1f s (%.1f utterances/s, %.0f times real time): %s",
                 (long long)done.n_utterances, done.audio_s, done.wall_s,
                 (double)done.n_utterances / (done.wall_s > 0 ? done.wall_s : 1e-9),
                 done.audio_s / (done.wall_s > 0 ? done.wall_s : 1e-9), path);
        if (out) *out = done;
    }
    spk_pass_set_clear(&set);
    spk_free(path);
    return status;
}

spk_status spk_trainer_extract_embed(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                     const spk_trainer_options *options,
                                     const spk_distributed_option *distributed_option, const char *output_dir,
                                     int64_t custom_bs, bool average)
{
    (void)reporter;
    return spk_trainer_extract_embed_to(model, iterator, options, distributed_option, output_dir, "embeddings0.npz",
                                        custom_bs, average, NULL);
}
