/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of optimisers by ESPnet's names, their state, and a step over all pieces. */
#include "optim/kind_impl.h"

#include <string.h>
#include <strings.h>

#define KIND(name) &spk__optim_##name,
#define NAME(name) #name,
#define NOTHING(name)
static const spk_optim_kind *const kinds[] = {SPK_OPTIMISERS(KIND, NOTHING)};
static const char *const here[] = {SPK_OPTIMISERS(NAME, NOTHING)};
static const char *const known[] = {SPK_OPTIMISERS(NOTHING, NAME)};

/* ---- messages ---- */

const char *spk_optim_where(const spk_yaml *map, const char *key, char out[512])
{
    const spk_yaml *node = map ? spk_yaml_get(map, key) : NULL;
    char place[500];
    out[0] = 0;
    if (node || map) snprintf(out, 512, "%s: ", spk_yaml_where(node ? node : map, place, sizeof place));
    return out;
}

spk_status spk_optim_unknown(const char *what, const char *name, const char *const *later, int n_later,
                             const char *const *now, int n_now)
{
    spk_text list = {0};
    spk_status status = SPK_E_CONFIG;
    const char *nearest = spk_nearest(name, now, n_now);
    for (int i = 0; i < n_now; i++)
        spk_text_addf(&list, "%s%s", i ? ", " : "", now[i]);
    for (int i = 0; i < n_later && status != SPK_E_UNSUPPORTED; i++)
        if (strcasecmp(later[i], name) == 0) status = SPK_E_UNSUPPORTED;
    if (status == SPK_E_UNSUPPORTED)
        spk_fail(status, "%s: %s is not available in this release; use one of: %s", what, name, spk_text_str(&list));
    else if (nearest)
        spk_fail(status, "%s: %s is unknown; did you mean %s? (available: %s)", what, name, nearest,
                 spk_text_str(&list));
    else
        spk_fail(status, "%s: %s is unknown; use one of: %s", what, name, spk_text_str(&list));
    spk_text_clear(&list);
    return status;
}

spk_status spk__optim_wrong(const spk_yaml *map, const char *key, double value, const char *what)
{
    char at[512];
    return spk_fail(SPK_E_CONFIG, "%soptim_conf: %s: %g is not %s", spk_optim_where(map, key, at), key, value, what);
}

spk_status spk__optim_check_betas(const double betas[2], const spk_yaml *map)
{
    for (int i = 0; i < 2; i++)
        if (!(betas[i] >= 0 && betas[i] < 1)) return spk__optim_wrong(map, "betas", betas[i], "in [0, 1)");
    return SPK_OK;
}

spk_status spk__optim_check_differentiable(bool differentiable, const spk_yaml *map)
{
    char at[512];
    if (!differentiable) return SPK_OK;
    return spk_fail(SPK_E_UNSUPPORTED, "%soptim_conf: differentiable is not available in this release; set it to false",
                    spk_optim_where(map, "differentiable", at));
}

/* ---- one optimiser ---- */

/* The kind and its options, read and checked. */
static spk_status read_conf(const char *name, const spk_yaml *map, const spk_optim_kind **kind, void **conf)
{
    for (int i = 0; i < SPK_COUNT(kinds); i++) {
        if (strcasecmp(kinds[i]->name, name) != 0) continue;
        *kind = kinds[i];
        *conf = spk_new(kinds[i]->conf_size);
        spk_status status = spk_opts_read(kinds[i]->options, kinds[i]->n_options, map, "optim_conf", *conf);
        if (status == SPK_OK && (status = kinds[i]->check(*conf, map)) != SPK_OK)
            spk_opts_clear(kinds[i]->options, kinds[i]->n_options, *conf);
        if (status != SPK_OK) spk_free(*conf);
        return status;
    }
    return spk_optim_unknown("optim", name, known, SPK_COUNT(known), here, SPK_COUNT(here));
}

spk_status spk_optim_check(const char *name, const spk_yaml *map)
{
    const spk_optim_kind *kind = NULL;
    void *conf = NULL;
    SPK_TRY(read_conf(name, map, &kind, &conf));
    SPK_ASSERT(kind && conf);
    spk_opts_clear(kind->options, kind->n_options, conf);
    spk_free(conf);
    return SPK_OK;
}

