/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of kernels run: a case is an op, its attributes, and the extents of its inputs and outputs; a row is
 * a line of a table that an op's own function turns into a case.
 */
#ifndef TEST_OP_CASE_H
#define TEST_OP_CASE_H

#include "backend/backend_impl.h"

/* One geometry. What x, y and z mean is the op's (kernel size, classes, ...). */
typedef struct op_row {
    const char *name;
    int64_t n, t, c, o; /* items, frames, channels in, channels out */
    int64_t gap;        /* ld - C of every activation */
    bool sparse;        /* optional inputs are left out */
    bool ragged;        /* with lengths: t, then shorter ones down to 0 */
    int64_t x, y, z;
    double p, q;
    double margin[2]; /* of losses */
    bool flag, flag2;
} op_row;

typedef struct case_tensor {
    bool there;
    int64_t n, w, c, gap;
    int64_t h;     /* frames of a picture, whose w are frequency bins; 0: 1 */
    bool is_param; /* dense; its gradient is always added to */
    bool is_int;   /* int64, values 0 .. below */
    bool has_grad;
    bool is_state; /* the kernel may write it */
    bool has_len;
    bool read_bwd;   /* the backward pass may read it */
    spk_dtype dtype; /* SPK_F32, or SPK_BF16 in a run on bfloat16 */
    int64_t below;
    double lo, hi;                                             /* values are drawn from here */
    void (*fill)(const void *c, double *values, spk_rng *rng); /* instead; c is the op_case */
} case_tensor;

typedef struct op_case {
    spk_op op;
    const char *name;
    spk_attr attr;
    case_tensor in[SPK_MAX_IN], out[1];
    int64_t len[16];  /* of the inputs with has_len */
    bool mask_in0;    /* the gradient of in 0 is zero where in 0 <= 0 (a fused ReLU) */
    bool dout_masked; /* dout is zero where out <= 0 */
    bool loss;        /* dout 0 is a factor; the other outputs have no gradient */
    double tol_f32;   /* relative to the largest value: float reference and fast kernels against double */
    double tol_fd;    /* finite differences */
} op_case;

/* The rows of an op, ended by a NULL name, and how one becomes a case. */
typedef struct op_test {
    const op_row *rows;
    void (*describe)(const op_row *row, op_case *c);
} op_test;

static inline int64_t case_rows(const case_tensor *t)
{
    return t->n * (t->h ? t->h : 1) * t->w;
}

static inline int64_t case_count(const case_tensor *t)
{
    return t->there ? t->n * (t->h ? t->h : 1) * t->w * t->c : 0;
}

#endif
