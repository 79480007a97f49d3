/* SPDX-License-Identifier: Apache-2.0 */
/* Geometries of the ops of losses. Included by op_rows.h. */

/* ---- embeddings along class weights: cosines of 1 and -1, in numbers that bfloat16 has too ---- */

/* Row `row` of values that are a function of the place alone, with 8 bits of mantissa. */
static void along(double *v, int64_t row, int64_t n_d, double sign)
{
    for (int64_t d = 0; d < n_d; d++) {
        int exponent;
        const double x = sin(1.7 * (double)row + 0.9 * (double)(d + 1) * (double)(row + 1));
        const double mantissa = frexp(x, &exponent);
        v[d] = sign * ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
    }
}

static void fill_weights_along(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    (void)rng;
    for (int64_t r = 0; r < k->in[1].n; r++)
        along(v + r * k->in[1].c, r, k->in[1].c, 1);
}

/* Each embedding lies along a row of the weights, some against it, and has another length. */
static void fill_embeddings_along(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    (void)rng;
    for (int64_t n = 0; n < k->in[0].n; n++)
        along(v + n * k->in[0].c, (3 * n) % k->in[1].n, k->in[0].c, n % 3 == 2 ? -0.5 : 2);
}

/* The row's own class is one of those. */
static void fill_labels_along(const void *c, double *v, spk_rng *rng)
{
    const op_case *k = c;
    const int64_t rows = k->in[1].n, per_class = k->op == SPK_OP_MARGIN_SOFTMAX ? k->attr.margin.k : 1;
    (void)rng;
    for (int64_t n = 0; n < k->in[0].n; n++)
        v[n] = (double)((3 * n + (n % 2 ? per_class : 0)) % rows / per_class);
}

static void describe_class_loss(const op_row *r, op_case *c, int64_t rows)
{
    c->in[0] = activation(r, r->n, 1, r->c);
    c->in[1] = parameter(rows, r->c, -0.5, 0.5);
    c->in[2] = (case_tensor){.there = true, .n = r->n, .w = 1, .c = 1, .is_param = true, .is_int = true, .below = r->o};
    if (r->sparse) {
        c->tol_fd = 1e-3; /* at a tip */
        c->in[0].fill = fill_embeddings_along;
        c->in[1].fill = fill_weights_along;
        c->in[2].fill = fill_labels_along;
    }
    c->in[0].read_bwd = c->in[1].read_bwd = c->in[2].read_bwd = true;
    c->out[0] = (case_tensor){.there = true, .n = 1, .w = 1, .c = 2};
    c->loss = true;
    c->tol_f32 = 2e-5;
}

/* ---- margin_softmax: n rows, c dimensions, o classes of x centres, y nearest ones with penalty; z kind; q scale;
 * flag: easy; flag2: continuous; sparse: along the weights ---- */

static void describe_margin_softmax(const op_row *r, op_case *c)
{
    c->attr.margin = (spk_margin_attr){.kind = (spk_margin_kind)r->z,
                                       .margin = r->margin,
                                       .scale = r->q,
                                       .k = r->x,
                                       .k_top = r->y,
                                       .easy_margin = r->flag,
                                       .continuous = r->flag2};
    describe_class_loss(r, c, r->o * r->x);
}

