/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reporter: values of the running phase step by step, and the aggregates of finished phases.
 *
 * A name that is first seen late, or left out in a step, has NaN (and weight 0) there, so that all names of a phase
 * have one value a step and a window of the last steps is a slice.
 */
#include "train/reporter_store_impl.h"

#include <math.h>
#include <string.h>

/* ---- the running phase ---- */

static void clear_series(spk_reporter *r)
{
    for (int64_t i = 0; i < r->n_series; i++) {
        spk_free(r->series[i].name);
        spk_free(r->series[i].value);
        spk_free(r->series[i].weight);
    }
    spk_free(r->series);
    spk_free(r->phase);
    r->series = NULL;
    r->phase = NULL;
    r->n_series = r->steps = 0;
    r->step_open = false;
}

spk_reporter *spk_reporter_new(void)
{
    return spk_new(sizeof(spk_reporter));
}

void spk_reporter_free(spk_reporter *r)
{
    if (!r) return;
    clear_series(r);
    spk_store_clear(&r->store);
    spk_free(r);
}

void spk_reporter_set_epoch(spk_reporter *r, int64_t epoch)
{
    r->epoch = epoch;
}

int64_t spk_reporter_epoch(const spk_reporter *r)
{
    return r->epoch;
}

int64_t spk_reporter_steps(const spk_reporter *r)
{
    return r->steps;
}

void spk_reporter_begin_phase(spk_reporter *r, const char *phase)
{
    SPK_ASSERT(!r->phase && "one phase runs at a time");
    r->phase = spk_strdup(phase);
    r->start_s = spk_now();
}

static spk_series *find_series(const spk_reporter *r, const char *name)
{
    for (int64_t i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].name, name) == 0) return &r->series[i];
    return NULL;
}

/* Append one step to a series. */
static void put(spk_series *s, double value, double weight)
{
    if (s->n == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->value = spk_renew(s->value, (size_t)s->room * sizeof *s->value);
        s->weight = spk_renew(s->weight, (size_t)s->room * sizeof *s->weight);
    }
    s->value[s->n] = value;
    s->weight[s->n++] = weight;
}

static void pad(spk_series *s, int64_t steps)
{
    while (s->n < steps)
        put(s, NAN, 0);
}

static spk_status check_stats(const spk_reporter *r, const spk_stat *stats, int n, double weight)
{
    const int64_t step = r->step_open ? r->steps : r->steps + 1;
    for (int i = 0; i < n; i++) {
        const char *name = stats[i].name;
        if (strcmp(name, "time") == 0 || strcmp(name, "total_count") == 0)
            return spk_fail(SPK_E_VALUE, "a statistic may not be called %s: the reporter makes it itself", name);
        const spk_series *s = find_series(r, name);
        bool twice = s && s->n >= step;
        for (int k = 0; k < i && !twice; k++)
            twice = strcmp(stats[k].name, name) == 0;
        if (twice)
            return spk_fail(SPK_E_VALUE,
                            "%s is registered twice in step %lld of %s; call spk_reporter_next between steps", name,
                            (long long)step, r->phase);
        if (s && s->weighted != (weight != 0))
            return spk_fail(SPK_E_VALUE, "%s is registered with a weight in some steps of %s and without in others",
                            name, r->phase);
    }
    return SPK_OK;
}

spk_status spk_reporter_register(spk_reporter *r, const spk_stat *stats, int n, double weight)
{
    SPK_ASSERT(r->phase && "a phase must be begun first");
    SPK_TRY(check_stats(r, stats, n, weight));
    if (!r->step_open) {
        r->step_open = true;
        r->steps++;
    }
    for (int i = 0; i < n; i++) {
        spk_series *s = find_series(r, stats[i].name);
        if (!s) {
            s = &SPK_PUSH(r->series, r->n_series);
            memset(s, 0, sizeof *s);
            s->name = spk_strdup(stats[i].name);
            s->weighted = weight != 0;
            s->integral = stats[i].integral;
        }
        pad(s, r->steps - 1);
        put(s, stats[i].value, weight);
    }
    return SPK_OK;
}

void spk_reporter_next(spk_reporter *r)
{
    for (int64_t i = 0; i < r->n_series; i++)
        pad(&r->series[i], r->steps);
    r->step_open = false;
}

/* Over the steps from `from` on. Weighted: values that are not finite are left out. Plain: only NaN is. */
static double aggregate(const spk_series *s, int64_t from)
{
    double sum = 0, weights = 0;
    for (int64_t i = from > 0 ? from : 0; i < s->n; i++) {
        const double v = s->value[i], w = s->weighted ? s->weight[i] : 1;
        if (s->weighted ? !isfinite(v) || !isfinite(w) : isnan(v)) continue;
        sum += v * w;
        weights += w;
    }
    return weights != 0 ? sum / weights : NAN;
}

