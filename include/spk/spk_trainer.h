/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two methods of espnet2.train.spk_trainer.SpkTrainer. The class of that name has no instances,
 * so there is no constructor here: only functions that take what the methods take.
 *
 * Thread rule: one call at a time for a model. Determinism: the same model, batches and thread count
 * give the same bits.
 */
#ifndef SPK_SPK_TRAINER_H
#define SPK_SPK_TRAINER_H

#include <stdbool.h>

#include "spk/comm.h"
#include "spk/iterator.h"
#include "spk/model.h"
#include "spk/reporter.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the methods read of ESPnet's TrainerOptions; zero-initialise for the defaults. */
typedef struct spk_trainer_options {
    int64_t ngpu;         /* 0: the processor. Others are SPK_E_UNSUPPORTED */
    bool use_amp;         /* false; reserved */
    bool no_forward_run;  /* false; ignored by validation, as in ESPnet */
    int64_t seed;         /* base seed */
    int64_t log_interval; /* 0: chosen */
    int64_t sample_rate;  /* 0: 16000; only for the seconds of audio that are reported */
    void (*progress)(void *user, const char *what, int64_t done, int64_t total); /* NULL: silent */
    void *user;
} spk_trainer_options;

/* Several processes (espnet2.train.distributed_utils.DistributedOption); zero-initialise for one process. All of them
 * make the same calls. */
typedef struct spk_distributed_option {
    bool distributed;
    int dist_rank, dist_world_size; /* the comm's; 0 and 0 where there is none */
    spk_comm *comm;                 /* from spk_comm_open; NULL: alone */
} spk_distributed_option;
/* The option for a comm (NULL: alone). */
SPK_API spk_distributed_option spk_distributed(spk_comm *comm);

/* Scores of the last validation, for plots and files; see spk_trainer_validate_scores. */
typedef struct spk_validation {
    int64_t n_trials;
    float *scores;                /* n_trials */
    uint8_t *labels;              /* n_trials, 1 target, 0 nontarget */
    double eer, eer_espnet;       /* percent */
    double mindcf, mindcf_espnet; /* at p_target 0.05 */
    double mindcf_p01;            /* at p_target 0.01 */
    double threshold_eer, threshold_mindcf, threshold_mindcf_p01;
    double trg_mean, trg_std, nontrg_mean, nontrg_std;
    int64_t n_utterances, n_segments, n_embedded;
} spk_validation;

/*
 * Open-set validation. Embeds each distinct utterance once (its first occurrence in the iterator), without gradients
 * and in eval mode; scores each trial with minus the mean Euclidean distance between the L2-normalised segments of
 * its two utterances; registers with `reporter`: eer, mindcf, n_trials, trg_mean, trg_std, nontrg_mean, nontrg_std,
 * eer_espnet, mindcf_espnet, mindcf_p01 and the thresholds threshold_eer, threshold_mindcf, threshold_mindcf_p01. The model, its gradients and all random streams stay as they are.
 *
 * Several processes: utterance i is embedded by rank i mod size, and every rank ends with the same figures, to the bit.
 * Iterators that cannot `share` yield everything on every rank, as in ESPnet.
 *
 * SPK_E_VALUE: a label other than 0 and 1 (the trial's id is named), an id that is not "uttA*uttB", one class of
 * trials missing, an utterance id with different audio, no trials. reporter may not be NULL.
 */
SPK_API spk_status spk_trainer_validate_one_epoch(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                                  const spk_trainer_options *options,
                                                  const spk_distributed_option *distributed_option) SPK_NODISCARD;
/* The same, and hands out scores and all figures: clear with spk_validation_clear. reporter may be NULL. */
SPK_API spk_status spk_trainer_validate_scores(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                               const spk_trainer_options *options,
                                               const spk_distributed_option *distributed_option,
                                               spk_validation *out) SPK_NODISCARD;
SPK_API void spk_validation_clear(spk_validation *v);

/* What an extraction did. */
typedef struct spk_extraction {
    int64_t n_utterances;
    double audio_s, wall_s;
    char path[4096]; /* the file that holds the embeddings */
} spk_extraction;

/*
 * Embed each distinct utterance of the iterator, custom_bs utterances at a time (>= 1), and write
 * OUTPUT_DIR/embeddings0.npz: compressed, key = utterance id, float32 (num_eval, E), or (E) with `average`: the mean
 * over the segments. Nothing is normalised, in no batch. The folder must exist and be writable: otherwise SPK_E_IO
 * before any work. The file appears whole or not at all. `reporter` is not used, as in ESPnet, and may be NULL.
 * Several processes: rank r writes embeddingsR.npz with utterances r, r + size, ..., into a folder that all see.
 */
SPK_API spk_status spk_trainer_extract_embed(spk_model *model, spk_iterator *iterator, spk_reporter *reporter,
                                             const spk_trainer_options *options,
                                             const spk_distributed_option *distributed_option, const char *output_dir,
                                             int64_t custom_bs, bool average) SPK_NODISCARD;
/* The same, to OUTPUT_DIR/NAME, and says what was done (out may be NULL). Several processes: the parts of this call are
 * merged into it by rank 0, in the order of the utterances, and removed: the bytes are those of one process. */
SPK_API spk_status spk_trainer_extract_embed_to(spk_model *model, spk_iterator *iterator,
                                                const spk_trainer_options *options,
                                                const spk_distributed_option *distributed_option,
                                                const char *output_dir, const char *name, int64_t custom_bs,
                                                bool average, spk_extraction *out) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