#define AAM .z = SPK_MARGIN_AAM
static const op_row rows_margin_softmax[] = {
    {"one row, two classes", .n = 1, .t = 1, .c = 3, .o = 2, .x = 1, .margin = {0.3}, .q = 15, AAM},
    {"odd", .n = 5, .t = 1, .c = 8, .o = 7, .x = 1, .margin = {0.3}, .q = 15, AAM},
    {"easy", .n = 5, .t = 1, .c = 8, .o = 7, .x = 1, .margin = {0.3}, .q = 15, .flag = true, AAM},
    {"wide margin", .n = 9, .t = 1, .c = 5, .o = 7, .x = 1, .margin = {2.5}, .q = 15, AAM},
    {"wide margin, continuous", .n = 9, .t = 1, .c = 5, .o = 7, .x = 1, .margin = {2.5}, .q = 15, AAM, .flag2 = true},
    {"no margin", .n = 6, .t = 1, .c = 33, .o = 11, .x = 1, .margin = {0}, .q = 1, AAM},
    {"slice, sharp", .n = 6, .t = 1, .c = 37, .o = 65, .x = 1, .gap = 2, .margin = {0.5}, .q = 60, AAM},
    {"blocks", .n = 13, .t = 1, .c = 64, .o = 200, .x = 1, .margin = {0.2}, .q = 30, AAM},
    {"softmax", .n = 6, .t = 1, .c = 9, .o = 70, .x = 1, .q = 3, .z = SPK_MARGIN_NONE},
    {"additive", .n = 6, .t = 1, .c = 9, .o = 70, .x = 1, .margin = {0.35}, .q = 30, .z = SPK_MARGIN_AM},
    {"sub-centres", .n = 7, .t = 1, .c = 9, .o = 7, .x = 3, .margin = {0.2}, .q = 30, AAM, .flag2 = true},
    {"sub-centres, blocks", .n = 7, .t = 1, .c = 9, .o = 90, .x = 3, .margin = {0.2}, .q = 32, AAM, .flag2 = true},
    {"most sub-centres", .n = 5, .t = 1, .c = 9, .o = 5, .x = 64, .margin = {0.2}, .q = 32, AAM, .y = 2},
    {"nearest", .n = 7, .t = 1, .c = 9, .o = 8, .x = 1, .y = 3, .margin = {0.2, 0.06}, .q = 32, AAM, .flag2 = true},
    {"nearest, inert", .n = 7, .t = 1, .c = 9, .o = 8, .x = 1, .y = 3, .margin = {0.2, 0}, .q = 32, AAM},
    {"all others", .n = 7, .t = 1, .c = 9, .o = 6, .x = 1, .y = 5, .margin = {0.2, 0.3}, .q = 32, AAM, .flag2 = true},
    {"nearest, blocks", .n = 7, .t = 1, .c = 12, .o = 300, .x = 1, .y = 5, .margin = {0.2, 0.06}, .q = 32, AAM},
    {"both, large angle", .n = 9, .t = 1, .c = 12, .o = 90, .x = 3, .y = 9, .margin = {0.5, 1.0}, .q = 32, AAM},
    {"along", .n = 9, .t = 1, .c = 12, .o = 8, .x = 1, .margin = {0.3}, .q = 30, AAM, .sparse = true},
    {"along, nearest", .n = 9, .t = 1, .c = 12, .o = 9, .x = 2, .y = 3, .margin = {0.3, 0.1}, .q = 30, AAM,
     .sparse = true},
    {"along, additive", .n = 9, .t = 1, .c = 12, .o = 8, .x = 1, .margin = {0.3}, .q = 30, .z = SPK_MARGIN_AM,
     .sparse = true},
    {"larger", .n = 33, .t = 1, .c = 96, .o = 333, .x = 1, .margin = {0.3}, .q = 30, AAM},
    {"larger, both", .n = 33, .t = 1, .c = 96, .o = 333, .x = 3, .y = 5, .margin = {0.3, 0.09}, .q = 30, AAM,
     .flag2 = true},
    {"many classes", .n = 3, .t = 1, .c = 8, .o = 9500, .x = 1, .margin = {0.3}, .q = 30, AAM},
    {"many classes, both", .n = 3, .t = 1, .c = 8, .o = 4500, .x = 2, .y = 5, .margin = {0.3, 0.09}, .q = 20, AAM},
    {.name = NULL}};
#undef AAM

/* ---- sphereface2: n rows, c dimensions, o classes; y exponent; p lambda, q scale; flag: angular; sparse: along ---- */

