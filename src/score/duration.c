/* SPDX-License-Identifier: Apache-2.0 */
/* Durations from a list of numbers or of recordings. */
#include "score/duration_impl.h"

#include <math.h>
#include <string.h>

#include "spk/data.h"

spk_status spk_duration_of(const spk_list *list, int64_t i, double *seconds)
{
    const spk_list_entry *e = &list->entry[i];
    *seconds = 0;
    if (!spk_parse_double(e->value, seconds)) {
        char *path = spk_list_resolve_path(list->path, e->value);
        const spk_status status = spk_audio_duration(path, seconds);
        spk_free(path);
        if (status != SPK_OK) return spk_fail_in(status, "%s:%lld", list->path, (long long)e->line);
    }
    if (!(*seconds > 0) || !isfinite(*seconds))
        return spk_fail(SPK_E_VALUE, "%s:%lld: the duration '%s' is not above 0", list->path, (long long)e->line,
                        e->value);
    return SPK_OK;
}

static int64_t bin_of(double seconds, const double *edge, int64_t n)
{
    int64_t bin = 0;
    while (bin < n && seconds >= edge[bin])
        bin++;
    return bin;
}

static void add_bin(spk_text *t, int64_t bin, const double *edge, int64_t n)
{
    if (bin == 0)
        spk_text_addf(t, "<%g s", edge[0]);
    else if (bin == n)
        spk_text_addf(t, ">=%g s", edge[n - 1]);
    else
        spk_text_addf(t, "%g-%g s", edge[bin - 1], edge[bin]);
}

/* The bin of each name that a trial has. */
static spk_status bins_of_names(const spk_trial_list *t, const char *durations, const double *edge, int64_t n,
                                int64_t *bin)
{
    spk_status status = SPK_OK;
    spk_list list;
    for (int64_t k = 0; k < t->n_names; k++)
        bin[k] = -1;
    SPK_TRY(spk_list_read(durations, 0, &list));
    for (int64_t i = 0; i < 2 * t->n; i++) {
        const int64_t name = i % 2 ? t->test[i / 2] : t->enroll[i / 2];
        double seconds;
        if (bin[name] >= 0) continue;
        const int64_t at = spk_list_find(&list, t->name[name]);
        if (at < 0)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: '%s' is not in %s", t->path, (long long)t->line[i / 2],
                            t->name[name], list.path));
        SPK_GO(spk_duration_of(&list, at, &seconds));
        bin[name] = bin_of(seconds, edge, n);
    }
done:
    spk_list_clear(&list);
    return status;
}

spk_status spk_condition_durations(const spk_trial_list *t, const char *durations, const double *edge, int64_t n,
                                   spk_condition *out)
{
    const int64_t bins = n + 1;
    spk_text name = {0};
    int64_t *bin = spk_new(sizeof *bin * (size_t)(t->n_names + 1)),
            *group = spk_new(sizeof *group * (size_t)(bins * bins));
    *out = (spk_condition){0};
    const spk_status status = bins_of_names(t, durations, edge, n, bin);
    if (status == SPK_OK) {
        out->group = spk_new(sizeof *out->group * (size_t)(t->n + 1));
        for (int64_t i = 0; i < t->n; i++) { /* the shorter side counts first */
            const int64_t a = bin[t->enroll[i]], b = bin[t->test[i]];
            out->group[i] = a < b ? a * bins + b : b * bins + a;
            group[out->group[i]] = 1;
        }
        for (int64_t g = 0; g < bins * bins; g++) {
            if (!group[g]) continue;
            name.n = 0;
            add_bin(&name, g / bins, edge, n);
            spk_text_add(&name, ", ");
            add_bin(&name, g % bins, edge, n);
            group[g] = out->n;
            SPK_PUSH(out->name, out->n) = spk_strdup(spk_text_str(&name));
        }
        for (int64_t i = 0; i < t->n; i++)
            out->group[i] = group[out->group[i]];
    }
    spk_text_clear(&name);
    spk_free(bin);
    spk_free(group);
    return status;
}
