/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a run by epoch and phase ("train", "valid"), as espnet2.train.reporter keeps them:
 * values registered step by step, aggregated at the end of a phase (weighted mean of the finite
 * values where weights are given, mean otherwise), and questions about the best epoch.
 */
#ifndef SPK_REPORTER_H
#define SPK_REPORTER_H

#include <stdbool.h>

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_reporter spk_reporter;
typedef struct spk_stat {
    const char *name; /* "eer"; `time` and `total_count` are reserved */
    double value;     /* NaN: not available */
    bool integral;    /* a count: printed whole (n_trials=19800) */
} spk_stat;

SPK_API spk_reporter *spk_reporter_new(void);
SPK_API void spk_reporter_free(spk_reporter *r);
/* The epoch that is being run (from 1), set before its phases begin. */
SPK_API void spk_reporter_set_epoch(spk_reporter *r, int64_t epoch);
SPK_API int64_t spk_reporter_epoch(const spk_reporter *r);

/* One phase runs at a time. end_phase aggregates into (epoch, phase), with `time` in seconds and `total_count`. */
SPK_API void spk_reporter_begin_phase(spk_reporter *r, const char *phase);
SPK_API void spk_reporter_end_phase(spk_reporter *r);
/* Values of the current step; weight 0: unweighted. The first call of a step counts it. A name twice in one step,
 * a reserved name or weighted and unweighted values under one name: SPK_E_VALUE. */
SPK_API spk_status spk_reporter_register(spk_reporter *r, const spk_stat *stats, int n, double weight) SPK_NODISCARD;
/* Close the step. */
SPK_API void spk_reporter_next(spk_reporter *r);
/* Steps registered so far in the running phase. */
SPK_API int64_t spk_reporter_steps(const spk_reporter *r);
/* Aggregate of the last n steps of the running phase under `name`; NaN where there is none. */
SPK_API double spk_reporter_window(const spk_reporter *r, const char *name, int64_t n);

/* The aggregated value, or false. */
SPK_API bool spk_reporter_get(const spk_reporter *r, int64_t epoch, const char *phase, const char *name, double *value);
/* Epochs that have (phase, name), best first (`mode` "min" or "max"; NaN last; of equal values the earlier first).
 * Writes at most `room` epochs and returns how many there are. */
SPK_API int64_t spk_reporter_sort(const spk_reporter *r, const char *phase, const char *name, const char *mode,
                                  int64_t *epochs, int64_t room);

#ifdef __cplusplus
}
#endif
#endif
