/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every kernel of every op over the geometries of op_rows.h:
 *   the double reference's gradient against finite differences,
 *   every float kernel, forward and backward, against the double reference,
 *   gradients written, added and left out; memory outside of rows; the same bits twice; 1, 2 and 3 threads.
 * SEED=n in the environment draws other values, OP=name tests one op, NEW=1 leaves out what is the same on all processors
 * (finite differences, plain C): for emulated ones, which are slow. With SPK_DEVICE=emulated (or cuda) the kernels are
 * those of that device, and its copies to the processor, instead of the processor's own.
 */
#include <unistd.h>

#include "backend/op_rig.h"
#include "backend/op_rows.h"

/* Errors are relative to the largest value of an array, or to this where all of it is smaller. */
static const double SMALLEST_SCALE = 1e-2;

/* What else is allowed where frames are bfloat16: it keeps 8 bits, and a backward pass may read rounded results. */
static const double BF16_SLACK = 1.0 / 128;

static uint64_t seed = 20;
static spk_dtype type;   /* of the table whose kernels are checked */
static const char *only; /* OP=name in the environment: this op alone */
static bool only_new;    /* NEW=1 */

/* ---- comparing ---- */

static double largest(const double *x, int64_t n)
{
    double max = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, fabs(x[i]));
    return max;
}

/* On a device an op goes on behind a difference, so that one run there tells of all its rows; it fails at its end. */
static int n_differ;

static void differ(const op_case *c, const char *what)
{
    static const char *row; /* that the last difference was in */
    static spk_dtype row_type;
    static int n_row;
    enum { MOST_OF_ROW = 2, MOST_OF_OP = 16 };
    if (!rig_device) fail_msg("%s", what);
    n_row = row == c->name && row_type == type ? n_row + 1 : 1;
    row = c->name;
    row_type = type;
    if (++n_differ <= MOST_OF_OP && n_row <= MOST_OF_ROW) print_error("[  ERROR   ] --- %s\n", what);
}

static void assert_near(const op_case *c, const spk_kernel *k, const char *what, const double *x, const double *right,
                        const double *before, int64_t n)
{
    const double scale = fmax(largest(right, n), SMALLEST_SCALE) + (before ? 1 : 0);
    const double allowed = c->tol_f32 + (type == SPK_BF16 ? BF16_SLACK : 0);
    for (int64_t i = 0; i < n; i++) {
        const double want = right[i] + (before ? before[i] : 0), error = fabs(x[i] - want) / scale;
        if (error <= allowed) continue;
        char *text = spk_strf(
            "%s %s %s, %s: %s[%lld] is %.9g, should be %.9g (error %.2g of the largest, allowed %.2g; SEED=%llu)",
            spk_op_name(c->op), k->name, spk_dtype_name(type), c->name, what, (long long)i, x[i], want, error, allowed,
            (unsigned long long)seed);
        differ(c, text);
        spk_free(text);
        return;
    }
}

static void assert_same_bits(const op_case *c, const spk_kernel *k, const char *what, const double *a, const double *b,
                             int64_t n)
{
    if (n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0) return;
    char *text = spk_strf("%s %s %s, %s: %s has other bits the second time", spk_op_name(c->op), k->name,
                          spk_dtype_name(type), c->name, what);
    differ(c, text);
    spk_free(text);
}

/* ---- finite differences ---- */

/* sum dout out, with input i's element j moved by h. */
static double probe(rig *r, op_values *v, int i, int64_t j, double h)
{
    const double kept = v->in[i][j];
    double sum = 0;
    v->in[i][j] = kept + h;
    rig_fwd(r, v);
    v->in[i][j] = kept;
    rig_get(r, &r->c->out[0], &r->a.out[0], v->out);
    for (int64_t o = 0; o < case_count(&r->c->out[0]); o++)
        sum += v->dout[o] * v->out[o];
    return sum;
}

static double slope(rig *r, op_values *v, int i, int64_t j, double h)
{
    const double near = probe(r, v, i, j, h) - probe(r, v, i, j, -h);
    const double far = probe(r, v, i, j, 2 * h) - probe(r, v, i, j, -2 * h);
    return (8 * near - far) / (12 * h);
}

