/* SPDX-License-Identifier: Apache-2.0 */
/* What a preparation wrote, a line for each folder or list. */
#include "cli/prep_impl.h"

int prep_end(spk_status status, spk_prep_report *report)
{
    const int rc = cli_failed(status);
    for (int64_t i = 0; rc == CLI_OK && i < report->n; i++) {
        const struct spk_prep_row *r = &report->row[i];
        if (r->n_files > 0) {
            printf("%s: %lld recordings\n", r->path, (long long)r->n_files);
            continue;
        }
        printf("%s: %lld speakers, %lld utterances", r->path, (long long)r->n_speakers, (long long)r->n_utterances);
        if (r->n_trials > 0)
            printf(", %lld target and %lld nontarget trials", (long long)r->n_targets,
                   (long long)(r->n_trials - r->n_targets));
        puts("");
    }
    spk_prep_report_clear(report);
    return rc == CLI_OK ? cli_flush() : rc;
}
