/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of Conformer. Included by op_rows.h. */

/* ---- depthwise ---- */

static void describe_depthwise(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_depthwise[] = {{.name = NULL}};

/* ---- layer_norm ---- */

static void describe_layer_norm(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_layer_norm[] = {{.name = NULL}};

/* ---- attention ---- */

static void describe_attention(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_attention[] = {{.name = NULL}};

/* ---- glu ---- */

static void describe_glu(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_glu[] = {{.name = NULL}};

/* ---- pos_add ---- */

static void describe_pos_add(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_pos_add[] = {{.name = NULL}};

/* ---- dropout ---- */

static void describe_dropout(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_dropout[] = {{.name = NULL}};

/* ---- choose ---- */

static void describe_choose(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_choose[] = {{.name = NULL}};