/* The gradient din (from the double reference) against differences at some elements of each input. A wide step is exact
 * where all is smooth; a narrow one rarely crosses the kink of a ReLU or a clamp. */
static void check_differences(const op_case *c, op_values *v, double *const *din)
{
    const spk_kernel *k = spk_kernel_table(c->op, SPK_F64)[0];
    rig *r = rig_open(c, k, SPK_F64, 2, false, 0);
    spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_TEST, 1, (uint64_t)c->op, 0);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        if (!c->in[i].has_grad) continue;
        const int64_t count = case_count(&c->in[i]), n = count < 30 ? count : 20;
        const double allowed = c->tol_fd * fmax(largest(din[i], count), SMALLEST_SCALE);
        for (int64_t m = 0; m < n; m++) {
            const int64_t j = count < 30 ? m : spk_rng_below(&rng, count);
            const bool masked = i == 0 && c->mask_in0 && v->in[0][j] <= 0;
            double wide = masked ? 0 : slope(r, v, i, j, 1e-4);
            if (!masked && !(fabs(wide - din[i][j]) <= allowed)) wide = slope(r, v, i, j, 1e-6);
            if (!(fabs(wide - din[i][j]) <= allowed))
                fail_msg("%s, %s: the gradient of input %d at %lld is %.12g, differences say %.12g (SEED=%llu)",
                         spk_op_name(c->op), c->name, i, (long long)j, din[i][j], wide, (unsigned long long)seed);
        }
    }
    rig_close(r);
}

/* ---- one kernel on one case ---- */

/* What the double reference computes. */
typedef struct truth {
    double *out, *din[SPK_MAX_IN], *state[SPK_MAX_IN];
} truth;

static double *copy_of(const double *x, int64_t n)
{
    double *p = spk_new((size_t)(n + 1) * sizeof *p);
    memcpy(p, x, (size_t)n * sizeof *p);
    return p;
}

/* Zeros for parameters (which are always added to), NULL for activations (which are written). */
static void written(const op_case *c, double **before)
{
    for (int i = 0; i < SPK_MAX_IN; i++)
        before[i] = c->in[i].is_param ? spk_new((size_t)(case_count(&c->in[i]) + 1) * sizeof(double)) : NULL;
}

/* Random values for all. */
static void random_before(const op_case *c, double **before)
{
    spk_rng rng = spk_rng_make(seed, SPK_PURPOSE_TEST, 2, (uint64_t)c->op, 0);
    for (int i = 0; i < SPK_MAX_IN; i++) {
        before[i] = spk_new((size_t)(case_count(&c->in[i]) + 1) * sizeof(double));
        for (int64_t j = 0; j < case_count(&c->in[i]); j++)
            before[i][j] = (double)(float)(2 * spk_rng_uniform(&rng) - 1);
    }
}

static void free_all(double **p)
{
    for (int i = 0; i < SPK_MAX_IN; i++)
        spk_free(p[i]);
}

static truth find_truth(const op_case *c, op_values *v)
{
    truth t = {0};
    const spk_kernel *k = spk_kernel_table(c->op, SPK_F64)[0];
    rig *r = rig_open(c, k, SPK_F64, 2, true, 0);
    rig_fwd(r, v);
    rig_get(r, &c->out[0], &r->a.out[0], v->out);
    t.out = copy_of(v->out, case_count(&c->out[0]));
    for (int i = 0; i < SPK_MAX_IN; i++) {
        double *state = spk_new((size_t)(case_count(&c->in[i]) + 1) * sizeof *state);
        if (c->in[i].is_state) rig_get(r, &c->in[i], &r->a.in[i], state);
        t.state[i] = state;
    }
    for (int64_t o = 0; o < case_count(&c->out[0]) && c->dout_masked; o++)
        v->dout[o] = t.out[o] > 0 ? v->dout[o] : 0;
    if (k->bwd) {
        double *before[SPK_MAX_IN];
        written(c, before);
        rig_bwd(r, v, before);
        free_all(before);
    }
    for (int i = 0; i < SPK_MAX_IN; i++)
        t.din[i] = copy_of(v->din[i], case_count(&c->in[i]));
    rig_close(r);
    return t;
}

