/* SPDX-License-Identifier: Apache-2.0 */
/* Archives and commands as bytes for libsndfile (source_impl.h). */
#include "data/source_impl.h"

#include "data/audio_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30 }; /* of what a command writes: nine hours of 16 kHz */

/* ---- what a list says ---- */

static const char speed_word[] = "[speed:";

/* The last '[' of the first n bytes, where these end in ']' and something stands before it; else NULL. */
static const char *bracket(const char *text, size_t n)
{
    if (n < 5 || text[n - 1] != ']') return NULL;
    while (n > 1 && text[n - 1] != '[')
        n--;
    return n > 1 ? &text[n - 1] : NULL;
}

/* "[speed:0.9]" at the end of the first out->n_file bytes, which is taken off. */
static void parse_speed(const char *text, spk_locator *out)
{
    double factor;
    const size_t n = out->n_file;
    const char *open = bracket(text, n);
    if (!open || !spk_starts_with(open, speed_word)) return;
    char *inside = spk_strndup(open + sizeof speed_word - 1, n - sizeof speed_word - (size_t)(open - text));
    if (spk_parse_double(inside, &factor) && factor >= SPK_SPEED_LEAST && factor <= SPK_SPEED_MOST) {
        out->speed = llround(factor * SPK_SPEED_ONE);
        out->n_file = (size_t)(open - text);
    }
    spk_free(inside);
}

/* "[1.5:4.25]" likewise. */
static bool parse_part(const char *text, spk_locator *out)
{
    const size_t n = out->n_file;
    const char *open = bracket(text, n);
    if (!open) return false;
    char *inside = spk_strndup(open + 1, n - 2 - (size_t)(open - text)), *colon = strchr(inside, ':');
    if (colon) *colon = '\0';
    const bool good = colon && spk_parse_double(inside, &out->begin) && spk_parse_double(colon + 1, &out->end) &&
                      out->begin >= 0 && isfinite(out->begin) && isfinite(out->end) &&
                      (out->end == -1 || out->end > out->begin);
    spk_free(inside);
    if (good) out->n_file = (size_t)(open - text);
    out->part = good;
    return good;
}

/* ":123" at the end of the first *n bytes, which is taken off; -1: there is none. Allocates nothing, as most paths are
 * plain and looked at for each crop. */
static int64_t parse_offset(const char *text, size_t *n)
{
    size_t at = *n;
    int64_t offset = 0, unit = 1;
    while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9' && unit < INT64_C(1000000000000000000)) {
        offset += (text[--at] - '0') * unit;
        unit *= 10;
    }
    if (at == *n || at < 2 || text[at - 1] != ':') return -1;
    *n = at - 1;
    return offset;
}

void spk_locator_parse(const char *text, spk_locator *out)
{
    *out = (spk_locator){.n_file = strlen(text), .offset = -1, .speed = SPK_SPEED_ONE};
    parse_speed(text, out);
    if (!parse_part(text, out)) out->begin = out->end = 0;
    size_t n = out->n_file;
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    if (n > 0 && text[n - 1] == '|') {
        out->n_file = n - 1;
        out->command = true;
        return;
    }
    out->offset = parse_offset(text, &out->n_file);
}

static bool is_there(const char *text, size_t n)
{
    char *name = spk_strndup(text, n);
    const bool there = spk_exists(name);
    spk_free(name);
    return there;
}

void spk_locator_find(const char *text, spk_locator *out)
{
    spk_locator_parse(text, out);
    size_t n = strlen(text);
    if (out->command || out->n_file == n) return; /* most */
    if (spk_exists(text)) {
        *out = (spk_locator){.n_file = n, .offset = -1, .speed = SPK_SPEED_ONE};
        return;
    }
    const char *open = bracket(text, n);
    if (open && spk_starts_with(open, speed_word)) {
        n = (size_t)(open - text);
        if (out->n_file != n && is_there(text, n)) {
            *out = (spk_locator){.n_file = n, .offset = -1, .speed = out->speed};
            return;
        }
        open = bracket(text, n);
    }
    if (!out->part || out->offset < 0) return;
    n = (size_t)(open - text);
    if (!is_there(text, n)) return;
    out->n_file = n;
    out->offset = -1;
}

/* ---- archives ---- */

