/* SPDX-License-Identifier: Apache-2.0 */
/* Weights to begin with: which of a file's tensors go where (init_param_impl.h). */
#include "train/init_param_impl.h"

#include <inttypes.h>
#include <string.h>

#include "spk/state.h"
#include "train/classes_impl.h"

/* ---- the words ---- */

void spk_str_list_clear(spk_str_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        spk_free(list->v[i]);
    spk_free(list->v);
    *list = (spk_str_list){0};
}

void spk_init_param_clear(spk_init_param *p)
{
    spk_free(p->file);
    spk_free(p->source);
    spk_free(p->target);
    spk_str_list_clear(&p->exclude);
    *p = (spk_init_param){0};
}

spk_status spk_init_param_parse(const char *text, spk_init_param *out)
{
    char *field[4] = {NULL};
    int n = 0;
    for (const char *p = text;; p++) {
        const size_t length = strcspn(p, ":");
        if (n == 4) break;
        field[n++] = spk_strndup(p, length);
        p += length;
        if (!*p) goto split;
    }
    for (int i = 0; i < n; i++)
        spk_free(field[i]);
    return spk_fail(SPK_E_CONFIG, "init_param: '%s' has more than the four parts FILE:SOURCE:TARGET:EXCLUDE", text);
split:
    *out = (spk_init_param){.file = field[0],
                            .source = field[1] ? field[1] : spk_strdup(""),
                            .target = field[2] ? field[2] : spk_strdup("")};
    for (const char *p = field[3]; p && *p;) {
        const size_t length = strcspn(p, ",");
        if (length) SPK_PUSH(out->exclude.v, out->exclude.n) = spk_strndup(p, length);
        p += length + (p[length] == ',');
    }
    spk_free(field[3]);
    if (*out->file) return SPK_OK;
    spk_init_param_clear(out);
    return spk_fail(SPK_E_CONFIG, "init_param: '%s' names no file", text);
}

/* ---- the way of a name ---- */

/* What follows "PREFIX." in a name (the whole name for an empty prefix), or NULL. */
static const char *below(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);
    if (n == 0) return name;
    return strncmp(name, prefix, n) == 0 && name[n] == '.' ? name + n + 1 : NULL;
}

/* The name in the model of a tensor of the file: new; NULL: it is not asked for. */
static char *target_name(const spk_init_param *p, const char *name)
{
    const char *rest = below(name, p->source);
    if (!rest) return NULL;
    return *p->target ? spk_strf("%s.%s", p->target, rest) : spk_strdup(rest);
}

static bool is_excluded(const spk_init_param *p, const char *name)
{
    for (int64_t i = 0; i < p->exclude.n; i++)
        if (spk_starts_with(name, p->exclude.v[i])) return true;
    return false;
}

/* ---- what does not fit ---- */

typedef struct taking {
    const spk_init_param *p;
    spk_tensors *state;   /* the model's */
    bool *covered;        /* of each: the file has it, or it was left out on request */
    bool ignore_mismatch; /* troubles are only said */
    spk_text troubles;
    int64_t n_troubles, n_taken;
} taking;

static void trouble(taking *t, const char *what, const char *name)
{
    if (t->ignore_mismatch)
        spk_warn("trainer", "init_param %s: '%s' is passed over: %s", t->p->file, name, what);
    else if (++t->n_troubles <= 3)
        spk_text_addf(&t->troubles, "%s'%s': %s", t->n_troubles > 1 ? "; " : "", name, what);
}

static bool same_shape(const spk_ndarray *a, const spk_ndarray *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dim, b->dim, (size_t)a->n_dims * sizeof *a->dim) == 0;
}

static bool copyable(const spk_ndarray *to, const spk_ndarray *from)
{
    const bool reals = to->dtype <= SPK_F64 && from->dtype <= SPK_F64; /* float32, float64 */
    return to->dtype == from->dtype || reals;
}

static void copy(spk_ndarray *to, int64_t to_at, const spk_ndarray *from, int64_t from_at, int64_t n)
{
    const size_t size = spk_dtype_size(to->dtype);
    if (to->dtype == from->dtype)
        memcpy((char *)to->data + (size_t)to_at * size, (const char *)from->data + (size_t)from_at * size,
               (size_t)n * size);
    else if (to->dtype == SPK_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)to->data)[to_at + i] = (float)((const double *)from->data)[from_at + i];
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)to->data)[to_at + i] = (double)((const float *)from->data)[from_at + i];
}

/* ---- classes by name ---- */

typedef struct classes {
    const spk_class_names *ours;
    spk_str_list theirs;
    bool told;
} classes;

/* Rows of each class in both arrays: one, or as many as the loss has sub-centres. 0: they are not rows of classes. */
static int64_t rows_of_class(const classes *c, const spk_ndarray *to, const spk_ndarray *from)
{
    if (c->ours->n == 0 || c->theirs.n == 0 || to->n_dims < 1 || to->n_dims != from->n_dims) return 0;
    const int64_t k = to->dim[0] / c->ours->n;
    if (k < 1 || to->dim[0] != k * c->ours->n || from->dim[0] != k * c->theirs.n) return 0;
    return memcmp(to->dim + 1, from->dim + 1, (size_t)(to->n_dims - 1) * sizeof *to->dim) == 0 ? k : 0;
}

