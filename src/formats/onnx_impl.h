/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing ONNX models: a graph of nodes over named values, with constants inside, as a protobuf file (onnx.proto,
 * IR version 8, opset 17). Values are short names that the writer hands out; they live as long as the model. Nothing is
 * written before spk_onnx_write. Not checked: types and shapes, which are the caller's business.
 */
#ifndef SPK_FORMATS_ONNX_IMPL_H
#define SPK_FORMATS_ONNX_IMPL_H

#include "base/base_impl.h"

typedef struct spk_onnx spk_onnx;
typedef const char *spk_value; /* the name of a value; NULL as an input: this optional input is absent */

enum { SPK_ONNX_OPSET = 17 };

spk_onnx *spk_onnx_new(const char *name);
void spk_onnx_free(spk_onnx *o);

/* Inputs and outputs of the model: float or int64, axes as text, a number or a free name ("N", "80"). */
spk_value spk_onnx_input(spk_onnx *o, const char *name, spk_dtype dtype, int n_dims, const char *const *dims);
void spk_onnx_output(spk_onnx *o, spk_value value, const char *name, spk_dtype dtype, int n_dims,
                     const char *const *dims);

/* Constants; values are copied. Short integer and single-number constants are shared. */
spk_value spk_onnx_floats(spk_onnx *o, const float *data, int n_dims, const int64_t *dim);
spk_value spk_onnx_ints(spk_onnx *o, const int64_t *data, int64_t n);
spk_value spk_onnx_float(spk_onnx *o, double x); /* scalar */
spk_value spk_onnx_int(spk_onnx *o, int64_t x);  /* scalar */

/* A node with one output. Attributes that follow belong to the node that was made last. */
spk_value spk_onnx_op(spk_onnx *o, const char *op, int n, const spk_value *in);
void spk_onnx_attr_int(spk_onnx *o, const char *name, int64_t x);
void spk_onnx_attr_ints(spk_onnx *o, const char *name, int n, const int64_t *x);
void spk_onnx_attr_float(spk_onnx *o, const char *name, double x);
void spk_onnx_attr_text(spk_onnx *o, const char *name, const char *x);

#define SPK_ONNX_1(o, op, a) spk_onnx_op(o, op, 1, (const spk_value[]){a})
#define SPK_ONNX_2(o, op, a, b) spk_onnx_op(o, op, 2, (const spk_value[]){a, b})
#define SPK_ONNX_3(o, op, a, b, c) spk_onnx_op(o, op, 3, (const spk_value[]){a, b, c})

/* A key and its value in the model's metadata. */
void spk_onnx_meta(spk_onnx *o, const char *key, const char *value);

/* The file appears whole or not at all. */
spk_status spk_onnx_write(const spk_onnx *o, const char *path);

#endif
