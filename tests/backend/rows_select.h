/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of selective kernels. Included by op_rows.h. */

/* ---- sk_mix ---- */

static void describe_sk_mix(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_sk_mix[] = {{.name = NULL}};

/* ---- freq_mean ---- */

static void describe_freq_mean(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_freq_mean[] = {{.name = NULL}};

/* ---- fold ---- */

static void describe_fold(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_fold[] = {{.name = NULL}};

/* ---- segment_mean ---- */

static void describe_segment_mean(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_segment_mean[] = {{.name = NULL}};

/* ---- segment_scale ---- */

static void describe_segment_scale(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_segment_scale[] = {{.name = NULL}};
