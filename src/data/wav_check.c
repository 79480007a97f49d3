/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a RIFF WAVE file shorter than its header says? libsndfile quietly takes what is there, so a
 * half-copied file would pass as a short one. Sizes of 0 and of 0x7FFFF000 and above are written by
 * programs that stream to a pipe, and say nothing.
 */
#include "data/wav_check_impl.h"

#include <string.h>
#include <unistd.h>

static uint32_t le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool spk__wav_is_cut(int fd, int64_t file_bytes, int64_t *missing_bytes)
{
    enum { MAX_CHUNKS = 64 };
    unsigned char head[12];
    if (pread(fd, head, 12, 0) != 12 || memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0) return false;
    int64_t at = 12;
    for (int i = 0; i < MAX_CHUNKS; i++) {
        if (pread(fd, head, 8, (off_t)at) != 8) return false; /* no data chunk: libsndfile will say so */
        const uint32_t size = le32(head + 4);
        if (memcmp(head, "data", 4) == 0) {
            *missing_bytes = at + 8 + (int64_t)size - file_bytes;
            return size != 0 && size < 0x7FFFF000u && *missing_bytes > 0;
        }
        at += 8 + (int64_t)size + (size & 1);
    }
    return false;
}
