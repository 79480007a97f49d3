/* SPDX-License-Identifier: Apache-2.0 */
/* Flat blocks of parameters, gradients and buffers with named views (params_impl.h). */
#include "graph/params_there_impl.h"

#include <omp.h>
#include <string.h>

enum { PAD_ELEMENTS = 16, LARGE = 1 << 20 };

struct spk_params {
    spk_dtype real;
    int64_t n;
    spk_param **item; /* pointers: views stay valid while names are added */
    spk_map index;
    bool committed;
    void *data, *grad, *buffers;
    int64_t n_trainable, n_buffers; /* elements with padding */
    spk_params_there *there;        /* NULL: all is here */
    bool stays_there;
};

spk_params *spk_params_new(spk_dtype real)
{
    spk_params *p = spk_new(sizeof *p);
    SPK_ASSERT(real == SPK_F32 || real == SPK_F64);
    p->real = real;
    return p;
}

void spk_params_free(spk_params *p)
{
    if (!p) return;
    for (int64_t i = 0; i < p->n; i++) {
        spk_free(p->item[i]->name);
        spk_free(p->item[i]->table);
        spk_free(p->item[i]);
    }
    spk__params_there_free(p->there);
    spk_free(p->item);
    spk_map_clear(&p->index);
    spk_free(p->data);
    spk_free(p->grad);
    spk_free(p->buffers);
    spk_free(p);
}

static spk_param *declare(spk_params *p, const char *name, spk_dtype dtype, bool trainable, int n_dims,
                          const int64_t *dim, spk_init init)
{
    int64_t at;
    if (spk_map_get(&p->index, name, &at)) {
        spk_param *known = p->item[at];
        SPK_ASSERT(known->n_dims == n_dims && known->dtype == dtype);
        for (int i = 0; i < n_dims; i++)
            SPK_ASSERT(known->dim[i] == dim[i]);
        return known;
    }
    SPK_ASSERT(!p->committed && n_dims <= 4);
    spk_param *q = spk_new(sizeof *q);
    *q = (spk_param){
        .name = spk_strdup(name), .dtype = dtype, .trainable = trainable, .n_dims = n_dims, .count = 1, .init = init};
    for (int i = 0; i < n_dims; i++) {
        q->dim[i] = dim[i];
        q->count *= dim[i];
    }
    if (init.kind == SPK_INIT_TABLE) {
        q->table = spk_new((size_t)q->count * sizeof *q->table);
        memcpy(q->table, init.table, (size_t)q->count * sizeof *q->table);
        q->init.table = NULL;
    }
    SPK_ASSERT(spk_map_put(&p->index, q->name, p->n));
    SPK_PUSH(p->item, p->n) = q;
    return q;
}

const spk_param *spk_params_declare(spk_params *p, const char *name, bool trainable, int n_dims, const int64_t *dim,
                                    spk_init init)
{
    return declare(p, name, p->real, trainable, n_dims, dim, init);
}

const spk_param *spk_params_declare_count(spk_params *p, const char *name)
{
    return declare(p, name, SPK_I64, false, 0, NULL, (spk_init){SPK_INIT_CONST, 0, NULL});
}

void spk_params_set_init(spk_params *p, int64_t i, spk_init init)
{
    SPK_ASSERT(!p->committed && init.kind != SPK_INIT_TABLE);
    p->item[i]->init = init;
}

void spk_params_divide(spk_params *p, const char *name, int64_t first, int64_t whole)
{
    int64_t at;
    SPK_ASSERT(spk_map_get(&p->index, name, &at));
    spk_param *q = p->item[at];
    SPK_ASSERT(!p->committed && q->n_dims > 0 && first >= 0 && first + q->dim[0] <= whole);
    q->first = first;
    q->whole = whole;
}

int64_t spk_params_room(int64_t count)
{
    return (count + PAD_ELEMENTS - 1) / PAD_ELEMENTS * PAD_ELEMENTS;
}

