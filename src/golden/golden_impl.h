/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk_golden: the program's own model, loss, backward pass and optimiser against what ESPnet computed from the same
 * weights and input. A golden folder holds config.yaml, model.pth and golden.npz; an array NAME of golden.npz holds
 * when max |ours - golden| <= tol/NAME * scale/NAME.
 */
#ifndef SPK_GOLDEN_IMPL_H
#define SPK_GOLDEN_IMPL_H

#include "base/base_impl.h"
#include "model/net_impl.h"

typedef struct golden {
    const char *folder;
    spk_config config;
    spk_net *net;
    spk_tensors arrays;
    const char *prefix; /* "" or "f64/" */
    spk_map compared;   /* names that have had their row */
    int n_pass, n_fail;
} golden;

/* A golden array, or NULL. */
const spk_ndarray *golden_find(const golden *g, const char *name);
/* Compare n values with the array of that name and print the row. */
void golden_row(golden *g, const char *name, const double *ours, int64_t n);
/* The same with a tolerance that the file does not give. */
void golden_row_within(golden *g, const char *name, const double *ours, int64_t n, double scale, double tol);
/* Rows that must agree exactly. */
void golden_exact(golden *g, const char *name, const double *ours, int64_t n);
/* A dense copy of a view in double; with `channel_major` as (N, C, W). Free with spk_free. */
double *golden_copy(spk_view v, spk_dtype dtype, bool channel_major);
/* A parameter's gradient or a buffer in double. */
double *golden_block(const void *p, spk_dtype dtype, int64_t n);

/* The two runs: float with the fast kernels, and double with the reference kernels. */
spk_status golden_run_f32(golden *g);
spk_status golden_run_f64(golden *g);
/* WeSpeaker's model folders, and a folder with kaldi_fbank.npz. They read the arrays themselves. */
spk_status golden_run_wespeaker(golden *g, bool f64, int n_threads);
spk_status golden_run_kaldi(golden *g);

#endif
