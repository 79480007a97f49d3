/* SPDX-License-Identifier: Apache-2.0 */
/* TensorBoard's event files (events_impl.h): a few fields of protobuf, framed as records. */
#define _DEFAULT_SOURCE /* gethostname */
#include "formats/events_impl.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct spk_events {
    char *path;
    FILE *f;
};

/* ---- checksums ---- */

uint32_t spk_crc32c(const void *data, size_t n)
{
    static const uint32_t polynomial = 0x82f63b78; /* reflected */
    const unsigned char *p = data;
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return ~crc;
}

/* Masked, since a checksum over data that holds checksums is weak. */
static uint32_t masked(const void *data, size_t n)
{
    const uint32_t crc = spk_crc32c(data, n);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* ---- protobuf ---- */

static void put_varint(spk_text *t, uint64_t x)
{
    char byte[10];
    size_t n = 0;
    do {
        byte[n] = (char)(x & 0x7f);
        x >>= 7;
        if (x) byte[n] = (char)(byte[n] | 0x80);
        n++;
    } while (x);
    spk_text_addn(t, byte, n);
}

enum { VARINT = 0, EIGHT_BYTES = 1, BYTES = 2, FOUR_BYTES = 5 };

static void put_key(spk_text *t, int field, int wire)
{
    put_varint(t, (uint64_t)(field << 3 | wire));
}

static void put_little(spk_text *t, uint64_t x, int n)
{
    for (int i = 0; i < n; i++) {
        const char byte = (char)(x >> 8 * i & 0xff);
        spk_text_addn(t, &byte, 1);
    }
}

static void put_bytes(spk_text *t, int field, const char *s, size_t n)
{
    put_key(t, field, BYTES);
    put_varint(t, n);
    spk_text_addn(t, s, n);
}

static void put_float(spk_text *t, int field, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    put_key(t, field, FOUR_BYTES);
    put_little(t, bits, 4);
}

/* wall_time and step, with which every event begins. */
static void begin_event(spk_text *t, int64_t step)
{
    struct timespec now;
    uint64_t bits;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    memcpy(&bits, &seconds, sizeof bits);
    put_key(t, 1, EIGHT_BYTES);
    put_little(t, bits, 8);
    if (step == 0) return; /* the default is left out */
    put_key(t, 2, VARINT);
    put_varint(t, (uint64_t)step);
}

/* ---- records ---- */

/* In one write, so that a reader meets a whole record or the end. Errors stick to the stream until the next flush. */
static void write_record(spk_events *e, const spk_text *event)
{
    spk_text record = {0}, length = {0};
    put_little(&length, event->n, 8);
    spk_text_addn(&record, length.s, 8);
    put_little(&record, masked(length.s, 8), 4);
    spk_text_addn(&record, event->s, event->n);
    put_little(&record, masked(event->s, event->n), 4);
    fwrite(record.s, 1, record.n, e->f);
    spk_text_clear(&length);
    spk_text_clear(&record);
}

static void write_version(spk_events *e)
{
    static const char version[] = "brain.Event:2";
    spk_text event = {0};
    begin_event(&event, 0);
    put_bytes(&event, 3, version, strlen(version));
    write_record(e, &event);
    spk_text_clear(&event);
}

/* SessionLog.START: a reader drops what it has of this step and later. */
static void write_start(spk_events *e, int64_t step)
{
    spk_text event = {0}, log = {0};
    put_key(&log, 1, VARINT);
    put_varint(&log, 1);
    begin_event(&event, step);
    put_bytes(&event, 7, log.s, log.n);
    write_record(e, &event);
    spk_text_clear(&log);
    spk_text_clear(&event);
}

spk_status spk_events_open(const char *folder, int64_t purge_step, spk_events **out)
{
    char host[256] = "localhost";
    *out = NULL;
    SPK_TRY(spk_make_folders(folder));
    gethostname(host, sizeof host - 1);
    char *name = spk_strf("events.out.tfevents.%lld.%s.%ld", (long long)time(NULL), host, (long)getpid());
    char *path = spk_path_join(folder, name);
    spk_free(name);
    FILE *f = fopen(path, "ab");
    if (!f) {
        const spk_status status = spk_fail_errno(path, "write");
        spk_free(path);
        return status;
    }
    spk_events *e = spk_new(sizeof *e);
    *e = (spk_events){.path = path, .f = f};
    write_version(e);
    if (purge_step >= 0) write_start(e, purge_step);
    *out = e;
    return spk_events_flush(e);
}

void spk_events_scalar(spk_events *e, const char *tag, double value, int64_t step)
{
    spk_text event = {0}, summary = {0}, item = {0};
    put_bytes(&item, 1, tag, strlen(tag));
    put_float(&item, 2, (float)value);
    put_bytes(&summary, 1, item.s, item.n);
    begin_event(&event, step);
    put_bytes(&event, 5, summary.s, summary.n);
    write_record(e, &event);
    spk_text_clear(&item);
    spk_text_clear(&summary);
    spk_text_clear(&event);
}

spk_status spk_events_flush(spk_events *e)
{
    errno = 0;
    const bool failed = fflush(e->f) != 0 || ferror(e->f);
    clearerr(e->f);
    return failed ? spk_fail_errno(e->path, "write") : SPK_OK;
}

void spk_events_close(spk_events *e)
{
    if (!e) return;
    fclose(e->f);
    spk_free(e->path);
    spk_free(e);
}