int64_t spk_params_freeze(spk_params *p, const char *prefix)
{
    const size_t n = strlen(prefix);
    int64_t n_frozen = 0;
    SPK_ASSERT(!p->committed);
    for (int64_t i = 0; i < p->n; i++) {
        spk_param *q = p->item[i];
        const bool named = spk_starts_with(q->name, prefix) && (q->name[n] == '\0' || q->name[n] == '.');
        if (!named || !(q->trainable || q->frozen)) continue;
        q->trainable = false;
        q->frozen = true;
        n_frozen++;
    }
    return n_frozen;
}

/* ---- layout and initial values ---- */

static void set_real(spk_param *q, int64_t i, double value)
{
    if (q->dtype == SPK_F32)
        ((float *)q->data)[i] = (float)value;
    else
        ((double *)q->data)[i] = value;
}

static void draw(spk_param *q, uint64_t seed)
{
    spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_INIT, 0, spk_hash_str(q->name), 0);
    if (q->dtype == SPK_I64) return;
    const int64_t before = q->whole ? q->first * (q->count / q->dim[0]) : 0;
    spk_rng_skip(&rng, before * (q->init.kind == SPK_INIT_NORMAL ? 4 : 2)); /* words of a number */
    for (int64_t i = 0; i < q->count; i++) {
        double v = q->init.a;
        if (q->init.kind == SPK_INIT_UNIFORM)
            v = q->init.a * (2 * spk_rng_uniform(&rng) - 1);
        else if (q->init.kind == SPK_INIT_NORMAL)
            v = q->init.a * spk_rng_normal(&rng);
        else if (q->init.kind == SPK_INIT_TABLE)
            v = q->table[i];
        set_real(q, i, (float)v); /* as ESPnet: drawn in float32, then made wide */
    }
}

/* Padded elements of the trainable (or the buffer) block; places the views when `block` is there. */
static int64_t lay_out(spk_params *p, bool trainable, char *block, char *grad)
{
    const size_t size = spk_dtype_size(p->real);
    int64_t at = 0;
    for (int64_t i = 0; i < p->n; i++) {
        spk_param *q = p->item[i];
        if (q->trainable != trainable) continue;
        if (block) {
            q->data = block + (size_t)at * size;
            q->grad = grad ? grad + (size_t)at * size : NULL;
        }
        /* an int64 counter fits in the padding of two floats or one double */
        at += spk_params_room(q->count);
    }
    return at;
}

spk_status spk_params_commit(spk_params *p, uint64_t seed)
{
    const size_t size = spk_dtype_size(p->real);
    SPK_ASSERT(!p->committed);
    p->n_trainable = lay_out(p, true, NULL, NULL);
    p->n_buffers = lay_out(p, false, NULL, NULL);
    p->data = spk_alloc_zero((size_t)p->n_trainable * size);
    p->grad = spk_alloc_zero((size_t)p->n_trainable * size);
    p->buffers = spk_alloc_zero((size_t)p->n_buffers * size);
    if (!p->data || !p->grad || !p->buffers)
        return spk_fail(SPK_E_NOMEM, "out of memory for a model of %lld parameters", (long long)p->n_trainable);
    lay_out(p, true, p->data, p->grad);
    lay_out(p, false, p->buffers, NULL);
    p->committed = true;
    for (int64_t i = 0; i < p->n; i++)
        draw(p->item[i], seed);
    return SPK_OK;
}

/* ---- questions ---- */

int64_t spk_params_n(const spk_params *p)
{
    return p->n;
}

const spk_param *spk_params_at(const spk_params *p, int64_t i)
{
    return p->item[i];
}

const spk_param *spk_params_trainable_at(const spk_params *p, int64_t i)
{
    for (int64_t k = 0; k < p->n; k++)
        if (p->item[k]->trainable && i-- == 0) return p->item[k];
    return NULL;
}

