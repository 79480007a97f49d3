/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of a recipe that runs: a line for each step, the end of a log where one fails, the results. */
#include <string.h>
#include <unistd.h>

#include "cli/recipe_impl.h"

enum { LAST_LINES = 12 };

static const char *clock_text(double seconds, char out[32])
{
    const long long s = (long long)seconds;
    if (seconds < 60)
        snprintf(out, 32, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(out, 32, "%lld:%02lld min", s / 60, s % 60);
    else
        snprintf(out, 32, "%lld:%02lld h", s / 3600, s / 60 % 60);
    return out;
}

/* "[ 2/6] train" */
static const char *head(const recipe_view *v, int64_t step, char out[96])
{
    int width = 0;
    for (int64_t i = 0; i < v->recipe->n; i++)
        width = (int)strlen(v->recipe->step[i].name) > width ? (int)strlen(v->recipe->step[i].name) : width;
    snprintf(out, 96, "[%2lld/%lld] %-*s", (long long)step + 1, (long long)v->recipe->n, width < 40 ? width : 40,
             v->recipe->step[step].name);
    return out;
}

/* The last line of the running step's log, at the terminal: what it does. */
static void last_line(const spk_recipe *r, int64_t step, char *out, size_t room)
{
    char piece[600], *log = spk_recipe_log(r, step);
    FILE *f = fopen(log, "rb");
    spk_free(log);
    *out = 0;
    if (!f) return;
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    fseek(f, size > (long)sizeof piece - 1 ? size - (long)sizeof piece + 1 : 0, SEEK_SET);
    const size_t n = fread(piece, 1, sizeof piece - 1, f);
    fclose(f);
    piece[n] = 0;
    for (size_t i = n; i > 0 && piece[i - 1] == '\n'; i--)
        piece[i - 1] = 0;
    const char *line = strrchr(piece, '\n');
    line = line ? line + 1 : piece;
    if (*line == '#') return;
    snprintf(out, room, "%s", line);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
}

static void on_tick(const recipe_view *v, int64_t step, double seconds)
{
    char title[96], clock[32], line[80];
    if (cli_is_quiet() || !isatty(2)) return;
    last_line(v->recipe, step, line, 60);
    cli_lock();
    fprintf(stderr, "\r\033[K%s  %s  %s", head(v, step, title), clock_text(seconds, clock), line);
    fflush(stderr);
    cli_unlock();
}

static void clear_line(void)
{
    if (!cli_is_quiet() && isatty(2)) fputs("\r\033[K", stderr);
}

static void on_turn(recipe_view *v, int64_t step, spk_step_turn turn, const char *why)
{
    char title[96];
    const bool runs = turn == SPK_TURN_ANEW || turn == SPK_TURN_RESUME;
    v->n_skipped += turn == SPK_TURN_UP_TO_DATE;
    if (v->dry_run) {
        printf("%s  %s%s%s\n", head(v, step, title),
               turn == SPK_TURN_LEFT_OUT     ? "left out"
               : turn == SPK_TURN_UP_TO_DATE ? "up to date"
               : turn == SPK_TURN_RESUME     ? "goes on: "
                                             : "runs: ",
               runs && why ? why : "", "");
        if (runs) {
            char *line = spk_words_line(&v->recipe->step[step].run);
            printf("        spk %s\n", line);
            spk_free(line);
        }
    } else if (!runs) {
        cli_note("%s  %s", head(v, step, title), turn == SPK_TURN_LEFT_OUT ? "left out" : "up to date");
    } else {
        v->n_ran++;
        on_tick(v, step, 0);
    }
}

static void show_log_end(const recipe_view *v, int64_t step)
{
    char *log = spk_recipe_log(v->recipe, step), *text = NULL;
    size_t n = 0;
    if (spk_read_file(log, &text, &n) == SPK_OK) {
        while (n > 0 && text[n - 1] == '\n')
            n--;
        text[n] = 0;
        size_t from = n;
        for (int lines = 0; from > 0; from--)
            if (text[from - 1] == '\n' && ++lines == LAST_LINES) break;
        for (char *line = text + from; line;) {
            char *end = strchr(line, '\n');
            if (end) *end = 0;
            fprintf(stderr, "    | %s\n", line);
            line = end ? end + 1 : NULL;
        }
    }
    spk_free(text);
    spk_free(log);
}

void recipe_tell(void *user, spk_step_event event, int64_t step, spk_step_turn turn, const char *why, double seconds)
{
    recipe_view *v = user;
    char title[96], clock[32];
    switch (event) {
    case SPK_STEP_TURN:
        on_turn(v, step, turn, why);
        break;
    case SPK_STEP_TICK:
        on_tick(v, step, seconds);
        break;
    case SPK_STEP_ENDED:
        clear_line();
        cli_note("%s  done in %s%s", head(v, step, title), clock_text(seconds, clock),
                 turn == SPK_TURN_RESUME ? " (went on where it had stopped)" : "");
        break;
    case SPK_STEP_BROKE:
        clear_line();
        if (spk_recipe_signal()) {
            cli_note("%s  interrupted after %s", head(v, step, title), clock_text(seconds, clock));
        } else {
            cli_note("%s  FAILED after %s; the end of its log:", head(v, step, title), clock_text(seconds, clock));
            char *sentence = spk_strdup(spk_errmsg()), *log = spk_recipe_log(v->recipe, step);
            show_log_end(v, step);
            spk_fail(SPK_E_PEER,
                     "%s; the whole log is %s. Mend the cause and give the same command again: what is done stays done",
                     sentence, log);
            spk_free(sentence);
            spk_free(log);
        }
        break;
    }
}

/* The files of results, as they are. */
static void show_results(const recipe_view *v)
{
    const spk_str_list *results = &v->recipe->results;
    for (int64_t i = 0; v->last + 1 == v->recipe->n && i < results->n; i++) {
        char *text = NULL;
        size_t n = 0;
        if (!spk_is_file(results->v[i])) continue; /* of a step that is left out */
        if (spk_read_file(results->v[i], &text, &n) != SPK_OK) {
            cli_complain("%s", spk_errmsg());
            continue;
        }
        if (i) putchar('\n');
        fwrite(text, 1, n, stdout);
        fflush(stdout);
        spk_free(text);
        cli_note("%s", results->v[i]);
    }
}

int recipe_report(const recipe_view *v, spk_status status)
{
    char clock[32];
    if (status == SPK_E_INTERRUPTED && spk_recipe_signal()) {
        cli_failed(status);
        return 128 + spk_recipe_signal();
    }
    if (status != SPK_OK) return cli_failed(status);
    if (v->dry_run) return CLI_OK;
    if (v->n_ran == 0)
        cli_note("all %lld steps are up to date", (long long)v->n_skipped);
    else
        cli_note("done in %s", clock_text(spk_now() - v->began, clock));
    show_results(v);
    return CLI_OK;
}
