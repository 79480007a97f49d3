/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf side of ONNX: messages are byte strings whose fields are tag, length, content (onnx_impl.h). */
#include "formats/onnx_impl.h"

#include <string.h>

/* Field numbers of onnx.proto, by message. */
enum {
    MODEL_IR = 1,
    MODEL_PRODUCER = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_GRAPH = 7,
    MODEL_OPSET = 8,
    MODEL_META = 14
};
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_S = 4, ATTR_INTS = 8, ATTR_TYPE = 20 };
enum { TYPE_OF_FLOAT = 1, TYPE_OF_INT = 2, TYPE_OF_STRING = 3, TYPE_OF_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };
enum { IR_VERSION = 8 };

struct spk_onnx {
    char *graph_name;
    spk_text nodes, node, attributes, initializers, inputs, outputs, meta;
    char **names; /* of values */
    int n_names;
    int64_t n_values;
    spk_map ints; /* shared constants: text of the value -> index into names */
};

/* ---- protobuf ---- */

static void add_varint(spk_text *t, uint64_t x)
{
    char bytes[10];
    size_t n = 0;
    for (; x >= 128; x >>= 7)
        bytes[n++] = (char)((x & 127) | 128);
    bytes[n++] = (char)x;
    spk_text_addn(t, bytes, n);
}

static void add_int(spk_text *t, int field, int64_t x)
{
    add_varint(t, (uint64_t)field << 3);
    add_varint(t, (uint64_t)x);
}

static void add_bytes(spk_text *t, int field, const void *data, size_t n)
{
    add_varint(t, (uint64_t)field << 3 | 2);
    add_varint(t, n);
    spk_text_addn(t, data, n);
}

static void add_text(spk_text *t, int field, const char *s)
{
    add_bytes(t, field, s, strlen(s));
}

/* `message` becomes a field of t and is emptied. */
static void add_message(spk_text *t, int field, spk_text *message)
{
    add_bytes(t, field, spk_text_str(message), message->n);
    spk_text_clear(message);
}

static void add_float(spk_text *t, int field, double x)
{
    const float f = (float)x;
    char bytes[4];
    memcpy(bytes, &f, sizeof bytes);
    add_varint(t, (uint64_t)field << 3 | 5);
    spk_text_addn(t, bytes, sizeof bytes);
}

/* ---- the model ---- */

spk_onnx *spk_onnx_new(const char *name)
{
    spk_onnx *o = spk_new(sizeof *o);
    o->graph_name = spk_strdup(name);
    return o;
}

void spk_onnx_free(spk_onnx *o)
{
    if (!o) return;
    spk_text *const texts[] = {&o->nodes,  &o->node,    &o->attributes, &o->initializers,
                               &o->inputs, &o->outputs, &o->meta};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        spk_text_clear(texts[i]);
    for (int i = 0; i < o->n_names; i++)
        spk_free(o->names[i]);
    spk_free(o->names);
    spk_map_clear(&o->ints);
    spk_free(o->graph_name);
    spk_free(o);
}

static spk_value keep_name(spk_onnx *o, char *name)
{
    return SPK_PUSH(o->names, o->n_names) = name;
}

static spk_value new_value(spk_onnx *o, const char *kind)
{
    return keep_name(o, spk_strf("%s%lld", kind, (long long)o->n_values++));
}

/* The node that was made last is complete. */
static void flush_node(spk_onnx *o)
{
    if (o->node.n == 0) return;
    spk_text_addn(&o->node, spk_text_str(&o->attributes), o->attributes.n);
    spk_text_clear(&o->attributes);
    add_message(&o->nodes, GRAPH_NODE, &o->node);
}

/* ValueInfoProto. */
static void add_value_info(spk_text *t, int field, const char *name, spk_dtype dtype, int n_dims,
                           const char *const *dims)
{
    spk_text shape = {0}, tensor = {0}, type = {0}, info = {0};
    for (int i = 0; i < n_dims; i++) {
        spk_text dim = {0};
        int64_t n;
        if (spk_parse_int(dims[i], &n))
            add_int(&dim, 1, n);
        else
            add_text(&dim, 2, dims[i]);
        add_message(&shape, 1, &dim);
    }
    add_int(&tensor, 1, dtype == SPK_I64 ? ELEMENT_INT64 : ELEMENT_FLOAT);
    add_message(&tensor, 2, &shape);
    add_message(&type, 1, &tensor);
    add_text(&info, 1, name);
    add_message(&info, 2, &type);
    add_message(t, field, &info);
}

spk_value spk_onnx_input(spk_onnx *o, const char *name, spk_dtype dtype, int n_dims, const char *const *dims)
{
    add_value_info(&o->inputs, GRAPH_INPUT, name, dtype, n_dims, dims);
    return keep_name(o, spk_strdup(name));
}

void spk_onnx_output(spk_onnx *o, spk_value value, const char *name, spk_dtype dtype, int n_dims,
                     const char *const *dims)
{
    flush_node(o);
    add_text(&o->node, NODE_INPUT, value);
    add_text(&o->node, NODE_OUTPUT, name);
    add_text(&o->node, NODE_OP, "Identity");
    flush_node(o);
    add_value_info(&o->outputs, GRAPH_OUTPUT, name, dtype, n_dims, dims);
}

void spk_onnx_meta(spk_onnx *o, const char *key, const char *value)
{
    spk_text entry = {0};
    add_text(&entry, 1, key);
    add_text(&entry, 2, value);
    add_message(&o->meta, MODEL_META, &entry);
}

/* ---- constants ---- */

