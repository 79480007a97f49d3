/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every script for gnuplot begins with, and names in it; all text is literal ("noenhanced"), as names of statistics
 * have underscores.
 */
#include "base/pictures_impl.h"

const char *const spk_colours[SPK_N_COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};

/* Text between single quotes, where gnuplot reads a quote written twice. */
void spk_gnuplot_quoted(spk_text *t, const char *s)
{
    spk_text_add(t, "'");
    for (; *s; s++) {
        if (*s == '\'') spk_text_add(t, "'");
        spk_text_addn(t, (unsigned char)*s < ' ' ? " " : s, 1);
    }
    spk_text_add(t, "'");
}

/* "loss" -> FOLDER/loss.png, with nothing in the name that a path could mean. */
void spk_gnuplot_output(spk_text *t, const char *folder, const char *name)
{
    char *file = spk_strf("%s.png", name);
    for (char *c = file; *c; c++)
        if (*c == '/' || (unsigned char)*c < ' ' || (c == file && *c == '.')) *c = '_';
    char *path = spk_strf("%s/%s", folder, file);
    spk_text_add(t, "set output ");
    spk_gnuplot_quoted(t, path);
    spk_text_add(t, "\n");
    spk_free(file);
    spk_free(path);
}

void spk_gnuplot_setup(spk_text *t)
{
    spk_text_add(t, "set encoding utf8\n"
                    "set terminal pngcairo noenhanced size 800,500 font 'DejaVu Sans,11' linewidth 1.4\n"
                    "set style line 100 lc rgb '#dddddd' lw 0.7\n"
                    "set grid back ls 100\n"
                    "set border 3 lc rgb '#666666'\n"
                    "set tics nomirror out textcolor rgb '#333333'\n"
                    "set title font ',13' textcolor rgb '#222222'\n"
                    "set xlabel textcolor rgb '#333333'\nset ylabel textcolor rgb '#333333'\n"
                    "set key top right box lc rgb '#dddddd' opaque samplen 2 spacing 1.1 width 1\n");
}
