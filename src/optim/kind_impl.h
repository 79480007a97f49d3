/* SPDX-License-Identifier: Apache-2.0 */
/* How an optimiser or a schedule is described to the registry: its options and its functions. */
#ifndef SPK_OPTIM_KIND_IMPL_H
#define SPK_OPTIM_KIND_IMPL_H

#include <math.h>

#include "config/opt_impl.h"
#include "config/optim_names_impl.h"
#include "optim/optim_impl.h"

/* ---- optimisers ---- */

/* A step of one group. */
typedef struct spk_optim_now {
    double t;     /* number of the step, from 1 */
    double lr;    /* with the group's factor */
    double scale; /* on the gradients */
    double decay; /* 1, or 0 for a group without weight decay: a factor on conf's */
    spk_dtype real;
} spk_optim_now;

/* Room for the scalars of a step, as they are and as floats. */
enum { SPK_OPTIM_MAX_SCALARS = 16 };
typedef struct spk_optim_scalars {
    double v[SPK_OPTIM_MAX_SCALARS];
    float f[SPK_OPTIM_MAX_SCALARS];
} spk_optim_scalars;

typedef struct spk_optim_kind {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_size;
    size_t lr_offset;       /* of the rate in conf (double) */
    size_t momentum_offset; /* of the momentum or the first beta (double); SPK_OPTIM_NO_MOMENTUM */
    /* What no single option can say. `map` is for the place in messages. NULL: nothing. */
    spk_status (*check)(const void *conf, const spk_yaml *map);
    /* Names of the state's blocks; returns how many. */
    int (*blocks)(const void *conf, const char *names[SPK_OPTIM_MAX_BLOCKS]);
    /* What block i holds before the first step of a group at that rate; NULL: zeros. */
    double (*start)(const void *conf, int block, double lr);
    /* The scalars of a step (out->v), then the step on n elements: of float, of double. The blocks are separate
     * allocations (restrict). The loops are one source for both (both_types.inc.h). */
    void (*prepare)(const void *conf, const spk_optim_now *now, spk_optim_scalars *out);
    void (*update[2])(const spk_optim_scalars *scalars, int64_t n, void *weights, const void *gradients,
                      void *const *state);
    /* The same step on a device, whose addresses these are; NULL: there is none. */
    void (*update_there)(const struct spk_device *device, const spk_optim_scalars *scalars, int64_t n, float *weights,
                         const float *gradients, void *const *state);
} spk_optim_kind;
#define SPK_OPTIM_NO_MOMENTUM SIZE_MAX

/* A stretch of the blocks that one thread updates, all of one group. */
typedef struct spk_optim_piece {
    int64_t at;
    int32_t n, group;
} spk_optim_piece;

struct spk_optim {
    const spk_optim_kind *kind;
    void *conf;
    spk_dtype real; /* of parameters, gradients and state: SPK_F32 or SPK_F64 */
    int64_t n, steps;
    int n_blocks;
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    int n_groups;
    spk_optim_group *group;
    spk_optim_scalars *scalars; /* one for each group */
    int64_t n_pieces;
    spk_optim_piece *piece; /* in the order of their places; together the whole blocks */
    int64_t n_spans;        /* what holds parameters and no padding: `group` is not used */
    spk_optim_piece *span;
    double *part; /* sums of a piece each */
    /* What it keeps the state of and updates: these pieces, [own_at, own_at + own_n) of the blocks. */
    int64_t own_from, own_to, own_at, own_n;
    const struct spk_device *device;   /* where steps happen; NULL: here */
    void *there[SPK_OPTIM_MAX_BLOCKS]; /* the blocks on it */
};

/* Element i of a block of the optimiser's type. */
static inline void *spk__optim_at(const spk_optim *o, const void *block, int64_t i)
{
    return (char *)(uintptr_t)block + (size_t)i * spk_dtype_size(o->real);
}

/* With a device (there.c): its blocks, made with what is in those here; a step and the norm there. */
void spk__optim_free_there(spk_optim *o);
spk_status spk__optim_make_there(spk_optim *o);
void spk__optim_step_there(const spk_optim *o, float *w, const float *g);
double spk__optim_norm_there(const spk_optim *o, const float *gradients, double p);

/* Pieces are whole cache lines, small enough that threads share the work evenly. */
enum { SPK_OPTIM_PIECE = 1 << 14 };
/* Blocks smaller than this are updated by one thread. */
enum { SPK_OPTIM_PARALLEL_FROM = 1 << 16 };

/* Appends [at, at + n) to a list of pieces, cut where it is long. */
void spk__optim_cut(spk_optim_piece **list, int64_t *n_list, int64_t at, int64_t n, int group);

#define SPK_OPTIM_DECLARE(name) extern const spk_optim_kind spk__optim_##name;
#define SPK_OPTIM_NOT_HERE(name)
SPK_OPTIMISERS(SPK_OPTIM_DECLARE, SPK_OPTIM_NOT_HERE)

