/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times every kernel at the sizes of a training step: bench_ops [THREADS [OP]]. Prints the least time of several runs
 * and the memory traffic it stands for when each array is moved once. Not a test: built by hand.
 */
#include <time.h>

#include "backend/op_rig.h"
#include "backend/op_rows.h"

typedef struct bench_row {
    spk_op op;
    op_row row;
} bench_row;

static const bench_row bench_rows[] = {
    {SPK_OP_MELSPEC, {"64 x 3 s", .n = 64, .t = 48000, .c = 80, .x = 512, .y = 400, .z = 160, .flag = true}},
    {SPK_OP_BATCH_NORM, {"32 x 301 x 512", .n = 32, .t = 301, .c = 512, .flag = true, .flag2 = true}},
    {SPK_OP_BATCH_NORM, {"32 x 301 x 64 of 512", .n = 32, .t = 301, .c = 64, .gap = 448, .flag = true, .flag2 = true}},
    {SPK_OP_BATCH_NORM, {"32 x 301 x 1536", .n = 32, .t = 301, .c = 1536, .flag = true}},
    {SPK_OP_ACT, {"relu 32 x 301 x 1536", .n = 32, .t = 301, .c = 1536}},
    {SPK_OP_ADD, {"32 x 301 x 512", .n = 32, .t = 301, .c = 512}},
    {SPK_OP_CONV2D,
     {"8 x 301 x 80, 1 to 32", .n = 8, .t = 301, .x = 80, .c = 1, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1,
      .sparse = true}},
    {SPK_OP_CONV2D,
     {"8 x 301 x 80, 32 to 32", .n = 8, .t = 301, .x = 80, .c = 32, .o = 32, .y = 33, .z = 11, .p = 1, .q = 1,
      .sparse = true}},
    {SPK_OP_CONV2D,
     {"8 x 76 x 20, 128 to 128", .n = 8, .t = 76, .x = 20, .c = 128, .o = 128, .y = 33, .z = 11, .p = 1, .q = 1,
      .sparse = true}},
    {SPK_OP_CONV2D,
     {"8 x 38 x 10, 256 to 256", .n = 8, .t = 38, .x = 10, .c = 256, .o = 256, .y = 33, .z = 11, .p = 1, .q = 1,
      .sparse = true}},
    {SPK_OP_BATCH_NORM, {"8 x 301 x 80 x 32, relu", .n = 8, .t = 301 * 80, .c = 32, .flag = true, .x = 1}},
    {SPK_OP_ADD, {"8 x 301 x 80 x 32, relu", .n = 8, .t = 301 * 80, .c = 32, .x = 1}},
    {SPK_OP_SIMAM, {"8 x 301 x 80 x 32", .n = 8, .t = 301, .x = 80, .c = 32}},
    {SPK_OP_COPY, {"32 x 301 x 512", .n = 32, .t = 301, .c = 512}},
    {SPK_OP_TIME_MEAN, {"32 x 301 x 512", .n = 32, .t = 301, .c = 512}},
    {SPK_OP_SCALE_ADD, {"32 x 301 x 512", .n = 32, .t = 301, .c = 512}},
    {SPK_OP_ROW_BIAS, {"32 x 301 x 128", .n = 32, .t = 301, .c = 128}},
    {SPK_OP_TIME_STATS, {"32 x 301 x 1536", .n = 32, .t = 301, .c = 1536}},
    {SPK_OP_ATTN_STATS, {"32 x 301 x 1536", .n = 32, .t = 301, .c = 1536}},
    {SPK_OP_SK_MIX, {"8 x 301 x 40 x 128", .n = 8, .x = 301, .t = 40, .c = 128}},
    {SPK_OP_SK_MIX, {"8 x 301 x 40 x 128, over frequency", .n = 8, .x = 301, .t = 40, .c = 128, .flag = true}},
    {SPK_OP_FREQ_MEAN, {"8 x 301 x 40 x 128", .n = 8, .x = 301, .t = 40, .c = 128}},
    {SPK_OP_FOLD, {"8 x 151 x 20 x 128", .n = 8, .x = 151, .t = 20, .c = 128}},
    {SPK_OP_SEGMENT_MEAN, {"32 x 151 x 128", .n = 32, .t = 151, .c = 128, .x = 100}},
    {SPK_OP_SEGMENT_SCALE, {"32 x 151 x 32 of 512", .n = 32, .t = 151, .c = 32, .gap = 480, .x = 100}},
    {SPK_OP_MARGIN_SOFTMAX,
     {"64 x 192, 1211", .n = 64, .t = 1, .c = 192, .o = 1211, .x = 1, .margin = {0.3}, .q = 15, .z = SPK_MARGIN_AAM}},
    {SPK_OP_MARGIN_SOFTMAX,
     {"512 x 192, 17982", .n = 512, .t = 1, .c = 192, .o = 17982, .x = 1, .margin = {0.3}, .q = 15,
      .z = SPK_MARGIN_AAM}},
    {SPK_OP_MARGIN_SOFTMAX,
     {"64 x 192, 1211 x 3", .n = 64, .t = 1, .c = 192, .o = 1211, .x = 3, .y = 5, .margin = {0.2, 0.06}, .q = 32,
      .z = SPK_MARGIN_AAM}},
    {SPK_OP_SPHEREFACE2,
     {"64 x 192, 1211", .n = 64, .t = 1, .c = 192, .o = 1211, .y = 3, .margin = {0.2}, .p = 0.7, .q = 32}},
};

