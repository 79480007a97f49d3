/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of an extraction by several processes (pieces_impl.h). A part: a head, pieces with their text and rows, an end. */
#include "cli/pieces_impl.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "train/work_impl.h"

static const char MAGIC[8] = "spkpart";

typedef struct head {
    char magic[8];
    int64_t run, rank, E;
} head;

/* What stands before a piece's text and rows; index < 0: the end. */
typedef struct record {
    int64_t index, status, n_message, n_rows;
    double begin, end, seconds;
} record;

struct pieces {
    spk_comm *comm;
    char *folder, *stem, *path; /* path: of this rank's part */
    head head;
    spk_outfile *file;
    const spk_embed_item *items;
    spk_embed_item *own;
    int64_t n, n_own;
    spk_work_list work;
    spk_comm_work before;
};

static char *part_path(const pieces *p, int rank)
{
    char *name = spk_strf("%s.%d.part", p->stem, rank), *path = spk_path_join(p->folder, name);
    spk_free(name);
    return path;
}

static const char *id_of(const void *list, int64_t i)
{
    return ((const spk_embed_item *)list)[i].id;
}

static void share_out(pieces *p, const spk_embed_item *items, int64_t n)
{
    const int rank = spk_comm_rank(p->comm), size = spk_comm_size(p->comm);
    p->items = items;
    p->n = n;
    p->own = spk_new((size_t)(n / size + 1) * sizeof *p->own);
    for (int64_t i = rank; i < n; i += size)
        p->own[p->n_own++] = items[i];
    p->work = (spk_work_list){items, id_of, n, size};
    p->before = spk_comm_working(p->comm, (spk_comm_work){spk_work_of_list, &p->work});
    spk_comm_where(p->comm, "extraction");
}

const spk_embed_item *pieces_items(const pieces *p, int64_t *n)
{
    *n = p->n_own;
    return p->own;
}

/* ---- writing ---- */

static spk_status open_own(pieces *p)
{
    if (!spk_is_folder(p->folder))
        return spk_fail(
            SPK_E_IO,
            "%s: is not there, and rank 0 has made it: the output folder must lie on a file system that all "
            "hosts share",
            p->folder);
    SPK_TRY(spk_outfile_open(p->path, &p->file));
    spk_outfile_write(p->file, &p->head, sizeof p->head);
    return SPK_OK;
}

spk_status pieces_open(spk_comm *comm, const char *folder, const char *stem, const spk_embed_item *items, int64_t n,
                       int64_t E, pieces **out)
{
    struct timespec now;
    pieces *p = *out = spk_new(sizeof *p);
    clock_gettime(CLOCK_REALTIME, &now);
    p->comm = comm;
    p->folder = spk_strdup(folder);
    p->stem = spk_strdup(stem);
    p->path = part_path(p, spk_comm_rank(comm));
    share_out(p, items, n);
    p->head = (head){.rank = spk_comm_rank(comm), .E = E};
    memcpy(p->head.magic, MAGIC, sizeof MAGIC);
    const int64_t unique[3] = {now.tv_sec, now.tv_nsec, getpid()};
    p->head.run = (int64_t)spk_hash(unique, sizeof unique);
    SPK_TRY(spk_comm_broadcast(comm, &p->head.run, 1, SPK_COMM_I64));
    return spk_comm_agree(comm, open_own(p));
}

void pieces_add(pieces *p, const piece *x)
{
    const record r = {.index = x->index * spk_comm_size(p->comm) + spk_comm_rank(p->comm),
                      .status = x->status,
                      .n_message = x->status != SPK_OK ? (int64_t)strlen(x->message) : 0,
                      .n_rows = x->status == SPK_OK ? x->n_rows : 0,
                      .begin = x->begin,
                      .end = x->end,
                      .seconds = x->seconds};
    spk_outfile_write(p->file, &r, sizeof r);
    if (r.n_message > 0) spk_outfile_write(p->file, x->message, (size_t)r.n_message);
    if (r.n_rows > 0) spk_outfile_write(p->file, x->embedding, (size_t)(r.n_rows * p->head.E) * sizeof *x->embedding);
}

static spk_status end_own(pieces *p)
{
    const record end = {.index = -1};
    spk_outfile *file = p->file;
    p->file = NULL;
    spk_outfile_write(file, &end, sizeof end);
    return spk_outfile_commit(file);
}

/* ---- going through all ---- */

/* A part that is read. */
typedef struct part {
    char *path;
    FILE *f;
    record next; /* index < 0: no more */
    char *message;
    float *rows;
} part;

static spk_status read_bytes(const part *p, void *to, int64_t n)
{
    if (n == 0 || fread(to, 1, (size_t)n, p->f) == (size_t)n) return SPK_OK;
    return spk_fail(SPK_E_IO, "%s: ends early: no other program may write there", p->path);
}

