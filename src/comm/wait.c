/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting in a job: for long, for too long, for somebody who is gone. */
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "comm/comm_inside_impl.h"

/* ---- failures ---- */

spk_status spk__comm_break(spk_comm *c, const char *fmt, ...)
{
    va_list args;
    if (c->broken == SPK_OK) {
        c->broken = SPK_E_PEER;
        va_start(args, fmt);
        vsnprintf(c->why, sizeof c->why, fmt, args);
        va_end(args);
    }
    return spk__comm_check(c);
}

spk_status spk__comm_check(const spk_comm *c)
{
    return c->broken == SPK_OK ? SPK_OK : spk_fail(c->broken, "%s", c->why);
}

/* ---- who is missed ---- */

/* "rank 1 on node7 (its share of the batch begins with utterance 'a')". */
static void name_rank(const spk_comm *c, int rank, spk_text *out)
{
    char *work = c->work.of ? c->work.of(c->work.user, rank) : NULL;
    spk_text_addf(out, "rank %d on %s", rank, c->peer[rank].host);
    if (work && work[0]) spk_text_addf(out, " (%s)", work);
    spk_free(work);
}

/* Ranks that this one has not heard of: they are what all wait for. */
static void name_silent(const spk_comm *c, spk_text *out)
{
    enum { SHOWN = 4 };
    int n = 0;
    for (int r = 0; r < c->place.size; r++) {
        if (r == c->place.rank || c->heard[r]) continue;
        if (n > 0 && n < SHOWN) spk_text_add(out, ", ");
        if (n < SHOWN) name_rank(c, r, out);
        n++;
    }
    if (n > SHOWN) spk_text_addf(out, " and %d more", n - SHOWN);
}

static spk_status overdue(spk_comm *c)
{
    spk_text silent = {0};
    if (c->place.rank == 0) {
        c->table->heard(c->self, c->heard);
        name_silent(c, &silent);
    } else {
        name_rank(c, 0, &silent);
    }
    const spk_status status = spk__comm_break(
        c,
        "waited %g s for %s, and the job is ended: look for what holds it up there, or allow more with --dist_timeout",
        c->timeout, silent.n ? silent.s : "a message that all ranks had sent");
    spk_text_clear(&silent);
    return status;
}

/* ---- a wait ---- */

typedef struct waiting {
    double waited;
    double limit;   /* 0: none */
    double tell_at; /* the next word to rank 0 */
    double signal;  /* when the signal was seen; 0: none was */
    bool cleared;   /* words of waits before this one are forgotten */
    bool patient, warned;
} waiting;

static void tell(const spk_comm *c, int to)
{
    if (c->place.rank != to && to < c->place.size) c->table->tell(c->self, to);
}

/* Rank 0 collects who waits. Words come again and again, so that those of the second half of its time tell all. */
static void exchange_words(spk_comm *c, waiting *w)
{
    if (w->limit <= 0) return;
    if (c->place.rank && w->waited > w->tell_at) {
        tell(c, 0);
        w->tell_at += c->timeout / 4;
    }
    if (c->place.rank == 0 && !w->cleared && w->waited > c->timeout / 2) {
        c->table->heard(c->self, c->heard);
        memset(c->heard, 0, (size_t)c->place.size * sizeof *c->heard);
        w->cleared = true;
    }
}

/*
 * A launcher that sees a rank die sends a signal to the others and soon kills them. Those that wait tell ranks 0 and 1 so,
 * and rank 0, or rank 1 where nothing is heard of rank 0, says who is missed and with what.
 */
static void mind_signal(spk_comm *c, waiting *w)
{
    static const double soon = 0.2; /* seconds: other waits are short, and the launcher kills after 1 */
    if (w->warned || w->patient || w->waited < soon || !spk_interrupted()) return;
    if (w->signal == 0) {
        w->signal = w->waited;
        tell(c, 0);
        tell(c, 1);
    }
    if (c->place.rank > 1 || w->waited - w->signal < soon) return;
    w->warned = true;
    c->table->heard(c->self, c->heard);
    if (c->place.rank == 1 && c->heard[0]) return;
    spk_text silent = {0};
    name_silent(c, &silent);
    if (silent.n)
        spk_warn("comm",
                 "%s%sa signal came while other ranks were waited for; nothing is heard of %s: it may have ended",
                 c->at, c->at[0] ? ": " : "", silent.s);
    spk_text_clear(&silent);
}

/* Spin a moment, since most waits are short; then leave the processor to others. */
static void pause_for(double waited)
{
    if (waited < 0.02)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = waited < 1 ? 50000 : 1000000}, NULL);
}

spk_status spk__comm_wait(spk_comm *c, spk_comm_request *request, bool patient)
{
    /* Rank 0 speaks first, then rank 1, then the others. */
    static const double later[] = {0, 2, 4};
    const double begun = spk_now();
    const int rank = c->place.rank;
    waiting w = {.tell_at = c->timeout / 4, .patient = patient};
    if (c->timeout > 0 && !patient) w.limit = c->timeout + later[rank < 2 ? rank : 2];
    while (request->open) {
        bool done = false;
        const char *error = c->table->test(c->self, request, &done);
        if (error) return spk__comm_break(c, "%s", error);
        if (done) break;
        w.waited = spk_now() - begun;
        mind_signal(c, &w);
        exchange_words(c, &w);
        if (w.limit > 0 && w.waited > w.limit) return overdue(c);
        pause_for(w.waited);
    }
    return SPK_OK;
}
