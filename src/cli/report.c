/* SPDX-License-Identifier: Apache-2.0 */
/* The results of an evaluation as tables and as JSON. */
#include "cli/report_impl.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "cli/table_impl.h"

/* ---- tables ---- */

static void add_sure(table_of_words *t, int digits, double value, bool has, const spk_interval *i)
{
    if (has)
        table_add(t, "%.*f [%.*f, %.*f]", digits, value, digits, i->low, digits, i->high);
    else
        table_add(t, "%.*f", digits, value);
}

static void add_costs(table_of_words *t, const report *r, int w)
{
    const spk_dcf *d = &r->system[0].e.dcf[w];
    char at[64];
    if (d->c_miss == 1 && d->c_fa == 1)
        snprintf(at, sizeof at, "p %g", d->p_target);
    else
        snprintf(at, sizeof at, "p %g, costs %g and %g", d->p_target, d->c_miss, d->c_fa);
    table_add(t, "minDCF (%s)", at);
    for (int64_t s = 0; s < r->n; s++) {
        const spk_evaluation *e = &r->system[s].e;
        add_sure(t, 4, e->min[w].cost, e->has_intervals, &e->interval.min_dcf[w]);
    }
    table_add(t, "  threshold");
    for (int64_t s = 0; s < r->n; s++)
        table_add(t, "%.5g", r->system[s].e.min[w].threshold);
    table_add(t, "actual DCF (%s)", at);
    for (int64_t s = 0; s < r->n; s++) {
        const spk_evaluation *e = &r->system[s].e;
        add_sure(t, 4, e->actual[w], e->has_intervals, &e->interval.actual_dcf[w]);
    }
}

static void add_main(table_of_words *t, const report *r)
{
#define ROW(title, ...)                                                                                                \
    do {                                                                                                               \
        table_add(t, title);                                                                                           \
        for (int64_t s = 0; s < r->n; s++) {                                                                           \
            const spk_evaluation *e = &r->system[s].e;                                                                 \
            __VA_ARGS__;                                                                                               \
        }                                                                                                              \
    } while (0)
    t->n_columns = (int)r->n + 1;
    table_add(t, "scores");
    for (int64_t s = 0; s < r->n; s++)
        table_add(t, "%s", r->system[s].label);
    ROW("target trials", table_add(t, "%lld", (long long)e->m.n_targets));
    ROW("nontarget trials", table_add(t, "%lld", (long long)e->m.n_nontargets));
    ROW("tied with another", table_add(t, "%lld", (long long)e->n_tied));
    ROW("EER %%", add_sure(t, 3, e->m.eer, e->has_intervals, &e->interval.eer));
    ROW("  threshold", table_add(t, "%.5g", e->m.threshold_eer));
    ROW("EER %% as ESPnet", table_add(t, "%.3f", e->m.eer_espnet));
    ROW("minDCF as ESPnet (p 0.05)", table_add(t, "%.5f", e->m.mindcf_espnet.cost));
    for (int w = 0; w < r->system[0].e.n_dcf; w++)
        add_costs(t, r, w);
    ROW("Cllr", add_sure(t, 4, e->cllr.actual, e->has_intervals, &e->interval.cllr));
    ROW("minCllr", table_add(t, "%.4f", e->cllr.minimum));
    ROW("targets: mean, deviation", table_add(t, "%.4f, %.4f", e->m.trg_mean, e->m.trg_std));
    ROW("nontargets: mean, deviation", table_add(t, "%.4f, %.4f", e->m.nontrg_mean, e->m.nontrg_std));
#undef ROW
}

static void add_parts(table_of_words *t, const report_system *s)
{
    t->n_columns = 5 + s->e.n_dcf;
    const char *const heading[] = {"condition", "trials", "targets", "nontargets", "EER %"};
    for (int i = 0; i < 5; i++)
        table_add(t, "%s", heading[i]);
    for (int w = 0; w < s->e.n_dcf; w++)
        table_add(t, "minDCF (p %g)", s->e.dcf[w].p_target);
    for (int64_t i = 0; i < s->n_parts; i++) {
        const report_part *p = &s->part[i];
        table_add(t, "%s", p->condition);
        table_add(t, "%s", p->name);
        table_add(t, "%lld", (long long)p->n_targets);
        table_add(t, "%lld", (long long)p->n_nontargets);
        if (p->there)
            add_sure(t, 3, p->e.m.eer, p->e.has_intervals, &p->e.interval.eer);
        else
            table_add(t, "-");
        for (int w = 0; w < s->e.n_dcf; w++)
            if (p->there)
                add_sure(t, 4, p->e.min[w].cost, p->e.has_intervals, &p->e.interval.min_dcf[w]);
            else
                table_add(t, "-");
    }
}

static void put(table_of_words *t, bool markdown, spk_text *out)
{
    if (markdown)
        table_markdown(t, out);
    else
        table_text(t, out);
    table_clear(t);
}

