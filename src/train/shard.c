/* SPDX-License-Identifier: Apache-2.0 */
/* Optimiser state that is divided among processes (ranks_impl.h): ZeRO's first stage (Rajbhandari et al., SC 2020). */
#include <string.h>

#include "comm/comm_impl.h"
#include "optim/optim_impl.h"
#include "train/classes_impl.h"
#include "train/ranks_impl.h"

static bool is_divided(const spk_training *t)
{
    return t->ranks && t->setup->shard_optim;
}

spk_status spk_ranks_shard(spk_training *t)
{
    spk_comm *comm = spk_ranks_comm(t);
    if (!is_divided(t)) return SPK_OK;
    return spk_optim_keep_part(t->optim, spk_comm_rank(comm), spk_comm_size(comm));
}

/* Elements of each rank's part: a new list. */
static int64_t *count_parts(const spk_training *t)
{
    const int size = spk_comm_size(spk_ranks_comm(t));
    int64_t *counts = spk_new((size_t)size * sizeof *counts), at = 0;
    for (int r = 0; r < size; r++)
        spk_optim_part(t->optim, r, size, &at, &counts[r]);
    return counts;
}

/* `part` of this rank and those of the others, into `whole` of `root`, or of all. The two must not overlap. */
static spk_status gather(const spk_training *t, const float *part, float *whole, int root)
{
    int64_t *counts = count_parts(t);
    const spk_status status = spk_comm_gather(spk_ranks_comm(t), part, counts, sizeof *part, whole, root);
    spk_free(counts);
    return status;
}

spk_status spk_ranks_hand_round(spk_training *t, float *parameters)
{
    spk_comm *comm = spk_ranks_comm(t);
    int64_t at = 0, n = 0;
    if (!is_divided(t)) return SPK_OK;
    spk_optim_part(t->optim, spk_comm_rank(comm), spk_comm_size(comm), &at, &n);
    float *own = spk_new((size_t)(n + 1) * sizeof *own);
    memcpy(own, parameters + at, (size_t)n * sizeof *own);
    const spk_status status = gather(t, own, parameters, SPK_COMM_TO_ALL);
    spk_free(own);
    return status;
}

spk_status spk_ranks_collect(spk_training *t)
{
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    const bool first = spk_ranks_first(t);
    spk_status status = SPK_OK;
    if (spk_classes_divided(t)) return spk_classes_collect(t, true);
    if (!is_divided(t)) return SPK_OK;
    const int64_t n = spk_optim_count(t->optim);
    const int n_blocks = spk_optim_blocks(t->optim, block);
    spk_ranks_dismiss(t);
    if (first) t->whole_state = spk_alloc((size_t)(n * n_blocks + 1) * sizeof *t->whole_state);
    if (first && !t->whole_state)
        status = spk_fail(SPK_E_NOMEM, "no memory for the whole state of the optimiser (%.3f GB)",
                          (double)(n * n_blocks) * 4e-9);
    SPK_TRY(spk_ranks_agree(t, status));
    for (int i = 0; i < n_blocks; i++)
        SPK_TRY(gather(t, block[i].v, first ? t->whole_state + i * n : NULL, 0));
    return SPK_OK;
}

void spk_ranks_dismiss(spk_training *t)
{
    spk_free(t->whole_state);
    spk_free(t->whole_classes);
    t->whole_state = t->whole_classes = NULL;
}

int spk_ranks_blocks(spk_training *t, spk_optim_block *block)
{
    spk_optim_pull(t->optim);
    const int n_blocks = spk_optim_blocks(t->optim, block);
    for (int i = 0; t->whole_state && i < n_blocks; i++) {
        block[i].n = spk_classes_count(t);
        block[i].v = t->whole_state + i * block[i].n;
    }
    return n_blocks;
}
