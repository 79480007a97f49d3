/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of recordings that are heard again and again (noises, room responses), with a bounded store of decoded ones.
 * What was put there stays: with uniform draws no rule of replacement would be hit more often, and a reader needs no
 * lock. The bytes are the same with and without the store, so its size and who fills it change no batch.
 */
#ifndef SPK_DATA_SOUNDS_IMPL_H
#define SPK_DATA_SOUNDS_IMPL_H

#include <stdatomic.h>

#include "data/audio_impl.h"

/* Shared by the lists of one training set. */
typedef struct spk_sound_budget {
    size_t bytes; /* largest size of all that is kept */
    atomic_size_t used;
} spk_sound_budget;

typedef struct spk_sounds spk_sounds;

/* Read a list of lines "path" or "key path" and look for every file. `budget` is borrowed. SPK_E_IO, SPK_E_FORMAT. */
spk_status spk_sounds_open(const char *scp, spk_sound_budget *budget, spk_sounds **out) SPK_NODISCARD;
/* n paths; borrowed. */
spk_sounds *spk_sounds_of(const char *const *path, int64_t n, spk_sound_budget *budget);
void spk_sounds_close(spk_sounds *s); /* NULL is allowed */
int64_t spk_sounds_count(const spk_sounds *s);
const char *spk_sounds_path(const spk_sounds *s, int64_t i);

/* What is made of a whole file before it is kept (a room response's unit energy): changes x, may lower *n. */
typedef spk_status (*spk_sound_prepare)(const char *path, float *x, int64_t *n);

/* Memory of one thread for a file that is not kept. */
typedef struct spk_sound_room {
    float *x;
    int64_t room;
} spk_sound_room;
void spk_sound_room_clear(spk_sound_room *room);

/* The whole recording i, at most `longest` samples (longer is SPK_E_VALUE): *x is valid until the next call with the same
 * `room`. */
spk_status spk_sounds_whole(spk_sounds *s, int64_t i, spk_audio_reader *r, int64_t longest, spk_sound_prepare prepare,
                            spk_sound_room *room, const float **x, int64_t *n) SPK_NODISCARD;
/* T samples of recording i to dst, from a start that *draw chooses uniformly; a shorter one is repeated. */
spk_status spk_sounds_part(spk_sounds *s, int64_t i, spk_audio_reader *r, int64_t T, spk_rng *draw,
                           float *dst) SPK_NODISCARD;

#endif