const spk_param *spk_params_find(const spk_params *p, const char *name)
{
    int64_t at;
    return spk_map_get(&p->index, name, &at) ? p->item[at] : NULL;
}

int64_t spk_params_trainable_count(const spk_params *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n; i++) {
        const spk_param *q = p->item[i];
        if (q->trainable) n += q->whole ? q->count / q->dim[0] * q->whole : q->count;
    }
    return n;
}

void spk_params_blocks(spk_params *p, void **data, void **grad, int64_t *n)
{
    *data = p->data;
    *grad = p->grad;
    *n = p->n_trainable;
}

/* ---- a device ---- */

spk_status spk_params_use_device(spk_params *p, const spk_device *device)
{
    const size_t size = spk_dtype_size(p->real);
    SPK_ASSERT(p->committed && !p->there && p->real == SPK_F32);
    SPK_TRY(spk__params_there_new(device, p->data, (size_t)p->n_trainable * size, p->buffers,
                                  (size_t)p->n_buffers * size, &p->there));
    for (int64_t i = 0; i < p->n; i++) {
        spk_param *q = p->item[i];
        const char *block = q->trainable ? p->data : p->buffers;
        spk__params_there_place(p->there, q->trainable, (size_t)((const char *)q->data - block), q);
    }
    return SPK_OK;
}

void spk_params_written_here(spk_params *p, unsigned what)
{
    if (p->there) spk__params_there_stale(p->there, what, true);
}

void spk_params_written_there(spk_params *p, unsigned what)
{
    SPK_ASSERT(p->there);
    spk__params_there_stale(p->there, what, false);
}

void spk_params_bring_here(const spk_params *p)
{
    if (p->there) spk__params_there_bring(p->there, true);
}

void spk_params_bring_there(const spk_params *p)
{
    if (p->there) spk__params_there_bring(p->there, false);
}

void spk_params_bring_gradients(const spk_params *p)
{
    if (p->there) spk__params_there_gradients(p->there, p->grad, (size_t)p->n_trainable * sizeof(float));
}

void spk_params_stay_there(spk_params *p)
{
    SPK_ASSERT(p->there);
    p->stays_there = true;
}

bool spk_params_stays_there(const spk_params *p)
{
    return p->stays_there;
}

void spk_params_blocks_there(const spk_params *p, float **data, float **grad, int64_t *n)
{
    SPK_ASSERT(p->there);
    spk__params_there_blocks(p->there, data, grad);
    *n = p->n_trainable;
}

void spk_params_zero_grad(spk_params *p)
{
    if (p->there) spk__params_there_zero(p->there, (size_t)p->n_trainable * sizeof(float));
    if (p->stays_there) return;
    const size_t bytes = (size_t)p->n_trainable * spk_dtype_size(p->real);
    char *grad = p->grad;
#pragma omp parallel if (bytes >= LARGE) /* one thread does not fill the memory's bandwidth */
    {
        const size_t team = (size_t)omp_get_num_threads(), i = (size_t)omp_get_thread_num();
        const size_t from = bytes / team * i, to = i + 1 == team ? bytes : bytes / team * (i + 1);
        memset(grad + from, 0, to - from);
    }
}

/* ---- state_dict ---- */

spk_status spk_params_save(const spk_params *p, spk_tensors *out)
{
    spk_params_bring_here(p);
    for (int64_t i = 0; i < p->n; i++) {
        const spk_param *q = p->item[i];
        spk_ndarray *a;
        SPK_TRY(spk_tensors_add(out, q->name, q->dtype, q->n_dims, q->dim, &a));
        memcpy(a->data, q->data, (size_t)q->count * spk_dtype_size(q->dtype));
    }
    return SPK_OK;
}

static void add_shape(spk_text *text, int n_dims, const int64_t *dim)
{
    spk_text_add(text, "(");
    for (int i = 0; i < n_dims; i++)
        spk_text_addf(text, i ? ", %lld" : "%lld", (long long)dim[i]);
    spk_text_add(text, ")");
}

