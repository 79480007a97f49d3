/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pickle machine that cannot call anything: a stack, a memo and a handful of opcodes (Python's
 * pickletools describes them all). Containers grow by node indices, so cycles do no harm here.
 */
#include "formats/pickle_impl.h"

#include <string.h>

enum name {
    NAME_REBUILD_TENSOR,
    NAME_REBUILD_PARAMETER,
    NAME_ORDERED_DICT,
    NAME_STORAGE /* + spk_dtype */
};
enum { MARK = -1 /* on the stack, among node indices */ };

typedef struct machine {
    const unsigned char *p, *end;
    size_t n_bytes;
    const char *what;
    spk_pickle *out;
    int64_t n_stack, n_memo;
    int64_t *stack;
    int64_t *memo; /* index of a node + 1; 0: not set */
    int64_t memo_room;
} machine;

/* ---- bytes ---- */

static spk_status damaged(const machine *m)
{
    return spk_fail(SPK_E_FORMAT, "%s: the pickle is damaged or truncated; the file must be written again", m->what);
}

static spk_status take(machine *m, size_t n, const unsigned char **out)
{
    if (n > (size_t)(m->end - m->p)) return damaged(m);
    *out = m->p;
    m->p += n;
    return SPK_OK;
}

/* A little-endian number of n bytes (at most 8), without sign. */
static spk_status take_number(machine *m, size_t n, uint64_t *out)
{
    const unsigned char *p;
    SPK_TRY(take(m, n, &p));
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)p[i] << (8 * i);
    return SPK_OK;
}

/* ---- nodes and the stack ---- */

static spk_pickle_node *node_of(const machine *m, int64_t i)
{
    return &m->out->node[i];
}

static spk_pickle_node *push_new(machine *m, spk_pickle_kind kind)
{
    spk_pickle_node *node = &SPK_PUSH(m->out->node, m->out->n);
    memset(node, 0, sizeof *node);
    node->kind = kind;
    SPK_PUSH(m->stack, m->n_stack) = m->out->n - 1;
    return node;
}

static spk_status pop(machine *m, int64_t *out)
{
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == MARK) return damaged(m);
    *out = m->stack[--m->n_stack];
    return SPK_OK;
}

/* How many nodes lie above the topmost mark. */
static spk_status above_mark(const machine *m, int64_t *out)
{
    int64_t n = 0;
    while (n < m->n_stack && m->stack[m->n_stack - 1 - n] != MARK)
        n++;
    if (n == m->n_stack) return damaged(m);
    *out = n;
    return SPK_OK;
}

static spk_status push_string(machine *m, size_t length_bytes)
{
    uint64_t n;
    const unsigned char *p;
    SPK_TRY(take_number(m, length_bytes, &n));
    if (n > m->n_bytes) return damaged(m);
    SPK_TRY(take(m, (size_t)n, &p));
    spk_pickle_node *node = push_new(m, SPK_PICKLE_STR);
    node->s = (const char *)p;
    node->n = (int64_t)n;
    return SPK_OK;
}

static spk_status push_int(machine *m, size_t n_bytes, bool is_signed)
{
    uint64_t v;
    if (n_bytes > 8) return spk_fail(SPK_E_FORMAT, "%s: the pickle holds a number beyond 64 bits", m->what);
    SPK_TRY(take_number(m, n_bytes, &v));
    if (is_signed && n_bytes > 0 && n_bytes < 8 && (v >> (8 * n_bytes - 1)) & 1) v |= ~(uint64_t)0 << (8 * n_bytes);
    push_new(m, SPK_PICKLE_INT)->i = (int64_t)v;
    return SPK_OK;
}

static spk_status push_float(machine *m)
{
    const unsigned char *p;
    uint64_t bits = 0;
    double x;
    SPK_TRY(take(m, 8, &p));
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | p[i];
    memcpy(&x, &bits, sizeof x);
    push_new(m, SPK_PICKLE_FLOAT)->x = x;
    return SPK_OK;
}

/* A tuple of the topmost n nodes, and of the mark below them when there is one to remove. */
static spk_status make_tuple(machine *m, int64_t n, bool marked)
{
    if (n > m->n_stack) return damaged(m);
    int64_t *item = spk_new((size_t)n * sizeof *item);
    for (int64_t i = 0; i < n; i++)
        item[i] = m->stack[m->n_stack - n + i];
    m->n_stack -= n + marked;
    spk_pickle_node *node = push_new(m, SPK_PICKLE_TUPLE);
    node->n = n;
    node->item = item;
    for (int64_t i = 0; i < n; i++)
        if (item[i] == MARK) return damaged(m);
    return SPK_OK;
}

