/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings of the distinct utterances of an iterator, streamed into a compressed .npz. All batches are treated
 * alike: nothing is normalised.
 */
#include "spk/spk_trainer.h"

#include <string.h>
#include <unistd.h>

#include "comm/comm_impl.h"
#include "spk/arrays.h"
#include "train/embed_impl.h"
#include "train/work_impl.h"

typedef struct extraction {
    spk_npz_writer *npz;
    int64_t E;
    bool average;
    spk_dtype type; /* float or double */
    void *mean;     /* (E) */
} extraction;

/* The mean over the K segments, summed in double. */
static void average_segments(const extraction *x, const void *embedding, int64_t K)
{
    const bool wide = x->type == SPK_F64;
    for (int64_t e = 0; e < x->E; e++) {
        double sum = 0.0;
        for (int64_t k = 0, at = e; k < K; k++, at += x->E)
            sum += wide ? ((const double *)embedding)[at] : (double)((const float *)embedding)[at];
        if (wide)
            ((double *)x->mean)[e] = sum / (double)K;
        else
            ((float *)x->mean)[e] = (float)(sum / (double)K);
    }
}

static spk_status write_one(void *user, int64_t index, const char *id, const void *embedding, int64_t n_segments)
{
    extraction *x = user;
    (void)index;
    if (!x->average) {
        const int64_t dim[2] = {n_segments, x->E};
        return spk_npz_add(x->npz, id, x->type, 2, dim, embedding);
    }
    average_segments(x, embedding, n_segments);
    return spk_npz_add(x->npz, id, x->type, 1, &x->E, x->mean);
}

static spk_status check_folder(const char *folder, spk_comm *comm)
{
    if (!spk_exists(folder) && spk_comm_size(comm) > 1)
        return spk_fail(SPK_E_IO,
                        "%s: the output folder is not there: make it first, on a file system that all hosts share",
                        folder);
    if (!spk_exists(folder)) return spk_fail(SPK_E_IO, "%s: the output folder does not exist: make it first", folder);
    if (!spk_is_folder(folder)) return spk_fail(SPK_E_IO, "%s: is not a folder: name one for the embeddings", folder);
    if (access(folder, W_OK | X_OK) != 0) return spk_fail_errno(folder, "write into the output folder");
    return SPK_OK;
}

/* Of what this process embedded. */
static double seconds_of(const spk_pass_set *set, const spk_trainer_options *options, int rank, int size)
{
    const int64_t rate = options && options->sample_rate > 0 ? options->sample_rate : 16000;
    double samples = 0.0;
    for (int64_t i = 0; i < set->n_utterances; i++)
        if (set->n_own == set->n_utterances || i % size == rank)
            samples += (double)set->n_segments[i] * (double)set->samples[i];
    return samples / (double)rate;
}

