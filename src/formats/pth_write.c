/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing .pth: an OrderedDict of contiguous tensors, one storage each, pickled by protocol 2 with the
 * names that torch.load(weights_only=True) allows. Records are stored at multiples of 64 bytes as
 * PyTorch stores them; the folder within is always `archive`, so that the bytes depend on the weights alone.
 */
#include <string.h>

#include "formats/zip_impl.h"
#include "spk/state.h"

enum { ALIGNMENT = 64, MEMO_DICT = 0, MEMO_REBUILD, MEMO_STORAGE_WORD, MEMO_CPU, MEMO_STORAGE_TYPE };

static const char *const storages[] = {
    [SPK_F32] = "FloatStorage", [SPK_F64] = "DoubleStorage", [SPK_BF16] = "BFloat16Storage", [SPK_F16] = "HalfStorage",
    [SPK_I64] = "LongStorage",  [SPK_I32] = "IntStorage",    [SPK_I16] = "ShortStorage",     [SPK_I8] = "CharStorage",
    [SPK_U8] = "ByteStorage",   [SPK_BOOL] = "BoolStorage"};
enum { N_STORAGES = sizeof storages / sizeof *storages };

/* ---- pickle ---- */

static void add_byte(spk_text *t, int byte)
{
    const char c = (char)byte;
    spk_text_addn(t, &c, 1);
}

static void add_number(spk_text *t, uint64_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        add_byte(t, (int)(v >> (8 * i) & 0xff));
}

static void add_string(spk_text *t, const char *s)
{
    add_byte(t, 'X');
    add_number(t, strlen(s), 4);
    spk_text_add(t, s);
}

static void add_int(spk_text *t, int64_t v)
{
    if (v >= 0 && v < 256) {
        add_byte(t, 'K');
        add_number(t, (uint64_t)v, 1);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        add_byte(t, 'J');
        add_number(t, (uint64_t)v, 4);
    } else {
        add_byte(t, 0x8a);
        add_byte(t, 8);
        add_number(t, (uint64_t)v, 8);
    }
}

static void add_extents(spk_text *t, int n, const int64_t *extent)
{
    add_byte(t, '(');
    for (int d = 0; d < n; d++)
        add_int(t, extent[d]);
    add_byte(t, 't');
}

/* What comes again (names, words) is put into the memo the first time and taken from there later. */
static bool recall(spk_text *t, bool *known, int memo)
{
    if (*known) {
        add_byte(t, 'h');
        add_byte(t, memo);
        return true;
    }
    *known = true;
    return false;
}

static void remember(spk_text *t, int memo)
{
    add_byte(t, 'q');
    add_byte(t, memo);
}

typedef struct pickler {
    spk_text text;
    bool known[MEMO_STORAGE_TYPE + N_STORAGES];
} pickler;

static void add_global(pickler *p, const char *module, const char *name, int memo)
{
    if (recall(&p->text, &p->known[memo], memo)) return;
    spk_text_addf(&p->text, "c%s\n%s\n", module, name);
    remember(&p->text, memo);
}

static void add_word(pickler *p, const char *word, int memo)
{
    if (recall(&p->text, &p->known[memo], memo)) return;
    add_string(&p->text, word);
    remember(&p->text, memo);
}

static void add_tensor(pickler *p, int64_t i, const spk_ndarray *a)
{
    spk_text *t = &p->text;
    char key[24];
    int64_t stride[SPK_MAX_DIMS], step = 1;
    snprintf(key, sizeof key, "%lld", (long long)i);
    for (int d = a->n_dims - 1; d >= 0; d--) {
        stride[d] = step;
        step *= a->dim[d] > 0 ? a->dim[d] : 1;
    }
    add_global(p, "torch._utils", "_rebuild_tensor_v2", MEMO_REBUILD);
    spk_text_add(t, "((");
    add_word(p, "storage", MEMO_STORAGE_WORD);
    add_global(p, "torch", storages[a->dtype], MEMO_STORAGE_TYPE + (int)a->dtype);
    add_string(t, key);
    add_word(p, "cpu", MEMO_CPU);
    add_int(t, spk_ndarray_count(a));
    spk_text_add(t, "tQ");
    add_int(t, 0); /* storage offset */
    add_extents(t, a->n_dims, a->dim);
    add_extents(t, a->n_dims, stride);
    add_byte(t, 0x89); /* requires_grad: False */
    add_global(p, "collections", "OrderedDict", MEMO_DICT);
    spk_text_add(t, ")RtR"); /* no hooks; the arguments' end; call */
}

static void pickle_tensors(pickler *p, const spk_tensors *tensors)
{
    add_byte(&p->text, 0x80);
    add_byte(&p->text, 2);
    add_global(p, "collections", "OrderedDict", MEMO_DICT);
    spk_text_add(&p->text, ")R(");
    for (int64_t i = 0; i < tensors->n; i++) {
        add_string(&p->text, tensors->item[i].name);
        add_tensor(p, i, &tensors->item[i].a);
    }
    spk_text_add(&p->text, "u.");
}

/* ---- records ---- */

static spk_status add_record(spk_zip_writer *w, const char *name, const void *data, int64_t n)
{
    char *full = spk_strf("archive/%s", name);
    spk_status status = spk_zip_add(w, full, n, ALIGNMENT);
    spk_free(full);
    SPK_TRY(status);
    SPK_TRY(spk_zip_write(w, data, n));
    return spk_zip_add_end(w);
}

static spk_status add_records(spk_zip_writer *w, const spk_tensors *tensors, const pickler *p)
{
    SPK_TRY(add_record(w, "data.pkl", p->text.s, (int64_t)p->text.n));
    SPK_TRY(add_record(w, ".format_version", "1", 1));
    SPK_TRY(add_record(w, ".storage_alignment", "64", 2));
    SPK_TRY(add_record(w, "byteorder", "little", 6));
    for (int64_t i = 0; i < tensors->n; i++) {
        const spk_ndarray *a = &tensors->item[i].a;
        char name[40];
        snprintf(name, sizeof name, "data/%lld", (long long)i);
        SPK_TRY(add_record(w, name, a->data, spk_ndarray_count(a) * (int64_t)spk_dtype_size(a->dtype)));
    }
    return add_record(w, "version", "3\n", 2);
}

static spk_status check_names(const char *path, const spk_tensors *tensors)
{
    spk_map seen = {0};
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < tensors->n && status == SPK_OK; i++)
        if (!spk_map_put(&seen, tensors->item[i].name, i))
            status = spk_fail(SPK_E_VALUE, "%s: tensor '%s' stands twice", path, tensors->item[i].name);
    spk_map_clear(&seen);
    return status;
}

spk_status spk_pth_write(const char *path, const spk_tensors *tensors)
{
    pickler p = {.text = {0}};
    spk_zip_writer *w = NULL;
    spk_status status;
    SPK_TRY(check_names(path, tensors));
    SPK_TRY(spk_zip_create(path, &w));
    pickle_tensors(&p, tensors);
    status = add_records(w, tensors, &p);
    spk_text_clear(&p.text);
    if (status == SPK_OK) return spk_zip_finish(w);
    spk_zip_abort(w);
    return status;
}
