/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of the page: EERs with their intervals, DET curves, distributions of scores. */
#include <math.h>
#include <string.h>

#include "cli/report_page_impl.h"
#include "cli/svg_impl.h"

/* A plot's area within its picture. */
typedef struct area {
    double left, top, width, height;
} area;

/* The normal distribution's quantile, by halving: exact enough for a picture of any size. */
static double quantile(double p)
{
    double low = -8, high = 8;
    for (int i = 0; i < 40; i++) {
        const double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* 1, 2 or 5 times a power of ten, so that about `n` of it fill the range. */
static double nice_step(double range, int n)
{
    const double raw = range / n, power = pow(10, floor(log10(raw)));
    const double part = raw / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

/* ---- EERs ---- */

void page_intervals(spk_text *t, const report *r)
{
    enum { ROW = 34, RIGHT = 80, WIDTH = 760, LONGEST = 22 };
    double most = 0;
    size_t longest = 4;
    for (int64_t s = 0; s < r->n; s++) {
        const size_t n = strlen(r->system[s].label);
        longest = n > LONGEST ? LONGEST : n > longest ? n : longest;
        most = fmax(most, r->system[s].e.interval.eer.high);
    }
    const double left = 20 + 7.5 * (double)longest;
    const double step = nice_step(fmax(most, 0.1), 6), end = ceil(fmax(most, 0.1) / step) * step;
    const double bottom = 12 + ROW * (double)r->n, scale = (WIDTH - left - RIGHT) / end;
    svg_begin(t, WIDTH, bottom + 46, "eers", "Equal error rates and their intervals",
              "A row for each system: a mark at its equal error rate, a line over its confidence interval.");
    for (int i = 0; i * step <= end * 1.0001; i++) {
        const double x = left + i * step * scale;
        svg_line(t, x, 8, x, bottom, "grid");
        svg_label(t, x, bottom + 18, "middle", "tick", "%g", i * step);
    }
    svg_label(t, left + end * scale / 2, bottom + 38, "middle", "axis", "equal error rate (%%)");
    for (int64_t s = 0; s < r->n; s++) {
        const spk_evaluation *e = &r->system[s].e;
        const double y = 12 + ROW * ((double)s + 0.5);
        const double low = left + e->interval.eer.low * scale, high = left + e->interval.eer.high * scale;
        char css[32], name[64];
        page_short_name(r->system[s].label, LONGEST, name, sizeof name);
        svg_label(t, left - 12, y + 5, "end", "name", "%s", name);
        snprintf(css, sizeof css, "range s%d", (int)(s % PAGE_N_STYLES));
        svg_line(t, low, y, high, y, css);
        svg_line(t, low, y - 6, low, y + 6, css);
        svg_line(t, high, y - 6, high, y + 6, css);
        snprintf(css, sizeof css, "mark f%d", (int)(s % PAGE_N_STYLES));
        svg_mark(t, (int)s, left + e->m.eer * scale, y, css);
        svg_label(t, high + 10, y + 5, "start", "value", "%.2f %%", e->m.eer);
    }
    svg_end(t);
}

/* ---- DET ---- */

typedef struct det_axes {
    area a;
    double least, most; /* shares */
    double low, high;   /* their quantiles */
} det_axes;

static double det_x(const det_axes *d, double share)
{
    return d->a.left + (quantile(fmin(fmax(share, d->least), d->most)) - d->low) / (d->high - d->low) * d->a.width;
}

static double det_y(const det_axes *d, double share)
{
    return d->a.top + d->a.height -
           (quantile(fmin(fmax(share, d->least), d->most)) - d->low) / (d->high - d->low) * d->a.height;
}

static void det_grid(spk_text *t, const det_axes *d)
{
    const double right = d->a.left + d->a.width, bottom = d->a.top + d->a.height;
    for (int i = 0; i < SPK_N_DET_PERCENTS; i++) {
        const double share = spk_det_percents[i] / 100;
        if (share < d->least || share > d->most) continue;
        const double x = det_x(d, share), y = det_y(d, share);
        svg_line(t, x, d->a.top, x, bottom, "grid");
        svg_line(t, d->a.left, y, right, y, "grid");
        svg_label(t, x, bottom + 18, "middle", "tick", "%g", spk_det_percents[i]);
        svg_label(t, d->a.left - 8, y + 4, "end", "tick", "%g", spk_det_percents[i]);
    }
    svg_line(t, d->a.left, bottom, right, d->a.top, "equal");
    svg_line(t, d->a.left, bottom, right, bottom, "frame");
    svg_line(t, d->a.left, d->a.top, d->a.left, bottom, "frame");
    svg_label(t, d->a.left + d->a.width / 2, bottom + 42, "middle", "axis", "false alarms: nontargets accepted (%%)");
    svg_label_up(t, d->a.left - 48, d->a.top + d->a.height / 2, "axis", "misses: targets rejected (%)");
}

/* The part of a curve that is inside; where it leaves, it ends at the edge. */
static void det_curve(spk_text *t, const det_axes *d, const spk_plot_curve *c, int style)
{
    char css[32];
    svg_path p = svg_path_begin(t);
    for (int64_t i = 0; i < c->n; i++) {
        const bool before = i + 1 < c->n && c->fpr[i + 1] < d->least && c->fpr[i] < d->least;
        const bool behind = i > 0 && c->fnr[i - 1] < d->least && c->fnr[i] < d->least;
        const bool above = i + 1 < c->n && c->fnr[i + 1] > d->most && c->fnr[i] > d->most;
        const bool beside = i > 0 && c->fpr[i - 1] > d->most && c->fpr[i] > d->most;
        if (!before && !behind && !above && !beside) svg_path_to(&p, det_x(d, c->fpr[i]), det_y(d, c->fnr[i]));
    }
    snprintf(css, sizeof css, "curve s%d", style % PAGE_N_STYLES);
    svg_path_end(&p, false, css);
    snprintf(css, sizeof css, "mark f%d", style % PAGE_N_STYLES);
    svg_mark(t, style, det_x(d, c->eer / 100), det_y(d, c->eer / 100), css);
}

spk_status page_det(spk_text *t, const report *r)
{
    det_axes d = {.a = {64, 12, 560, 560}};
    spk_status status = SPK_OK;
    double **rates = spk_new(sizeof *rates * (size_t)(2 * r->n));
    spk_plot_curve *curve = spk_new(sizeof *curve * (size_t)r->n);
    for (int64_t s = 0; s < r->n; s++) {
        const spk_trial_list *l = &r->system[s].scores;
        SPK_GO(spk_evaluation_curve(l->score, l->label, l->n, &rates[2 * s], &rates[2 * s + 1], &curve[s].n));
        curve[s].fpr = rates[2 * s];
        curve[s].fnr = rates[2 * s + 1];
        curve[s].eer = r->system[s].e.m.eer;
    }
    spk_plot_det_range(curve, (int)r->n, &d.least, &d.most);
    d.low = quantile(d.least);
    d.high = quantile(d.most);
    svg_begin(
        t, 644, 626, "det", "Detection error trade-off",
        "Misses against false alarms of each system as the threshold moves, on axes where normally distributed scores "
        "give straight lines. A mark stands where both are equal.");
    det_grid(t, &d);
    for (int64_t s = 0; s < r->n; s++)
        det_curve(t, &d, &curve[s], (int)s);
    svg_end(t);
done:
    for (int64_t s = 0; s < 2 * r->n; s++)
        spk_free(rates[s]);
    spk_free(rates);
    spk_free(curve);
    return status;
}

/* ---- distributions ---- */

typedef struct histogram {
    area a;
    const spk_plot_bins *bins;
    double low, high, top; /* scores at both ends, share at the top */
} histogram;

static double score_x(const histogram *h, double score)
{
    return h->a.left + (score - h->low) / (h->high - h->low) * h->a.width;
}

static double share_y(const histogram *h, double share)
{
    return h->a.top + h->a.height * (1 - share / h->top);
}

static void histogram_grid(spk_text *t, const histogram *h)
{
    const double bottom = h->a.top + h->a.height, right = h->a.left + h->a.width;
    const double x_step = nice_step(h->high - h->low, 7), y_step = nice_step(h->top, 4);
    for (int i = 0; i * y_step <= h->top; i++) {
        const double share = i * y_step;
        svg_line(t, h->a.left, share_y(h, share), right, share_y(h, share), "grid");
        svg_label(t, h->a.left - 8, share_y(h, share) + 4, "end", "tick", "%g", share);
    }
    const double first = ceil(h->low / x_step);
    for (int i = 0; (first + i) * x_step <= h->high; i++) {
        const double score = first + i == 0 ? 0 : (first + i) * x_step; /* no -0 */
        svg_label(t, score_x(h, score), bottom + 18, "middle", "tick", "%g", score);
    }
    svg_line(t, h->a.left, bottom, right, bottom, "frame");
    svg_label(t, h->a.left + h->a.width / 2, bottom + 40, "middle", "axis", "score (higher: more alike)");
    svg_label_up(t, 14, h->a.top + h->a.height / 2, "axis", "share of the class (%)");
}

/* The outline of one class; once filled, once as a line. */
static void histogram_class(spk_text *t, const histogram *h, int label)
{
    for (int line = 0; line < 2; line++) {
        char css[32];
        svg_path p = svg_path_begin(t);
        svg_path_to(&p, score_x(h, h->bins->low), share_y(h, 0));
        for (int b = 0; b < h->bins->n; b++)
            for (int side = 0; side < 2; side++)
                svg_path_to(&p, score_x(h, h->bins->low + (b + side) * h->bins->width),
                            share_y(h, h->bins->share[label][b]));
        svg_path_to(&p, score_x(h, h->bins->low + h->bins->n * h->bins->width), share_y(h, 0));
        snprintf(css, sizeof css, "%s %s", line ? "outline" : "fill", label ? "target" : "nontarget");
        svg_path_end(&p, !line, css);
    }
}

void page_histogram(spk_text *t, const report_system *s, int64_t number)
{
    const spk_plot_scores scores = {.scores = s->scores.score, .labels = s->scores.label, .n_trials = s->scores.n};
    spk_plot_bins bins;
    char id[32], title[256];
    if (!spk_plot_bins_of(&scores, &bins)) return;
    histogram h = {.a = {48, 32, 448, 190}, .bins = &bins};
    h.low = bins.low - bins.width;
    h.high = bins.low + (bins.n + 1) * bins.width;
    h.top = 1.08 * bins.highest;
    snprintf(id, sizeof id, "scores%lld", (long long)number);
    snprintf(title, sizeof title, "Scores of %s", s->label);
    svg_begin(t, 512, 268, id, title,
              "Two histograms: scores of trials of different speakers, and of the same speaker; a dashed line at the "
              "threshold "
              "of the equal error rate.");
    histogram_grid(t, &h);
    histogram_class(t, &h, 0);
    histogram_class(t, &h, 1);
    const double x = score_x(&h, s->e.m.threshold_eer);
    const bool right = x < h.a.left + 0.6 * h.a.width;
    svg_line(t, x, h.a.top - 8, x, h.a.top + h.a.height, "threshold");
    svg_label(t, x + (right ? 6 : -6), h.a.top - 12, right ? "start" : "end", "value", "threshold %.4g",
              s->e.m.threshold_eer);
    svg_end(t);
}