static void free_truth(truth *t)
{
    spk_free(t->out);
    free_all(t->din);
    free_all(t->state);
}

static void check_forward(rig *r, op_values *v, const truth *t)
{
    const op_case *c = r->c;
    rig_fwd(r, v);
    rig_get(r, &c->out[0], &r->a.out[0], v->out);
    assert_near(c, r->k, "output", v->out, t->out, NULL, case_count(&c->out[0]));
    for (int i = 0; i < SPK_MAX_IN; i++) {
        const int64_t n = case_count(&c->in[i]);
        double *now = spk_new((size_t)(n + 1) * sizeof *now);
        if (n) rig_get(r, &c->in[i], &r->a.in[i], now);
        if (c->in[i].is_state)
            assert_near(c, r->k, "state", now, t->state[i], NULL, n);
        else
            assert_same_bits(c, r->k, "an input that is only read", now, v->in[i], n);
        spk_free(now);
    }
}

/* One backward pass against the truth. */
static void check_backward(rig *r, op_values *v, const truth *t, double *const *before)
{
    static const char *const names[SPK_MAX_IN] = {"gradient 0", "gradient 1", "gradient 2", "gradient 3"};
    rig_fwd(r, v);
    rig_bwd(r, v, before);
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (r->c->in[i].has_grad && !(r->skip >> i & 1))
            assert_near(r->c, r->k, names[i], v->din[i], t->din[i], before[i], case_count(&r->c->in[i]));
}

/* Both passes again with a new state: the same bits. */
static void check_repeats(const op_case *c, const spk_kernel *k, op_values *v, double *const *before, int n_threads)
{
    double *out = NULL, *din[SPK_MAX_IN] = {0};
    for (int time = 0; time < 2; time++) {
        rig *r = rig_open(c, k, type, n_threads, true, 0);
        rig_fwd(r, v);
        rig_get(r, &c->out[0], &r->a.out[0], v->out);
        if (k->bwd) rig_bwd(r, v, before);
        rig_close(r);
        for (int i = 0; i < SPK_MAX_IN && time == 1; i++)
            assert_same_bits(c, k, "a gradient", v->din[i], din[i], c->in[i].has_grad ? case_count(&c->in[i]) : 0);
        for (int i = 0; i < SPK_MAX_IN && time == 0; i++)
            din[i] = copy_of(v->din[i], case_count(&c->in[i]));
        if (time == 1)
            assert_same_bits(c, k, "the output", v->out, out, case_count(&c->out[0]));
        else
            out = copy_of(v->out, case_count(&c->out[0]));
    }
    spk_free(out);
    free_all(din);
}

/* Without the gradients of `skip`. */
static void check_skip(const op_case *c, const spk_kernel *k, op_values *v, const truth *t, double *const *before,
                       unsigned skip)
{
    const spk_geom g = case_geom(c, type, 2, true, skip);
    if (k->supports && !k->supports(&g)) return;
    rig *r = rig_open(c, k, type, 2, true, skip);
    check_backward(r, v, t, before);
    rig_close(r);
}

/* `again`: the same bits once more, into room that holds something else, and nothing is changed by it. */
static void check_again(const op_case *c, const spk_kernel *k, op_values *v, const truth *t)
{
    rig *r = rig_open(c, k, type, 2, true, 0);
    check_forward(r, v, t);
    double *out = copy_of(v->out, case_count(&c->out[0]));
    op_values other = values_new(c, seed + 1);
    rig_put(r, &c->out[0], &r->a.out[0], other.out);
    rig_run(r, k->again);
    rig_get(r, &c->out[0], &r->a.out[0], v->out);
    assert_same_bits(c, k, "the output made again", v->out, out, case_count(&c->out[0]));
    values_free(&other);
    spk_free(out);
    rig_close(r);
}

/* With as little room as a plan may give. */
static void check_lean(const op_case *c, const spk_kernel *k, op_values *v, const truth *t, double *const *before)
{
    rig_lean = true;
    rig *r = rig_open(c, k, type, 2, true, 0);
    check_backward(r, v, t, before);
    rig_close(r);
    rig_lean = false;
}

