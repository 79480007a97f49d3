/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the time of plans goes: what each op took, what it computed and moved, and tables of it.
 *
 * Ops of one geometry and kernel share a row. Two directions: [0] forward, [1] backward. Sums are over all runs since
 * the clocks were started or last taken; tables divide them by a number of steps.
 */
#ifndef SPK_GRAPH_PROFILE_IMPL_H
#define SPK_GRAPH_PROFILE_IMPL_H

#include "graph/plan_impl.h"

typedef struct spk_profile_row {
    spk_op op;
    const char *kernel;
    int64_t n, h, w, c; /* of the output */
    int64_t c_in, taps; /* channels of the first input; taps of a convolution, otherwise 1 */
    int64_t n_ops;      /* ops of a plan that are so */
    double seconds[2];  /* of all of them, in all runs */
    double flops[2];    /* counted as spk_node_flops does: matrix-like work only */
    double bytes[2];    /* every view that is read or written, once (work.c) */
} spk_profile_row;

typedef struct spk_profile {
    spk_profile_row *row;
    int n;
    double planning; /* seconds in which plans were made */
} spk_profile;

/* Start or stop the clocks of a plan; what they showed is forgotten. */
void spk_plan_profile(spk_plan *p, bool on);
int64_t spk_plan_runs(const spk_plan *p); /* forward, since then */
/* Add what they showed to *into, and set them to zero. */
void spk_plan_profile_take(spk_plan *p, spk_profile *into);
/* Move the rows and seconds of `from` there; `from` is empty then. */
void spk_profile_add(spk_profile *from, spk_profile *into);
void spk_profile_clear(spk_profile *p);
void spk__profile_add_sums(spk_profile_row *to, const spk_profile_row *from);

/* ---- tables ---- */

/* What a processor can do at most. */
typedef struct spk_roofline {
    double gflops; /* of a large matrix product */
    double gbytes; /* 1e9 bytes a second from and to memory */
} spk_roofline;

/* Seconds that the roofline allows that direction of a row. */
double spk_profile_least(const spk_profile_row *row, int direction, const spk_roofline *roof);

/* Part of a step that is no op. */
typedef struct spk_profile_rest {
    const char *name;
    double seconds; /* in all steps */
} spk_profile_rest;

typedef struct spk_profile_steps {
    const char *title; /* "epoch 1" */
    int64_t n;
    double seconds; /* all of them, by a clock around everything */
    const spk_profile_rest *rest;
    int n_rest;
} spk_profile_steps;

/* Seconds that are in no op, no planning and no rest. */
double spk_profile_unexplained(const spk_profile *p, const spk_profile_steps *s);
/* Kinds of ops, the rest, what remains unexplained, and their sum, the step; then the largest single rows. */
void spk_profile_print(const spk_profile *p, const spk_profile_steps *s, spk_text *out);
/* Every row with its rates and its share of the roofline, the slowest first, and their sum. */
void spk_profile_print_ops(const spk_profile *p, const char *title, int64_t n_steps, const spk_roofline *roof,
                           spk_text *out);
/* The same rows as a JSON array. */
void spk_profile_json_ops(const spk_profile *p, int64_t n_steps, const spk_roofline *roof, spk_text *out);

#endif
