/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of features. Included by op_rows.h. */

/* ---- mvn ---- */

static void describe_mvn(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_mvn[] = {{.name = NULL}};

/* ---- feature_norm ---- */

static void describe_feature_norm(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_feature_norm[] = {{.name = NULL}};

/* ---- specaug ---- */

static void describe_specaug(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_specaug[] = {{.name = NULL}};

/* ---- layer_sum ---- */

static void describe_layer_sum(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_layer_sum[] = {{.name = NULL}};