static void check_kernel(const op_case *c, const spk_kernel *k, op_values *v, const truth *t)
{
    double *zero[SPK_MAX_IN], *some[SPK_MAX_IN];
    written(c, zero);
    random_before(c, some);
    for (int n_threads = 1; n_threads <= (rig_device ? 1 : 3); n_threads++) {
        rig *r = rig_open(c, k, type, n_threads, false, 0);
        check_forward(r, v, t);
        rig_close(r);
        r = rig_open(c, k, type, n_threads, true, 0);
        check_forward(r, v, t);
        if (k->bwd) {
            check_backward(r, v, t, zero);
            check_backward(r, v, t, some);
        }
        rig_close(r);
    }
    for (int i = 0; i < SPK_MAX_IN && k->bwd; i++) {
        if (c->in[i].has_grad) {
            check_skip(c, k, v, t, zero, 1u << i);
            check_skip(c, k, v, t, some, ~(1u << i));
        }
    }
    check_repeats(c, k, v, some, 2);
    if (k->again) check_again(c, k, v, t);
    if (k->bwd) check_lean(c, k, v, t, zero);
    free_all(zero);
    free_all(some);
}

/* ---- all rows of an op ---- */

/* The float kernels that fit a case. */
static void check_float(const op_case *c, op_values *v, const truth *t, int64_t *taken)
{
    const spk_kernel *const *table = spk_kernel_table(c->op, type = SPK_F32);
    for (int k = 0; table[k]; k++) {
        const spk_geom g = case_geom(c, SPK_F32, 2, true, 0);
        if (!spk_kernel_fits(table[k], &g) || (only_new && !table[k + 1])) continue;
        check_kernel(c, table[k], v, t);
        taken[k]++;
    }
}

/* What makes features of samples works in float. */
static bool meets_bf16(spk_op op)
{
    return op != SPK_OP_MELSPEC && op != SPK_OP_SPECAUG;
}

static void round_all(double *x, const case_tensor *t)
{
    for (int64_t i = 0; i < case_count(t); i++)
        x[i] = (double)spk_from_bf16(spk_to_bf16((float)x[i]));
}

/* A case with bfloat16 frames: those that a kernel names, or all activations that have rows of their own. */
static op_case with_bf16(const op_case *c, const spk_kernel *k)
{
    op_case b = *c;
    const bool named = k->frames_in || k->frames_out;
    for (int i = 0; i < SPK_MAX_IN; i++) {
        const case_tensor *t = &c->in[i];
        const bool frames = !t->is_param && !t->is_int && !t->is_state && (t->w > 1 || t->h > 1);
        if (named ? k->frames_in >> i & 1 : frames) b.in[i].dtype = SPK_BF16;
    }
    if (named ? k->frames_out & 1 : c->out[0].w > 1 || c->out[0].h > 1) b.out[0].dtype = SPK_BF16;
    return b;
}

/* oneDNN's convolutions round their weights too. A sum near zero would then end on the other side of the ReLU's bend. */
static bool rounds_weights(spk_op op)
{
    return op == SPK_OP_CONV1D || op == SPK_OP_CONV2D;
}

/* The bfloat16 kernels on frames that were rounded first, against what the double reference makes of those. Sanitizers are
 * slow: there the copies to float are looked at where an op has nothing else. */
static void check_bf16(const op_case *c, int64_t *taken)
{
    const spk_kernel *const *table = spk_kernel_table(c->op, SPK_BF16);
    const bool brief = getenv("SPK_SANITIZED") != NULL;
    for (int k = 0; table[k]; k++) {
        if (brief && !table[k + 1] && k > 0 && taken[k - 1] > 0 && taken[k] > 0) continue;
        if (only_new && !table[k + 1]) continue;
        const op_case b = with_bf16(c, table[k + 1] ? table[k] : table[0]);
        const spk_geom g = case_geom(&b, SPK_BF16, 2, true, 0);
        if (b.loss || !spk_kernel_fits(table[k], &g)) continue;
        op_values v = values_new(&b, seed);
        for (int i = 0; i < SPK_MAX_IN; i++)
            if (b.in[i].dtype == SPK_BF16 || (i == 1 && rounds_weights(c->op))) round_all(v.in[i], &b.in[i]);
        if (b.out[0].dtype == SPK_BF16) round_all(v.dout, &b.out[0]);
        type = SPK_F32;
        truth t = find_truth(&b, &v);
        type = SPK_BF16;
        check_kernel(&b, table[k], &v, &t);
        taken[k]++;
        free_truth(&t);
        values_free(&v);
    }
}

