/* SPDX-License-Identifier: Apache-2.0 */
/* The results of an evaluation as one HTML page that needs no other file: tables, figures, how they came to be. */
#include <string.h>
#include <time.h>

#include "cli/report_page_impl.h"
#include "cli/svg_impl.h"

void page_short_name(const char *name, int most, char *out, size_t room)
{
    const char *end = name, *skip = name;
    int n = 0;
    for (; *end; end++)
        n += ((unsigned char)*end & 0xc0) != 0x80;
    for (int drop = n - most + 1; n > most && drop > 0; drop--)
        for (skip++; ((unsigned char)*skip & 0xc0) == 0x80; skip++)
            continue;
    snprintf(out, room, "%s%s", n > most ? "\xe2\x80\xa6" : "", skip);
}

/* ---- cells ---- */

static void add_cell(spk_text *t, bool best, int digits, double value, const spk_interval *i)
{
    spk_text_addf(t, "<td%s>%.*f", best ? " class=\"best\"" : "", digits, value);
    if (i) spk_text_addf(t, "<small>%.*f to %.*f</small>", digits, i->low, digits, i->high);
    spk_text_add(t, "</td>");
}

static void add_name(spk_text *t, const report_system *s)
{
    spk_text_add(t, "<th scope=\"row\" title=\"");
    svg_escape(t, s->name);
    spk_text_add(t, "\">");
    svg_escape(t, s->label);
    spk_text_add(t, "</th>");
}

static void add_heads(spk_text *t, const char *const *heads, int n)
{
    for (int i = 0; i < n; i++)
        spk_text_addf(t, "<th scope=\"col\">%s</th>", heads[i]);
}

/* " (p 0.05)", with costs where they are not 1. */
static void add_point(spk_text *t, const spk_dcf *d)
{
    spk_text_addf(t, "<br>p %g", d->p_target);
    if (d->c_miss != 1 || d->c_fa != 1) spk_text_addf(t, ", costs %g, %g", d->c_miss, d->c_fa);
}

/* ---- sections ---- */

enum which { EER, MIN_DCF, ACTUAL_DCF, CLLR, MIN_CLLR };

static double figure(const spk_evaluation *e, enum which which, int w)
{
    return which == EER          ? e->m.eer
           : which == MIN_DCF    ? e->min[w].cost
           : which == ACTUAL_DCF ? e->actual[w]
           : which == CLLR       ? e->cllr.actual
                                 : e->cllr.minimum;
}

static const spk_interval *interval(const spk_evaluation *e, enum which which, int w)
{
    if (!e->has_intervals || which == MIN_CLLR) return NULL;
    return which == EER          ? &e->interval.eer
           : which == MIN_DCF    ? &e->interval.min_dcf[w]
           : which == ACTUAL_DCF ? &e->interval.actual_dcf[w]
                                 : &e->interval.cllr;
}

/* The cell of a system; the lowest of several is bold. */
static void add_figure(spk_text *t, const report *r, int64_t s, enum which which, int w, int digits)
{
    const spk_evaluation *e = &r->system[s].e;
    bool best = r->n > 1;
    for (int64_t i = 0; i < r->n; i++)
        best &= figure(e, which, w) <= figure(&r->system[i].e, which, w);
    add_cell(t, best, digits, figure(e, which, w), interval(e, which, w));
}