static spk_status run(spk_model *model, spk_iterator *iterator, const spk_trainer_options *options, spk_comm *comm,
                      const char *path, int64_t custom_bs, bool average, spk_pass_set *set)
{
    spk_status status = SPK_OK;
    extraction x = {.E = model->embedding_size, .average = average, .type = spk_embed_type(model)};
    spk_embed_queue *queue = spk_embed_queue_new(model, custom_bs, 0, write_one, &x);
    const spk_pass pass = {.queue = queue,
                           .options = options,
                           .what = "extract",
                           .labels = false,
                           .feature_size = model->feature_size,
                           .rank = spk_comm_rank(comm),
                           .size = spk_comm_size(comm)};
    SPK_GO(spk_npz_create(path, &x.npz));
    x.mean = spk_new((size_t)x.E * spk_dtype_size(x.type));
    SPK_GO(spk_pass_run(&pass, iterator, set));
    SPK_GO(spk_embed_queue_flush(queue));
    if (set->n_total == 0)
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

/* ---- parts of several processes ---- */

static char *part_path(const char *folder, int rank)
{
    char *name = spk_strf("embeddings%d.npz", rank), *path = spk_path_join(folder, name);
    spk_free(name);
    return path;
}

/* Utterance i of all is number i / size of the part of rank i mod size. */
static spk_status merge_parts(spk_npz **part, int size, int64_t n, spk_npz_writer *out)
{
    for (int64_t i = 0; i < n; i++) {
        spk_npz *from = part[i % size];
        spk_ndarray a = {0};
        const char *key = spk_npz_key(from, i / size);
        spk_status status = spk_npz_get(from, key, &a);
        if (status == SPK_OK) status = spk_npz_add(out, key, a.dtype, a.n_dims, a.dim, a.data);
        spk_ndarray_clear(&a);
        SPK_TRY(status);
    }
    return SPK_OK;
}

/* Rank 0: the parts that all ranks of this call have just written become one file. What other calls left is not looked
 * at, and the number in each part must be what its rank embedded. */
static spk_status merge(const char *folder, const char *path, int size, int64_t n)
{
    spk_status status = SPK_OK;
    spk_npz_writer *out = NULL;
    spk_npz **part = spk_new((size_t)size * sizeof(spk_npz *));
    for (int r = 0; r < size && spk_pass_count(n, r, size) > 0; r++) { /* later ranks have none */
        char *from = part_path(folder, r);
        status = spk_exists(from)
                     ? spk_npz_open(from, &part[r])
                     : spk_fail(SPK_E_IO,
                                "%s: is not there, and rank %d has written it: the folder must be one that "
                                "all ranks share",
                                from, r);
        if (status == SPK_OK && spk_npz_count(part[r]) != spk_pass_count(n, r, size))
            status = spk_fail(SPK_E_IO,
                              "%s: holds %lld embeddings where rank %d wrote %lld: the folder must be one that "
                              "all ranks share, and no other extraction may write there",
                              from, (long long)spk_npz_count(part[r]), r, (long long)spk_pass_count(n, r, size));
        spk_free(from);
        if (status != SPK_OK) goto done;
    }
    SPK_GO(spk_npz_create(path, &out));
    SPK_GO(merge_parts(part, size, n, out));
    spk_npz_writer *finished = out;
    out = NULL;
    status = spk_npz_finish(finished);
done:
    spk_npz_abort(out);
    for (int r = 0; r < size; r++)
        spk_npz_close(part[r]);
    spk_free(part);
    return status;
}

/* The parts become `path`; each rank removes its own in any case. */
static spk_status join_parts(spk_comm *comm, const char *folder, const char *path, const spk_pass_set *set,
                             spk_status status)
{
    char *own = part_path(folder, spk_comm_rank(comm));
    status = spk_comm_agree(comm, status);
    if (status == SPK_OK)
        status = spk_comm_agree(comm, spk_comm_is_first(comm) ? merge(folder, path, spk_comm_size(comm), set->n_total)
                                                              : SPK_OK);
    unlink(own);
    spk_free(own);
    return status;
}

static spk_status sum_up(spk_comm *comm, const spk_pass_set *set, const spk_trainer_options *options, double start,
                         const char *path, spk_extraction *out)
{
    spk_extraction done = {.n_utterances = set->n_total,
                           .audio_s = seconds_of(set, options, spk_comm_rank(comm), spk_comm_size(comm))};
    SPK_TRY(spk_comm_reduce(comm, &done.audio_s, 1, SPK_COMM_F64, SPK_COMM_SUM));
    done.wall_s = spk_now() - start;
    const double wall = done.wall_s > 0 ? done.wall_s : 1e-9;
    snprintf(done.path, sizeof done.path, "%s", path);
    spk_info("extract", "%lld utterances, %.1f s of audio in %.1f s (%.1f utterances/s, %.0f times real time): %s",
             (long long)done.n_utterances, done.audio_s, done.wall_s, (double)done.n_utterances / wall,
             done.audio_s / wall, path);
    if (out) *out = done;
    return SPK_OK;
}

/* What every way to extract asks for first. */
static spk_status check(const spk_model *model, const spk_trainer_options *options,
                        const spk_distributed_option *distributed_option, const char *output_dir, int64_t custom_bs)
{
    spk_comm_where(distributed_option ? distributed_option->comm : NULL, "extraction");
    SPK_TRY(spk_trainer_check_options(model, options, distributed_option));
    if (custom_bs < 1)
        return spk_fail(SPK_E_VALUE, "batch size %lld: at least 1 utterance must be embedded at a time",
                        (long long)custom_bs);
    spk_comm *comm = distributed_option ? distributed_option->comm : NULL;
    return spk_comm_agree(comm, check_folder(output_dir, comm));
}

spk_status spk_trainer_extract_embed_to(spk_model *model, spk_iterator *iterator, const spk_trainer_options *options,
                                        const spk_distributed_option *distributed_option, const char *output_dir,
                                        const char *name, int64_t custom_bs, bool average, spk_extraction *out)
{
    spk_pass_set set = {0};
    const double start = spk_now();
    SPK_ASSERT(output_dir && name && "a folder and a name are needed");
    SPK_ASSERT(iterator && "an iterator is needed");
    SPK_TRY(check(model, options, distributed_option, output_dir, custom_bs));
    spk_comm *comm = distributed_option ? distributed_option->comm : NULL;
    const int size = spk_comm_size(comm);
    char *path = spk_path_join(output_dir, name);
    char *own = size > 1 ? part_path(output_dir, spk_comm_rank(comm)) : spk_strdup(path);
    spk_work_list work;
    const spk_comm_work before = spk_comm_working(comm, spk_pass_work(size, iterator, &work));
    spk_status status = run(model, iterator, options, comm, own, custom_bs, average, &set);
    if (size > 1) status = join_parts(comm, output_dir, path, &set, status);
    if (status == SPK_OK) status = sum_up(comm, &set, options, start, path, out);
    spk_comm_working(comm, before);
    spk_pass_set_clear(&set);
    spk_free(path);
    spk_free(own);
    return status;
}

spk_status spk_trainer_extract_embed(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                     const spk_trainer_options *options,
                                     const spk_distributed_option *distributed_option, const char *output_dir,
                                     int64_t custom_bs, bool average)
{
    spk_comm *comm = distributed_option ? distributed_option->comm : NULL;
    spk_pass_set set = {0};
    (void)reporter;
    if (spk_comm_size(comm) == 1)
        return spk_trainer_extract_embed_to(model, iterator, options, distributed_option, output_dir, "embeddings0.npz",
                                            custom_bs, average, NULL);
    SPK_ASSERT(output_dir && iterator && "a folder and an iterator are needed");
    SPK_TRY(check(model, options, distributed_option, output_dir, custom_bs));
    char *own = part_path(output_dir, spk_comm_rank(comm));
    spk_work_list work;
    const spk_comm_work before = spk_comm_working(comm, spk_pass_work(spk_comm_size(comm), iterator, &work));
    const spk_status status = spk_comm_agree(comm, run(model, iterator, options, comm, own, custom_bs, average, &set));
    spk_comm_working(comm, before);
    if (status != SPK_OK) unlink(own);
    spk_pass_set_clear(&set);
    spk_free(own);
    return status;
}
