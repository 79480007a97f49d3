/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a recipe one after the other: each with its log, and a record before and after. */
#include "recipe/recipe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

char *spk_recipe_log(const spk_recipe *r, int64_t step)
{
    return spk_strf("%s/logs/%02lld-%s.log", r->exp, (long long)step + 1, r->step[step].name);
}

/* ---- one run at a time ---- */

/* A lock on EXP/.recipe/lock that running steps hold, too: one that outlives a killed run keeps others out. */
static spk_status lock(const spk_recipe *r, int *fd)
{
    char *folder = spk_strf("%s/.recipe", r->exp), *path = spk_strf("%s/.recipe/lock", r->exp);
    spk_status status;
    SPK_GO(spk_make_folders(folder));
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0) SPK_GO(spk_fail_errno(path, "open"));
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK
                     ? spk_fail(SPK_E_IO,
                                "%s: another run of a recipe works in this folder, or a step of one that was "
                                "killed still does: wait for its end, or give another folder, --exp DIR",
                                r->exp)
                     : spk_fail_errno(path, "lock");
        close(*fd);
        *fd = -1;
    }
done:
    spk_free(folder);
    spk_free(path);
    return status;
}

/* ---- a step's log ---- */

static spk_status log_line(const char *path, bool afresh, const char *what, const char *text)
{
    char when[64];
    struct tm t;
    const time_t now = time(NULL);
    FILE *f = fopen(path, afresh ? "w" : "a");
    if (!f) return spk_fail_errno(path, "write");
    localtime_r(&now, &t);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &t);
    fprintf(f, "# %s  %s: %s\n", when, what, text);
    if (fclose(f) != 0) return spk_fail_errno(path, "write");
    return SPK_OK;
}

static spk_status open_log(const spk_recipe *r, int64_t step, const spk_str_list *words, bool afresh, const char *why)
{
    char *folder = spk_strf("%s/logs", r->exp), *path = spk_recipe_log(r, step), *line = spk_words_line(words);
    char *command = spk_strf("spk %s", line);
    spk_status status = spk_make_folders(folder);
    if (status == SPK_OK) status = log_line(path, afresh, "command", command);
    if (status == SPK_OK) status = log_line(path, false, "begins", why ? why : "");
    spk_free(folder);
    spk_free(path);
    spk_free(line);
    spk_free(command);
    return status;
}

/* ---- one step ---- */

typedef struct watch {
    const spk_recipe_run_options *o;
    int64_t step;
    spk_step_turn turn;
    double began, told;
} watch;

static void on_tick(void *user)
{
    watch *w = user;
    const double now = spk_now();
    if (now - w->told < 1) return;
    w->told = now;
    w->o->tell(w->o->user, SPK_STEP_TICK, w->step, w->turn, NULL, now - w->began);
}

/* The step's words: the command, and what else this turn takes. */
static spk_str_list words_of(const spk_recipe_step *s, spk_step_turn turn)
{
    const spk_str_list *more = turn == SPK_TURN_RESUME ? &s->resume : &s->anew;
    spk_str_list words = {0};
    for (int64_t i = 0; i < s->run.n; i++)
        SPK_PUSH(words.v, words.n) = spk_strdup(s->run.v[i]);
    for (int64_t i = 0; i < more->n; i++)
        SPK_PUSH(words.v, words.n) = spk_strdup(more->v[i]);
    return words;
}

/* What a child's end means, as a status with a sentence. */
static spk_status judge(const spk_recipe *r, int64_t step, const spk_child *c)
{
    const spk_recipe_step *s = &r->step[step];
    char *where = spk_recipe_where(r, step);
    spk_status status = SPK_OK;
    if (c->code != 0 && c->passed)
        status = spk_fail(SPK_E_INTERRUPTED, "interrupted in step '%s'; the same command goes on from there", s->name);
    else if (c->code < 0)
        status = spk_fail(SPK_E_PEER, "%s was ended by signal %d (%s)", where, c->by, strsignal(c->by));
    else if (c->code > 0)
        status = spk_fail(SPK_E_PEER, "%s ended with exit status %d", where, c->code);
    for (int64_t i = 0; i < s->outputs.n && status == SPK_OK; i++)
        if (!spk_exists(s->outputs.v[i]))
            status = spk_fail(SPK_E_PEER, "%s ended well, but did not make %s: the recipe is wrong there", where,
                              s->outputs.v[i]);
    spk_free(where);
    return status;
}

