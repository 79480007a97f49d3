/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of losses. Included by op_rows.h. */

/* ---- margin_softmax ---- */

static void describe_margin_softmax(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_margin_softmax[] = {{.name = NULL}};

/* ---- proto_loss ---- */

static void describe_proto_loss(const op_row *r, op_case *c)
{
    (void)r, (void)c;
}

static const op_row rows_proto_loss[] = {{.name = NULL}};
