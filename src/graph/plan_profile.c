/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of where the time of plans goes (profile_impl.h). */
#include <stdlib.h>

#include "graph/profile_impl.h"

enum { LARGEST = 8 }; /* single rows behind the table of kinds */

/* ---- sums and orders ---- */

static double both(const double x[2])
{
    return x[0] + x[1];
}

static spk_profile_row sum_of(const spk_profile *p)
{
    spk_profile_row sum = {.kernel = ""};
    for (int i = 0; i < p->n; i++) {
        spk__profile_add_sums(&sum, &p->row[i]);
        sum.n_ops += p->row[i].n_ops;
    }
    return sum;
}

static int by_time(const void *a, const void *b)
{
    const double x = both(((const spk_profile_row *)a)->seconds), y = both(((const spk_profile_row *)b)->seconds);
    return x > y ? -1 : x < y;
}

/* A copy of the rows, the slowest first; with `kinds` one for each kind of op. */
static spk_profile_row *sorted(const spk_profile *p, bool kinds, int *n)
{
    spk_profile_row *list = NULL;
    *n = 0;
    for (int i = 0; i < p->n; i++) {
        int k = kinds ? 0 : *n;
        while (k < *n && list[k].op != p->row[i].op)
            k++;
        if (k < *n)
            spk__profile_add_sums(&list[k], &p->row[i]);
        else
            SPK_PUSH(list, *n) = p->row[i];
    }
    if (*n) qsort(list, (size_t)*n, sizeof *list, by_time);
    return list;
}

double spk_profile_unexplained(const spk_profile *p, const spk_profile_steps *s)
{
    const spk_profile_row ops = sum_of(p);
    double known = both(ops.seconds) + p->planning;
    for (int i = 0; i < s->n_rest; i++)
        known += s->rest[i].seconds;
    return s->seconds - known;
}

/* ---- the table of kinds ---- */

static void add_shape(spk_text *out, const spk_profile_row *r)
{
    spk_text_addf(out, "%lldx", (long long)r->n);
    if (r->h > 1) spk_text_addf(out, "%lldx", (long long)r->h);
    spk_text_addf(out, "%lldx%lld <- %lld", (long long)r->w, (long long)r->c, (long long)r->c_in);
    if (r->taps > 1) spk_text_addf(out, ", %lld taps", (long long)r->taps);
}

/* A rate in 1e9 a second; "-" where there is nothing of it. */
static void add_rate(spk_text *out, int width, double amount, double seconds)
{
    if (amount > 0 && seconds > 0)
        spk_text_addf(out, " %*.1f", width, 1e-9 * amount / seconds);
    else
        spk_text_addf(out, " %*s", width, "-");
}

/* One line of the table of kinds: milliseconds a step. */
static void add_ops(spk_text *out, const char *name, const spk_profile_row *r, const spk_profile_steps *s)
{
    const double ms = 1e3 / (double)s->n, t = both(r->seconds);
    spk_text_addf(out, "%-46s %10.3f %10.3f %10.3f %6.1f%%", name, ms * r->seconds[0], ms * r->seconds[1], ms * t,
                  100 * t / s->seconds);
    add_rate(out, 8, both(r->flops), t);
    add_rate(out, 7, both(r->bytes), t);
    spk_text_add(out, "\n");
}

static void add_rest(spk_text *out, const char *name, double seconds, const spk_profile_steps *s)
{
    spk_text_addf(out, "%-46s %10s %10s %10.3f %6.1f%%\n", name, "", "", 1e3 * seconds / (double)s->n,
                  100 * seconds / s->seconds);
}

static void add_largest(spk_text *out, const spk_profile *p, const spk_profile_steps *s)
{
    int n;
    spk_profile_row *row = sorted(p, false, &n);
    for (int i = 0; i < n && i < LARGEST; i++) {
        spk_text name = {0};
        spk_text_addf(&name, "%lld x %s ", (long long)row[i].n_ops, spk_op_name(row[i].op));
        add_shape(&name, &row[i]);
        add_ops(out, spk_text_str(&name), &row[i], s);
        spk_text_clear(&name);
    }
    spk_free(row);
}

void spk_profile_print(const spk_profile *p, const spk_profile_steps *s, spk_text *out)
{
    int n;
    const spk_profile_row all = sum_of(p);
    if (s->n < 1 || !(s->seconds > 0)) return;
    spk_text_addf(out, "%s: %lld steps, ms a step\n", s->title, (long long)s->n);
    spk_text_addf(out, "%-46s %10s %10s %10s %7s %8s %7s\n", "kind of op", "forward", "backward", "sum", "share",
                  "GFLOP/s", "GB/s");
    spk_profile_row *row = sorted(p, true, &n);
    for (int i = 0; i < n; i++)
        add_ops(out, spk_op_name(row[i].op), &row[i], s);
    spk_free(row);
    add_ops(out, "all ops", &all, s);
    if (p->planning > 0) add_rest(out, "making plans", p->planning, s);
    for (int i = 0; i < s->n_rest; i++)
        add_rest(out, s->rest[i].name, s->rest[i].seconds, s);
    add_rest(out, "unexplained", spk_profile_unexplained(p, s), s);
    add_rest(out, "step", s->seconds, s);
    spk_text_addf(out, "the largest of the ops\n");
    add_largest(out, p, s);
}

