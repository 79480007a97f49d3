/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device with memory and kernels of its own that runs plans: a GPU. Plans, arenas and parameters see this table of
 * functions and pointers into its memory; a plugin (cuda/) fills it, so that the program is linked to no GPU library.
 *
 * All that is asked of a device happens in order, one thing after the other, and later than the call returns; `get` and
 * `wait` return when it has happened. A failure there is a bug or a broken device: the plugin says so and aborts. Only
 * memory that is short and a device that cannot be opened are told to the caller.
 */
#ifndef SPK_BACKEND_DEVICE_IMPL_H
#define SPK_BACKEND_DEVICE_IMPL_H

#include "backend/backend_impl.h"

typedef struct spk_device_options {
    int index;              /* which one of this machine's */
    bool tf32;              /* products of floats may round their factors to 10 bits of mantissa */
    bool deterministic;     /* only kernels that give the same bits each time */
    bool benchmark;         /* try the library's algorithms and take the fastest */
    bool no_dnn;            /* convolutions by products alone, without cuDNN (cudnn_enabled: false) */
    size_t workspace_bytes; /* that a library's kernel may use beside scratch; 0: as the plugin likes */
} spk_device_options;

typedef struct spk_device_info {
    char name[256], library[128]; /* "NVIDIA H200", "CUDA 13.0, cuDNN 9.19" */
    double memory_gb;
} spk_device_info;

/* Rows of a matrix in one memory: row i begins ld bytes behind row i - 1. */
typedef struct spk_device_rows {
    int64_t n;
    size_t bytes, to_ld, from_ld;
} spk_device_rows;

enum { SPK_DEVICE_VERSION = 3 };

/* The scalars of an optimiser's step; what they do: src/optim/step_adam.inc.h, step_sgd.inc.h. */
typedef struct spk_device_adam {
    float scale, decay, shrink, c1, b2, c2, rate, root, eps;
} spk_device_adam;
typedef struct spk_device_sgd {
    float scale, decay, keep, add, direct, through, rate;
} spk_device_sgd;

typedef struct spk_device_table {
    int version;
    const char *kind; /* "CUDA" */
    int (*count)(void);
    /* NULL, or a sentence that stays valid until the next call. */
    const char *(*open)(const spk_device_options *options, void **self, spk_device_info *info);
    void (*close)(void *self);

    void *(*alloc)(void *self, size_t bytes); /* 256-byte aligned; NULL: memory is short */
    void (*free)(void *self, void *p);
    size_t (*room)(void *self);      /* bytes that alloc may still give */
    size_t (*most_used)(void *self); /* the most that was given at any time */
    /* Memory of the host that a device fetches from directly, which is fast; NULL: memory is short. */
    void *(*host_alloc)(size_t bytes);
    void (*host_free)(void *p);
    /* `from` may change then; of host_alloc's memory only when get or wait has returned. */
    void (*put)(void *self, void *to, const void *from, const spk_device_rows *rows);
    void (*get)(void *self, void *to, const void *from, const spk_device_rows *rows);
    void (*zero)(void *self, void *p, size_t bytes);
    void (*wait)(void *self);

    /* The kernel for an op, float and bfloat16 alike; its `supports` looks at the views' types. NULL: there is none. */
    const spk_kernel *(*kernel)(spk_op op);

    /* Small values of the caller's that change from run to run (margins, lengths, keys): a copy of them on the device, which
     * `refresh` brings up to date, all of them. Given back as often as it was asked for. */
    const void *(*follow)(void *self, const void *host, size_t bytes);
    void (*unfollow)(void *self, const void *host);
    void (*refresh)(void *self);

    /* What is asked for between begin_record and end_record is not done but recorded; replay does it, as often as wanted,
     * with the same pointers. end_record: NULL when it could not be recorded. begin_record NULL: this device cannot. */
    void (*begin_record)(void *self);
    void *(*end_record)(void *self);
    void (*replay)(void *self, void *recorded);
    void (*forget)(void *self, void *recorded);

    /* On flat blocks there of n floats, which do not overlap. norm: the p-norm (p > 0, INFINITY: largest magnitude), summed in
     * double, always in the same order; not finite when a gradient is not. It waits. Steps: w and the state change;
     * `largest` NULL: no AMSGrad; `momentum` NULL: none. */
    double (*norm)(void *self, const float *gradients, int64_t n, double p);
    void (*adam)(void *self, const spk_device_adam *s, int64_t n, float *w, const float *g, float *m, float *v,
                 float *largest);
    void (*sgd)(void *self, const spk_device_sgd *s, int64_t n, float *w, const float *g, float *momentum);
} spk_device_table;

#define SPK_DEVICE_PLUGIN_SYMBOL "spk_device_plugin"
typedef const spk_device_table *(*spk_device_plugin_fn)(void);

typedef struct spk_device {
    const spk_device_table *t;
    void *self;
    spk_device_info info;
} spk_device;

/* SPK_E_UNSUPPORTED: no plugin, no such device. SPK_DEVICE=NAME in the environment takes libspk_NAME.so for the plugin
 * instead of libspk_cuda.so. */
spk_status spk_device_open(const spk_device_options *options, spk_device **out);
void spk_device_close(spk_device *d); /* NULL is allowed */

/* n bytes in one piece. */
void spk_device_put(const spk_device *d, void *to, const void *from, size_t n);
void spk_device_get(const spk_device *d, void *to, const void *from, size_t n);

/* Any op, on copies of its views in the processor's memory: where a device has no kernel of its own (host.c). */
extern const spk_kernel spk__on_host;

#endif
