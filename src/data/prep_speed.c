/* SPDX-License-Identifier: Apache-2.0 */
/* Copies at other speeds as lists (prep_impl.h). */
#include "data/prep_impl.h"

#include <math.h>
#include <string.h>

#include "data/audio_impl.h"
#include "data/resample_impl.h"
#include "data/source_impl.h"
#include "data/tree_scan_impl.h"
#include "formats/list_impl.h"

/* ---- sources ---- */

static spk_status by_sox(const char *source, const spk_locator *l, const char *number, char **out)
{
    spk_text t = {0};
    if (l->part || l->offset >= 0)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s: a part of a recording or an archive's entry is no file that sox reads; leave --pipes away",
                        source);
    if (l->command) {
        spk_text_addn(&t, source, l->n_file);
        spk_text_add(&t, "| sox -t wav - ");
    } else {
        spk_text_add(&t, "sox ");
        spk__shell_word(&t, source);
    }
    spk_text_addf(&t, "%s-t wav - speed %s |", l->command ? "" : " ", number);
    *out = t.s;
    return SPK_OK;
}

static spk_status make_source(const spk_speed_options *o, const char *source, const char *number, char **out)
{
    spk_locator l;
    *out = NULL;
    spk_locator_find(source, &l);
    if (l.speed != SPK_SPEED_ONE) return spk_fail(SPK_E_VALUE, "%s: is a copy at another speed already", source);
    if (o->sox) return by_sox(source, &l, number, out);
    *out = spk_strf("%s[speed:%s]", source, number);
    return SPK_OK;
}

/* ---- lists ---- */

static spk_status add_copies(const spk_speed_options *o, const spk_datadir *in, double factor, spk_datadir *out)
{
    char number[32];
    spk_format_double(factor, number);
    if (factor == 1) {
        spk__datadir_append(in, out);
        return SPK_OK;
    }
    for (int64_t i = 0; i < in->n; i++) {
        char *source = NULL;
        SPK_TRY(make_source(o, in->item[i].source, number, &source));
        char *id = spk_strf("sp%s-%s", number, in->item[i].id),
             *name = spk_strf("sp%s-%s", number, in->item[i].speaker);
        spk_datadir_add(out, id, name, source);
        spk_free(id);
        spk_free(name);
        spk_free(source);
    }
    return SPK_OK;
}

/* What a list says of a copy: lengths are divided, all else is the same. */
static void add_value(spk_text *to, const char *list, const char *value, double factor)
{
    double seconds;
    int64_t samples;
    if (factor != 1 && strcmp(list, "utt2dur") == 0 && spk_parse_double(value, &seconds))
        spk_text_addf(to, "%.3f", seconds / factor);
    else if (factor != 1 && strcmp(list, "utt2num_samples") == 0 && spk_parse_int(value, &samples))
        spk_text_addf(to, "%lld",
                      (long long)spk_resampled_length(samples, llround(factor * SPK_SPEED_ONE), SPK_SPEED_ONE));
    else
        spk_text_add(to, value);
}

static bool follows(const char *name, bool *speakers)
{
    static const char *const counted[] = {"utt2num_frames", "vad.scp", "utt2uniq"}; /* frames do not divide */
    for (size_t i = 0; i < sizeof counted / sizeof *counted; i++)
        if (strcmp(name, counted[i]) == 0) return false;
    return spk_datadir_is_other(name, speakers);
}

/* Lines sorted by id; `of` finds the copies of a name that are in the set. */
static spk_status write_other(const spk_speed_options *o, const spk_datadir *set, const char *name, bool speakers,
                              spk_prep_out *out)
{
    spk_status status;
    spk_list list = {0};
    char *path = spk_path_join(o->input, name);
    SPK_GO(spk_list_read(path, SPK_LIST_NO_VALUE_OK, &list));
    spk_text *to = spk_prep_out_file(out, o->output, name);
    const int64_t n = speakers ? set->n_speakers : set->n;
    for (int64_t i = 0; i < n; i++) {
        const char *id = speakers ? set->speaker[i] : set->item[i].id, *value = NULL;
        double factor = 1;
        char number[32];
        for (int64_t k = 0; k < o->n_factors && !value; k++) {
            spk_format_double(o->factor[k], number);
            const size_t n_number = strlen(number);
            factor = o->factor[k];
            if (factor == 1)
                value = spk_list_get(&list, id);
            else if (spk_starts_with(id, "sp") && spk_starts_with(id + 2, number) && id[2 + n_number] == '-')
                value = spk_list_get(&list, id + 3 + n_number);
        }
        if (!value) continue;
        spk_text_addf(to, "%s ", id);
        add_value(to, name, value, factor);
        spk_text_add(to, "\n");
    }
done:
    spk_list_clear(&list);
    spk_free(path);
    return status;
}

static spk_status write_others(const spk_speed_options *o, const spk_datadir *set, spk_prep_out *out)
{
    char **names = NULL;
    int64_t n = 0;
    bool speakers = false;
    spk_status status = spk__folder_names(o->input, &names, &n);
    for (int64_t i = 0; i < n && status == SPK_OK; i++)
        if (follows(names[i], &speakers)) status = write_other(o, set, names[i], speakers, out);
    spk__prep_free_names(names, n);
    return status;
}

static void write_origin(const spk_datadir *in, const spk_datadir *set, spk_prep_out *out, const char *folder)
{
    spk_text *to = spk_prep_out_file(out, folder, "utt2uniq");
    int64_t at;
    for (int64_t i = 0; i < set->n; i++) {
        const char *id = set->item[i].id, *dash = strchr(id, '-');
        const bool own = spk_map_get(&in->index, id, &at);
        spk_text_addf(to, "%s %s\n", id, own || !dash ? id : dash + 1);
    }
}

static spk_status check_factors(const spk_speed_options *o)
{
    if (o->n_factors == 0) return spk_fail(SPK_E_VALUE, "no factor of speed is given");
    for (int64_t k = 0; k < o->n_factors; k++) {
        const double f = o->factor[k];
        if (!(f >= SPK_SPEED_LEAST && f <= SPK_SPEED_MOST) || (double)llround(f * SPK_SPEED_ONE) != f * SPK_SPEED_ONE)
            return spk_fail(SPK_E_VALUE, "factors: %g must lie in %g to %g, with at most three decimals", f,
                            SPK_SPEED_LEAST, SPK_SPEED_MOST);
        for (int64_t i = 0; i < k; i++)
            if (o->factor[i] == f) return spk_fail(SPK_E_VALUE, "factors: %g is there twice", f);
    }
    return SPK_OK;
}

spk_status spk_prep_speed(const spk_speed_options *o, spk_prep_report *report)
{
    spk_status status;
    spk_datadir in = {0}, all = {0};
    spk_prep_out out = {.overwrite = o->overwrite};
    *report = (spk_prep_report){0};
    SPK_GO(check_factors(o));
    SPK_GO(spk_datadir_read(o->input, &in));
    for (int64_t k = 0; k < o->n_factors; k++)
        SPK_GO(add_copies(o, &in, o->factor[k], &all));
    SPK_GO(spk_datadir_sort(&all));
    spk__prep_write(&all, "", o->output, &out, report);
    SPK_GO(write_others(o, &all, &out));
    write_origin(&in, &all, &out, o->output);
    SPK_GO(spk_prep_out_commit(&out));
done:
    spk_datadir_clear(&in);
    spk_datadir_clear(&all);
    spk_prep_out_clear(&out);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}
