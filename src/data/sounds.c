/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of noises and room responses, and the store of decoded ones (sounds_impl.h). */
#include "data/sounds_impl.h"

#include <string.h>

#include "data/lists_impl.h"

/* Of longer recordings (music, speech) parts are read each time: one of them would take the room of a hundred. */
enum { LONGEST_KEPT = 1 << 20 };

struct spk_sounds {
    int64_t n;
    const char *const *path;
    const char **own; /* path, where it is of a list */
    spk_list list;
    spk__paths paths;
    struct held {
        _Atomic(float *) x; /* NULL: not kept */
        _Atomic int64_t n;  /* samples; written before x */
    } * held;
    spk_sound_budget *budget;
};

/* ---- opening ---- */

spk_sounds *spk_sounds_of(const char *const *path, int64_t n, spk_sound_budget *budget)
{
    spk_sounds *s = spk_new(sizeof *s);
    *s = (spk_sounds){.n = n, .path = path, .budget = budget};
    s->held = spk_new(sizeof *s->held * (size_t)(n + 1));
    return s;
}

/* "path" alone is a key without a value. */
static void values_for_keys(spk_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        if (list->entry[i].value[0] == '\0') list->entry[i].value = list->entry[i].key;
}

spk_status spk_sounds_open(const char *scp, spk_sound_budget *budget, spk_sounds **out)
{
    spk_status status;
    spk_list list = {0};
    *out = NULL;
    SPK_TRY(spk_list_read(scp, SPK_LIST_NO_VALUE_OK, &list));
    values_for_keys(&list);
    spk_sounds *s = spk_sounds_of(NULL, list.n, budget);
    s->list = list;
    s->own = spk_new(sizeof *s->own * (size_t)(s->n + 1));
    s->path = s->own;
    if (s->n == 0) SPK_GO(spk_fail(SPK_E_FORMAT, "%s: names no recording", scp));
    for (int64_t i = 0; i < s->n; i++)
        SPK_GO(spk__paths_get(&s->paths, &s->list, i, &s->own[i]));
    *out = s;
    s = NULL;
    status = SPK_OK;
done:
    spk_sounds_close(s);
    return status;
}

void spk_sounds_close(spk_sounds *s)
{
    if (!s) return;
    for (int64_t i = 0; i < s->n; i++)
        spk_free(atomic_load(&s->held[i].x));
    spk_free(s->held);
    spk_free(s->own);
    spk__paths_clear(&s->paths);
    spk_list_clear(&s->list);
    spk_free(s);
}

int64_t spk_sounds_count(const spk_sounds *s)
{
    return s->n;
}

const char *spk_sounds_path(const spk_sounds *s, int64_t i)
{
    return s->path[i];
}

/* ---- the store ---- */

static const float *find_held(spk_sounds *s, int64_t i, int64_t *n)
{
    const float *x = atomic_load_explicit(&s->held[i].x, memory_order_acquire);
    if (x) *n = atomic_load_explicit(&s->held[i].n, memory_order_relaxed);
    return x;
}

static bool take_budget(spk_sound_budget *b, size_t bytes)
{
    size_t used = atomic_load(&b->used);
    while (bytes <= b->bytes && used <= b->bytes - bytes)
        if (atomic_compare_exchange_weak(&b->used, &used, used + bytes)) return true;
    return false;
}

/* Several threads may decode the same file at once: all of them find the same, and one keeps it. The length is known
 * before, from the header; `prepare` may lower it, equally for all. */
static const float *keep(spk_sounds *s, int64_t i, float *x, int64_t n, size_t bytes)
{
    float *none = NULL;
    atomic_store_explicit(&s->held[i].n, n, memory_order_relaxed);
    if (atomic_compare_exchange_strong_explicit(&s->held[i].x, &none, x, memory_order_acq_rel, memory_order_acquire))
        return x;
    atomic_fetch_sub(&s->budget->used, bytes);
    spk_free(x);
    return none;
}

