/* SPDX-License-Identifier: Apache-2.0 */
/* A training's start as one of several processes: what must fit, and what must be the same. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "comm/comm_impl.h"
#include "train/run_impl.h"

/* ---- the configuration ---- */

static spk_status check_size(const spk_config *c, int size)
{
    if (c->dist_world_size != SPK_NONE && c->dist_world_size > 1 && size == 1)
        return spk_fail(SPK_E_CONFIG,
                        "dist_world_size: %" PRId64 " processes are asked for and this one runs alone: start them as "
                        "mpirun -np %" PRId64 " spk train ..., or with srun",
                        c->dist_world_size, c->dist_world_size);
    if (c->dist_world_size != SPK_NONE && c->dist_world_size != size)
        return spk_fail(SPK_E_CONFIG, "dist_world_size: is %" PRId64 ", and %d processes were started",
                        c->dist_world_size, size);
    if (c->dist_launcher && size == 1)
        return spk_fail(SPK_E_CONFIG,
                        "dist_launcher: is %s, and this process runs alone: start N of them as mpirun -np N spk train "
                        "..., or with srun",
                        c->dist_launcher);
    return SPK_OK;
}

/* ---- the folder ---- */

/* Does a file that rank 0 wrote come into sight here? File servers may take some seconds. */
static bool sees(const char *path)
{
    for (int i = 0; i < 100; i++) {
        if (spk_exists(path)) return true;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return false;
}

/* What goes round the class weights, or needs all of them in one place. */
static spk_status check_classes(const spk_config *c)
{
    if (!c->shard_classes) return SPK_OK;
    if (c->sharded_ddp)
        return spk_fail(
            SPK_E_UNSUPPORTED,
            "shard_classes: divides the optimiser's state of the class weights already, and does not go with "
            "sharded_ddp; leave one of them out");
    if (c->grad_noise)
        return spk_fail(SPK_E_UNSUPPORTED, "shard_classes: does not go with grad_noise, whose draws are those of whole "
                                           "class weights; leave one of them out");
    if (c->detect_anomaly)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "shard_classes: does not go with detect_anomaly, which looks into a loss that one "
                        "process has whole; leave one of them out");
    return SPK_OK;
}

/* A folder of the same name on each host would do for all but going on: rank 0 lays a file there that only this run knows. */
static spk_status check_shared(const spk_run *r)
{
    const bool first = spk_comm_is_first(r->comm);
    const int64_t now[2] = {(int64_t)(spk_now() * 1e9), getpid()};
    int64_t number = (int64_t)(spk_hash(now, sizeof now) >> 16);
    SPK_TRY(spk_comm_broadcast(r->comm, &number, 1, SPK_COMM_I64));
    char *name = spk_strf(".shared-%" PRIx64, (uint64_t)number), *path = spk_path_join(r->config->output_dir, name);
    spk_status status = spk_comm_agree(r->comm, first ? spk_write_file(path, "", 0) : SPK_OK);
    if (status == SPK_OK)
        status = spk_comm_agree(
            r->comm, sees(path)
                         ? SPK_OK
                         : spk_fail(SPK_E_IO,
                                    "%s: what rank 0 writes there is not to be seen: the output folder must lie on a "
                                    "file system that all hosts share",
                                    r->config->output_dir));
    if (first) unlink(path);
    spk_free(name);
    spk_free(path);
    return status;
}

spk_status spk_run_check_team(const spk_run *r)
{
    spk_comm_timeout(r->comm, r->config->dist_timeout);
    SPK_TRY(spk_comm_agree(r->comm, check_size(r->config, spk_comm_size(r->comm))));
    if (spk_comm_size(r->comm) == 1) return SPK_OK;
    SPK_TRY(spk_comm_agree(r->comm, check_classes(r->config)));
    return check_shared(r);
}

/* ---- the data ---- */

static uint64_t add_word(uint64_t sum, const char *word)
{
    return sum * 31 + spk_hash_str(word ? word : "");
}

/* Names, classes, and the sizes of some hundred files. */
static uint64_t sum_of_training(const spk_train_set *s)
{
    const int64_t n = spk_train_set_n_utterances(s), stride = n / 256 + 1;
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        struct stat st;
        sum = add_word(sum, spk_train_set_utterance(s, i));
        if (i % stride == 0 && stat(spk_train_set_path(s, i), &st) == 0) sum = sum * 31 + (uint64_t)st.st_size;
    }
    for (int64_t i = 0; i < spk_train_set_n_speakers(s); i++)
        sum = add_word(sum, spk_train_set_speaker(s, i));
    return sum;
}

static uint64_t sum_of_trials(const spk_trial_set *s)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < spk_trial_set_n_utterances(s); i++)
        sum = add_word(sum, spk_trial_set_utterance(s, i));
    for (int64_t i = 0; i < spk_trial_set_n_trials(s); i++) {
        const spk_trial *t = &spk_trial_set_trials(s)[i];
        sum = ((sum * 31 + (uint64_t)t->enroll) * 31 + (uint64_t)t->test) * 31 + (uint64_t)t->label;
    }
    return sum;
}

static spk_status same_trials(const spk_run *r, const spk_trial_set *s, const char *what)
{
    char *text = spk_strf("%" PRId64 " trials over %" PRId64 " utterances (sum %08x)", spk_trial_set_n_trials(s),
                          spk_trial_set_n_utterances(s), (unsigned)(sum_of_trials(s) >> 32));
    const spk_status status = spk_comm_same(r->comm, what, text);
    spk_free(text);
    return status;
}

spk_status spk_run_check_data(const spk_run *r)
{
    if (!r->comm) return SPK_OK;
    char *text =
        spk_strf("%" PRId64 " utterances of %" PRId64 " speakers (sum %08x)", spk_train_set_n_utterances(r->train),
                 spk_train_set_n_speakers(r->train), (unsigned)(sum_of_training(r->train) >> 32));
    spk_status status = spk_comm_same(r->comm, "training data", text);
    spk_free(text);
    if (status == SPK_OK && r->valid) status = same_trials(r, r->valid, "validation data");
    for (int i = 0; status == SPK_OK && i < r->n_valid_sets; i++)
        status = same_trials(r, r->valid_sets[i], r->valid_names[i]);
    return status;
}
