/* SPDX-License-Identifier: Apache-2.0 */
/* The reporter's lines in the log, as ESPnet words them (but with every comma in place and counts whole). */
#include "train/reporter_store_impl.h"

#include <math.h>
#include <string.h>

void spk_report_value(spk_text *out, double value, bool integral)
{
    if (isnan(value))
        spk_text_add(out, "nan"); /* printf may say -nan */
    else if (integral && fabs(value) < 9e15 && value == floor(value))
        spk_text_addf(out, "%lld", (long long)value);
    else if (fabs(value) > 1e-3 && fabs(value) <= 1e3)
        spk_text_addf(out, "%.3f", value);
    else
        spk_text_addf(out, "%.3e", value);
}

/* "12.3 seconds": two decimals at most, without zeros at the end. */
static void add_unit(spk_text *out, double count, const char *unit)
{
    char digits[64];
    int n = snprintf(digits, sizeof digits, "%.2f", count);
    while (digits[n - 1] == '0')
        n--;
    if (digits[n - 1] == '.') n--;
    digits[n] = 0;
    spk_text_addf(out, "%s %s%s", digits, unit, strcmp(digits, "1") == 0 ? "" : "s");
}

/* The three largest units that are not zero, as Python's humanfriendly (which ESPnet uses) words it. */
void spk_report_timespan(spk_text *out, double seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"week", 604800}, {"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    const char *names[5];
    double counts[5];
    int n = 0;
    /* nothing but hundredths is shown: 59.999 is a minute */
    double rest = floor(100 * fmax(seconds, 0) + 0.5) / 100;
    for (int i = 0; i < 5; i++) {
        const double count = i < 4 ? floor(rest / units[i].seconds) : floor(100 * rest + 0.5) / 100;
        rest -= count * units[i].seconds;
        if (count > 0) {
            names[n] = units[i].name;
            counts[n++] = count;
        }
    }
    if (n == 0) spk_text_add(out, "0 seconds");
    if (n > 3) n = 3;
    for (int i = 0; i < n; i++) {
        spk_text_add(out, i == 0 ? "" : i == n - 1 ? " and " : ", ");
        add_unit(out, counts[i], names[i]);
    }
}

void spk_reporter_window_line(const spk_reporter *r, int64_t n, spk_text *out)
{
    if (r->steps == 0 || n < 1) return;
    if (n > r->steps) n = r->steps;
    spk_text_addf(out, "%lldepoch:%s:%lld-%lldbatch: ", (long long)r->epoch, r->phase, (long long)(r->steps - n + 1),
                  (long long)r->steps);
    for (int64_t i = 0; i < r->n_series; i++) {
        spk_text_addf(out, "%s%s=", i ? ", " : "", r->series[i].name);
        spk_report_value(out, spk_reporter_window(r, r->series[i].name, n), r->series[i].integral);
    }
}

static void add_record(const spk_record *record, spk_text *out)
{
    spk_text_addf(out, "[%s] ", record->phase);
    for (int64_t i = 0; i < record->n; i++) {
        const spk_entry *e = &record->entry[i];
        spk_text_addf(out, "%s%s=", i ? ", " : "", e->name);
        if (strcmp(e->name, "time") == 0)
            spk_report_timespan(out, e->value);
        else
            spk_report_value(out, e->value, e->integral);
    }
}

void spk_reporter_epoch_line(const spk_reporter *r, int64_t epoch, spk_text *out)
{
    bool any = false;
    for (int64_t i = 0; i < r->store.n; i++) {
        if (r->store.record[i].epoch != epoch) continue;
        if (any)
            spk_text_add(out, ", ");
        else
            spk_text_addf(out, "%lldepoch results: ", (long long)epoch);
        add_record(&r->store.record[i], out);
        any = true;
    }
}
