/* SPDX-License-Identifier: Apache-2.0 */
/* A job's life: joining, who is there, what each does. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <dlfcn.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "comm/comm_inside_impl.h"

static const double DEFAULT_TIMEOUT_S = 1800; /* torch.distributed's */

/* ---- who is there ---- */

static void describe_self(const spk_comm *c, spk_comm_peer *out)
{
    cpu_set_t set;
    memset(out, 0, sizeof *out);
    if (gethostname(out->host, sizeof out->host - 1) != 0) snprintf(out->host, sizeof out->host, "unknown");
    out->node = c->place.node;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    for (int i = 0; i < 64 * SPK_COMM_MASK_WORDS && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set)) out->mask[i / 64] |= UINT64_C(1) << i % 64;
}

static spk_status meet(spk_comm *c)
{
    spk_comm_peer self;
    const size_t n = (size_t)c->place.size;
    int64_t *counts = spk_new(n * sizeof *counts);
    c->peer = spk_new(n * sizeof *c->peer);
    c->heard = spk_new(n * sizeof *c->heard);
    for (size_t i = 0; i < n; i++)
        counts[i] = 1;
    describe_self(c, &self);
    const spk_status status = spk_comm_gather(c, &self, counts, sizeof self, c->peer, SPK_COMM_TO_ALL);
    spk_free(counts);
    return status;
}

static spk_status join(const spk_launch *launch, spk_comm *c)
{
    SPK_TRY(spk_comm_load(launch, &c->table, &c->library));
    const char *error = c->table->open(&c->self, &c->place);
    if (error) {
        c->table = NULL;
        return spk_fail(SPK_E_PEER, "%s started %d processes, and they cannot be joined: %s", launch->by, launch->size,
                        error);
    }
    if (c->place.size != launch->size)
        return spk_fail(SPK_E_PEER,
                        "%s started %d processes, and %s sees %d: launch them with that MPI's own mpirun, or with srun "
                        "--mpi=pmix for Open MPI and --mpi=pmi2 for MPICH",
                        launch->by, launch->size, c->table->name, c->place.size);
    return meet(c);
}

spk_status spk_comm_open(spk_comm **out)
{
    const spk_launch launch = spk_comm_launch();
    *out = NULL;
    if (launch.size <= 1) return SPK_OK;
    spk_comm *c = spk_new(sizeof *c);
    c->timeout = DEFAULT_TIMEOUT_S;
    const spk_status status = join(&launch, c);
    if (status == SPK_OK)
        *out = c;
    else
        spk_comm_close(c);
    return status;
}

void spk_comm_close(spk_comm *c)
{
    if (!c) return;
    if (c->table) c->table->close(c->self);
    /* The library stays: MPIs leave threads and exit handlers behind. */
    spk_free(c->peer);
    spk_free(c->heard);
    spk_free(c);
}

void spk_comm_abort(spk_comm *c, int code)
{
    if (!c) return;
    /* Nobody shall say that this one is missed. */
    for (int r = 0; r < 2 && r < c->place.size; r++)
        if (r != c->place.rank) c->table->tell(c->self, r);
    c->table->end_all(c->self, code);
}

int spk_comm_rank(const spk_comm *c)
{
    return c ? c->place.rank : 0;
}

int spk_comm_size(const spk_comm *c)
{
    return c ? c->place.size : 1;
}

bool spk_comm_is_first(const spk_comm *c)
{
    return spk_comm_rank(c) == 0;
}

const char *spk_comm_host(const spk_comm *c, int rank)
{
    static char own[SPK_COMM_HOST_BYTES];
    if (c) return c->peer[rank].host;
    if (!own[0] && gethostname(own, sizeof own - 1) != 0) snprintf(own, sizeof own, "unknown");
    return own;
}

void spk_comm_timeout(spk_comm *c, double seconds)
{
    if (c) c->timeout = seconds;
}

bool spk_comm_agreed(const spk_comm *c)
{
    return c && c->agreed;
}

void spk_comm_where(spk_comm *c, const char *fmt, ...)
{
    va_list args;
    if (!c) return;
    va_start(args, fmt);
    vsnprintf(c->at, sizeof c->at, fmt, args);
    va_end(args);
}

spk_comm_work spk_comm_working(spk_comm *c, spk_comm_work work)
{
    const spk_comm_work before = c ? c->work : (spk_comm_work){0};
    if (c) c->work = work;
    return before;
}

char *spk_comm_self(const spk_comm *c)
{
    if (!c) return spk_strdup("");
    return spk_strf("rank %d on %s%s%s", c->place.rank, c->peer[c->place.rank].host, c->at[0] ? ", " : "", c->at);
}
