/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESPnet's other ways to make batches: by the lengths of recordings, by powers of how much there is of a category, and of
 * chunks of crops (docs/loader.md). Rules by length make the same batches for all epochs and shuffle their order.
 */
#ifndef SPK_BATCHING_H
#define SPK_BATCHING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spk_batch_rule {
    SPK_RULE_NONE,          /* plain, balanced, or groups: see spk_train_set_options */
    SPK_RULE_UNSORTED,      /* the list's order, cut into equal batches */
    SPK_RULE_SORTED,        /* the same in the order of lengths */
    SPK_RULE_FOLDED,        /* fewer utterances in a batch the more often fold_length goes into them */
    SPK_RULE_LENGTH,        /* count times length of a batch reaches batch_bins */
    SPK_RULE_NUMEL,         /* the same with all dimensions */
    SPK_RULE_CATPOW,        /* categories drawn by a power of their length, batches by batch_bins */
    SPK_RULE_CATPOW_DATASET /* the same with a data set drawn before */
} spk_batch_rule;

typedef struct spk_rule_options {
    spk_batch_rule rule;
    int64_t batch_bins;
    int64_t min_batch_size; /* below 2 counts as 2 in training: batch normalisation needs two utterances */
    int64_t max_batch_size; /* catpow; 0: none */
    /* Lengths: files "UTT d0,d1,..." (n_shape_files of them), or, without one, of the recordings, in samples at the rate
     * of the model (or frames), which their headers are read for. */
    const char *const *shape_file;
    int64_t n_shape_files;
    const int64_t *fold_length; /* one for each shape file, or one */
    int64_t n_fold_lengths;
    bool ascending_in_batch, ascending_batches;
    bool
        padded; /* length, numel, catpow: batches stay within batch_bins with what they are padded to, but for min_batch_size */
    bool shuffle_within_batch; /* utterances are shuffled over all batches, which then have the first one's size */
    double category_power, dataset_power; /* catpow: 1 as much as there is, 0 all alike */
    double scale;                         /* catpow: an epoch draws so much of the length of all */

    /* iterator_type chunk and category_chunk: crops are cut into chunks of one of these lengths, in samples or frames */
    const int64_t *chunk_length;
    int64_t n_chunk_lengths; /* 0: no chunks */
    int64_t
        category_sample_size; /* > 0: of batches of so many crops, which are made as without chunks; 0: of single ones */
    double chunk_shift_ratio;
    int64_t num_cache_chunks;
    int64_t chunk_default_fs;     /* > 0: chunk_length is in samples of this rate, and converted to the data's */
    int64_t chunk_max_abs_length; /* > 0: no chunk is longer */
    bool chunk_keep_short;        /* what is not longer than any chunk comes as it is, padded; else it is left out */
} spk_rule_options;

#ifdef __cplusplus
}
#endif
#endif