static int64_t little_endian(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

bool spk_source_span(const unsigned char *head, size_t n, int64_t room, int64_t *start, int64_t *length)
{
    *start = 0;
    if (n >= 12 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WAVE", 4) == 0) {
        *length = 8 + little_endian(head + 4, 4);
        if (*length > room || *length <= 44) *length = room; /* streamed: the header did not know */
        return true;
    }
    if (n < 7 || memcmp(head, "AUDIO", 5) != 0) return false;
    const size_t bytes = head[5];
    if (bytes < 1 || bytes > 8 || n < 6 + bytes) return false;
    *start = (int64_t)(6 + bytes);
    *length = little_endian(head + 6, bytes);
    return *length > 0 && *length <= room - *start;
}

static spk_status open_archive(const char *text, const spk_locator *l, spk_source *out)
{
    struct stat st;
    unsigned char head[16];
    char *path = spk_strndup(text, l->n_file);
    spk_status status = SPK_OK;
    out->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0 || fstat(out->fd, &st) != 0) status = spk_fail_errno(path, "open");
    if (status == SPK_OK) {
        const ssize_t n = pread(out->fd, head, sizeof head, (off_t)l->offset);
        const int64_t room = (int64_t)st.st_size - l->offset;
        if (n < 0)
            status = spk_fail_errno(path, "read");
        else if (room <= 0 || !spk_source_span(head, (size_t)n, room, &out->start, &out->length))
            status =
                spk_fail(SPK_E_FORMAT, "%s: there is no sound at byte %lld of %s: %s", text, (long long)l->offset, path,
                         n > 1 && memcmp(head, "\0B", 2) == 0 ? "it holds features, for a model without a frontend"
                                                              : "neither a WAV file nor kaldiio's AUDIO, or it is cut");
        out->start += l->offset;
    }
    spk_free(path);
    return status;
}

/* ---- commands ---- */

/* All that the stream gives, with room that doubles. */
static spk_status read_all(const char *text, FILE *stream, spk_source *out)
{
    size_t room = 1 << 18, n = 0, got;
    out->memory = spk_alloc(room);
    while (out->memory && (got = fread(out->memory + n, 1, room - n, stream)) > 0) {
        n += got;
        if (n < room) continue;
        if (n >= MOST_BYTES)
            return spk_fail(SPK_E_VALUE, "%s: the command writes more than %d bytes", text, MOST_BYTES);
        char *larger = spk_alloc(2 * room);
        if (larger) memcpy(larger, out->memory, n);
        spk_free(out->memory);
        out->memory = larger;
        room *= 2;
    }
    out->length = (int64_t)n;
    return out->memory ? SPK_OK : spk_fail(SPK_E_NOMEM, "%s: no memory for what the command writes", text);
}

static spk_status run_command(const char *text, const spk_locator *l, spk_source *out)
{
    char *command = spk_strndup(text, l->n_file);
    FILE *stream = popen(command, "r"); /* glibc starts it without copying this process, whose threads go on */
    spk_free(command);
    if (!stream) return spk_fail_errno(text, "run");
    spk_status status = read_all(text, stream, out);
    const int end = pclose(stream);
    if (status != SPK_OK) return status;
    if (end != 0)
        return spk_fail(SPK_E_IO, "%s: the command failed with status %d", text,
                        WIFEXITED(end) ? WEXITSTATUS(end) : 128 + WTERMSIG(end));
    return out->length > 0 ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: the command writes nothing", text);
}

spk_status spk_source_open(const char *text, const spk_locator *l, spk_source *out)
{
    *out = (spk_source){.fd = -1};
    const spk_status status = l->command ? run_command(text, l, out) : open_archive(text, l, out);
    if (status != SPK_OK) spk_source_close(out);
    return status;
}

void spk_source_close(spk_source *s)
{
    if (s->fd >= 0) close(s->fd);
    spk_free(s->memory);
    *s = (spk_source){.fd = -1};
}

/* ---- libsndfile ---- */

static sf_count_t io_length(void *user)
{
    return ((const spk_source *)user)->length;
}

static sf_count_t io_seek(sf_count_t offset, int whence, void *user)
{
    spk_source *s = user;
    const int64_t to = offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->length);
    if (to < 0 || to > s->length) return -1;
    return s->at = to;
}

static sf_count_t io_read(void *to, sf_count_t count, void *user)
{
    spk_source *s = user;
    int64_t n = s->length - s->at < count ? s->length - s->at : count;
    if (n <= 0) return 0;
    if (s->memory)
        memcpy(to, s->memory + s->at, (size_t)n);
    else
        n = pread(s->fd, to, (size_t)n, (off_t)(s->start + s->at));
    if (n > 0) s->at += n;
    return n > 0 ? n : 0;
}

static sf_count_t io_write(const void *from, sf_count_t count, void *user)
{
    (void)from;
    (void)count;
    (void)user;
    return 0;
}

static sf_count_t io_tell(void *user)
{
    return ((const spk_source *)user)->at;
}

const struct SF_VIRTUAL_IO spk_source_io = {io_length, io_seek, io_read, io_write, io_tell};