static spk_value add_tensor(spk_onnx *o, int type, int n_dims, const int64_t *dim, const void *data, size_t bytes)
{
    spk_text t = {0};
    spk_value name = new_value(o, "c");
    for (int i = 0; i < n_dims; i++)
        add_int(&t, TENSOR_DIMS, dim[i]);
    add_int(&t, TENSOR_TYPE, type);
    add_text(&t, TENSOR_NAME, name);
    add_bytes(&t, TENSOR_RAW, data, bytes);
    add_message(&o->initializers, GRAPH_INITIALIZER, &t);
    return name;
}

spk_value spk_onnx_floats(spk_onnx *o, const float *data, int n_dims, const int64_t *dim)
{
    size_t n = 1;
    for (int i = 0; i < n_dims; i++)
        n *= (size_t)dim[i];
    return add_tensor(o, ELEMENT_FLOAT, n_dims, dim, data, n * sizeof *data);
}

/* A constant that has been written already under this text, or NULL. */
static spk_value shared(const spk_onnx *o, const char *key)
{
    int64_t at;
    return spk_map_get(&o->ints, key, &at) ? o->names[at] : NULL;
}

/* Takes the key. */
static spk_value share(spk_onnx *o, char *key, spk_value value)
{
    for (int i = o->n_names - 1; i >= 0; i--)
        if (o->names[i] == value) {
            spk_map_put(&o->ints, keep_name(o, key), i);
            break;
        }
    return value;
}

spk_value spk_onnx_ints(spk_onnx *o, const int64_t *data, int64_t n)
{
    spk_text key = {0};
    for (int64_t i = 0; i < n; i++)
        spk_text_addf(&key, "i%lld", (long long)data[i]);
    const spk_value old = shared(o, spk_text_str(&key));
    spk_value value = old;
    if (!old)
        value = share(o, spk_strdup(spk_text_str(&key)),
                      add_tensor(o, ELEMENT_INT64, 1, &n, data, (size_t)n * sizeof *data));
    spk_text_clear(&key);
    return value;
}

spk_value spk_onnx_int(spk_onnx *o, int64_t x)
{
    char *key = spk_strf("scalar%lld", (long long)x);
    const spk_value old = shared(o, key);
    if (!old) return share(o, key, add_tensor(o, ELEMENT_INT64, 0, NULL, &x, sizeof x));
    spk_free(key);
    return old;
}

spk_value spk_onnx_float(spk_onnx *o, double x)
{
    const float f = (float)x;
    char *key = spk_strf("float%.9g", (double)f);
    const spk_value old = shared(o, key);
    if (!old) return share(o, key, add_tensor(o, ELEMENT_FLOAT, 0, NULL, &f, sizeof f));
    spk_free(key);
    return old;
}

/* ---- nodes ---- */

spk_value spk_onnx_op(spk_onnx *o, const char *op, int n, const spk_value *in)
{
    flush_node(o);
    const spk_value out = new_value(o, "v");
    while (n > 0 && !in[n - 1])
        n--;
    for (int i = 0; i < n; i++)
        add_text(&o->node, NODE_INPUT, in[i] ? in[i] : "");
    add_text(&o->node, NODE_OUTPUT, out);
    add_text(&o->node, NODE_NAME, out);
    add_text(&o->node, NODE_OP, op);
    return out;
}

static void add_attribute(spk_onnx *o, spk_text *a, const char *name, int type)
{
    add_text(a, ATTR_NAME, name);
    add_int(a, ATTR_TYPE, type);
    add_message(&o->attributes, NODE_ATTRIBUTE, a);
}

void spk_onnx_attr_int(spk_onnx *o, const char *name, int64_t x)
{
    spk_text a = {0};
    add_int(&a, ATTR_I, x);
    add_attribute(o, &a, name, TYPE_OF_INT);
}

void spk_onnx_attr_ints(spk_onnx *o, const char *name, int n, const int64_t *x)
{
    spk_text a = {0};
    for (int i = 0; i < n; i++)
        add_int(&a, ATTR_INTS, x[i]);
    add_attribute(o, &a, name, TYPE_OF_INTS);
}

void spk_onnx_attr_float(spk_onnx *o, const char *name, double x)
{
    spk_text a = {0};
    add_float(&a, ATTR_F, x);
    add_attribute(o, &a, name, TYPE_OF_FLOAT);
}

void spk_onnx_attr_text(spk_onnx *o, const char *name, const char *x)
{
    spk_text a = {0};
    add_text(&a, ATTR_S, x);
    add_attribute(o, &a, name, TYPE_OF_STRING);
}

/* ---- the file ---- */

spk_status spk_onnx_write(const spk_onnx *o, const char *path)
{
    spk_text graph = {0}, model = {0}, opset = {0};
    SPK_ASSERT(o->node.n == 0 && "outputs come last");
    spk_text_addn(&graph, spk_text_str(&o->nodes), o->nodes.n);
    add_text(&graph, GRAPH_NAME, o->graph_name);
    spk_text_addn(&graph, spk_text_str(&o->initializers), o->initializers.n);
    spk_text_addn(&graph, spk_text_str(&o->inputs), o->inputs.n);
    spk_text_addn(&graph, spk_text_str(&o->outputs), o->outputs.n);
    add_int(&model, MODEL_IR, IR_VERSION);
    add_text(&model, MODEL_PRODUCER, "spk");
    add_text(&model, MODEL_PRODUCER_VERSION, spk_version());
    add_message(&model, MODEL_GRAPH, &graph);
    add_text(&opset, 1, "");
    add_int(&opset, 2, SPK_ONNX_OPSET);
    add_message(&model, MODEL_OPSET, &opset);
    spk_text_addn(&model, spk_text_str(&o->meta), o->meta.n);
    const spk_status status = spk_write_file(path, spk_text_str(&model), model.n);
    spk_text_clear(&model);
    return status;
}
