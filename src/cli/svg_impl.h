/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures as SVG inside an HTML page. Colours, strokes and fonts are classes of the page's style sheet, so that a picture
 * follows the page: light, dark, printed. Coordinates grow to the right and downwards.
 */
#ifndef SPK_CLI_SVG_IMPL_H
#define SPK_CLI_SVG_IMPL_H

#include "base/base_impl.h"

/* Text with <, >, &, and quotes as entities. */
void svg_escape(spk_text *t, const char *s);

/* A picture of that size with a title and a description for those who do not see it; `id` is unique on the page. */
void svg_begin(spk_text *t, double width, double height, const char *id, const char *title, const char *description);
void svg_end(spk_text *t);

void svg_line(spk_text *t, double x1, double y1, double x2, double y2, const char *css);
void svg_rect(spk_text *t, double x, double y, double width, double height, const char *css);
/* anchor: start, middle or end. */
void svg_label(spk_text *t, double x, double y, const char *anchor, const char *css, const char *fmt, ...)
    SPK_PRINTF(6, 7);
/* The same turned by a quarter, to be read from below. */
void svg_label_up(spk_text *t, double x, double y, const char *css, const char *text);
/* One of six filled shapes of about 10 units: circle, square, triangle, diamond, turned triangle, cross. */
void svg_mark(spk_text *t, int shape, double x, double y, const char *css);

/* A line through points: begin, any number of points, end. Points nearer than half a unit to the last are left out. */
typedef struct svg_path {
    spk_text *t;
    double x, y;
    int64_t n;
} svg_path;
svg_path svg_path_begin(spk_text *t);
void svg_path_to(svg_path *p, double x, double y);
void svg_path_end(svg_path *p, bool closed, const char *css);

#endif
