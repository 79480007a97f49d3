/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind the bar of a training: loss, accuracy, utterances a second, waiting for data, time left. */
#include <math.h>

#include "cli/train_impl.h"

static const double MEMORY_S = 10; /* figures are means over about the last so many seconds */

static struct {
    double last;                          /* time of the last batch */
    double seconds, batches, items, wait; /* decayed sums */
    double loss, accuracy, weight;        /* of finite losses, by utterances */
} now;

void train_figures_begin(void)
{
    now.last = spk_now();
    now.seconds = now.batches = now.items = now.wait = now.loss = now.accuracy = now.weight = 0;
}

static void decay(double seconds)
{
    const double keep = seconds < MEMORY_S ? 1 - seconds / MEMORY_S : 0;
    double *const sums[] = {&now.seconds, &now.batches, &now.items, &now.wait, &now.loss, &now.accuracy, &now.weight};
    for (int i = 0; i < 7; i++)
        *sums[i] *= keep;
}

/* Seconds of the batches that are left in all epochs; negative: not known. Validation is not in it. */
static double time_left(const spk_training *t)
{
    if (t->n_batches < 0 || now.batches <= 0) return -1;
    const int64_t here = t->n_batches - t->batch - 1, later = (t->setup->max_epoch - t->epoch) * t->n_batches;
    return (double)(here + later) * now.seconds / now.batches;
}

static void add_time(spk_text *out, double seconds)
{
    const long long s = (long long)(seconds + 0.5);
    if (s >= 86400) spk_text_addf(out, "%lldd ", s / 86400);
    if (s >= 3600) spk_text_addf(out, "%lld:", s / 3600 % 24);
    spk_text_addf(out, s >= 3600 ? "%02lld:%02lld" : "%lld:%02lld", s / 60 % 60, s % 60);
}

void train_figures_step(const spk_training *t, const spk_batch *batch, const spk_step *step)
{
    const double at = spk_now(), seconds = at - now.last, n = (double)batch->n, left = time_left(t);
    spk_text out = {0};
    now.last = at;
    decay(seconds);
    now.seconds += seconds;
    now.batches += 1;
    now.items += n;
    now.wait += batch->wait_s;
    if (isfinite(step->stats.loss)) {
        now.loss += n * step->stats.loss;
        now.accuracy += n * step->stats.accuracy;
        now.weight += n;
    }
    if (now.weight > 0) spk_text_addf(&out, "loss %.3f  acc %.3f", now.loss / now.weight, now.accuracy / now.weight);
    if (now.seconds > 0)
        spk_text_addf(&out, "  %.0f utt/s  wait %.0f %%", now.items / now.seconds, 100 * now.wait / now.seconds);
    if (left >= 0) {
        spk_text_add(&out, "  run ");
        add_time(&out, left);
        spk_text_add(&out, " left");
    }
    cli_progress_suffix(spk_text_str(&out));
    spk_text_clear(&out);
}