static void add_trouble(spk_text *text, int *n, const char *what, const char *name)
{
    if (++*n <= 3) spk_text_addf(text, "%s%s %s", *n > 1 ? "; " : "", what, name);
}

static bool is_whole(const spk_param *q, const spk_ndarray *a)
{
    return q->whole && a->n_dims > 0 && a->dim[0] == q->whole;
}

static bool same_shape(const spk_param *q, const spk_ndarray *a)
{
    bool same = q->n_dims == a->n_dims;
    for (int i = 0; same && i < q->n_dims; i++)
        same = q->dim[i] == a->dim[i] || (i == 0 && is_whole(q, a));
    return same;
}

/* Everything that keeps `in` from being the state of p, in one sentence; the number of troubles. */
static int compare(const spk_params *p, const spk_tensors *in, spk_text *text)
{
    spk_map names = {0};
    int n = 0;
    for (int64_t i = 0; i < in->n; i++) {
        const spk_param *q = spk_params_find(p, in->item[i].name);
        spk_map_put(&names, in->item[i].name, i);
        if (!q)
            add_trouble(text, &n, "surplus", in->item[i].name);
        else if (!same_shape(q, &in->item[i].a)) {
            add_trouble(text, &n, "misshapen", q->name);
            if (n <= 3) {
                spk_text_add(text, ": the file has ");
                add_shape(text, in->item[i].a.n_dims, in->item[i].a.dim);
                spk_text_add(text, ", the model ");
                int64_t dim[4] = {q->whole ? q->whole : q->dim[0], q->dim[1], q->dim[2], q->dim[3]};
                add_shape(text, q->n_dims, dim);
            }
        }
    }
    for (int64_t i = 0; i < p->n; i++) {
        int64_t at;
        if (!spk_map_get(&names, p->item[i]->name, &at)) add_trouble(text, &n, "missing", p->item[i]->name);
    }
    if (n > 3) spk_text_addf(text, "; and %d more", n - 3);
    spk_map_clear(&names);
    return n;
}

static bool convertible(const spk_param *q, const spk_ndarray *a)
{
    return (q->dtype == SPK_I64) == (a->dtype == SPK_I64) && (a->dtype == SPK_I64 || a->dtype <= SPK_F64);
}

spk_status spk_params_load(spk_params *p, const spk_tensors *in)
{
    spk_text text = {0};
    spk_status status = SPK_OK;
    if (compare(p, in, &text) > 0)
        status =
            spk_fail(SPK_E_MISMATCH, "the weights do not fit the model of the configuration: %s", spk_text_str(&text));
    for (int64_t i = 0; status == SPK_OK && i < in->n; i++)
        if (!convertible(spk_params_find(p, in->item[i].name), &in->item[i].a))
            status = spk_fail(SPK_E_MISMATCH, "the weights do not fit the model: %s has the type %s", in->item[i].name,
                              spk_dtype_name(in->item[i].a.dtype));
    if (status == SPK_OK) spk_params_bring_here(p); /* a device's values are no longer the newer ones */
    for (int64_t i = 0; status == SPK_OK && i < in->n; i++) {
        int64_t at = -1;
        const spk_ndarray *a = &in->item[i].a;
        spk_map_get(&p->index, in->item[i].name, &at);
        spk_param *q = p->item[at];
        const int64_t before = is_whole(q, a) ? q->first * (q->count / q->dim[0]) : 0;
        if (q->dtype == SPK_I64)
            memcpy(q->data, a->data, sizeof(int64_t));
        else
            for (int64_t k = 0; k < q->count; k++)
                set_real(q, k,
                         a->dtype == SPK_F32 ? (double)((const float *)a->data)[before + k]
                                             : ((const double *)a->data)[before + k]);
    }
    if (status == SPK_OK) spk_params_written_here(p, SPK_VALUES | SPK_BUFFERS);
    spk_text_clear(&text);
    return status;
}