static void describe_sphereface2(const op_row *r, op_case *c)
{
    c->attr.sphere =
        (spk_sphere_attr){.margin = r->margin, .scale = r->q, .lambda = r->p, .t = r->y, .angular = r->flag};
    describe_class_loss(r, c, r->o);
    c->in[3] = parameter(1, 1, -2, 2);
    c->in[3].read_bwd = true;
    if (r->flag && r->sparse) c->tol_f32 = 2e-4; /* the sines of other classes are of float cosines */
}

static const op_row rows_sphereface2[] = {
    {"one row, two classes", .n = 1, .t = 1, .c = 3, .o = 2, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32},
    {"additive", .n = 5, .t = 1, .c = 8, .o = 7, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32},
    {"angular", .n = 5, .t = 1, .c = 8, .o = 7, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32, .flag = true},
    {"wide angle", .n = 9, .t = 1, .c = 5, .o = 7, .y = 2, .margin = {2.5}, .p = 0.6, .q = 10, .flag = true},
    {"plain power, slice", .n = 6, .t = 1, .c = 37, .o = 65, .gap = 2, .y = 1, .margin = {0.1}, .p = 0.5, .q = 20},
    {"blocks", .n = 13, .t = 1, .c = 64, .o = 200, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32},
    {"along", .n = 9, .t = 1, .c = 12, .o = 8, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32, .sparse = true},
    {"along, angular", .n = 9, .t = 1, .c = 12, .o = 8, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32, .flag = true,
     .sparse = true},
    {"larger", .n = 33, .t = 1, .c = 96, .o = 333, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32, .flag = true},
    {"many classes", .n = 3, .t = 1, .c = 8, .o = 9500, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32},
    {.name = NULL}};

/* ---- proto_loss: n speakers, x rows of each, c dimensions; flag: GE2E; flag2: no accuracy; sparse: no w, b; p: w ---- */

static void describe_proto_loss(const op_row *r, op_case *c)
{
    c->attr.proto = (spk_proto_attr){
        .kind = r->flag ? SPK_PROTO_GE2E : SPK_PROTO_ANGLE, .per_speaker = r->x, .no_accuracy = r->flag2};
    c->in[0] = activation(r, r->n * r->x, 1, r->c);
    c->in[0].read_bwd = true;
    for (int i = 1; i < 3 && !r->sparse; i++) {
        c->in[i] = parameter(1, 1, i == 1 ? r->p : -5, i == 1 ? r->p : -5);
        c->in[i].read_bwd = true;
    }
    c->out[0] = (case_tensor){.there = true, .n = 1, .w = 1, .c = 2};
    c->loss = true;
    c->tol_f32 = 2e-5;
}

static const op_row rows_proto_loss[] = {
    {"two speakers", .n = 2, .t = 1, .c = 5, .x = 2, .p = 10},
    {"pairs", .n = 7, .t = 1, .c = 9, .x = 2, .p = 10, .flag2 = true},
    {"triples, slice", .n = 5, .t = 1, .c = 9, .x = 3, .gap = 3, .p = 10},
    {"no w", .n = 5, .t = 1, .c = 9, .x = 3, .sparse = true},
    {"w below its floor", .n = 5, .t = 1, .c = 9, .x = 3, .p = -2},
    {"ge2e", .n = 5, .t = 1, .c = 9, .x = 3, .p = 10, .flag = true},
    {"ge2e, pairs, slice", .n = 4, .t = 1, .c = 9, .x = 2, .gap = 3, .p = 10, .flag = true},
    {"ge2e, no w", .n = 4, .t = 1, .c = 3, .x = 2, .sparse = true, .flag = true},
    {"larger", .n = 40, .t = 1, .c = 64, .x = 2, .p = 10},
    {"larger ge2e", .n = 12, .t = 1, .c = 64, .x = 4, .p = 10, .flag = true},
    {.name = NULL}};