static spk_status keep_outputs(const spk_recipe *r, int64_t step, spk_step_record *rec)
{
    spk_str_list later = {0};
    spk_status status = SPK_OK;
    for (int64_t i = step + 1; i < r->n; i++)
        for (int64_t k = 0; k < r->step[i].outputs.n; k++)
            SPK_PUSH(later.v, later.n) = r->step[i].outputs.v[k];
    for (int64_t i = 0; i < rec->outputs.n && status == SPK_OK; i++)
        status = spk_digest_take(rec->outputs.v[i], &later, NULL, &rec->output[i]);
    spk_free(later.v);
    return status;
}

static spk_status run_step(const spk_recipe *r, int64_t step, const spk_recipe_run_options *o, spk_step_turn turn,
                           const char *why, int fd, spk_step_record *rec)
{
    watch w = {o, step, turn, spk_now(), spk_now()};
    spk_child child = {0};
    spk_status status;
    char *log = spk_recipe_log(r, step), *end = NULL;
    spk_str_list words = words_of(&r->step[step], turn);
    rec->state = SPK_STEP_BEGUN;
    SPK_GO(open_log(r, step, &words, turn != SPK_TURN_RESUME, why));
    SPK_GO(spk_step_record_write(r, step, rec));
    SPK_GO(spk_child_run(&words, log, fd, on_tick, &w, &child));
    rec->seconds = spk_now() - w.began;
    end = child.code < 0 ? spk_strf("signal %d after %.1f s", child.by, rec->seconds)
                         : spk_strf("exit status %d after %.1f s", child.code, rec->seconds);
    SPK_GO(log_line(log, false, "ended", end));
    status = judge(r, step, &child);
    if (status == SPK_E_INTERRUPTED) goto done; /* the record says that it has begun */
    rec->state = status == SPK_OK ? SPK_STEP_DONE : SPK_STEP_FAILED;
    if (status == SPK_OK) {
        SPK_GO(keep_outputs(r, step, rec));
        SPK_GO(spk_step_record_write(r, step, rec));
    } else {
        char *sentence = spk_strdup(spk_errmsg());
        (void)!spk_step_record_write(r, step, rec); /* what went wrong before is what counts */
        spk_fail(status, "%s", sentence);
        spk_free(sentence);
    }
done:
    o->tell(o->user, status == SPK_OK ? SPK_STEP_ENDED : SPK_STEP_BROKE, step, turn, NULL, spk_now() - w.began);
    spk_words_clear(&words);
    spk_free(log);
    spk_free(end);
    return status;
}

/* ---- all ---- */

/* In a dry run, whether an input comes from a step that would run: a new string that says so, or NULL. */
static char *would_change(const spk_recipe *r, int64_t step, const bool *runs)
{
    const spk_str_list *inputs = &r->step[step].inputs;
    for (int64_t i = 0; i < inputs->n; i++) {
        const int64_t maker = spk_recipe_maker(r, inputs->v[i]);
        if (maker >= 0 && maker < step && runs[maker])
            return spk_strf("if step '%s' makes another %s than there is", r->step[maker].name, inputs->v[i]);
    }
    return NULL;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static spk_status take_turn(const spk_recipe *r, int64_t step, const spk_recipe_run_options *o, int fd, bool *runs)
{
    spk_step_record before, now = {0};
    spk_step_turn turn;
    spk_status status;
    char *why = NULL;
    spk_step_record_read(r, step, &before);
    SPK_GO(spk_step_record_now(r, step, &before, &now));
    SPK_GO(spk_recipe_turn(r, step, &before, &now, o->any_version, &turn, &why));
    if (turn == SPK_TURN_UP_TO_DATE && o->anew) {
        turn = SPK_TURN_ANEW;
        why = spk_strdup("as --anew asks");
    }
    if (turn == SPK_TURN_UP_TO_DATE && o->dry_run && (why = would_change(r, step, runs)) != NULL) turn = SPK_TURN_ANEW;
    now.began = turn == SPK_TURN_RESUME ? before.began : now_ns();
    runs[step] = turn == SPK_TURN_ANEW || turn == SPK_TURN_RESUME;
    o->tell(o->user, SPK_STEP_TURN, step, turn, why, 0);
    if (runs[step] && !o->dry_run) status = run_step(r, step, o, turn, why, fd, &now);
done:
    spk_step_record_clear(&before);
    spk_step_record_clear(&now);
    spk_free(why);
    return status;
}

spk_status spk_recipe_run(const spk_recipe *r, const spk_recipe_run_options *o)
{
    int fd = -1;
    bool *runs = spk_new(sizeof *runs * (size_t)r->n);
    spk_status status;
    SPK_GO(spk_recipe_check_inputs(r, o->first, o->last));
    if (!o->dry_run) SPK_GO(lock(r, &fd));
    for (int64_t i = o->first; i <= o->last; i++)
        SPK_GO(take_turn(r, i, o, fd, runs));
done:
    if (fd >= 0) close(fd);
    spk_free(runs);
    return status;
}
