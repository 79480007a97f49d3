/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A softmax over classes that several processes divide among them: two rounds of messages a batch, and one more where the
 * nearest classes of all count (backend_impl.h). All processes end with the same bits.
 */
#include <math.h>

#include "backend/backend_impl.h"

/* A failure sticks to the team, and who called the kernel asks it. */
static void passed_over(spk_status status)
{
    (void)status;
}

/* +1 from the process whose class it is where that has the largest cosine of all, -1 from each that has an earlier one with the
 * same: 1 in the end is right. */
static double vote(const spk_class_row *r, double best, int64_t label)
{
    if (r->best != best || r->best_class > label) return 0;
    return r->best_class == label ? 1 : -1;
}

void spk_class_share_rows(const spk_class_share *s, int64_t n, const int64_t *label)
{
    const spk_class_team *t = s->team;
    double *v = s->values;
    for (int64_t i = 0; i < n; i++) {
        v[2 * i] = s->row[i].max;
        v[2 * i + 1] = s->row[i].best;
    }
    passed_over(t->largest(t->self, v, 2 * n));
    for (int64_t i = 0; i < n; i++) {
        spk_class_row *r = &s->row[i];
        const double max = v[2 * i], best = v[2 * i + 1];
        r->sum *= r->sum > 0 ? exp(r->max - max) : 1; /* not a number stays so */
        r->right = false;
        r->max = max;
        r->best_class = (int64_t)vote(r, best, label[i]);
        r->best = best;
    }
    for (int64_t i = 0; i < n; i++) {
        v[3 * i] = s->row[i].sum;
        v[3 * i + 1] = s->row[i].own;
        v[3 * i + 2] = (double)s->row[i].best_class;
    }
    passed_over(t->sum(t->self, v, 3 * n));
    for (int64_t i = 0; i < n; i++) {
        spk_class_row *r = &s->row[i];
        r->sum = v[3 * i];
        r->own = v[3 * i + 1];
        r->right = v[3 * i + 2] == 1;
    }
}

/* Entries of process p's list for row i that come before one with that cosine of this process: equal ones in the order of
 * processes. */
static int64_t count_before(const spk_class_share *s, int64_t n, int64_t k, int64_t i, int p, double cosine)
{
    const spk_near_class *list = s->all_near + ((int64_t)p * n + i) * k;
    int64_t j = 0;
    while (j < k && list[j].class_row >= 0 &&
           (list[j].cosine > cosine || (list[j].cosine == cosine && p < s->team->rank)))
        j++;
    return j;
}

void spk_class_share_near(const spk_class_share *s, int64_t n, int64_t k)
{
    const spk_class_team *t = s->team;
    for (int p = 0; p < t->size; p++)
        s->counts[p] = n;
    passed_over(t->gather(t->self, s->near, s->counts, (size_t)k * sizeof *s->near, s->all_near));
    for (int64_t i = 0; i < n; i++) {
        const spk_near_class *own = s->near + i * k;
        int64_t kept = 0;
        for (; kept < k && own[kept].class_row >= 0; kept++) {
            int64_t before = kept;
            for (int p = 0; p < t->size; p++)
                before += p == t->rank ? 0 : count_before(s, n, k, i, p, own[kept].cosine);
            if (before >= k) break;
        }
        s->n_kept[i] = kept;
    }
}