static void add_main_table(spk_text *t, const report *r)
{
    const spk_evaluation *first = &r->system[0].e;
    spk_text_add(t, "<div class=\"wide\"><table>\n<caption>Lower is better");
    if (r->n > 1) spk_text_add(t, "; the lowest of each column is bold");
    if (first->has_intervals)
        spk_text_addf(t, ". Below each figure: its %g&#8239;%% interval, speakers drawn anew %lld times",
                      100 * r->confidence, (long long)first->interval.used);
    spk_text_add(t, ".</caption>\n<thead><tr><th scope=\"col\">system</th><th scope=\"col\">EER&#8239;%</th>");
    for (int actual = 0; actual < 2; actual++)
        for (int w = 0; w < first->n_dcf; w++) {
            spk_text_addf(t, "<th scope=\"col\">%s", actual ? "actual DCF" : "minDCF");
            add_point(t, &first->dcf[w]);
            spk_text_add(t, "</th>");
        }
    spk_text_add(t, "<th scope=\"col\">Cllr</th><th scope=\"col\">minCllr</th></tr></thead>\n<tbody>\n");
    for (int64_t s = 0; s < r->n; s++) {
        spk_text_add(t, "<tr>");
        add_name(t, &r->system[s]);
        add_figure(t, r, s, EER, 0, 3);
        for (int w = 0; w < first->n_dcf; w++)
            add_figure(t, r, s, MIN_DCF, w, 4);
        for (int w = 0; w < first->n_dcf; w++)
            add_figure(t, r, s, ACTUAL_DCF, w, 4);
        add_figure(t, r, s, CLLR, 0, 4);
        add_figure(t, r, s, MIN_CLLR, 0, 4);
        spk_text_add(t, "</tr>\n");
    }
    spk_text_add(t, "</tbody></table></div>\n");
}

static void add_legend(spk_text *t, const report *r)
{
    spk_text_add(t, "<ul class=\"legend\">\n");
    for (int64_t s = 0; s < r->n; s++) {
        char css[32];
        spk_text_add(t, "<li><svg viewBox=\"0 0 44 16\" aria-hidden=\"true\">");
        snprintf(css, sizeof css, "curve s%d", (int)(s % PAGE_N_STYLES));
        svg_line(t, 0, 8, 44, 8, css);
        snprintf(css, sizeof css, "mark f%d", (int)(s % PAGE_N_STYLES));
        svg_mark(t, (int)s, 22, 8, css);
        spk_text_add(t, "</svg><span>");
        svg_escape(t, r->system[s].label);
        spk_text_addf(t, " (EER %.2f&#8239;%%)</span></li>\n", r->system[s].e.m.eer);
    }
    spk_text_add(t, "</ul>\n");
}

static void add_histograms(spk_text *t, const report *r)
{
    spk_text_add(
        t, "<h2>Scores</h2>\n<ul class=\"legend\">\n"
           "<li><svg viewBox=\"0 0 44 16\" aria-hidden=\"true\"><rect x=\"1\" y=\"2\" width=\"42\" height=\"12\" "
           "class=\"fill target\"/><path d=\"M1 2h42\" class=\"outline target\"/></svg><span>same speaker</span></li>\n"
           "<li><svg viewBox=\"0 0 44 16\" aria-hidden=\"true\"><rect x=\"1\" y=\"2\" width=\"42\" height=\"12\" "
           "class=\"fill nontarget\"/><path d=\"M1 2h42\" class=\"outline nontarget\"/></svg><span>different "
           "speakers (dashed outline)</span></li>\n</ul>\n");
    spk_text_addf(t, "<div class=\"%s\">\n", r->n > 1 ? "grid2" : "one");
    for (int64_t s = 0; s < r->n; s++) {
        const report_system *sys = &r->system[s];
        spk_text_add(t, "<figure>\n<h3>");
        svg_escape(t, sys->label);
        spk_text_add(t, "</h3>\n");
        page_histogram(t, sys, s + 1);
        spk_text_addf(
            t,
            "<figcaption>EER %.2f&#8239;%%. %lld trials of one speaker (mean %.4g, deviation %.4g), %lld of two (%.4g, "
            "%.4g).</figcaption>\n</figure>\n",
            sys->e.m.eer, (long long)sys->e.m.n_targets, sys->e.m.trg_mean, sys->e.m.trg_std,
            (long long)sys->e.m.n_nontargets, sys->e.m.nontrg_mean, sys->e.m.nontrg_std);
    }
    spk_text_add(t, "</div>\n");
}

/* The part of a system's trials under that condition, or NULL. */
static const report_part *part_of(const report_system *s, const report_part *like)
{
    for (int64_t i = 0; i < s->n_parts; i++)
        if (strcmp(s->part[i].condition, like->condition) == 0 && strcmp(s->part[i].name, like->name) == 0)
            return &s->part[i];
    return NULL;
}