static void free_blocks(spk_optim *o)
{
    spk__optim_free_there(o);
    for (int i = 0; i < o->n_blocks; i++)
        spk_free(o->block[i].v);
    o->n_blocks = 0;
}

static spk_status make_blocks(spk_optim *o)
{
    const char *names[SPK_OPTIM_MAX_BLOCKS];
    const int n = o->kind->blocks(o->conf, names);
    const size_t size = spk_dtype_size(o->real);
    SPK_ASSERT(n <= SPK_OPTIM_MAX_BLOCKS);
    free_blocks(o);
    for (int i = 0; i < n; i++) {
        void *v = spk_alloc_zero((size_t)(o->own_n > 0 ? o->own_n : 1) * size);
        if (!v)
            return spk_fail(SPK_E_NOMEM, "optim: not enough memory for the state of %s: %d blocks of %.3f GB",
                            o->kind->name, n, (double)o->own_n * (double)size * 1e-9);
        o->block[o->n_blocks++] = (spk_optim_block){names[i], v, o->own_n};
    }
    return o->device ? spk__optim_make_there(o) : SPK_OK;
}

spk_status spk_optim_new(const char *name, const spk_yaml *map, int64_t n, spk_optim **out)
{
    return spk_optim_new_of(name, map, SPK_F32, n, out);
}

spk_status spk_optim_new_of(const char *name, const spk_yaml *map, spk_dtype real, int64_t n, spk_optim **out)
{
    const spk_optim_kind *kind = NULL;
    void *conf = NULL;
    *out = NULL;
    SPK_ASSERT(real == SPK_F32 || real == SPK_F64);
    SPK_TRY(read_conf(name, map, &kind, &conf));
    SPK_ASSERT(kind && conf);
    spk_optim *o = spk_new(sizeof *o);
    o->kind = kind;
    o->conf = conf;
    o->real = real;
    o->n = n;
    const spk_optim_param all = {.name = "", .n = n};
    spk_status status = spk_optim_set_groups(o, &all, n > 0, &(spk_optim_group_conf){0});
    o->own_n = n;
    if (status == SPK_OK) status = make_blocks(o);
    if (status == SPK_OK)
        *out = o;
    else
        spk_optim_free(o);
    return status;
}

void spk_optim_free(spk_optim *o)
{
    if (!o) return;
    spk_opts_clear(o->kind->options, o->kind->n_options, o->conf);
    spk_free(o->conf);
    free_blocks(o);
    spk_free(o->group);
    spk_free(o->scalars);
    spk_free(o->piece);
    spk_free(o->span);
    spk_free(o->part);
    spk_free(o);
}

/* ---- a step ---- */

static void update_piece(const spk_optim *o, const spk_optim_piece *p, void *w, const void *g)
{
    void *state[SPK_OPTIM_MAX_BLOCKS] = {0};
    for (int i = 0; i < o->n_blocks; i++)
        state[i] = spk__optim_at(o, o->block[i].v, p->at - o->own_at);
    o->kind->update[o->real == SPK_F64](&o->scalars[p->group], p->n, spk__optim_at(o, w, p->at),
                                        spk__optim_at(o, g, p->at), state);
}

/* n values of a block become `value`. */
static void fill(const spk_optim *o, void *block, int64_t at, int64_t n, double value)
{
    for (int64_t i = at; i < at + n; i++) {
        if (o->real == SPK_F64)
            ((double *)block)[i] = value;
        else
            ((float *)block)[i] = (float)value;
    }
}

/* A group's blocks before its first step. */
static void start_group(spk_optim *o, int group, double lr)
{
    for (int b = 0; o->kind->start && b < o->n_blocks; b++) {
        const double value = o->kind->start(o->conf, b, lr);
        for (int64_t i = o->own_from; i < o->own_to; i++)
            if (o->piece[i].group == group) fill(o, o->block[b].v, o->piece[i].at - o->own_at, o->piece[i].n, value);
    }
}

static void prepare(const spk_optim *o, const spk_optim_now *now, spk_optim_scalars *out)
{
    *out = (spk_optim_scalars){0};
    o->kind->prepare(o->conf, now, out);
    for (int i = 0; i < SPK_OPTIM_MAX_SCALARS; i++)
        out->f[i] = (float)out->v[i];
}