static void say_classes(classes *c, const char *file, int64_t kept)
{
    if (c->told) return;
    c->told = true;
    spk_info("trainer",
             "init_param %s: classes by the speakers' names: %" PRId64 " kept, %" PRId64 " new, %" PRId64 " dropped",
             file, kept, c->ours->n - kept, c->theirs.n - kept);
}

/* New classes keep their drawn rows. */
static void move_classes(classes *c, const char *file, spk_ndarray *to, const spk_ndarray *from, int64_t k)
{
    spk_map index = {0};
    const int64_t row = k * (spk_ndarray_count(to) / to->dim[0]);
    int64_t kept = 0;
    for (int64_t i = 0; i < c->theirs.n; i++)
        spk_map_put(&index, c->theirs.v[i], i);
    for (int64_t i = 0; i < c->ours->n; i++) {
        int64_t at;
        if (!spk_map_get(&index, c->ours->name[i], &at)) continue;
        copy(to, i * row, from, at * row, row);
        kept++;
    }
    spk_map_clear(&index);
    say_classes(c, file, kept);
}

/* ---- taking ---- */

static void take(taking *t, classes *c, const char *source, const char *name, const spk_ndarray *from)
{
    spk_ndarray *to = spk_tensors_find(t->state, name);
    if (!to) {
        trouble(t, "the model has no such weights", name);
        return;
    }
    for (int64_t i = 0; i < t->state->n; i++)
        if (&t->state->item[i].a == to) t->covered[i] = true;
    if (is_excluded(t->p, source)) return;
    const int64_t k = spk_starts_with(name, "loss.") && copyable(to, from) ? rows_of_class(c, to, from) : 0;
    if (k) {
        move_classes(c, t->p->file, to, from, k);
    } else if (!same_shape(to, from) || !copyable(to, from)) {
        trouble(t, "the model has another shape there", name);
        return;
    } else {
        copy(to, 0, from, 0, spk_ndarray_count(to));
        if (spk_starts_with(name, "loss.") && to->n_dims > 1 && !c->told)
            spk_warn(
                "trainer",
                "init_param %s: no speakers.txt is beside it, so its classes are taken to be this training's, in the "
                "same order",
                t->p->file);
    }
    t->n_taken++;
}

/* Weights of the target that the file does not hold: only the loss's may be missing. */
static void find_missing(taking *t)
{
    int64_t n_loss = 0;
    for (int64_t i = 0; i < t->state->n; i++) {
        const char *name = t->state->item[i].name;
        if (t->covered[i] || !below(name, t->p->target) || is_excluded(t->p, name)) continue;
        if (spk_starts_with(name, "loss."))
            n_loss++;
        else
            trouble(t, "missing in the file", name);
    }
    if (n_loss)
        spk_info("trainer", "init_param %s: the loss's weights are not in it and keep their drawn values", t->p->file);
}

static spk_status settle(taking *t)
{
    if (t->n_troubles == 0) return SPK_OK;
    if (t->n_troubles > 3) spk_text_addf(&t->troubles, "; and %" PRId64 " more", t->n_troubles - 3);
    return spk_fail(
        SPK_E_MISMATCH,
        "init_param %s: does not fit the model: %s; take a part of it with FILE:SOURCE:TARGET:EXCLUDE, or what "
        "fits with ignore_init_mismatch true",
        t->p->file, spk_text_str(&t->troubles));
}

static spk_status take_all(taking *t, classes *c, const spk_tensors *from)
{
    int64_t n_asked = 0;
    t->covered = spk_new((size_t)(t->state->n + 1) * sizeof *t->covered);
    for (int64_t i = 0; i < from->n; i++) {
        char *name = target_name(t->p, from->item[i].name);
        if (!name) continue;
        n_asked++;
        if (!is_excluded(t->p, from->item[i].name) || spk_tensors_find(t->state, name))
            take(t, c, from->item[i].name, name, &from->item[i].a);
        spk_free(name);
    }
    if (n_asked == 0)
        return spk_fail(SPK_E_MISMATCH, "init_param %s: holds no weights whose names begin with '%s.'", t->p->file,
                        t->p->source);
    find_missing(t);
    return settle(t);
}

spk_status spk_init_param_apply(spk_model *model, const char *text, const spk_class_names *speakers,
                                bool ignore_mismatch)
{
    spk_init_param p = {0};
    spk_tensors from = {0}, state = {0};
    taking t = {.p = &p, .state = &state, .ignore_mismatch = ignore_mismatch};
    classes c = {.ours = speakers};
    spk_status status;
    SPK_TRY(spk_init_param_parse(text, &p));
    status = spk_weights_read(p.file, &from);
    if (status != SPK_OK) SPK_GO(spk_fail_in(status, "init_param"));
    SPK_GO(spk_read_speakers_of(p.file, &c.theirs));
    SPK_GO(model->save_state(model->self, &state));
    SPK_GO(spk_classes_widen(model, &state));
    SPK_GO(take_all(&t, &c, &from));
    status = model->load_state(model->self, &state);
    if (status != SPK_OK) SPK_GO(spk_fail_in(status, "init_param %s", p.file));
    spk_info("trainer", "init_param %s: %" PRId64 " of the model's %" PRId64 " tensors are taken", p.file, t.n_taken,
             state.n);
done:
    spk_text_clear(&t.troubles);
    spk_free(t.covered);
    spk_str_list_clear(&c.theirs);
    spk_tensors_clear(&from);
    spk_tensors_clear(&state);
    spk_init_param_clear(&p);
    return status;
}
