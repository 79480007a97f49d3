/* SPDX-License-Identifier: Apache-2.0 */
/* Records of finished phases, and their form as JSON in a checkpoint: {"1": {"train": {"loss": 4.5, ...}, ...}, ...}.
 * Counts are JSON integers, all other numbers reals; NaN and infinities, which JSON lacks, are strings. */
#include "train/reporter_store_impl.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- records ---- */

static void clear_record(spk_record *record)
{
    for (int64_t i = 0; i < record->n; i++)
        spk_free(record->entry[i].name);
    spk_free(record->entry);
    spk_free(record->phase);
    memset(record, 0, sizeof *record);
}

void spk_store_clear(spk_store *store)
{
    for (int64_t i = 0; i < store->n; i++)
        clear_record(&store->record[i]);
    spk_free(store->record);
    memset(store, 0, sizeof *store);
}

spk_record *spk_store_find(const spk_store *store, int64_t epoch, const char *phase)
{
    for (int64_t i = 0; i < store->n; i++)
        if (store->record[i].epoch == epoch && strcmp(store->record[i].phase, phase) == 0) return &store->record[i];
    return NULL;
}

spk_record *spk_store_renew(spk_store *store, int64_t epoch, const char *phase)
{
    char *name = spk_strdup(phase);
    spk_record *record = spk_store_find(store, epoch, phase);
    if (record) {
        clear_record(record);
    } else {
        int64_t at = store->n;
        SPK_PUSH(store->record, store->n) = (spk_record){0};
        for (; at > 0 && store->record[at - 1].epoch > epoch; at--)
            store->record[at] = store->record[at - 1];
        record = &store->record[at];
    }
    *record = (spk_record){.epoch = epoch, .phase = name};
    return record;
}

void spk_record_add(spk_record *record, const char *name, double value, bool integral)
{
    SPK_PUSH(record->entry, record->n) = (spk_entry){spk_strdup(name), value, integral};
}

const spk_entry *spk_record_find(const spk_record *record, const char *name)
{
    for (int64_t i = 0; i < record->n; i++)
        if (strcmp(record->entry[i].name, name) == 0) return &record->entry[i];
    return NULL;
}

/* ---- JSON ---- */

static json_t *number(const spk_entry *e)
{
    if (!isfinite(e->value)) return json_string(isnan(e->value) ? "nan" : e->value > 0 ? "inf" : "-inf");
    if (e->integral && fabs(e->value) < 9e15 && e->value == floor(e->value)) return json_integer((json_int_t)e->value);
    return json_real(e->value);
}

void spk_reporter_save(const spk_reporter *r, spk_text *json)
{
    json_t *root = json_object();
    for (int64_t i = 0; i < r->store.n; i++) {
        const spk_record *record = &r->store.record[i];
        char *epoch = spk_strf("%lld", (long long)record->epoch);
        json_t *phases = json_object_get(root, epoch), *stats = json_object();
        if (!phases) {
            phases = json_object();
            json_object_set_new(root, epoch, phases);
        }
        for (int64_t k = 0; k < record->n; k++)
            json_object_set_new(stats, record->entry[k].name, number(&record->entry[k]));
        json_object_set_new(phases, record->phase, stats);
        spk_free(epoch);
    }
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    SPK_ASSERT(text && "names of statistics are UTF-8 text");
    spk_text_add(json, text);
    free(text);
    json_decref(root);
}

static bool read_number(const json_t *value, double *out, bool *integral)
{
    *integral = json_is_integer(value);
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    const char *word = json_string_value(value);
    const char *const words[] = {"nan", "inf", "-inf"};
    const double values[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++)
        if (word && strcmp(word, words[i]) == 0) {
            *out = values[i];
            return true;
        }
    return false;
}

static spk_status read_phase(spk_store *store, int64_t epoch, const char *phase, json_t *stats, const char *what)
{
    const char *name;
    json_t *value;
    spk_record *record = spk_store_renew(store, epoch, phase);
    if (!json_is_object(stats))
        return spk_fail(SPK_E_FORMAT, "%s: the results of epoch %lld, %s are no object", what, (long long)epoch, phase);
    json_object_foreach(stats, name, value)
    {
        double x;
        bool integral;
        if (!read_number(value, &x, &integral))
            return spk_fail(SPK_E_FORMAT, "%s: %s of epoch %lld, %s is no number", what, name, (long long)epoch, phase);
        spk_record_add(record, name, x, integral);
    }
    return SPK_OK;
}

static spk_status read_all(spk_store *store, json_t *root, const char *what)
{
    const char *key, *phase;
    json_t *phases, *stats;
    if (!json_is_object(root)) return spk_fail(SPK_E_FORMAT, "%s: the results of the epochs are no object", what);
    json_object_foreach(root, key, phases)
    {
        int64_t epoch;
        if (!spk_parse_int(key, &epoch) || epoch < 1 || !json_is_object(phases))
            return spk_fail(SPK_E_FORMAT, "%s: '%s' is no epoch with results", what, key);
        json_object_foreach(phases, phase, stats)
        {
            SPK_TRY(read_phase(store, epoch, phase, stats, what));
        }
    }
    return SPK_OK;
}

spk_status spk_reporter_load(spk_reporter *r, const char *json, size_t n, const char *what)
{
    json_error_t error;
    spk_store store = {0};
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return spk_fail(SPK_E_FORMAT, "%s: the results of the epochs are no JSON: %s (place %d)", what, error.text,
                        error.position);
    const spk_status status = read_all(&store, root, what);
    json_decref(root);
    if (status != SPK_OK) {
        spk_store_clear(&store);
        return status;
    }
    spk_store_clear(&r->store);
    r->store = store;
    return SPK_OK;
}
