/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures that gnuplot draws as a child process, one for a whole set, while the program goes on. A picture appears under
 * its name whole or not at all. Nothing here fails: where gnuplot is missing or breaks, the log says so once. One thread
 * at a time.
 */
#ifndef SPK_BASE_PICTURES_IMPL_H
#define SPK_BASE_PICTURES_IMPL_H

#include "base/base_impl.h"

typedef struct spk_pictures spk_pictures;

/* Pictures go to `folder` (made when the first is drawn). */
spk_pictures *spk_pictures_new(const char *folder);
/* Wait for the drawing before; the folder that the next script must name its pictures in. */
const char *spk_pictures_begin(spk_pictures *p);
/* Start gnuplot on a script. */
void spk_pictures_draw(spk_pictures *p, const spk_text *script);
/* Put finished pictures in place, without waiting; cheap. */
void spk_pictures_poll(spk_pictures *p);
/* Wait until the pictures are in place; false where the last drawing failed or gnuplot is missing. */
bool spk_pictures_wait(spk_pictures *p);
/* Waits, then frees; NULL is allowed. */
void spk_pictures_free(spk_pictures *p);

/* ---- scripts (gnuplot_text.c) ---- */

/* Colours that people with colour-blindness tell apart (Okabe and Ito, 2008). */
enum { SPK_N_COLOURS = 6 };
extern const char *const spk_colours[SPK_N_COLOURS];

/* Terminal, grid, fonts: the beginning of each script. */
void spk_gnuplot_setup(spk_text *t);
/* Text between single quotes. */
void spk_gnuplot_quoted(spk_text *t, const char *s);
/* "set output" to FOLDER/NAME.png, with nothing in the name that a path could mean. */
void spk_gnuplot_output(spk_text *t, const char *folder, const char *name);

#endif