/* ---- a device ---- */

static spk_device *device; /* NULL: the processor's kernels are tested */
static int64_t taken_there[2],
    on_host; /* rows that the device's kernel took in float and bfloat16, and the copies here */

/* Sanitizers slow an emulated device many times: each kernel runs once forward and once backward there. */
static void check_once(const op_case *c, const spk_kernel *k, op_values *v, const truth *t)
{
    double *zero[SPK_MAX_IN];
    written(c, zero);
    rig *r = rig_open(c, k, type, 1, true, 0);
    check_forward(r, v, t);
    if (k->bwd) check_backward(r, v, t, zero);
    rig_close(r);
    free_all(zero);
}

static void check_there(const op_case *c, spk_dtype dtype)
{
    void (*const check)(const op_case *, const spk_kernel *, op_values *, const truth *) =
        getenv("SPK_SANITIZED") ? check_once : check_kernel;
    op_values v = values_new(c, seed);
    const spk_kernel *k = device->t->kernel(c->op);
    const bool copies = c->op != SPK_OP_CONV1D && c->op != SPK_OP_CONV2D && c->op != SPK_OP_BATCH_NORM;
    for (int i = 0; i < SPK_MAX_IN; i++)
        if (c->in[i].dtype == SPK_BF16 || (dtype == SPK_BF16 && i == 1 && rounds_weights(c->op)))
            round_all(v.in[i], &c->in[i]);
    if (c->out[0].dtype == SPK_BF16) round_all(v.dout, &c->out[0]);
    type = SPK_F32;
    truth t = find_truth(c, &v);
    type = dtype;
    rig_device = device;
    const spk_geom g = case_geom(c, dtype, 2, true, 0);
    if (k && (!k->supports || k->supports(&g))) {
        check(c, k, &v, &t);
        taken_there[dtype == SPK_BF16]++;
    }
    if (copies && (dtype == SPK_F32 || !c->loss)) {
        check(c, &spk__on_host, &v, &t);
        on_host++;
    }
    rig_device = NULL;
    free_truth(&t);
    values_free(&v);
}

static void check_op_there(spk_op op)
{
    static const spk_kernel all_frames = {.name = "all frames"};
    int64_t rows = 0;
    taken_there[0] = taken_there[1] = on_host = n_differ = 0;
    for (const op_row *row = op_tests[op]->rows; row->name; row++, rows++) {
        const op_case c = make_case(op, row), b = with_bf16(&c, &all_frames);
        check_there(&c, SPK_F32);
        if (meets_bf16(op) && !c.loss) check_there(&b, SPK_BF16);
    }
    print_message(
        "%s on %s: its kernel ran %lld rows of %lld in float, %lld in bfloat16; copies to the processor %lld\n",
        spk_op_name(op), device->info.name, (long long)taken_there[0], (long long)rows, (long long)taken_there[1],
        (long long)on_host);
    if (n_differ > 0) fail_msg("%s on %s: %d arrays differ", spk_op_name(op), device->info.name, n_differ);
}

static void report(spk_op op, spk_dtype dtype, const int64_t *taken, int64_t rows, bool all)
{
    const spk_kernel *const *table = spk_kernel_table(op, dtype);
    for (int k = 0; table[k]; k++) {
        print_message("%s %s: %s ran %lld of %lld rows\n", spk_op_name(op), spk_dtype_name(dtype), table[k]->name,
                      (long long)taken[k], (long long)rows);
        assert_true(taken[k] > 0 || !all || (only_new && !table[k + 1]) ||
                    (dtype == SPK_BF16 && table[k + 1] && !spk_backend_has_bf16()));
    }
}

