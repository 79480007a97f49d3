/* SPDX-License-Identifier: Apache-2.0 */
/* How an optimiser or a schedule is described to the registry: its options and its functions. */
#ifndef SPK_OPTIM_KIND_IMPL_H
#define SPK_OPTIM_KIND_IMPL_H

#include "config/opt_impl.h"
#include "optim/optim_impl.h"

typedef struct spk_optim_kind {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_size;
    size_t lr_offset; /* of the rate in conf (double) */
    /* What no single option can say; NULL: nothing. `map` is for the place in messages. */
    spk_status (*check)(const void *conf, const spk_yaml *map);
    /* Names of the state's blocks; returns how many. */
    int (*blocks)(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS]);
    void (*step)(spk_optim *o, float *w, const float *g, double lr, double scale);
} spk_optim_kind;

struct spk_optim {
    const spk_optim_kind *kind;
    void *conf;
    int64_t n, steps; /* steps counts the running one while kind->step runs */
    int n_blocks;
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
};

extern const spk_optim_kind spk_optim_adam, spk_optim_sgd;

typedef struct spk_scheduler_kind {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_size;
    spk_status (*check)(const void *conf, const spk_yaml *map);
    double (*lr)(const void *conf, double lr0, int64_t n);
} spk_scheduler_kind;

extern const spk_scheduler_kind spk_scheduler_cosine_warmup_restarts;

/* SPK_E_UNSUPPORTED when `name` is in `known` (ESPnet has it, this release does not), else SPK_E_CONFIG with the
 * nearest name. `what` is the option ("optim"), `here` the names that are available. */
spk_status spk_optim_unknown(const char *what, const char *name, const char *const *known, int n_known,
                             const char *const *here, int n_here);
/* "FILE:LINE:COLUMN: " of a map's key for a message, or "" ; `out` is overwritten. */
const char *spk_optim_where(const spk_yaml *map, const char *key, char out[512]);

/* Blocks smaller than this are updated by one thread. */
enum { SPK_OPTIM_PARALLEL_FROM = 1 << 16 };

#endif
