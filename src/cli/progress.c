/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress bars: on a terminal one line that is drawn in place at most ten times a second; elsewhere a whole line
 * every 15 seconds. The rate is an average over the last seconds (exponential, corrected for its start).
 */
#define _DEFAULT_SOURCE /* struct winsize */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli_impl.h"

enum { BAR = 24, LEAST = 8, USUAL = 100 }; /* cells at most and at least; columns where nobody says */
static const double DRAW_EVERY_S = 0.1, LINE_EVERY_S = 15, MEMORY_S = 10;

static struct {
    char what[64], prefix[64], suffix[160];
    int64_t done, total;
    double begun, last, drawn; /* times */
    double rate, weight;       /* items a second: sum of decayed samples and of their weights */
    bool shown;                /* a bar stands on the terminal */
} bar;

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return USUAL;
}

static void add_time(spk_text *t, double seconds)
{
    const int64_t s = (int64_t)(seconds + 0.5);
    if (s >= 3600)
        spk_text_addf(t, "%lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else
        spk_text_addf(t, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

static double rate(void)
{
    return bar.weight > 0 ? bar.rate / bar.weight : 0;
}

/* "epoch 3/10 train [#####.....] 45/100  4.2/s  0:12 left"; a suffix, which has a rate of its own, stands for 4.2/s. */
static void write_bar(spk_text *t, int n_cells)
{
    if (bar.prefix[0]) spk_text_addf(t, "%s ", bar.prefix);
    spk_text_add(t, bar.what);
    if (bar.total > 0 && n_cells > 0) {
        char cells[BAR + 1];
        const int full = (int)((double)bar.done / (double)bar.total * n_cells);
        for (int i = 0; i < n_cells; i++)
            cells[i] = i < full ? '#' : '.';
        cells[n_cells] = 0;
        spk_text_addf(t, " [%s]", cells);
    }
    spk_text_addf(t, " %lld", (long long)bar.done);
    if (bar.total > 0) spk_text_addf(t, "/%lld", (long long)bar.total);
    const double r = rate();
    if (r > 0 && !bar.suffix[0]) spk_text_addf(t, r >= 100 ? "  %.0f/s" : r >= 1 ? "  %.1f/s" : "  %.2f/s", r);
    if (r > 0 && bar.total > bar.done) {
        spk_text_add(t, "  ");
        add_time(t, (double)(bar.total - bar.done) / r);
        spk_text_add(t, " left");
    }
    if (bar.suffix[0]) spk_text_addf(t, "  %s", bar.suffix);
}

void cli_progress_clear(void)
{
    if (!bar.shown) return;
    fputs("\r\033[K", stderr);
    bar.shown = false;
}

static void draw(void)
{
    spk_text t = {0};
    const int width = terminal_width() - 1;
    write_bar(&t, 0);
    const int room = width - (int)t.n - 3; /* for the cells: " [" and "]" go with them */
    if (room >= LEAST) {
        t.n = 0;
        write_bar(&t, room < BAR ? room : BAR);
    }
    if ((int)t.n > width && width > 0) t.s[width] = 0;
    fprintf(stderr, "\r%s\033[K", spk_text_str(&t));
    fflush(stderr);
    bar.shown = true;
    spk_text_clear(&t);
}

void cli_progress_prefix(const char *prefix)
{
    snprintf(bar.prefix, sizeof bar.prefix, "%s", prefix ? prefix : "");
    bar.what[0] = 0;
}

void cli_progress_suffix(const char *suffix)
{
    snprintf(bar.suffix, sizeof bar.suffix, "%s", suffix ? suffix : "");
}

static void begin(const char *what, int64_t done, double now)
{
    snprintf(bar.what, sizeof bar.what, "%s", what);
    bar.done = done;
    bar.begun = bar.last = now;
    bar.drawn = isatty(STDERR_FILENO) ? 0 : now;
    bar.rate = bar.weight = 0;
}

/* One sample of the rate: weight decays with time, not with calls. */
static void count(int64_t done, double now)
{
    const double dt = now - bar.last;
    if (dt <= 0) return;
    double keep = 1 - dt / MEMORY_S;
    if (keep < 0) keep = 0;
    bar.rate = bar.rate * keep + (double)(done - bar.done);
    bar.weight = bar.weight * keep + dt;
    bar.done = done;
    bar.last = now;
}

static void update(const char *what, int64_t done, int64_t total)
{
    const double now = spk_now();
    const bool fresh = strncmp(what, bar.what, sizeof bar.what - 1) != 0 || done < bar.done || total != bar.total;
    bar.total = total;
    if (fresh) begin(what, done, now);
    count(done, now);
    const bool last = total > 0 && done >= total;
    if (isatty(STDERR_FILENO)) {
        if (now - bar.drawn < DRAW_EVERY_S && !last) return;
        draw();
        if (last) cli_progress_clear();
    } else {
        if (now - bar.drawn < LINE_EVERY_S || last) return;
        spk_text t = {0};
        write_bar(&t, 0);
        fprintf(stderr, "%s\n", spk_text_str(&t));
        spk_text_clear(&t);
    }
    bar.drawn = now;
}

void cli_progress(void *user, const char *what, int64_t done, int64_t total)
{
    (void)user;
    if (cli_is_quiet()) return;
    cli_lock();
    update(what, done, total);
    cli_unlock();
}