/* ---- reading ---- */

void spk_sound_room_clear(spk_sound_room *room)
{
    spk_free(room->x);
    *room = (spk_sound_room){0};
}

static float *have_room(spk_sound_room *room, int64_t n)
{
    if (n <= room->room) return room->x;
    spk_free(room->x);
    room->x = spk_alloc(sizeof *room->x * (size_t)n);
    room->room = room->x ? n : 0;
    return room->x;
}

spk_status spk_sounds_whole(spk_sounds *s, int64_t i, spk_audio_reader *r, int64_t longest, spk_sound_prepare prepare,
                            spk_sound_room *room, const float **x, int64_t *n)
{
    spk_status status;
    float *fresh = NULL;
    *x = find_held(s, i, n);
    if (*x) return SPK_OK;
    SPK_GO(spk_audio_open(r, s->path[i], n));
    if (*n > longest)
        SPK_GO(spk_fail(SPK_E_VALUE, "%s: has %lld samples; at most %lld are taken for this", s->path[i], (long long)*n,
                        (long long)longest));
    const size_t bytes = sizeof *fresh * (size_t)*n;
    const bool kept = take_budget(s->budget, bytes);
    fresh = kept ? spk_alloc(bytes) : have_room(room, *n);
    status = fresh ? spk_audio_part(r, 0, *n, fresh)
                   : spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", s->path[i], (long long)*n);
    if (status == SPK_OK && prepare) status = prepare(s->path[i], fresh, n);
    if (status == SPK_OK) {
        *x = kept ? keep(s, i, fresh, *n, bytes) : fresh;
    } else if (kept) {
        atomic_fetch_sub(&s->budget->used, bytes);
        spk_free(fresh);
    }
done:
    spk_audio_shut(r);
    return status;
}

/* A whole file that is worth keeping and fits, else NULL. Only where a part read alone has the same bytes as that part
 * of the whole; *n: its length. The file is open. */
static spk_status keep_whole(spk_sounds *s, int64_t i, spk_audio_reader *r, int64_t n, const float **x)
{
    const size_t bytes = sizeof **x * (size_t)n;
    *x = NULL;
    if (n > LONGEST_KEPT || !spk_audio_is_exact(r) || !take_budget(s->budget, bytes)) return SPK_OK;
    float *fresh = spk_alloc(bytes);
    const spk_status status = fresh ? spk_audio_part(r, 0, n, fresh)
                                    : spk_fail(SPK_E_NOMEM, "%s: no memory for %lld samples", s->path[i], (long long)n);
    if (status == SPK_OK) {
        *x = keep(s, i, fresh, n, bytes);
        return SPK_OK;
    }
    atomic_fetch_sub(&s->budget->used, bytes);
    spk_free(fresh);
    return status;
}

static spk_status copy_part(spk_audio_reader *r, const float *whole, int64_t start, int64_t n, float *dst)
{
    if (!whole) return spk_audio_part(r, start, n, dst);
    memcpy(dst, whole + start, sizeof *dst * (size_t)n);
    return SPK_OK;
}

spk_status spk_sounds_part(spk_sounds *s, int64_t i, spk_audio_reader *r, int64_t T, spk_rng *draw, float *dst)
{
    int64_t n = 0;
    spk_status status = SPK_OK;
    const float *whole = find_held(s, i, &n);
    if (!whole) {
        SPK_GO(spk_audio_open(r, s->path[i], &n));
        SPK_GO(keep_whole(s, i, r, n, &whole));
    }
    if (n > T) {
        SPK_GO(copy_part(r, whole, spk_rng_below(draw, n - T + 1), T, dst));
    } else {
        SPK_GO(copy_part(r, whole, 0, n, dst));
        for (int64_t t = n; t < T; t++)
            dst[t] = dst[t - n];
    }
done:
    spk_audio_shut(r);
    return status;
}