/* Rows of option tables that all of PyTorch's optimisers have: choices among its own loops are read and ignored. The
 * conf has the fields maximize, capturable, differentiable (bool), foreach, fused (int). */
#define SPK_OPTIM_ROW_LR(conf, value)                                                                                  \
    {                                                                                                                  \
        "lr", SPK_OPT_FLOAT, offsetof(conf, lr), value, 0, INFINITY, NULL, "learning rate, where no schedule sets it", \
            0                                                                                                          \
    }
#define SPK_OPTIM_ROW_DECAY(conf, value)                                                                               \
    {                                                                                                                  \
        "weight_decay", SPK_OPT_FLOAT, offsetof(conf, weight_decay), value, 0, INFINITY, NULL, "L2 penalty", 0         \
    }
#define SPK_OPTIM_ROW_FLOAT(conf, field, value, help)                                                                  \
    {                                                                                                                  \
#field, SPK_OPT_FLOAT, offsetof(conf, field), value, 0, INFINITY, NULL, help, 0                                \
    }
#define SPK_OPTIM_ROW_BOOL(conf, field, help)                                                                          \
    {                                                                                                                  \
#field, SPK_OPT_BOOL, offsetof(conf, field), "false", 0, 0, NULL, help, 0                                      \
    }
#define SPK_OPTIM_ROW_BETAS(conf)                                                                                      \
    {                                                                                                                  \
        "betas", SPK_OPT_FLOATS2, offsetof(conf, betas), "[0.9, 0.999]", 0, 0, NULL, "decay of the two moments", 0     \
    }
#define SPK_OPTIM_ROWS_TORCH(conf)                                                                                     \
    SPK_OPTIM_ROW_BOOL(conf, maximize, "climb instead of descend"),                                                    \
        SPK_OPTIM_ROW_BOOL(conf, differentiable, "must be false"), SPK_OPTIM_ROW_LOOP(conf, foreach)
#define SPK_OPTIM_ROW_LOOP(conf, field)                                                                                \
    {                                                                                                                  \
#field, SPK_OPT_CHOICE, offsetof(conf, field), "none", 0, 0, "false|true", "ignored", SPK_OPT_NULLABLE         \
    }

/* "differentiable: true" is refused; "betas" must be in [0, 1) each. */
spk_status spk__optim_check_differentiable(bool differentiable, const spk_yaml *map);
spk_status spk__optim_check_betas(const double betas[2], const spk_yaml *map);
/* SPK_E_CONFIG: "PLACE: optim_conf: KEY: X is not WHAT". */
spk_status spk__optim_wrong(const spk_yaml *map, const char *key, double value, const char *what);

/* ---- schedules ---- */

/* What a plateau schedule has seen. */
typedef struct spk_plateau {
    double best;
    int64_t n_bad, cooldown;
    double lr; /* the rate after reductions */
} spk_plateau;

typedef struct spk_scheduler_kind {
    const char *name;
    const spk_opt *options;
    int n_options;
    size_t conf_size;
    spk_scheduler_family family;
    spk_status (*check)(const void *conf, const spk_yaml *map); /* NULL: nothing */
    /* The rate after n steps (or epochs, by the family). `lr0` is the optimiser's; of values: the reduced one. */
    double (*lr)(const void *conf, double lr0, int64_t n);
    /* The rest may be NULL: the momentum, if it is cycled; the cycle of n; a value of the criterion. */
    bool (*momentum)(const void *conf, int64_t n, double *out);
    void (*cycle)(const void *conf, int64_t n, int64_t *from, int64_t *to);
    bool (*value)(const void *conf, spk_plateau *state, double value);
    void (*start)(const void *conf, double lr0, spk_plateau *state);
} spk_scheduler_kind;

#define SPK_SCHEDULER_DECLARE(name) extern const spk_scheduler_kind spk__scheduler_##name;
SPK_SCHEDULERS(SPK_SCHEDULER_DECLARE, SPK_OPTIM_NOT_HERE)

/* "last_epoch" must be left at -1: where a training stands is known without it. The conf has that field (int64_t). */
#define SPK_SCHEDULER_ROW_LAST(conf)                                                                                   \
    {                                                                                                                  \
        "last_epoch", SPK_OPT_INT, offsetof(conf, last_epoch), "-1", -1, INFINITY, NULL, "must be -1", 0               \
    }
spk_status spk__scheduler_check_last(int64_t last_epoch, const spk_yaml *map);
/* from + (to - from) along half a cosine, x in [0, 1]. */
double spk__half_cosine(double from, double to, double x);

/* ---- names ---- */

/* SPK_E_UNSUPPORTED when `name` is in `known` (ESPnet has it, this program does not), else SPK_E_CONFIG with the
 * nearest name. `what` is the option ("optim"), `here` the names that are available. */
spk_status spk_optim_unknown(const char *what, const char *name, const char *const *known, int n_known,
                             const char *const *here, int n_here);
/* "FILE:LINE:COLUMN: " of a map's key for a message, or "" ; `out` is overwritten. */
const char *spk_optim_where(const spk_yaml *map, const char *key, char out[512]);

#endif
