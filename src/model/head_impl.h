/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The classification head of a training whose processes divide the classes among them: each has the weights of its own.
 * It is no part of the network's plans, which end at the embedding, since its batch is that of all processes:
 *
 *     embeddings and labels of all are gathered (N, E); the loss's kernel computes the classes that are here, and what a row's
 *     softmax needs of the others goes round within it (spk_class_share_rows); backward it gives the class weights'
 *     gradients, and of the embeddings' this process's part, whose sum over all is cut into shares again.
 */
#ifndef SPK_MODEL_HEAD_IMPL_H
#define SPK_MODEL_HEAD_IMPL_H

#include "graph/graph_impl.h"

typedef struct spk_head spk_head;

/* The classes of `process` among `processes`: contiguous, and as many as others' or one more. */
void spk_head_share(int64_t n_classes, int process, int processes, int64_t *first, int64_t *n);

/* A head whose loss is the one node of `graph`, which it takes; its labels count from first_class. */
spk_head *spk_head_new(spk_graph *graph, spk_dtype real, int n_threads, int64_t first_class);
void spk_head_free(spk_head *h);
/* The class weights. */
const spk_param *spk_head_weight(const spk_head *h);
/* Before the first step; the team stays the caller's. */
void spk_head_join(spk_head *h, const spk_class_team *team);

/*
 * One batch, by all processes: embedding (n, E) in the real type and labels (n) are this one's share, n = 0 where it has
 * none. Adds scale times the gradient of the loss's mean over the whole batch to the class weights'; *gradient (n, E), valid
 * until the next call, is the embeddings'; stats are the share's. SPK_E_PEER, SPK_E_NOMEM.
 */
spk_status spk_head_step(spk_head *h, const void *embedding, const int64_t *labels, int64_t n, double scale,
                         spk_train_stats *stats, const void **gradient) SPK_NODISCARD;

#endif