void spk_optim_step(spk_optim *o, void *parameters, const void *gradients, double lr, double grad_scale)
{
    o->steps++;
    for (int i = 0; i < o->n_groups; i++) {
        const spk_optim_group *g = &o->group[i];
        const spk_optim_now now = {.t = (double)(o->steps - g->freeze_steps),
                                   .lr = lr * g->lr_scale,
                                   .scale = grad_scale,
                                   .decay = g->decays ? 1 : 0,
                                   .real = o->real};
        if (now.t < 1) continue;
        if (now.t == 1) start_group(o, i, now.lr);
        prepare(o, &now, &o->scalars[i]);
    }
    if (o->device) {
        spk__optim_step_there(o, parameters, gradients);
        return;
    }
#pragma omp parallel for schedule(static) if (o->n >= SPK_OPTIM_PARALLEL_FROM)
    for (int64_t i = o->own_from; i < o->own_to; i++)
        if (o->steps > o->group[o->piece[i].group].freeze_steps) update_piece(o, &o->piece[i], parameters, gradients);
}

/* ---- parts ---- */

/* Piece from which on the part of `rank` holds. */
static int64_t part_from(const spk_optim *o, int rank, int size)
{
    return o->n_pieces / size * rank + (o->n_pieces % size < rank ? o->n_pieces % size : rank);
}

static int64_t place_of(const spk_optim *o, int64_t piece)
{
    return piece < o->n_pieces ? o->piece[piece].at : o->n;
}

void spk_optim_part(const spk_optim *o, int rank, int size, int64_t *at, int64_t *n)
{
    *at = place_of(o, part_from(o, rank, size));
    *n = place_of(o, part_from(o, rank + 1, size)) - *at;
}

spk_status spk_optim_keep_part(spk_optim *o, int rank, int size)
{
    SPK_ASSERT(o->steps == 0 && rank >= 0 && rank < size && !o->device);
    o->own_from = part_from(o, rank, size);
    o->own_to = part_from(o, rank + 1, size);
    spk_optim_part(o, rank, size, &o->own_at, &o->own_n);
    return make_blocks(o);
}

int64_t spk_optim_part_at(const spk_optim *o)
{
    return o->own_at;
}

int64_t spk_optim_count(const spk_optim *o)
{
    return o->n;
}

/* ---- questions ---- */

const char *spk_optim_name(const spk_optim *o)
{
    return o->kind->name;
}

spk_dtype spk_optim_real(const spk_optim *o)
{
    return o->real;
}

double spk_optim_lr(const spk_optim *o)
{
    double lr;
    memcpy(&lr, (const char *)o->conf + o->kind->lr_offset, sizeof lr);
    return lr;
}

double spk_optim_momentum(const spk_optim *o)
{
    double momentum = NAN;
    if (o->kind->momentum_offset != SPK_OPTIM_NO_MOMENTUM)
        memcpy(&momentum, (const char *)o->conf + o->kind->momentum_offset, sizeof momentum);
    return momentum;
}

spk_status spk_optim_set_momentum(spk_optim *o, double momentum)
{
    const char *names[SPK_OPTIM_MAX_BLOCKS];
    if (o->kind->momentum_offset == SPK_OPTIM_NO_MOMENTUM)
        return spk_fail(SPK_E_CONFIG,
                        "scheduler_conf: cycle_momentum: the optimiser %s has no momentum; set cycle_momentum to false",
                        o->kind->name);
    memcpy((char *)o->conf + o->kind->momentum_offset, &momentum, sizeof momentum);
    return o->steps == 0 && o->kind->blocks(o->conf, names) > o->n_blocks ? make_blocks(o) : SPK_OK;
}

int64_t spk_optim_steps(const spk_optim *o)
{
    return o->steps;
}

void spk_optim_set_steps(spk_optim *o, int64_t steps)
{
    o->steps = steps;
}

int spk_optim_blocks(spk_optim *o, spk_optim_block out[SPK_OPTIM_MAX_BLOCKS])
{
    memcpy(out, o->block, (size_t)o->n_blocks * sizeof *out);
    return o->n_blocks;
}
