/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures of a run: the script of an epoch, drawn while training goes on. */
#include "train/plot_impl.h"

#include "base/pictures_impl.h"
#include "train/plot_script_impl.h"

struct spk_plots {
    spk_pictures *pictures;
};

spk_plots *spk_plots_new(const char *folder)
{
    spk_plots *p = spk_new(sizeof *p);
    p->pictures = spk_pictures_new(folder);
    return p;
}

void spk_plots_start(spk_plots *p, const spk_reporter *r, const spk_plot_scores *scores)
{
    spk_text script = {0};
    if (spk_plot_script(spk_pictures_begin(p->pictures), r, scores, &script) > 0)
        spk_pictures_draw(p->pictures, &script);
    spk_text_clear(&script);
}

void spk_plots_poll(spk_plots *p)
{
    spk_pictures_poll(p->pictures);
}

bool spk_plots_wait(spk_plots *p)
{
    return spk_pictures_wait(p->pictures);
}

void spk_plots_free(spk_plots *p)
{
    if (!p) return;
    spk_pictures_free(p->pictures);
    spk_free(p);
}
