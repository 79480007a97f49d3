/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk bench --comm: what a sum over the processes costs, by its size. Bytes a second are those that each process sends:
 * a sum of B bytes over N moves 2 (N - 1) / N B through every one of them, whatever the way (Patarasuk and Yuan, 2009).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli_impl.h"
#include "comm/comm_impl.h"

typedef struct comm_options {
    int64_t repeats;
    double largest;
    bool bf16, quiet;
} comm_options;

#define FIELD(name) offsetof(comm_options, name)
static const spk_opt table[] = {
    {"largest", SPK_OPT_FLOAT, FIELD(largest), "64", 0.001, 4096, NULL, "MB of the largest sum", 0},
    {"repeats", SPK_OPT_INT, FIELD(repeats), "15", 1, 100000, NULL, "sums of each size; the median counts", 0},
    {"bf16", SPK_OPT_BOOL, FIELD(bf16), "false", 0, 0, NULL,
     "numbers travel as bfloat16 (bytes are still those of floats)", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes on stderr, but warnings", 0},
};

static const spk_args_spec spec = {
    .command = "spk bench --comm",
    .usage = "[OPTION...]   (started by mpirun or srun)",
    .about =
        "Times sums over the processes that a launcher started, from 4 bytes up, and prints one JSON line: ranks,\n"
        "hosts, latency_us (of the smallest sum), gb_per_s (that each process sends in the largest), and for each\n"
        "size bytes and seconds. docs/distributed.md makes step times for other numbers of processes of it.",
    .no_file = true,
    .options = {table, NULL, SPK_COUNT(table)},
};

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median seconds of a sum of n floats; the slowest process of each counts. */
static spk_status time_sum(spk_comm *comm, const comm_options *o, float *data, int64_t n, double *median)
{
    spk_status status = SPK_OK;
    double *seconds = spk_new((size_t)o->repeats * sizeof *seconds);
    spk_comm_flow *flow = spk_comm_flow_new(comm, o->bf16 ? SPK_COMM_BF16 : SPK_COMM_F32);
    for (int64_t i = -2; i < o->repeats; i++) {
        double none = 0;
        SPK_GO(spk_comm_reduce(comm, &none, 1, SPK_COMM_F64, SPK_COMM_SUM)); /* together */
        const double start = spk_now();
        spk_comm_flow_start(flow, data, n);
        SPK_GO(spk_comm_flow_wait(flow));
        if (i >= 0) seconds[i] = spk_now() - start;
    }
    SPK_GO(spk_comm_reduce(comm, seconds, o->repeats, SPK_COMM_F64, SPK_COMM_MAX));
    qsort(seconds, (size_t)o->repeats, sizeof *seconds, by_value);
    *median = seconds[o->repeats / 2];
done:
    spk_comm_flow_free(flow);
    spk_free(seconds);
    return status;
}

static int count_hosts(const spk_comm *comm)
{
    int n = 0;
    for (int r = 0; r < spk_comm_size(comm); r++) {
        bool again = false;
        for (int k = 0; k < r; k++)
            again |= strcmp(spk_comm_host(comm, k), spk_comm_host(comm, r)) == 0;
        n += !again;
    }
    return n;
}

static spk_status run(const comm_options *o)
{
    spk_comm *comm = cli_comm();
    spk_status status = SPK_OK;
    spk_text sizes = {0};
    const int size = spk_comm_size(comm);
    const int64_t most = (int64_t)(o->largest * 1e6 / 4);
    double first = 0, last = 0;
    float *data = spk_alloc_zero((size_t)(most + 1) * sizeof *data);
    if (size == 1) status = spk_fail(SPK_E_VALUE, "--comm: this process runs alone: mpirun -np N spk bench --comm");
    if (status == SPK_OK && !data) status = spk_fail(SPK_E_NOMEM, "--largest: no memory for %g MB", o->largest);
    SPK_GO(spk_comm_agree(comm, status));
    for (int64_t n = 1;; n = 4 * n < most ? 4 * n : most) {
        SPK_GO(time_sum(comm, o, data, n, &last));
        if (n == 1) first = last;
        spk_text_addf(&sizes, "%s{\"bytes\": %lld, \"seconds\": %.3g}", n == 1 ? "" : ", ", (long long)n * 4, last);
        if (n >= most) break;
    }
    const double sent = 2.0 * (size - 1) / size * 4 * (double)most;
    printf("{\"ranks\": %d, \"hosts\": %d, \"bf16\": %s, \"latency_us\": %.1f, \"gb_per_s\": %.3g, \"sums\": [%s]}\n",
           size, count_hosts(comm), o->bf16 ? "true" : "false", first * 1e6, sent / last / 1e9, spk_text_str(&sizes));
done:
    spk_text_clear(&sizes);
    spk_free(data);
    return status;
}

int cmd_bench_comm(int argc, char **argv)
{
    comm_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_INFO);
    spk_signals_catch();
    cli_team_say();
    rc = cli_failed(run(&o));
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    return rc == CLI_OK ? cli_flush() : rc;
}