/* Move the topmost n nodes into the container below them (and below a mark). */
static spk_status extend(machine *m, int64_t n, bool marked, spk_pickle_kind kind)
{
    const int64_t below = m->n_stack - n - marked - 1;
    if (below < 0 || m->stack[below] == MARK || (kind == SPK_PICKLE_DICT && n % 2 != 0)) return damaged(m);
    spk_pickle_node *container = node_of(m, m->stack[below]);
    if (container->kind != kind) return damaged(m);
    for (int64_t i = 0; i < n; i++) {
        const int64_t item = m->stack[m->n_stack - n + i];
        if (item == MARK) return damaged(m);
        SPK_PUSH(container->item, container->n) = item;
    }
    m->n_stack = below + 1;
    return SPK_OK;
}

/* ---- memo ---- */

static spk_status put_memo(machine *m, uint64_t at)
{
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == MARK || at > m->n_bytes) return damaged(m);
    if ((int64_t)at >= m->memo_room) {
        const int64_t room = 2 * (int64_t)at + 64;
        m->memo = spk_renew(m->memo, (size_t)room * sizeof *m->memo);
        memset(m->memo + m->memo_room, 0, (size_t)(room - m->memo_room) * sizeof *m->memo);
        m->memo_room = room;
    }
    m->memo[at] = m->stack[m->n_stack - 1] + 1;
    m->n_memo++;
    return SPK_OK;
}

static spk_status get_memo(machine *m, uint64_t at)
{
    if (at >= (uint64_t)m->memo_room || m->memo[at] == 0) return damaged(m);
    SPK_PUSH(m->stack, m->n_stack) = m->memo[at] - 1;
    return SPK_OK;
}

/* ---- names ---- */

static spk_status push_name(machine *m, const char *module, int64_t n_module, const char *name, int64_t n_name)
{
    static const struct {
        const char *module, *name;
        int which;
    } known[] = {{"torch._utils", "_rebuild_tensor_v2", NAME_REBUILD_TENSOR},
                 {"torch._utils", "_rebuild_parameter", NAME_REBUILD_PARAMETER},
                 {"collections", "OrderedDict", NAME_ORDERED_DICT},
                 {"torch", "FloatStorage", NAME_STORAGE + SPK_F32},
                 {"torch", "DoubleStorage", NAME_STORAGE + SPK_F64},
                 {"torch", "HalfStorage", NAME_STORAGE + SPK_F16},
                 {"torch", "BFloat16Storage", NAME_STORAGE + SPK_BF16},
                 {"torch", "LongStorage", NAME_STORAGE + SPK_I64},
                 {"torch", "IntStorage", NAME_STORAGE + SPK_I32},
                 {"torch", "ShortStorage", NAME_STORAGE + SPK_I16},
                 {"torch", "CharStorage", NAME_STORAGE + SPK_I8},
                 {"torch", "ByteStorage", NAME_STORAGE + SPK_U8},
                 {"torch", "BoolStorage", NAME_STORAGE + SPK_BOOL}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n_module == (int64_t)strlen(known[i].module) && memcmp(module, known[i].module, (size_t)n_module) == 0 &&
            n_name == (int64_t)strlen(known[i].name) && memcmp(name, known[i].name, (size_t)n_name) == 0) {
            push_new(m, SPK_PICKLE_NAME)->i = known[i].which;
            return SPK_OK;
        }
    char shown[128]; /* what a file says is not for the terminal as it is */
    const int n = snprintf(shown, sizeof shown, "%.*s.%.*s", (int)(n_module < 60 ? n_module : 60), module,
                           (int)(n_name < 60 ? n_name : 60), name);
    for (int i = 0; i < n; i++)
        if ((unsigned char)shown[i] < 0x20 || (unsigned char)shown[i] > 0x7e) shown[i] = '?';
    return spk_fail(SPK_E_FORMAT, "%s: the pickle calls '%s'; only state_dicts are read", m->what, shown);
}

/* "module\nname\n" */
static spk_status global(machine *m)
{
    const unsigned char *line[2];
    int64_t n[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *newline = memchr(m->p, '\n', (size_t)(m->end - m->p));
        if (!newline) return damaged(m);
        line[i] = m->p;
        n[i] = newline - m->p;
        m->p = newline + 1;
    }
    return push_name(m, (const char *)line[0], n[0], (const char *)line[1], n[1]);
}

static spk_status stack_global(machine *m)
{
    int64_t name, module;
    SPK_TRY(pop(m, &name));
    SPK_TRY(pop(m, &module));
    const spk_pickle_node a = *node_of(m, module), b = *node_of(m, name);
    if (a.kind != SPK_PICKLE_STR || b.kind != SPK_PICKLE_STR) return damaged(m);
    return push_name(m, a.s, a.n, b.s, b.n);
}