/* With one thread the processor's time counts, so that other work on the machine disturbs little. */
static double now(int n_threads)
{
    struct timespec t;
    if (n_threads > 1 || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0) return spk_now();
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double megabytes(const op_case *c, bool backward)
{
    double n = 0;
    for (int i = 0; i < SPK_MAX_IN; i++)
        n += (double)case_count(&c->in[i]) * (backward ? c->in[i].read_bwd + c->in[i].has_grad : 1);
    n += (double)case_count(&c->out[0]) * (backward ? c->out[0].read_bwd + 1 : 1);
    return 4e-6 * n;
}

static void time_kernel(const op_case *c, const spk_kernel *k, op_values *v, int n_threads)
{
    double least[2] = {1e9, 1e9};
    double *before[SPK_MAX_IN] = {0};
    for (int i = 0; i < SPK_MAX_IN; i++)
        before[i] = c->in[i].is_param ? v->din[i] : NULL;
    rig *r = rig_open(c, k, SPK_F32, n_threads, true, 0);
    rig_fwd(r, v);
    if (k->bwd) {
        rig_bwd(r, v, before);
        rig_fwd(r, v); /* once more: some of its values were taken away */
    }
    for (int time = 0; time < 7; time++) {
        double t0 = now(n_threads);
        k->fwd(&r->a);
        least[0] = fmin(least[0], now(n_threads) - t0);
        t0 = now(n_threads);
        if (k->bwd) k->bwd(&r->a);
        least[1] = fmin(least[1], now(n_threads) - t0);
    }
    printf("%-12s %-22s %-10s %9.3f ms %6.1f GB/s", spk_op_name(c->op), c->name, k->name, 1e3 * least[0],
           1e-3 * megabytes(c, false) / least[0]);
    if (k->bwd) printf("   backward %9.3f ms %6.1f GB/s", 1e3 * least[1], 1e-3 * megabytes(c, true) / least[1]);
    printf("\n");
    rig_close(r);
}

int main(int argc, char **argv)
{
    int64_t n_threads = 2;
    if (argc > 1 && !spk_parse_int(argv[1], &n_threads)) return 2;
    for (size_t i = 0; i < sizeof bench_rows / sizeof *bench_rows; i++) {
        const bench_row *b = &bench_rows[i];
        if (argc > 2 && strcmp(argv[2], spk_op_name(b->op)) != 0) continue;
        const op_case c = make_case(b->op, &b->row);
        op_values v = values_new(&c, 1);
        const spk_kernel *const *k = spk_kernel_table(b->op, SPK_F32);
        const spk_geom g = case_geom(&c, SPK_F32, (int)n_threads, true, 0);
        for (; k[1]; k++)
            if (spk_kernel_fits(*k, &g)) time_kernel(&c, *k, &v, (int)n_threads);
        values_free(&v);
    }
    return 0;
}
