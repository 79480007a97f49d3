/* SPDX-License-Identifier: Apache-2.0 */
/* A training's start as one of several processes: what must fit, and what must be the same. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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

/* Does a folder that rank 0 made come into sight here? File servers may take some seconds. */
static bool sees(const char *folder)
{
    for (int i = 0; i < 100; i++) {
        if (spk_is_folder(folder)) return true;
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return false;
}

static spk_status check_options(const spk_run *r)
{
    const spk_config *c = r->config;
    const int size = spk_comm_size(r->comm);
    SPK_TRY(check_size(c, size));
    if (size == 1) return SPK_OK;
    if (c->collect_stats || c->no_forward_run)
        return spk_fail(SPK_E_UNSUPPORTED, "%s: runs in one process; start it without mpirun or srun",
                        c->collect_stats ? "collect_stats" : "no_forward_run");
    if (c->ddp_comm_hook && strcmp(c->ddp_comm_hook, "bf16_compress_hook") != 0)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "ddp_comm_hook: %s: is not here; bf16_compress_hook halves the bytes as well, "
                        "and cannot overflow",
                        c->ddp_comm_hook);
    if (!sees(c->output_dir))
        return spk_fail(
            SPK_E_IO,
            "%s: is not there, and rank 0 has made it: the output folder must lie on a file system that all "
            "hosts share",
            c->output_dir);
    return SPK_OK;
}

spk_status spk_run_check_team(const spk_run *r)
{
    spk_comm_timeout(r->comm, r->config->dist_timeout);
    return spk_comm_agree(r->comm, check_options(r));
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