/* ---- storages and tensors ---- */

static bool is_text(const spk_pickle_node *node, const char *text)
{
    return node->kind == SPK_PICKLE_STR && node->n == (int64_t)strlen(text) &&
           memcmp(node->s, text, (size_t)node->n) == 0;
}

/* ('storage', torch.FloatStorage, '0', 'cpu', elements) */
static spk_status persistent_id(machine *m)
{
    int64_t top;
    SPK_TRY(pop(m, &top));
    const spk_pickle_node *id = node_of(m, top);
    if (id->kind != SPK_PICKLE_TUPLE || id->n < 5 || !is_text(node_of(m, id->item[0]), "storage")) return damaged(m);
    const spk_pickle_node *type = node_of(m, id->item[1]), *key = node_of(m, id->item[2]), *n = node_of(m, id->item[4]);
    if (type->kind != SPK_PICKLE_NAME || type->i < NAME_STORAGE || key->kind != SPK_PICKLE_STR ||
        n->kind != SPK_PICKLE_INT || n->i < 0)
        return damaged(m);
    const spk_pickle_node storage = {.kind = SPK_PICKLE_STORAGE,
                                     .s = key->s,
                                     .i = key->n, /* bytes of the name */
                                     .n = n->i,
                                     .dtype = (spk_dtype)(type->i - NAME_STORAGE)};
    *push_new(m, SPK_PICKLE_STORAGE) = storage;
    return SPK_OK;
}

static spk_status extents(const machine *m, int64_t from, int64_t out[SPK_MAX_DIMS], int64_t *n)
{
    const spk_pickle_node *tuple = node_of(m, from);
    if (tuple->kind != SPK_PICKLE_TUPLE) return damaged(m);
    if (tuple->n > SPK_MAX_DIMS)
        return spk_fail(SPK_E_FORMAT, "%s: a tensor has more than %d dimensions", m->what, SPK_MAX_DIMS);
    for (int64_t d = 0; d < tuple->n; d++) {
        const spk_pickle_node *extent = node_of(m, tuple->item[d]);
        if (extent->kind != SPK_PICKLE_INT || extent->i < 0) return damaged(m);
        out[d] = extent->i;
    }
    *n = tuple->n;
    return SPK_OK;
}

/* (storage, offset, sizes, strides, requires_grad, backward_hooks) */
static spk_status rebuild_tensor(machine *m, int64_t arguments)
{
    const spk_pickle_node *a = node_of(m, arguments);
    spk_pickle_node tensor = {.kind = SPK_PICKLE_TENSOR};
    int64_t n_strides;
    if (a->kind != SPK_PICKLE_TUPLE || a->n < 4) return damaged(m);
    const spk_pickle_node *offset = node_of(m, a->item[1]);
    if (node_of(m, a->item[0])->kind != SPK_PICKLE_STORAGE || offset->kind != SPK_PICKLE_INT || offset->i < 0)
        return damaged(m);
    SPK_TRY(extents(m, a->item[2], tensor.dim, &tensor.n));
    SPK_TRY(extents(m, a->item[3], tensor.stride, &n_strides));
    if (n_strides != tensor.n) return damaged(m);
    tensor.storage = a->item[0];
    tensor.i = offset->i;
    *push_new(m, SPK_PICKLE_TENSOR) = tensor;
    return SPK_OK;
}

static spk_status reduce(machine *m)
{
    int64_t arguments, function;
    SPK_TRY(pop(m, &arguments));
    SPK_TRY(pop(m, &function));
    const spk_pickle_node *f = node_of(m, function), *a = node_of(m, arguments);
    if (f->kind != SPK_PICKLE_NAME || a->kind != SPK_PICKLE_TUPLE) return damaged(m);
    if (f->i == NAME_REBUILD_TENSOR) return rebuild_tensor(m, arguments);
    if (f->i == NAME_REBUILD_PARAMETER) {
        if (a->n < 1 || node_of(m, a->item[0])->kind != SPK_PICKLE_TENSOR) return damaged(m);
        SPK_PUSH(m->stack, m->n_stack) = a->item[0];
        return SPK_OK;
    }
    if (f->i == NAME_ORDERED_DICT && a->n == 0) {
        push_new(m, SPK_PICKLE_DICT);
        return SPK_OK;
    }
    return spk_fail(SPK_E_FORMAT, "%s: the pickle calls a storage or a filled OrderedDict; only state_dicts are read",
                    m->what);
}

/* ---- the loop ---- */

