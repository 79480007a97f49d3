/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the HTML page of an evaluation. */
#ifndef SPK_CLI_REPORT_PAGE_IMPL_H
#define SPK_CLI_REPORT_PAGE_IMPL_H

#include "cli/report_impl.h"

/* Systems are told apart by colour, dashes and marks; from the seventh on they begin again. */
enum { PAGE_N_STYLES = 6 };

/* The page's style sheet. */
extern const char page_style[];

/* At most `most` characters of UTF-8 text, the end of longer ones behind a sign of omission. */
void page_short_name(const char *name, int most, char *out, size_t room);

/* Systems' EERs with intervals; DET curves; the scores of one system. Each one <svg>. */
void page_intervals(spk_text *t, const report *r);
spk_status page_det(spk_text *t, const report *r);
void page_histogram(spk_text *t, const report_system *s, int64_t number);

#endif