/* Figures of a condition's table: the EER and costs; of two systems only the first cost, of more none. */
static int n_figures(const report *r)
{
    return r->n > 2 ? 1 : r->n == 2 ? 2 : 1 + r->system[0].e.n_dcf;
}

static void add_condition_head(spk_text *t, const report *r, const char *condition)
{
    const char *span = r->n > 1 ? " rowspan=\"2\"" : "";
    spk_text_add(t, "<div class=\"wide\"><table>\n<caption>");
    svg_escape(t, condition);
    spk_text_addf(t,
                  "</caption>\n<thead><tr><th scope=\"col\"%s>trials</th><th scope=\"col\"%s>targets</th>"
                  "<th scope=\"col\"%s>nontargets</th>",
                  span, span, span);
    for (int f = 0; f < n_figures(r); f++) {
        spk_text_addf(t, "<th scope=\"colgroup\" colspan=\"%lld\">%s", (long long)r->n, f ? "minDCF" : "EER&#8239;%");
        if (f) add_point(t, &r->system[0].e.dcf[f - 1]);
        spk_text_add(t, "</th>");
    }
    spk_text_add(t, "</tr>\n");
    if (r->n > 1) spk_text_add(t, "<tr>");
    for (int f = 0; r->n > 1 && f < n_figures(r); f++)
        for (int64_t s = 0; s < r->n; s++) {
            spk_text_add(t, "<th scope=\"col\">");
            svg_escape(t, r->system[s].label);
            spk_text_add(t, "</th>");
        }
    spk_text_add(t, r->n > 1 ? "</tr></thead>\n<tbody>\n" : "</thead>\n<tbody>\n");
}

static void add_part_row(spk_text *t, const report *r, const report_part *p)
{
    spk_text_add(t, "<tr><th scope=\"row\">");
    svg_escape(t, p->name);
    spk_text_addf(t, "</th><td>%lld</td><td>%lld</td>", (long long)p->n_targets, (long long)p->n_nontargets);
    for (int f = 0; f < n_figures(r); f++)
        for (int64_t s = 0; s < r->n; s++) {
            const report_part *q = part_of(&r->system[s], p);
            const int w = f ? f - 1 : 0;
            const enum which which = f ? MIN_DCF : EER;
            if (q && q->there)
                add_cell(t, false, f ? 4 : 3, figure(&q->e, which, w), interval(&q->e, which, w));
            else
                spk_text_add(t, "<td>&#8211;</td>");
        }
    spk_text_add(t, "</tr>\n");
}

/* As the first system's trials are parted. */
static void add_conditions(spk_text *t, const report *r)
{
    const report_system *first = &r->system[0];
    if (first->n_parts == 0) return;
    spk_text_add(
        t, "<h2>Conditions</h2>\n<p class=\"note\">Trials by the words that a list has for their two sides; where "
           "they differ, both are named. Trials of one class have no error rates.</p>\n");
    for (int64_t i = 0; i < first->n_parts; i++) {
        const bool begins = i == 0 || strcmp(first->part[i].condition, first->part[i - 1].condition) != 0;
        if (begins && i) spk_text_add(t, "</tbody></table></div>\n");
        if (begins) add_condition_head(t, r, first->part[i].condition);
        add_part_row(t, r, &first->part[i]);
    }
    spk_text_add(t, "</tbody></table></div>\n");
}

