/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trainer needs of a model: a table of functions over an opaque object. The program's own
 * networks come as one (spk/net.h); a caller may bring any other, say a wrapper around foreign code.
 * Source: the calls that espnet2.train.spk_trainer makes on an ESPnetSpeakerModel.
 */
#ifndef SPK_MODEL_H
#define SPK_MODEL_H

#include <stdbool.h>

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_train_stats {
    double loss;      /* mean over the batch */
    double accuracy;  /* share of the batch whose class has the largest cosine, margin left out */
    bool has_margin;  /* the loss's margin follows a schedule, */
    double margin;    /* and was this */
    double forward_s; /* seconds of the forward pass; 0: not known */
} spk_train_stats;

/* Where a training stands: what random layers draw from and schedules of the loss follow. */
typedef struct spk_step_info {
    int64_t epoch;             /* from 1 */
    int64_t step_in_epoch;     /* batches of this epoch before this one */
    int64_t steps_per_epoch;   /* batches of this epoch; -1: not known */
    int64_t step;              /* updates since the training began; batches that were left out do not count */
    uint64_t seed;             /* of the run */
    int64_t n;                 /* items of the batch */
    const uint64_t *item_keys; /* n: utterance, epoch and how often it came before in the epoch */
} spk_step_info;

/* A trainable parameter: where it lies in the blocks, and how many values it has. Between parameters there may be padding,
 * whose values and gradients are zero. */
typedef struct spk_parameter {
    const char *name; /* as in the state: "encoder.conv.weight"; borrowed */
    int64_t at, n;
    int n_dims;
} spk_parameter;

/* Sums over several processes that train one model together. */
typedef struct spk_reduction {
    void *self;
    /* values (n) become their sums over the processes; all call it as often and with as many. What goes wrong is told to
     * who gave this. */
    void (*sum)(void *self, double *values, int64_t n);
    bool idle; /* this process has no share of the batch: what it computes stands in, and must not count */
} spk_reduction;

/* The processes of a training that divide the loss's classes among them: each has the weights of its own. Each call is made
 * by all, as often and with as many; what goes wrong is SPK_E_PEER, then and ever after. */
typedef struct spk_class_team {
    void *self;
    int rank, size;
    bool idle; /* this process has no share of the batch; its classes are asked all the same */
    /* values (n) become their sums, or the largest, over the processes. */
    spk_status (*sum)(void *self, double *values, int64_t n);
    spk_status (*sum_floats)(void *self, float *values, int64_t n);
    spk_status (*largest)(void *self, double *values, int64_t n);
    /* counts[size] rows of each, in the order of processes, into `all`. */
    spk_status (*gather)(void *self, const void *rows, const int64_t *counts, size_t row_bytes, void *all);
} spk_class_team;

/* The class weights that a process has of divided ones: n values, in rows of `row`, at place `at` of the blocks, where they and
 * the padding behind them take `room`; they are those from `first` on of `whole`, which would take `whole_room`. */
typedef struct spk_class_slice {
    const char *name; /* "loss.weight" */
    int64_t row, at, n, room, first, whole, whole_room;
} spk_class_slice;

struct spk_device;
typedef struct spk_model spk_model;
struct spk_model {
    void *self;
    int64_t embedding_size; /* E */
    /* F: the model takes features, frames of F values: speech is (n, frames, F) and `samples` are frames. 0: waves. */
    int64_t feature_size;
    /*
     * Embed n waves of equal length in eval mode, without gradients: speech (n, samples) float32 ->
     * embedding (n, E) float32, not normalised. task_tokens: n values or NULL. Must leave parameters,
     * buffers and gradients as they are. SPK_E_VALUE when the waves are too short for the model.
     */
    spk_status (*embed)(void *self, const float *speech, int64_t n, int64_t samples, const int64_t *task_tokens,
                        float *embedding);

    /* The same in double, of a model that computes so; NULL: it does not, and `embed` is all. */
    spk_status (*embed_f64)(void *self, const float *speech, int64_t n, int64_t samples, const int64_t *task_tokens,
                            double *embedding);

    /* The rest is for training only; NULL in a model that only embeds. */

