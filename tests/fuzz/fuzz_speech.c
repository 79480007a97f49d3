/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for files of where somebody speaks: RTTM, segments, lab. */
#include "fuzz.h"

#include "data/speech_impl.h"

static void look(spk_speech_parts *p)
{
    for (int64_t i = 0; i < p->n; i++) {
        SPK_ASSERT(p->v[i].begin >= 0 && p->v[i].line > 0 && p->v[i].next >= -1 && p->v[i].next < p->n);
        SPK_ASSERT(p->v[i].end == -1 || p->v[i].end >= p->v[i].begin);
    }
    spk__speech_parts_clear(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_speech_parts p;
    const char *path = fuzz_file(data, n);
    if (spk__speech_parts_read(path, &p) == SPK_OK) look(&p);
    if (spk__speech_lab_read(path, &p) == SPK_OK) look(&p);
    return 0;
}
