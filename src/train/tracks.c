/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.jsonl and TensorBoard's files (tracks_impl.h). */
#include "train/tracks_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "formats/events_impl.h"
#include "train/reporter_store_impl.h"

struct spk_tracks {
    char *path; /* of metrics.jsonl */
    FILE *metrics;
    spk_events *train, *valid; /* NULL: not asked for, or cannot be written */
    bool told;
};

/* ---- JSON ---- */

static void add_number(spk_text *out, double x, bool integral)
{
    char text[32];
    if (!isfinite(x)) {
        spk_text_add(out, "null");
    } else if (integral && fabs(x) < 9e15) {
        spk_text_addf(out, "%" PRId64, (int64_t)x);
    } else {
        spk_format_double(x, text);
        spk_text_add(out, text);
    }
}

/* ', "name": value'; names are the program's own and those of validation sets, which hold no quotes. */
static void add_member(spk_text *out, bool first, const char *name, double value, bool integral)
{
    spk_text_addf(out, "%s\"%s\": ", first ? "" : ", ", name);
    add_number(out, value, integral);
}

static void add_record(spk_text *out, const spk_record *record)
{
    spk_text_addf(out, ", \"%s\": {", record->phase);
    for (int64_t i = 0; i < record->n; i++)
        add_member(out, i == 0, record->entry[i].name, record->entry[i].value, record->entry[i].integral);
    spk_text_add(out, "}");
}

/* ---- places ---- */

/* Batches since the beginning of the training. */
static int64_t total_count(const spk_training *t)
{
    double before = 0;
    for (int64_t e = t->epoch - 1; e > 0; e--)
        if (spk_reporter_get(t->reporter, e, "train", "total_count", &before)) break;
    return (int64_t)before + t->batch;
}

static void begin_line(const spk_training *t, const char *kind, spk_text *line)
{
    spk_text_addf(line, "{\"kind\": \"%s\", \"epoch\": %" PRId64 ", \"batch\": %" PRId64 ", \"step\": %" PRId64, kind,
                  t->epoch, t->batch, t->step);
    spk_text_addf(line, ", \"total_count\": %" PRId64, total_count(t));
}

/* ---- writing ---- */

static void complain(spk_tracks *k, spk_status status)
{
    if (status == SPK_OK || k->told) return;
    k->told = true;
    spk_warn("trainer", "%s; the training goes on without it", spk_errmsg());
}

static void put_line(spk_tracks *k, spk_text *line)
{
    spk_text_add(line, "}\n");
    if (k->metrics && (fwrite(line->s, 1, line->n, k->metrics) != line->n || fflush(k->metrics) != 0))
        complain(k, spk_fail_errno(k->path, "write"));
    spk_text_clear(line);
}

static void flush(spk_tracks *k, spk_events *e)
{
    if (e) complain(k, spk_events_flush(e));
}

static spk_events *open_events(spk_tracks *k, const spk_training *t, const char *name, int64_t purge)
{
    spk_events *e = NULL;
    char *folder = spk_strf("%s/tensorboard/%s", t->setup->output_dir, name);
    complain(k, spk_events_open(folder, purge, &e));
    spk_free(folder);
    return e;
}

spk_tracks *spk_tracks_open(const spk_training *t, int64_t resumed_at)
{
    spk_tracks *k = spk_new(sizeof *k);
    k->path = spk_path_join(t->setup->output_dir, "metrics.jsonl");
    if (resumed_at >= 0 && truncate(k->path, (off_t)resumed_at) != 0 && spk_exists(k->path))
        complain(k, spk_fail_errno(k->path, "cut off what came after the checkpoint"));
    k->metrics = fopen(k->path, resumed_at < 0 ? "w" : "a");
    if (!k->metrics) complain(k, spk_fail_errno(k->path, "write"));
    if (!t->setup->tensorboard) return k;
    const int64_t purge = resumed_at < 0 ? -1 : total_count(t) + 1;
    k->train = open_events(k, t, "train", purge);
    if (t->hooks->validate_one_epoch) k->valid = open_events(k, t, "valid", purge);
    return k;
}

void spk_tracks_close(spk_tracks *k)
{
    if (!k) return;
    if (k->metrics) fclose(k->metrics);
    spk_events_close(k->train);
    spk_events_close(k->valid);
    spk_free(k->path);
    spk_free(k);
}

int64_t spk_tracks_length(spk_tracks *k)
{
    if (!k || !k->metrics || fseek(k->metrics, 0, SEEK_END) != 0) return 0;
    const long at = ftell(k->metrics);
    return at < 0 ? 0 : (int64_t)at;
}

/* ---- what is written ---- */

void spk_tracks_window(const spk_training *t, int64_t n)
{
    spk_tracks *k = t->tracks;
    const spk_reporter *r = t->reporter;
    spk_text line = {0};
    if (!k) return;
    begin_line(t, "window", &line);
    spk_text_addf(&line, ", \"n\": %" PRId64 ", \"train\": {", n);
    for (int64_t i = 0; i < r->n_series; i++) {
        const double value = spk_reporter_window(r, r->series[i].name, n);
        add_member(&line, i == 0, r->series[i].name, value, r->series[i].integral);
        if (k->train && isfinite(value)) spk_events_scalar(k->train, r->series[i].name, value, total_count(t));
    }
    spk_text_add(&line, "}");
    put_line(k, &line);
    flush(k, k->train);
}

static void put_events(spk_events *e, const spk_record *record, const char *end, int64_t at)
{
    if (!e || !record) return;
    for (int64_t i = 0; i < record->n; i++) {
        char *tag = spk_strf("%s%s", record->entry[i].name, end);
        if (isfinite(record->entry[i].value)) spk_events_scalar(e, tag, record->entry[i].value, at);
        spk_free(tag);
    }
}

void spk_tracks_epoch(const spk_training *t)
{
    spk_tracks *k = t->tracks;
    const spk_store *store = &t->reporter->store;
    const int64_t at = total_count(t);
    spk_text line = {0};
    if (!k) return;
    begin_line(t, "epoch", &line);
    for (int64_t i = 0; i < store->n; i++)
        if (store->record[i].epoch == t->epoch) add_record(&line, &store->record[i]);
    put_line(k, &line);
    put_events(k->train, spk_store_find(store, t->epoch, "train"), "_epoch", at);
    if (k->train) spk_events_scalar(k->train, "iter_epoch", (double)t->epoch, at);
    put_events(k->valid, spk_store_find(store, t->epoch, "valid"), "", at);
    flush(k, k->train);
    flush(k, k->valid);
}

void spk_tracks_valid(const spk_training *t, const spk_reporter *r)
{
    spk_tracks *k = t->tracks;
    const spk_record *record = spk_store_find(&r->store, t->epoch, "valid");
    spk_text line = {0};
    if (!k || !record) return;
    begin_line(t, "valid", &line);
    add_record(&line, record);
    put_line(k, &line);
    put_events(k->valid, record, "", total_count(t));
    flush(k, k->valid);
}
