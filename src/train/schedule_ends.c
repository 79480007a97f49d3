/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of a schedule's cycles (schedule_ends_impl.h). */
#include "train/schedule_ends_impl.h"

#include <inttypes.h>
#include <math.h>

enum { SHOWN = 6 };

int64_t spk_schedule_ends(const spk_scheduler *s, int64_t steps_per_epoch, int64_t limit, int64_t *ends, int64_t room)
{
    const bool by_epoch = spk_scheduler_kind_of(s) == SPK_SCHEDULE_EPOCH;
    const int64_t scale = by_epoch ? steps_per_epoch : 1;
    int64_t n = 0, from, to = 0;
    for (;;) {
        const spk_schedule_place at = {to, to};
        if (!spk_scheduler_cycle(s, at, &from, &to) || to <= from) return n;
        if (n < room) ends[n] = to * scale;
        n++;
        if (to * scale >= limit) return n;
    }
}

static void say_ends(const int64_t *ends, int64_t n, int64_t steps_per_epoch)
{
    spk_text line = {0};
    for (int64_t i = 0; i < n && i < SHOWN; i++)
        spk_text_addf(&line, "%s%" PRId64 " (epoch %.1f)", i ? ", " : "", ends[i],
                      (double)ends[i] / (double)steps_per_epoch);
    if (n > SHOWN) spk_text_addf(&line, " and %" PRId64 " more", n - SHOWN);
    spk_info("trainer", "cycles of the schedule end after steps %s", spk_text_str(&line));
    spk_text_clear(&line);
}

/* The run's last cycle goes from `start` to `end`. */
static void warn(int64_t total, int64_t start, int64_t end, int64_t steps_per_epoch)
{
    const double share = (double)(total - start) / (double)(end - start);
    if (total <= start || share >= 0.1) return;
    spk_warn("trainer",
             "the run ends %.1f %% into a new cycle of the schedule, at a rate that is not low yet: set the cycle to "
             "%" PRId64 " steps (scheduler_conf), or max_epoch to %.0f",
             100 * share, total, floor((double)start / (double)steps_per_epoch));
}

void spk_schedule_say(const spk_scheduler *s, int64_t steps_per_epoch, int64_t max_epoch)
{
    const int64_t total = steps_per_epoch * max_epoch;
    spk_info("trainer", "%" PRId64 " steps an epoch, %" PRId64 " in all", steps_per_epoch, total);
    const int64_t n =
        spk_schedule_ends(s, steps_per_epoch, total + 1, NULL, 0); /* and of the one that the run ends in */
    int64_t *ends = spk_new((size_t)(n + 1) * sizeof *ends), within = 0;
    spk_schedule_ends(s, steps_per_epoch, total + 1, ends, n);
    while (within < n && ends[within] <= total)
        within++;
    if (within > 0) say_ends(ends, within, steps_per_epoch);
    if (within > 0 && within < n) warn(total, ends[within - 1], ends[within], steps_per_epoch);
    spk_free(ends);
}