    /* Forward in train mode and backward: adds scale * dloss/dparameter to the gradients; labels (n) in
     * [0, classes). A loss that is not finite is no error: it is in the stats. */
    spk_status (*forward_backward)(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples,
                                   double scale, spk_train_stats *stats);
    /* Called before each forward_backward of a training; NULL: the model need not know. What info points to stays valid
     * until that forward_backward has returned. */
    void (*begin_step)(void *self, const spk_step_info *info);
    /* Forward in train mode without a gradient: running statistics become the mean over batches 1 to k, the k-th being this
     * one (k = 1 begins anew). NULL: the model has none. */
    spk_status (*renew_statistics)(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples,
                                   int64_t k);
    /* Run forward_backward again, with the draws of the last begin_step, and look at every op for the first value that is
     * not finite: `what` (room bytes) says where, items[i] (n) whether item i of the batch has such values there. False:
     * all is finite. Spoils gradients and running statistics. NULL: cannot be asked. */
    bool (*find_anomaly)(void *self, const float *speech, const int64_t *labels, int64_t n, int64_t samples, char *what,
                         size_t room, bool *items);
    /* Utterances of different lengths: of each item of the next forward_backward, renew_statistics or find_anomaly only the
     * first lengths[i] samples (or frames) are its own, the rest is room; loss, gradients and statistics do not depend on it.
     * It holds for that one call, and what is pointed to must stay until it has returned. NULL in the table: the model takes
     * items of one length only. */
    void (*set_lengths)(void *self, const int64_t *lengths, int64_t n);
    void (*zero_grad)(void *self);
    /* Trainable parameters and their gradients as one flat block each, n elements; the same for the life of the
     * model. After writing parameters call parameters_changed. */
    void (*blocks)(void *self, float **parameters, float **gradients, int64_t *n);
    /* The same of a model whose parameters are double; one of the two is NULL. */
    void (*blocks_f64)(void *self, double **parameters, double **gradients, int64_t *n);
    void (*parameters_changed)(void *self);
    /* Of a model that computes on a GPU: the blocks in its memory, for an optimiser that works there (`device`: the program's
     * own handle). With `stay` gradients no longer come to the blocks above, whose parameters are then out of date too, and
     * parameters_changed speaks of those there. NULL: the model computes in the processor's memory. */
    void (*blocks_there)(void *self, bool stay, const struct spk_device **device, float **parameters, float **gradients,
                         int64_t *n);
    /* Copy of all parameters and buffers under ESPnet's state_dict names and shapes, in the model's type, and back from
     * float32 or float64. load_state refuses missing, surplus and misshapen tensors with SPK_E_MISMATCH and then leaves the model as it was. */
    spk_status (*save_state)(void *self, spk_tensors *out);
    spk_status (*load_state)(void *self, const spk_tensors *in);
    /* Trainable parameter i, in the order of their places; false behind the last. NULL: the model does not tell them, and
     * nothing in a training may depend on their names (lr_scale, freeze_steps, exclude_weight_decay). */
    bool (*parameter)(void *self, int64_t i, spk_parameter *out);

    /* Training with several processes; NULL: the model cannot. */

    /* The next forward_backward calls ready(user, from) as it goes: the gradients from place `from` to the end of the block
     * are final, and `from` only falls. NULL: nobody wants to know. */
    void (*watch_gradients)(void *self, void (*ready)(void *user, int64_t from), void *user);
    /* BatchNorm's statistics in forward_backward are sums over all processes, both ways, until it is called with NULL. Then a
     * batch may have one utterance. What is pointed to must stay. */
    void (*synchronise)(void *self, const spk_reduction *reduction);
    /* Where the model has a part of the classes alone: true, and which. Then share_classes says once with whom the others
     * are, and forward_backward is called by all processes for each batch, also by one that is idle; `scale` is that of the
     * loss's mean over the whole batch, while the stats are of this share; the class weights' gradients are then those of the
     * whole batch, all others this process's part of them. save_state gives the own rows, load_state takes these or all.
     * NULL, false: the model has all classes. */
    bool (*divided)(void *self, spk_class_slice *out);
    void (*share_classes)(void *self, const spk_class_team *team);
};

#ifdef __cplusplus
}
#endif
#endif
