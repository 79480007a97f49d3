/* SPDX-License-Identifier: Apache-2.0 */
/* Class weights that are divided among processes, and files that hold them whole (classes_impl.h). */
#include "train/classes_impl.h"

#include <string.h>

#include "comm/comm_impl.h"
#include "optim/optim_impl.h"
#include "train/ranks_impl.h"

static bool slice_of(const spk_model *m, spk_class_slice *out)
{
    return m->divided && m->divided(m->self, out);
}

bool spk_classes_divided(const spk_training *t)
{
    spk_class_slice s;
    return t->ranks && slice_of(t->model, &s);
}

/* ---- the norm ---- */

static void total(void *user, double *value, bool largest)
{
    const spk_class_team *team = user;
    const spk_status status = largest ? team->largest(team->self, value, 1) : team->sum(team->self, value, 1);
    (void)status; /* sticks, and is met with the next message */
}

double spk_classes_norm(const spk_training *t, const void *gradients)
{
    spk_class_slice s;
    const double p = t->setup->grad_clip_type;
    if (!spk_classes_divided(t) || !slice_of(t->model, &s)) return spk_optim_grad_norm(t->optim, gradients, p);
    const spk_class_team *team = spk_ranks_class_team(t);
    const spk_optim_own own = {s.at, s.room, total, (void *)(uintptr_t)team};
    return spk_optim_grad_norm_shared(t->optim, gradients, p, &own);
}

/* ---- from and to whole blocks: before the classes, the classes, and behind them ---- */

int64_t spk_classes_count(const spk_training *t)
{
    spk_class_slice s;
    const int64_t n = spk_optim_count(t->optim);
    return slice_of(t->model, &s) ? n - s.room + s.whole_room : n;
}

/* n values from `first` on become those of the block from `at` on: of another type where train_dtype is another than it was. */
static void take(const spk_ndarray *whole, int64_t first, int64_t n, spk_dtype real, void *v, int64_t at)
{
    const size_t size = spk_dtype_size(real);
    if (whole->dtype == real) {
        memcpy((char *)v + (size_t)at * size, (const char *)whole->data + (size_t)first * size, (size_t)n * size);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (real == SPK_F64)
            ((double *)v)[at + i] = (double)((const float *)whole->data)[first + i];
        else
            ((float *)v)[at + i] = (float)((const double *)whole->data)[first + i];
    }
}

void spk_classes_take_state(const spk_training *t, const spk_ndarray *whole, spk_optim_block *own)
{
    spk_class_slice s;
    const spk_dtype real = spk_optim_real(t->optim);
    if (!slice_of(t->model, &s)) {
        take(whole, spk_optim_part_at(t->optim), own->n, real, own->v, 0);
        return;
    }
    take(whole, 0, s.at, real, own->v, 0);
    take(whole, s.at + s.first, s.n, real, own->v, s.at);
    take(whole, s.at + s.whole_room, own->n - s.at - s.room, real, own->v, s.at + s.room);
}

/* ---- on rank 0, for files ---- */

/* The own rows of `own`, a block, and those of the others into `whole` of rank 0. */
static spk_status gather(const spk_training *t, const spk_class_slice *s, const float *own, float *whole)
{
    spk_comm *comm = spk_ranks_comm(t);
    const int size = spk_comm_size(comm);
    const int64_t n = s->n / s->row;
    int64_t *one = spk_new(2 * (size_t)size * sizeof *one), *counts = one + size;
    for (int i = 0; i < size; i++)
        one[i] = 1;
    spk_status status = spk_comm_gather(comm, &n, one, sizeof n, counts, SPK_COMM_TO_ALL);
    if (status == SPK_OK) status = spk_comm_gather(comm, own + s->at, counts, (size_t)s->row * sizeof *own, whole, 0);
    spk_free(one);
    return status;
}