void report_text(const report *r, bool markdown, spk_text *out)
{
    table_of_words t = {0};
    if (markdown) spk_text_addf(out, "# RESULTS\n\nspk %s\n\n", spk_version());
    add_main(&t, r);
    put(&t, markdown, out);
    if (r->system[0].e.has_intervals)
        spk_text_addf(out, "%sIn brackets: %g %% intervals, speakers drawn %lld times.\n", markdown ? "\n" : "",
                      100 * r->confidence, (long long)r->system[0].e.interval.used);
    for (int64_t s = 0; s < r->n; s++) {
        if (r->system[s].n_parts == 0) continue;
        spk_text_addf(out, markdown ? "\n## %s\n\n" : "\n%s\n", r->system[s].label);
        add_parts(&t, &r->system[s]);
        put(&t, markdown, out);
    }
}

/* ---- JSON ---- */

static void set(json_t *to, const char *key, double value)
{
    json_object_set_new(to, key, isfinite(value) ? json_real(value) : json_null());
}

static void set_interval(json_t *to, const char *key, const spk_interval *i)
{
    json_object_set_new(to, key, json_pack("[f, f]", i->low, i->high));
}

static json_t *costs_of(const spk_evaluation *e)
{
    json_t *all = json_array();
    for (int w = 0; w < e->n_dcf; w++) {
        json_t *one = json_object();
        set(one, "p_target", e->dcf[w].p_target);
        set(one, "c_miss", e->dcf[w].c_miss);
        set(one, "c_fa", e->dcf[w].c_fa);
        set(one, "min_dcf", e->min[w].cost);
        set(one, "threshold", e->min[w].threshold);
        set(one, "actual_dcf", e->actual[w]);
        set(one, "bayes_threshold", spk_metrics_bayes_threshold(&e->dcf[w]));
        if (e->has_intervals) {
            set_interval(one, "min_dcf_interval", &e->interval.min_dcf[w]);
            set_interval(one, "actual_dcf_interval", &e->interval.actual_dcf[w]);
        }
        json_array_append_new(all, one);
    }
    return all;
}

static void add_figures(json_t *to, const spk_evaluation *e)
{
    set(to, "eer", e->m.eer);
    set(to, "threshold_eer", e->m.threshold_eer);
    set(to, "eer_espnet", e->m.eer_espnet);
    set(to, "mindcf_espnet", e->m.mindcf_espnet.cost);
    json_object_set_new(to, "dcf", costs_of(e));
    set(to, "cllr", e->cllr.actual);
    set(to, "min_cllr", e->cllr.minimum);
    set(to, "trg_mean", e->m.trg_mean);
    set(to, "trg_std", e->m.trg_std);
    set(to, "nontrg_mean", e->m.nontrg_mean);
    set(to, "nontrg_std", e->m.nontrg_std);
    json_object_set_new(to, "n_tied", json_integer(e->n_tied));
    if (!e->has_intervals) return;
    set_interval(to, "eer_interval", &e->interval.eer);
    set_interval(to, "cllr_interval", &e->interval.cllr);
    json_object_set_new(to, "n_draws", json_integer(e->interval.used));
}

static void add_counts(json_t *to, int64_t targets, int64_t nontargets)
{
    json_object_set_new(to, "n_targets", json_integer(targets));
    json_object_set_new(to, "n_nontargets", json_integer(nontargets));
}

char *report_json(const report *r)
{
    json_t *systems = json_array(), *all = json_object();
    for (int64_t s = 0; s < r->n; s++) {
        const report_system *sys = &r->system[s];
        json_t *one = json_object(), *parts = json_array();
        json_object_set_new(one, "scores", json_string(sys->name));
        add_counts(one, sys->e.m.n_targets, sys->e.m.n_nontargets);
        add_figures(one, &sys->e);
        for (int64_t i = 0; i < sys->n_parts; i++) {
            json_t *part = json_object();
            json_object_set_new(part, "condition", json_string(sys->part[i].condition));
            json_object_set_new(part, "trials", json_string(sys->part[i].name));
            add_counts(part, sys->part[i].n_targets, sys->part[i].n_nontargets);
            if (sys->part[i].there) add_figures(part, &sys->part[i].e);
            json_array_append_new(parts, part);
        }
        if (sys->n_parts) json_object_set(one, "conditions", parts);
        json_decref(parts);
        json_array_append_new(systems, one);
    }
    json_object_set_new(all, "systems", systems);
    set(all, "confidence", r->confidence);
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    json_decref(all);
    return text;
}

void report_name(report *r)
{
    bool differ = true;
    for (int64_t a = 0; a < r->n; a++)
        for (int64_t b = 0; b < a; b++)
            differ &= strcmp(spk_path_name(r->system[a].name), spk_path_name(r->system[b].name)) != 0;
    for (int64_t s = 0; s < r->n; s++)
        r->system[s].label = differ ? spk_path_name(r->system[s].name) : r->system[s].name;
}

void report_clear(report *r)
{
    for (int64_t s = 0; s < r->n; s++) {
        for (int64_t i = 0; i < r->system[s].n_parts; i++) {
            spk_free(r->system[s].part[i].condition);
            spk_free(r->system[s].part[i].name);
        }
        spk_free(r->system[s].part);
        spk_trial_list_clear(&r->system[s].scores);
    }
    spk_free(r->system);
    memset(r, 0, sizeof *r);
}
