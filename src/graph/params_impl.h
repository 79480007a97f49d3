/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters and buffers of a network, under ESPnet's state_dict names, in flat aligned blocks: one of the trainable
 * values, one of their gradients, one of real-valued buffers. One loop updates them, one write saves them.
 *
 * Names are declared while the network is first built; spk_params_commit lays the blocks out and draws the initial
 * values. Each parameter begins at a multiple of 16 elements; the padding stays zero.
 */
#ifndef SPK_GRAPH_PARAMS_IMPL_H
#define SPK_GRAPH_PARAMS_IMPL_H

#include "backend/device_impl.h"

typedef enum spk_init_kind {
    SPK_INIT_CONST,   /* a */
    SPK_INIT_UNIFORM, /* [-a, a) */
    SPK_INIT_NORMAL,  /* mean 0, standard deviation a */
    SPK_INIT_TABLE    /* values of `table`, float32, copied when declared */
} spk_init_kind;

typedef struct spk_init {
    spk_init_kind kind;
    double a;
    const float *table;
} spk_init;

typedef struct spk_param {
    char *name;
    spk_dtype dtype; /* the store's real type, or SPK_I64 */
    bool trainable;
    bool frozen; /* a parameter, but not trained */
    int n_dims;
    int64_t dim[4], count;
    int64_t first, whole; /* rows before these and of all, where other processes have the others; whole 0: no others */
    spk_init init;
    void *data;
    void *grad;                    /* NULL for buffers */
    void *data_there, *grad_there; /* on the device, if there is one */
    float *table;                  /* SPK_INIT_TABLE: own copy */
} spk_param;

typedef struct spk_params spk_params;

spk_params *spk_params_new(spk_dtype real); /* SPK_F32 or SPK_F64 */
void spk_params_free(spk_params *p);

/* The parameter of that name; declared now if it is new (before commit only). The shape must be the declared one. */
const spk_param *spk_params_declare(spk_params *p, const char *name, bool trainable, int n_dims, const int64_t *dim,
                                    spk_init init);
/* An int64 scalar buffer. */
const spk_param *spk_params_declare_count(spk_params *p, const char *name);
/* Before commit: another initial value of parameter i; and the parameters of that name, or whose names go on behind it
 * with a dot, are not trained from now on (they lie with the buffers and have no gradient): how many. */
void spk_params_set_init(spk_params *p, int64_t i, spk_init init);
int64_t spk_params_freeze(spk_params *p, const char *prefix);
/* Before commit: that parameter is rows [first, first + dim[0]) of one that has `whole` rows, and other processes have the
 * others. Its initial values are those rows'; it is saved as it is, and loaded from the whole or from as many rows. */
void spk_params_divide(spk_params *p, const char *name, int64_t first, int64_t whole);
/* Elements that so many values take in a block. */
int64_t spk_params_room(int64_t count);
/* Allocate the blocks and draw initial values, each parameter from its own stream of (seed, name). */
spk_status spk_params_commit(spk_params *p, uint64_t seed);

int64_t spk_params_n(const spk_params *p);
const spk_param *spk_params_at(const spk_params *p, int64_t i);
const spk_param *spk_params_trainable_at(const spk_params *p, int64_t i); /* i-th in the block; NULL behind the last */
const spk_param *spk_params_find(const spk_params *p, const char *name);  /* NULL: not there */
int64_t spk_params_trainable_count(const spk_params *p); /* without padding; of divided ones all rows */

/* The blocks; n elements with padding. */
void spk_params_blocks(spk_params *p, void **data, void **grad, int64_t *n);
void spk_params_zero_grad(spk_params *p);

/*
 * On a device: after spk_params_commit, blocks there too (SPK_E_NOMEM). The values then are where they were written last, and
 * are copied over when the other side wants them: whoever writes says so.
 */
spk_status spk_params_use_device(spk_params *p, const spk_device *device); /* must outlive p */
enum { SPK_VALUES = 1, SPK_BUFFERS = 2 };                                  /* trainable values; all others */
void spk_params_written_here(spk_params *p, unsigned what);
void spk_params_written_there(spk_params *p, unsigned what);
/* What the other side wrote comes here, or goes there. Nothing happens without a device. */
void spk_params_bring_here(const spk_params *p);
void spk_params_bring_there(const spk_params *p);
/* Gradients are made there; a copy of all of them to the block here, which waits. */
void spk_params_bring_gradients(const spk_params *p);
/* From now on the gradients' block here is not used, and spk_params_zero_grad leaves it alone. */
void spk_params_stay_there(spk_params *p);
bool spk_params_stays_there(const spk_params *p);
void spk_params_blocks_there(const spk_params *p, float **data, float **grad, int64_t *n);

/* Copies in declaration order: arrays of the store's type (or int64). */
spk_status spk_params_save(const spk_params *p, spk_tensors *out);
/* Of float32 or float64 values. All names and shapes must agree, both ways: otherwise SPK_E_MISMATCH with up to three names, and nothing changes. */
spk_status spk_params_load(spk_params *p, const spk_tensors *in);

#endif
