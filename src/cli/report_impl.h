/* SPDX-License-Identifier: Apache-2.0 */
/* What `spk eval` prints and writes of the systems that it has evaluated. */
#ifndef SPK_CLI_REPORT_IMPL_H
#define SPK_CLI_REPORT_IMPL_H

#include "score/evaluation_impl.h"

/* A part of the trials under a condition; `there` is false where a class has no trial. */
typedef struct report_part {
    char *condition, *name;
    int64_t n_targets, n_nontargets;
    bool there;
    spk_evaluation e;
} report_part;

typedef struct report_system {
    const char *name;  /* the file of scores */
    const char *label; /* its last part, where that tells the systems apart */
    spk_trial_list scores;
    spk_evaluation e;
    int64_t n_parts;
    report_part *part;
} report_system;

typedef struct report {
    int64_t n;
    report_system *system;
    double confidence;
    const char *command; /* that asked for it */
} report;

/* Tables for the terminal; for Markdown. */
void report_text(const report *r, bool markdown, spk_text *out);
/* One JSON object: a new string (free()). */
char *report_json(const report *r);
/* det.png of all systems; scores.png, or scores_1.png ... where there are several. */
spk_status report_draw(const report *r, const char *folder);
/* A page that needs no other file. */
spk_status report_html(const report *r, spk_text *out);
/* Settle the labels. */
void report_name(report *r);
void report_clear(report *r);

#endif