/* What all ranks have alike of a block, around the classes. */
static void copy_rest(const spk_class_slice *s, const float *own, int64_t n, float *whole)
{
    const int64_t behind = n - s->at - s->room;
    memcpy(whole, own, (size_t)s->at * sizeof *whole);
    memset(whole + s->at + s->whole, 0, (size_t)(s->whole_room - s->whole) * sizeof *whole);
    memcpy(whole + s->at + s->whole_room, own + s->at + s->room, (size_t)behind * sizeof *whole);
}

static spk_status make_room(spk_training *t, const spk_class_slice *s, int64_t state)
{
    if (!spk_ranks_first(t)) return SPK_OK;
    t->whole_classes = spk_alloc((size_t)s->whole * sizeof *t->whole_classes);
    t->whole_state = spk_alloc((size_t)(state + 1) * sizeof *t->whole_state);
    if (t->whole_classes && t->whole_state) return SPK_OK;
    return spk_fail(SPK_E_NOMEM,
                    "no memory for the weights of all classes and the optimiser's state of them (%.3f GB), which the "
                    "checkpoint has whole",
                    (double)(s->whole + state) * 4e-9);
}

spk_status spk_classes_collect(spk_training *t, bool state)
{
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    spk_class_slice s;
    float *parameters, *gradients;
    int64_t n = 0;
    const int n_blocks = state ? spk_optim_blocks(t->optim, block) : 0;
    const int64_t whole = spk_classes_count(t);
    const bool first = spk_ranks_first(t);
    if (!slice_of(t->model, &s)) return SPK_OK;
    spk_ranks_dismiss(t);
    SPK_TRY(spk_ranks_agree(t, make_room(t, &s, whole * n_blocks)));
    t->model->blocks(t->model->self, &parameters, &gradients, &n);
    SPK_TRY(gather(t, &s, parameters, t->whole_classes));
    for (int i = 0; i < n_blocks; i++) {
        float *to = first ? t->whole_state + i * whole : NULL;
        SPK_TRY(gather(t, &s, block[i].v, first ? to + s.at : NULL));
        if (first) copy_rest(&s, block[i].v, n, to);
    }
    return SPK_OK;
}

/* Of `state` the class weights, whose rows become those of `whole` (which is taken). */
static void put_rows(const spk_class_slice *s, spk_tensors *state, float *whole)
{
    spk_ndarray *a = spk_tensors_find(state, s->name);
    SPK_ASSERT(a && a->dtype == SPK_F32 && spk_ndarray_count(a) == s->n);
    spk_free(a->data);
    a->data = whole;
    a->dim[0] = s->whole / s->row;
}

spk_status spk_classes_save(spk_training *t, spk_tensors *state)
{
    spk_class_slice s;
    SPK_TRY(t->model->save_state(t->model->self, state));
    if (!t->whole_classes || !slice_of(t->model, &s)) return SPK_OK;
    put_rows(&s, state, t->whole_classes);
    t->whole_classes = NULL;
    return SPK_OK;
}

spk_status spk_classes_widen(const spk_model *model, spk_tensors *state)
{
    spk_class_slice s;
    if (!slice_of(model, &s)) return SPK_OK;
    float *whole = spk_alloc_zero((size_t)s.whole * sizeof *whole);
    if (!whole)
        return spk_fail(SPK_E_NOMEM, "no memory for the weights of all classes (%.3f GB)", (double)s.whole * 4e-9);
    memcpy(whole + s.first, spk_tensors_find(state, s.name)->data, (size_t)s.n * sizeof *whole);
    put_rows(&s, state, whole);
    return SPK_OK;
}

void spk_classes_swap(const spk_model *model, spk_tensors *state, spk_tensors *whole)
{
    spk_class_slice s;
    if (!slice_of(model, &s)) return;
    spk_ndarray *a = spk_tensors_find(state, s.name), *b = spk_tensors_find(whole, s.name), keep = *a;
    *a = *b;
    *b = keep;
}
