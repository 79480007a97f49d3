/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stochastic weight averaging (Izmailov et al., UAI 2018): the mean of the weights after each epoch from swa_start on, with
 * BatchNorm statistics of its own: the running statistics of the averaged epochs belong to other weights.
 */
#ifndef SPK_TRAIN_SWA_IMPL_H
#define SPK_TRAIN_SWA_IMPL_H

#include "spk/trainer.h"

/* swa.pth, where setup.swa_start asks for it and that epoch is reached: the mean of the snapshots from there on, and
 * statistics that are the mean over the batches of one more epoch (swa_steps of them; 0: all), which are not trained on.
 * The model is left as it was. SPK_E_UNSUPPORTED: the model cannot renew its statistics. */
spk_status spk_swa_write(spk_training *t);

#endif
