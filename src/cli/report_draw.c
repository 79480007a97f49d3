/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of an evaluation. */
#include "base/pictures_impl.h"
#include "cli/report_impl.h"

static spk_status add_det(const report *r, const char *folder, spk_text *script, int *block)
{
    spk_status status = SPK_OK;
    double **rates = spk_new(sizeof *rates * (size_t)(2 * r->n));
    spk_plot_curve *curve = spk_new(sizeof *curve * (size_t)r->n);
    for (int64_t s = 0; s < r->n; s++) {
        const spk_trial_list *t = &r->system[s].scores;
        SPK_GO(spk_evaluation_curve(t->score, t->label, t->n, &rates[2 * s], &rates[2 * s + 1], &curve[s].n));
        curve[s].name = r->system[s].label;
        curve[s].fpr = rates[2 * s];
        curve[s].fnr = rates[2 * s + 1];
        curve[s].eer = r->system[s].e.m.eer;
    }
    spk_plot_det(script, folder, curve, (int)r->n, block);
done:
    for (int64_t s = 0; s < 2 * r->n; s++)
        spk_free(rates[s]);
    spk_free(rates);
    spk_free(curve);
    return status;
}

spk_status report_draw(const report *r, const char *folder)
{
    spk_text script = {0};
    int block = 0;
    spk_pictures *p = spk_pictures_new(folder);
    const char *work = spk_pictures_begin(p);
    spk_gnuplot_setup(&script);
    for (int64_t s = 0; s < r->n; s++) {
        const report_system *sys = &r->system[s];
        const spk_plot_scores scores = {sys->scores.score,      sys->scores.label, sys->scores.n,
                                        sys->e.m.threshold_eer, sys->e.m.eer,      r->n > 1 ? sys->label : NULL};
        char *name = r->n > 1 ? spk_strf("scores_%lld", (long long)s + 1) : spk_strdup("scores");
        spk_plot_histogram(&script, work, name, &scores, &block);
        spk_free(name);
    }
    const spk_status status = add_det(r, work, &script, &block);
    spk_text_add(&script, "set output\n");
    if (status == SPK_OK) spk_pictures_draw(p, &script);
    spk_pictures_free(p); /* waits; a failure is in the log */
    spk_text_clear(&script);
    return status;
}
