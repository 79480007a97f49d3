/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trainer needs of a reporter beyond the public header: the lines of the log, the list of statistics for
 * pictures, and the state that a checkpoint keeps.
 */
#ifndef SPK_TRAIN_REPORTER_IMPL_H
#define SPK_TRAIN_REPORTER_IMPL_H

#include "base/base_impl.h"
#include "spk/reporter.h"
#include "spk/types.h"

/* Append a value as the log shows it: counts whole, else %.3f between 1e-3 and 1e3 in magnitude and %.3e outside. */
void spk_report_value(spk_text *out, double value, bool integral);
/* Append a length of time in words: "12.3 seconds", "1 hour, 2 minutes and 3.25 seconds". */
void spk_report_timespan(spk_text *out, double seconds);

/* Append "1epoch:train:1-17batch: loss=4.386, ..." over the last n steps (all where there are fewer); nothing where no
 * step has been registered. */
void spk_reporter_window_line(const spk_reporter *r, int64_t n, spk_text *out);
/* Append "1epoch results: [train] loss=..., time=12.3 seconds, total_count=17, [valid] eer=8.312, ..."; nothing where
 * the epoch has no results. */
void spk_reporter_epoch_line(const spk_reporter *r, int64_t epoch, spk_text *out);

/* Distinct names over all epochs and phases, in order of first appearance, without `time` and `total_count`; and
 * distinct phases. Borrowed until the reporter is changed. NULL beyond the last. */
const char *spk_reporter_name_at(const spk_reporter *r, int64_t index);
const char *spk_reporter_phase_at(const spk_reporter *r, int64_t index);
/* The largest epoch with results; 0: none. */
int64_t spk_reporter_last_epoch(const spk_reporter *r);

/* The running phase for a checkpoint: its name, its time so far and its series as one line of JSON, and their values as a
 * tensor "reporter.values" (series, 2, steps) float64: value and weight. Steps must be closed. */
void spk_reporter_describe_running(const spk_reporter *r, spk_text *json);
spk_status spk_reporter_save_running(const spk_reporter *r, spk_tensors *out);
/* And back: the phase runs again, as if the time between had not been. SPK_E_FORMAT: nothing runs. */
spk_status spk_reporter_load_running(spk_reporter *r, const char *json, const spk_tensors *in, const char *what);
/* The name of the running phase; NULL: none runs. */
const char *spk_reporter_running(const spk_reporter *r);
/* End the running phase without a trace: it failed. */
void spk_reporter_drop_phase(spk_reporter *r);

/* All epochs' aggregates as one line of JSON; values read back to the same bits. */
void spk_reporter_save(const spk_reporter *r, spk_text *json);
/* Replace everything by what `json` (n bytes) says. SPK_E_FORMAT leaves the reporter as it was. `what` names the
 * source in the message. */
spk_status spk_reporter_load(spk_reporter *r, const char *json, size_t n, const char *what);

#endif