static void add_thresholds(spk_text *t, const report *r)
{
    const spk_evaluation *first = &r->system[0].e;
    spk_text_add(
        t,
        "<h2>Thresholds</h2>\n<p class=\"note\">A trial is accepted whose score is not below the threshold. The last "
        "columns are for scores that are natural logarithms of likelihood ratios, and the same for every system.</p>\n"
        "<div class=\"wide\"><table>\n<thead><tr>");
    add_heads(t, (const char *const[]){"system", "at the EER"}, 2);
    for (int bayes = 0; bayes < 2; bayes++)
        for (int w = 0; w < first->n_dcf; w++) {
            spk_text_addf(t, "<th scope=\"col\">%s", bayes ? "of the ratio" : "at minDCF");
            add_point(t, &first->dcf[w]);
            spk_text_add(t, "</th>");
        }
    spk_text_add(t, "</tr></thead>\n<tbody>\n");
    for (int64_t s = 0; s < r->n; s++) {
        const spk_evaluation *e = &r->system[s].e;
        spk_text_add(t, "<tr>");
        add_name(t, &r->system[s]);
        spk_text_addf(t, "<td>%.5g</td>", e->m.threshold_eer);
        for (int w = 0; w < e->n_dcf; w++)
            spk_text_addf(t, "<td>%.5g</td>", e->min[w].threshold);
        for (int w = 0; w < e->n_dcf; w++)
            spk_text_addf(t, "<td>%.4g</td>", spk_metrics_bayes_threshold(&e->dcf[w]));
        spk_text_add(t, "</tr>\n");
    }
    spk_text_add(t, "</tbody></table></div>\n");
}

static void add_origin(spk_text *t, const report *r)
{
    spk_text_add(
        t, "<h2>What the figures are</h2>\n<dl>\n"
           "<dt>EER</dt><dd>where misses and false alarms are equally frequent, on the complete curve; tied scores are "
           "one "
           "point</dd>\n"
           "<dt>minDCF</dt><dd>the lowest cost over all thresholds, over that of deciding without scores; p is the "
           "prior of "
           "targets</dd>\n"
           "<dt>actual DCF</dt><dd>the same at the threshold that the prior gives for log likelihood ratios: it says "
           "how well "
           "scores are calibrated</dd>\n"
           "<dt>Cllr, minCllr</dt><dd>cost of the ratios in bits, and what is left of it after the best non-decreasing "
           "map</dd>\n</dl>\n<h2>How this was made</h2>\n<pre><code>");
    svg_escape(t, r->command);
    spk_text_add(t, "</code></pre>\n<ul class=\"note\">\n");
    for (int64_t s = 0; s < r->n; s++) {
        spk_text_add(t, "<li><code>");
        svg_escape(t, r->system[s].name);
        spk_text_addf(
            t,
            "</code>: %lld trials, %lld of them tied with another; EER as ESPnet computes it %.3f&#8239;%%, its minDCF "
            "(p 0.05) %.5f</li>\n",
            (long long)r->system[s].e.m.n_trials, (long long)r->system[s].e.n_tied, r->system[s].e.m.eer_espnet,
            r->system[s].e.m.mindcf_espnet.cost);
    }
    spk_text_add(t, "</ul>\n");
}

spk_status report_html(const report *r, spk_text *out)
{
    char date[64];
    struct tm t;
    const time_t now = time(NULL);
    const spk_metrics *m = &r->system[0].e.m;
    localtime_r(&now, &t);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", &t);
    spk_text_add(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<title>Speaker verification: results</title>\n<style>\n");
    spk_text_add(out, page_style);
    spk_text_addf(
        out,
        "</style>\n</head>\n<body>\n<main>\n<h1>Speaker verification: results</h1>\n<p class=\"sub\">%lld target and "
        "%lld nontarget trials &#183; %lld system%s &#183; spk %s &#183; %s</p>\n",
        (long long)m->n_targets, (long long)m->n_nontargets, (long long)r->n, r->n == 1 ? "" : "s", spk_version(),
        date);
    add_main_table(out, r);
    if (r->system[0].e.has_intervals && r->n > 1) {
        spk_text_add(out, "<figure class=\"eers\">\n");
        page_intervals(out, r);
        spk_text_add(out, "</figure>\n");
    }
    spk_text_add(out, "<h2>Misses against false alarms</h2>\n");
    add_legend(out, r);
    spk_text_add(out, "<figure class=\"det\">\n");
    SPK_TRY(page_det(out, r));
    spk_text_add(
        out,
        "<figcaption>Nearer to the lower left corner is better. Marks stand at the EER.</figcaption>\n</figure>\n");
    add_histograms(out, r);
    add_conditions(out, r);
    add_thresholds(out, r);
    add_origin(out, r);
    spk_text_add(out, "</main>\n</body>\n</html>\n");
    return SPK_OK;
}
