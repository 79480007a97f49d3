/* SPDX-License-Identifier: Apache-2.0 */
/* Writing SVG. */
#include "cli/svg_impl.h"

#include <math.h>

void svg_escape(spk_text *t, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '<':
            spk_text_add(t, "&lt;");
            break;
        case '>':
            spk_text_add(t, "&gt;");
            break;
        case '&':
            spk_text_add(t, "&amp;");
            break;
        case '"':
            spk_text_add(t, "&quot;");
            break;
        default:
            spk_text_addn(t, (unsigned char)*s < ' ' ? " " : s, 1);
        }
}

void svg_begin(spk_text *t, double width, double height, const char *id, const char *title, const char *description)
{
    spk_text_addf(t, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-labelledby=\"%s-t %s-d\">\n<title id=\"%s-t\">",
                  width, height, id, id, id);
    svg_escape(t, title);
    spk_text_addf(t, "</title>\n<desc id=\"%s-d\">", id);
    svg_escape(t, description);
    spk_text_add(t, "</desc>\n");
}

void svg_end(spk_text *t)
{
    spk_text_add(t, "</svg>\n");
}

void svg_line(spk_text *t, double x1, double y1, double x2, double y2, const char *css)
{
    spk_text_addf(t, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, css);
}

void svg_rect(spk_text *t, double x, double y, double width, double height, const char *css)
{
    spk_text_addf(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x, y, width, height,
                  css);
}

void svg_label(spk_text *t, double x, double y, const char *anchor, const char *css, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    spk_text_addf(t, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor, css);
    svg_escape(t, text);
    spk_text_add(t, "</text>\n");
}

void svg_label_up(spk_text *t, double x, double y, const char *css, const char *text)
{
    spk_text_addf(t, "<text transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\" class=\"%s\">", x, y,
                  css);
    svg_escape(t, text);
    spk_text_add(t, "</text>\n");
}

void svg_mark(spk_text *t, int shape, double x, double y, const char *css)
{
    static const char *const outlines[] = {"M-4.5-4.5h9v9h-9z", "M0-6L5.8 4.4H-5.8z", "M0-6.2L6.2 0 0 6.2-6.2 0z",
                                           "M0 6L5.8-4.4H-5.8z", "M-5.5-2h3.5v-3.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5z"};
    if (shape % 6 == 0)
        spk_text_addf(t, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"%s\"/>\n", x, y, css);
    else
        spk_text_addf(t, "<path d=\"%s\" transform=\"translate(%.1f %.1f)\" class=\"%s\"/>\n", outlines[shape % 6 - 1],
                      x, y, css);
}

svg_path svg_path_begin(spk_text *t)
{
    spk_text_add(t, "<path d=\"");
    return (svg_path){.t = t};
}

void svg_path_to(svg_path *p, double x, double y)
{
    if (p->n > 0 && fabs(x - p->x) < 0.5 && fabs(y - p->y) < 0.5) return;
    spk_text_addf(p->t, "%s%.1f %.1f", p->n++ ? "L" : "M", x, y);
    p->x = x;
    p->y = y;
}

void svg_path_end(svg_path *p, bool closed, const char *css)
{
    spk_text_addf(p->t, "%s\" class=\"%s\"/>\n", closed ? "Z" : "", css);
}
