/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of RawNet3. Included by op_rows.h. */

/* ---- sinc ---- */

static void describe_sinc(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_sinc[] = {{.name = NULL}};

/* ---- max_pool ---- */

static void describe_max_pool(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_max_pool[] = {{.name = NULL}};

/* ---- afms ---- */

static void describe_afms(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_afms[] = {{.name = NULL}};

/* ---- mask ---- */

static void describe_mask(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_mask[] = {{.name = NULL}};

/* ---- pad_time ---- */

static void describe_pad_time(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_pad_time[] = {{.name = NULL}};