static void check_op(spk_op op)
{
    const spk_kernel *reference = spk_kernel_table(op, SPK_F64)[0];
    int64_t taken[8] = {0}, taken_bf16[8] = {0}, rows = 0;
    const char *sanitizer = getenv("SPK_SANITIZED");
    const bool threads = sanitizer && strcmp(sanitizer, "threads") == 0;
    bool loss = false;
    for (const op_row *row = op_tests[op]->rows; row->name; row++, rows++) {
        const op_case c = make_case(op, row);
        op_values v = values_new(&c, seed);
        truth t = find_truth(&c, &v);
        /* Differences are many forward passes of the reference, which has no threads for a race to be found in. */
        if (reference->bwd && !only_new && (!threads || rows == 0)) check_differences(&c, &v, t.din);
        check_float(&c, &v, &t, taken);
        if (meets_bf16(op)) check_bf16(&c, taken_bf16);
        free_truth(&t);
        values_free(&v);
        loss = c.loss;
    }
    report(op, SPK_F32, taken, rows, true);
    report(op, SPK_BF16, taken_bf16, rows, meets_bf16(op) && !loss);
    assert_int_equal(reference->bwd == NULL, op == SPK_OP_MELSPEC);
}

#define OP_RUN(NAME, name)                                                                                             \
    static void run_##name(void **state)                                                                               \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        if (only && strcmp(only, #name) != 0) skip();                                                                  \
        if (device)                                                                                                    \
            check_op_there(SPK_OP_##NAME);                                                                             \
        else                                                                                                           \
            check_op(SPK_OP_##NAME);                                                                                   \
    }
SPK_OPS(OP_RUN)
#undef OP_RUN

/* ---- the choice ---- */

static void test_choice(void **state)
{
    (void)state;
    if (device) skip();
    for (int op = 0; op < SPK_N_OPS; op++) {
        for (const op_row *row = op_tests[op]->rows; row->name; row++) {
            const op_case c = make_case((spk_op)op, row);
            spk_geom g = case_geom(&c, SPK_F32, 2, true, 0);
            unsetenv("SPK_IMPL");
            const spk_kernel *k = spk_kernel_find(&g);
            assert_true(!k->supports || k->supports(&g));
            setenv("SPK_IMPL", "reference", 1);
            assert_string_equal(spk_kernel_find(&g)->name, "reference");
            unsetenv("SPK_IMPL");
            g.dtype = SPK_F64;
            assert_string_equal(spk_kernel_find(&g)->name, "reference");
        }
    }
    assert_string_equal(spk_op_name(SPK_OP_MARGIN_SOFTMAX), "margin_softmax");
}

/* Fourier transforms of odd length and strided samples are left to the reference. */
static void test_refusals(void **state)
{
    (void)state;
    int refused = 0;
    if (device) skip();
    for (const op_row *row = op_tests[SPK_OP_MELSPEC]->rows; row->name; row++) {
        const op_case c = make_case(SPK_OP_MELSPEC, row);
        const spk_geom g = case_geom(&c, SPK_F32, 2, false, 0);
        const bool odd = row->x % 2 || row->gap || c.attr.melspec.frames_only;
        assert_int_equal(strcmp(spk_kernel_find(&g)->name, "reference") == 0, odd);
        refused += odd;
    }
    assert_int_equal(refused, 4);
}

/* Threads of many small parallel regions must not spin while they wait: other processes want the processors too. The
 * runtime reads its environment when it is loaded, so the program starts itself again with it. */
static void wait_passively(char **argv)
{
    if (getenv("OMP_WAIT_POLICY")) return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    (void)argc;
    wait_passively(argv);
    const char *text = getenv("SEED");
    int64_t number;
    only = getenv("OP");
    only_new = getenv("NEW") != NULL;
    if (text && spk_parse_int(text, &number)) seed = (uint64_t)number;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    if (getenv("SPK_DEVICE") && spk_device_open(&(spk_device_options){.deterministic = true}, &device) != SPK_OK) {
        print_message("skipped: %s\n", spk_errmsg());
        return 77;
    }
    const struct CMUnitTest tests[] = {
#define OP_RUN(NAME, name) cmocka_unit_test_setup_teardown(run_##name, NULL, NULL),
        SPK_OPS(OP_RUN)
#undef OP_RUN
            cmocka_unit_test(test_choice),
        cmocka_unit_test(test_refusals),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spk_device_close(device);
    return failed;
}