/* ---- the table of ops ---- */

static void add_direction(spk_text *out, const spk_profile_row *r, int d, int64_t n_steps, double least)
{
    if (r->seconds[d] <= 0) {
        spk_text_addf(out, " | %9s %7s %8s %6s %5s", "-", "-", "-", "-", "-");
        return;
    }
    spk_text_addf(out, " | %9.3f %7.1f", 1e3 * r->seconds[d] / (double)n_steps, 1e-6 * r->bytes[d] / (double)n_steps);
    add_rate(out, 8, r->flops[d], r->seconds[d]);
    add_rate(out, 6, r->bytes[d], r->seconds[d]);
    spk_text_addf(out, " %5.0f", 100 * least / r->seconds[d]);
}

void spk_profile_print_ops(const spk_profile *p, const char *title, int64_t n_steps, const spk_roofline *roof,
                           spk_text *out)
{
    int n;
    double least[2] = {0, 0};
    const spk_profile_row all = sum_of(p);
    spk_profile_row *row = sorted(p, false, &n);
    spk_text_addf(out, "%s, mean of %lld steps; matrix peak %.1f GFLOP/s, memory %.1f GB/s\n", title,
                  (long long)n_steps, roof->gflops, roof->gbytes);
    spk_text_addf(out, "%3s %-15s %-10s %-28s | %9s %7s %8s %6s %5s | %9s %7s %8s %6s %5s\n", "ops", "op", "kernel",
                  "output <- channels in", "forward", "MB", "GFLOP/s", "GB/s", "% roof", "backward", "MB", "GFLOP/s",
                  "GB/s", "% roof");
    for (int i = 0; i < n; i++) {
        spk_text shape = {0};
        add_shape(&shape, &row[i]);
        spk_text_addf(out, "%3lld %-15s %-10s %-28s", (long long)row[i].n_ops, spk_op_name(row[i].op), row[i].kernel,
                      spk_text_str(&shape));
        for (int d = 0; d < 2; d++) {
            const double t = spk_profile_least(&row[i], d, roof);
            if (row[i].seconds[d] > 0) least[d] += t;
            add_direction(out, &row[i], d, n_steps, t);
        }
        spk_text_add(out, "\n");
        spk_text_clear(&shape);
    }
    spk_text_addf(out, "%3lld %-15s %-10s %-28s", (long long)all.n_ops, "all", "", "");
    for (int d = 0; d < 2; d++)
        add_direction(out, &all, d, n_steps, least[d]);
    spk_text_add(out, "\n");
    spk_free(row);
}

static void add_json_direction(spk_text *out, const char *name, const spk_profile_row *r, int d, int64_t n_steps,
                               const spk_roofline *roof)
{
    const double steps = (double)n_steps, t = r->seconds[d];
    if (t <= 0) {
        spk_text_addf(out, ", \"%s\": null", name);
        return;
    }
    spk_text_addf(out,
                  ", \"%s\": {\"ms\": %.4f, \"flops\": %.0f, \"bytes\": %.0f, \"gflops\": %.2f, \"gb_per_s\": %.2f, "
                  "\"share_of_roofline\": %.4f}",
                  name, 1e3 * t / steps, r->flops[d] / steps, r->bytes[d] / steps, 1e-9 * r->flops[d] / t,
                  1e-9 * r->bytes[d] / t, spk_profile_least(r, d, roof) / t);
}

void spk_profile_json_ops(const spk_profile *p, int64_t n_steps, const spk_roofline *roof, spk_text *out)
{
    int n;
    spk_profile_row *row = sorted(p, false, &n);
    spk_text_add(out, "[");
    for (int i = 0; i < n; i++) {
        const spk_profile_row *r = &row[i];
        spk_text_addf(out,
                      "%s{\"op\": \"%s\", \"kernel\": \"%s\", \"ops\": %lld, \"shape\": [%lld, %lld, %lld, %lld], "
                      "\"channels_in\": %lld, \"taps\": %lld",
                      i ? ", " : "", spk_op_name(r->op), r->kernel, (long long)r->n_ops, (long long)r->n,
                      (long long)r->h, (long long)r->w, (long long)r->c, (long long)r->c_in, (long long)r->taps);
        add_json_direction(out, "forward", r, 0, n_steps, roof);
        add_json_direction(out, "backward", r, 1, n_steps, roof);
        spk_text_add(out, "}");
    }
    spk_text_add(out, "]");
    spk_free(row);
}