double spk_reporter_window(const spk_reporter *r, const char *name, int64_t n)
{
    const spk_series *s = find_series(r, name);
    return s ? aggregate(s, r->steps - n) : NAN;
}

void spk_reporter_end_phase(spk_reporter *r)
{
    SPK_ASSERT(r->phase && "no phase is running");
    if (r->step_open) spk_reporter_next(r);
    int64_t total = 0;
    for (int64_t i = 0; i < r->store.n; i++) { /* the count goes on from the nearest epoch before */
        const spk_record *record = &r->store.record[i];
        const spk_entry *e = strcmp(record->phase, r->phase) ? NULL : spk_record_find(record, "total_count");
        if (e && record->epoch < r->epoch) total = (int64_t)e->value; /* records stand by rising epoch */
    }
    spk_record *record = spk_store_renew(&r->store, r->epoch, r->phase);
    for (int64_t i = 0; i < r->n_series; i++)
        spk_record_add(record, r->series[i].name, aggregate(&r->series[i], 0), r->series[i].integral);
    spk_record_add(record, "time", spk_now() - r->start_s, false);
    spk_record_add(record, "total_count", (double)(total + r->steps), true);
    clear_series(r);
}

void spk_reporter_drop_phase(spk_reporter *r)
{
    if (r->phase) clear_series(r);
}

/* ---- finished phases ---- */

bool spk_reporter_get(const spk_reporter *r, int64_t epoch, const char *phase, const char *name, double *value)
{
    const spk_record *record = spk_store_find(&r->store, epoch, phase);
    const spk_entry *e = record ? spk_record_find(record, name) : NULL;
    if (e) *value = e->value;
    return e != NULL;
}

/* Whether a comes before b: NaN last, of equal values the earlier epoch first. */
static bool is_better(const spk_reporter *r, const char *phase, const char *name, bool max, int64_t a, int64_t b)
{
    double x = NAN, y = NAN;
    spk_reporter_get(r, a, phase, name, &x);
    spk_reporter_get(r, b, phase, name, &y);
    if (isnan(x) || isnan(y)) return !isnan(x) && isnan(y);
    return max ? x > y : x < y;
}

int64_t spk_reporter_sort(const spk_reporter *r, const char *phase, const char *name, const char *mode, int64_t *epochs,
                          int64_t room)
{
    const bool max = strcmp(mode, "max") == 0;
    int64_t n = 0, *all = NULL;
    SPK_ASSERT(max || strcmp(mode, "min") == 0);
    for (int64_t i = 0; i < r->store.n; i++) { /* insertion sort, stable: epochs come rising */
        const spk_record *record = &r->store.record[i];
        if (strcmp(record->phase, phase) != 0 || !spk_record_find(record, name)) continue;
        int64_t k = n;
        SPK_PUSH(all, n) = record->epoch;
        for (; k > 0 && is_better(r, phase, name, max, record->epoch, all[k - 1]); k--)
            all[k] = all[k - 1];
        all[k] = record->epoch;
    }
    if (n > 0 && room > 0) memcpy(epochs, all, (size_t)(n < room ? n : room) * sizeof *epochs);
    spk_free(all);
    return n;
}

int64_t spk_reporter_last_epoch(const spk_reporter *r)
{
    return r->store.n ? r->store.record[r->store.n - 1].epoch : 0;
}

const char *spk_reporter_phase_at(const spk_reporter *r, int64_t index)
{
    for (int64_t i = 0; i < r->store.n; i++) {
        bool seen = false;
        for (int64_t k = 0; k < i && !seen; k++)
            seen = strcmp(r->store.record[k].phase, r->store.record[i].phase) == 0;
        if (!seen && index-- == 0) return r->store.record[i].phase;
    }
    return NULL;
}

static bool seen_before(const spk_store *store, int64_t record, const char *name)
{
    for (int64_t i = 0; i < record; i++)
        if (spk_record_find(&store->record[i], name)) return true;
    return false;
}

const char *spk_reporter_name_at(const spk_reporter *r, int64_t index)
{
    for (int64_t i = 0; i < r->store.n; i++)
        for (int64_t k = 0; k < r->store.record[i].n; k++) {
            const char *name = r->store.record[i].entry[k].name;
            if (strcmp(name, "time") == 0 || strcmp(name, "total_count") == 0 || seen_before(&r->store, i, name))
                continue;
            if (index-- == 0) return name;
        }
    return NULL;
}