static spk_status step_container(machine *m, unsigned char op)
{
    int64_t n = 1, unused;
    switch (op) {
    case ')':
        return make_tuple(m, 0, false);
    case 0x85:
        return make_tuple(m, 1, false);
    case 0x86:
        return make_tuple(m, 2, false);
    case 0x87:
        return make_tuple(m, 3, false);
    case 't':
        SPK_TRY(above_mark(m, &n));
        return make_tuple(m, n, true);
    case ']':
        push_new(m, SPK_PICKLE_LIST);
        return SPK_OK;
    case '}':
        push_new(m, SPK_PICKLE_DICT);
        return SPK_OK;
    case 'a':
        return extend(m, 1, false, SPK_PICKLE_LIST);
    case 'e':
        SPK_TRY(above_mark(m, &n));
        return extend(m, n, true, SPK_PICKLE_LIST);
    case 's':
        return extend(m, 2, false, SPK_PICKLE_DICT);
    case 'u':
        SPK_TRY(above_mark(m, &n));
        return extend(m, n, true, SPK_PICKLE_DICT);
    case '(':
        SPK_PUSH(m->stack, m->n_stack) = MARK;
        return SPK_OK;
    case '0':
        return pop(m, &unused);
    case 'b': /* state of an OrderedDict: its _metadata, which is not needed */
        SPK_TRY(pop(m, &unused));
        if (m->n_stack == 0 || m->stack[m->n_stack - 1] == MARK ||
            node_of(m, m->stack[m->n_stack - 1])->kind != SPK_PICKLE_DICT)
            return damaged(m);
        return SPK_OK;
    default:
        return spk_fail(SPK_E_FORMAT, "%s: the pickle has the operation 0x%02x at byte %zu; only state_dicts are read",
                        m->what, op, m->n_bytes - (size_t)(m->end - m->p) - 1);
    }
}

static spk_status step(machine *m, unsigned char op)
{
    uint64_t v;
    const unsigned char *skipped;
    switch (op) {
    case 0x80:
        SPK_TRY(take_number(m, 1, &v));
        return v <= 5 ? SPK_OK : damaged(m);
    case 0x95:
        return take(m, 8, &skipped); /* FRAME */
    case 'c':
        return global(m);
    case 0x93:
        return stack_global(m);
    case 'Q':
        return persistent_id(m);
    case 'R':
        return reduce(m);
    case 'N':
        push_new(m, SPK_PICKLE_NONE);
        return SPK_OK;
    case 0x88:
        push_new(m, SPK_PICKLE_BOOL)->i = 1;
        return SPK_OK;
    case 0x89:
        push_new(m, SPK_PICKLE_BOOL);
        return SPK_OK;
    case 'K':
        return push_int(m, 1, false);
    case 'M':
        return push_int(m, 2, false);
    case 'J':
        return push_int(m, 4, true);
    case 0x8a:
        SPK_TRY(take_number(m, 1, &v));
        return push_int(m, (size_t)v, true);
    case 'G':
        return push_float(m);
    case 'U':
        return push_string(m, 1);
    case 'X':
        return push_string(m, 4);
    case 0x8c:
        return push_string(m, 1);
    case 0x8d:
        return push_string(m, 8);
    case 'q':
        SPK_TRY(take_number(m, 1, &v));
        return put_memo(m, v);
    case 'r':
        SPK_TRY(take_number(m, 4, &v));
        return put_memo(m, v);
    case 0x94:
        return put_memo(m, (uint64_t)m->n_memo);
    case 'h':
        SPK_TRY(take_number(m, 1, &v));
        return get_memo(m, v);
    case 'j':
        SPK_TRY(take_number(m, 4, &v));
        return get_memo(m, v);
    default:
        return step_container(m, op);
    }
}

static spk_status run(machine *m)
{
    for (;;) {
        const unsigned char *op;
        SPK_TRY(take(m, 1, &op));
        if (*op == '.') break;
        SPK_TRY(step(m, *op));
    }
    return pop(m, &m->out->root);
}

spk_status spk_pickle_read(const unsigned char *data, size_t n, const char *what, spk_pickle *out)
{
    machine m = {.p = data, .end = data + n, .n_bytes = n, .what = what, .out = out};
    memset(out, 0, sizeof *out);
    const spk_status status = run(&m);
    spk_free(m.stack);
    spk_free(m.memo);
    if (status != SPK_OK) spk_pickle_clear(out);
    return status;
}

void spk_pickle_clear(spk_pickle *p)
{
    for (int64_t i = 0; i < p->n; i++)
        spk_free(p->node[i].item);
    spk_free(p->node);
    memset(p, 0, sizeof *p);
}