static spk_status open_part(const pieces *own, int rank, part *p)
{
    head h;
    p->path = part_path(own, rank);
    p->f = fopen(p->path, "rb");
    if (!p->f && errno == ENOENT)
        return spk_fail(
            SPK_E_IO,
            "%s: is not there, and rank %d has written it: the output folder must lie on a file system that "
            "all hosts share",
            p->path, rank);
    if (!p->f) return spk_fail_errno(p->path, "open");
    SPK_TRY(read_bytes(p, &h, sizeof h));
    if (memcmp(h.magic, MAGIC, sizeof MAGIC) != 0 || h.run != own->head.run || h.rank != rank || h.E != own->head.E)
        return spk_fail(
            SPK_E_IO,
            "%s: is not what rank %d has just written: the output folder must lie on a file system that all "
            "hosts share, and no other extraction may write there",
            p->path, rank);
    return read_bytes(p, &p->next, sizeof p->next);
}

/* The piece that comes next, and what comes after it. */
static spk_status take_piece(part *p, const pieces *own, spk_status (*fn)(void *user, const piece *x), void *user)
{
    const record r = p->next;
    const int64_t E = own->head.E;
    p->message = spk_renew(p->message, (size_t)r.n_message + 1);
    p->rows = spk_renew(p->rows, (size_t)(r.n_rows * E + 1) * sizeof *p->rows);
    p->message[r.n_message] = 0;
    SPK_TRY(read_bytes(p, p->message, r.n_message));
    SPK_TRY(read_bytes(p, p->rows, r.n_rows * E * (int64_t)sizeof *p->rows));
    SPK_TRY(read_bytes(p, &p->next, sizeof p->next));
    const piece x = {.index = r.index,
                     .id = own->items[r.index].id,
                     .status = (spk_status)r.status,
                     .message = p->message,
                     .begin = r.begin,
                     .end = r.end,
                     .seconds = r.seconds,
                     .n_rows = r.n_rows,
                     .embedding = p->rows};
    return fn(user, &x);
}

static spk_status take_all(const pieces *own, part *parts, spk_status (*fn)(void *user, const piece *x), void *user)
{
    const int size = spk_comm_size(own->comm);
    for (int r = 0; r < size; r++)
        SPK_TRY(open_part(own, r, &parts[r]));
    for (int64_t i = 0; i < own->n; i++)
        for (part *p = &parts[i % size]; p->next.index == i;)
            SPK_TRY(take_piece(p, own, fn, user));
    for (int r = 0; r < size; r++)
        if (parts[r].next.index >= 0)
            return spk_fail(SPK_E_IO, "%s: holds recordings in another order: no other program may write there",
                            parts[r].path);
    return SPK_OK;
}

static spk_status read_all(const pieces *own, spk_status (*fn)(void *user, const piece *x), void *user)
{
    const int size = spk_comm_size(own->comm);
    part *parts = spk_new((size_t)size * sizeof *parts);
    const spk_status status = take_all(own, parts, fn, user);
    for (int r = 0; r < size; r++) {
        if (parts[r].f) fclose(parts[r].f);
        spk_free(parts[r].path);
        spk_free(parts[r].message);
        spk_free(parts[r].rows);
    }
    spk_free(parts);
    return status;
}

static spk_status add_up(spk_comm *comm, spk_embed_summary *sum)
{
    SPK_TRY(spk_comm_reduce(comm, &sum->n_items, 1, SPK_COMM_I64, SPK_COMM_SUM));
    SPK_TRY(spk_comm_reduce(comm, &sum->n_failed, 1, SPK_COMM_I64, SPK_COMM_SUM));
    SPK_TRY(spk_comm_reduce(comm, &sum->audio_s, 1, SPK_COMM_F64, SPK_COMM_SUM));
    return spk_comm_reduce(comm, &sum->wall_s, 1, SPK_COMM_F64, SPK_COMM_MAX);
}

spk_status pieces_join(pieces *p, spk_status status, spk_embed_summary *sum,
                       spk_status (*fn)(void *user, const piece *x), void *user)
{
    spk_comm *comm = p->comm;
    status = spk_comm_agree(comm, status == SPK_OK ? end_own(p) : status);
    if (status == SPK_OK) status = add_up(comm, sum);
    if (status == SPK_OK) status = spk_comm_agree(comm, spk_comm_is_first(comm) ? read_all(p, fn, user) : SPK_OK);
    spk_comm_working(comm, p->before);
    spk_outfile_abort(p->file);
    unlink(p->path);
    spk_free(p->path);
    spk_free(p->folder);
    spk_free(p->stem);
    spk_free(p->own);
    spk_free(p);
    return status;
}
