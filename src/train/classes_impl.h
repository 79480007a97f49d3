/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training whose processes divide the loss's classes (spk_model.divided): each has its rows of the class weights, their
 * gradients and the optimiser's state of them. Files hold all rows, as those of one process: before one is written all ranks
 * call spk_classes_collect, and rank 0 has the rows of all until spk_ranks_dismiss.
 *
 * Where nothing is divided these are what they are without classes.
 */
#ifndef SPK_TRAIN_CLASSES_IMPL_H
#define SPK_TRAIN_CLASSES_IMPL_H

#include "spk/trainer.h"

struct spk_optim_block;

bool spk_classes_divided(const spk_training *t);
/* The norm of the gradients: of what all ranks have once, and of the classes of all. */
double spk_classes_norm(const spk_training *t, const void *gradients);
/* Elements of a block of the optimiser's state in a file. */
int64_t spk_classes_count(const spk_training *t);
/* The own part of such a block, which is of the optimiser's type or of the other one. */
void spk_classes_take_state(const spk_training *t, const spk_ndarray *whole, struct spk_optim_block *own);
/* On rank 0 the weights of all classes and, `state`, the optimiser's. SPK_E_NOMEM on all. */
spk_status spk_classes_collect(spk_training *t, bool state) SPK_NODISCARD;
/* The model's state with the class weights of all, which were collected and are given to it. */
spk_status spk_classes_save(spk_training *t, spk_tensors *state) SPK_NODISCARD;
/* The own rows become a tensor of all, the others 0: to read into. */
spk_status spk_classes_widen(const spk_model *model, spk_tensors *state) SPK_NODISCARD;
/* The class weights of `whole` for the own ones of `state`. */
void spk_classes_swap(const spk_model *model, spk_tensors *state, spk_tensors *whole);

#endif
