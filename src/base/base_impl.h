/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every room may use: failure messages, assertions, memory, growable text, random streams,
 * hashes, atomic files, logging, clocks and signals. It knows nothing of speech.
 */
#ifndef SPK_BASE_IMPL_H
#define SPK_BASE_IMPL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "spk/log.h"
#include "spk/status.h"
#include "spk/types.h"

/* ---- failures ---- */

/* Keep a one-sentence message for this thread and return `code`. */
spk_status spk_fail(spk_status code, const char *fmt, ...) SPK_PRINTF(2, 3);
/* Put "prefix: " before the message that is kept; returns `code`. */
spk_status spk_fail_in(spk_status code, const char *fmt, ...) SPK_PRINTF(2, 3);
/* SPK_E_IO with the reason of errno: "PATH: cannot ACTION: No such file or directory". */
spk_status spk_fail_errno(const char *path, const char *action);

#if defined(__clang_analyzer__) && !defined(SPK_BASE_FAIL_C)
/* What clang's analyzer cannot see from elsewhere: these return the failure that they are given. */
#define spk_fail(code, ...) ((void)spk_fail(code, __VA_ARGS__), (code))
#define spk_fail_in(code, ...) ((void)spk_fail_in(code, __VA_ARGS__), (code))
#define spk_fail_errno(path, action) ((void)spk_fail_errno(path, action), SPK_E_IO)
#endif

/* A caller's bug: prints file, line and the condition, and aborts. Always on. */
#define SPK_ASSERT(cond) ((cond) ? (void)0 : spk__assert_failed(#cond, __FILE__, __LINE__))
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void spk__assert_failed(const char *cond, const char *file, int line);

/* Return from the function when a call failed. */
#define SPK_TRY(call)                                                                                                  \
    do {                                                                                                               \
        const spk_status spk_try_status_ = (call);                                                                     \
        if (spk_try_status_ != SPK_OK) return spk_try_status_;                                                         \
    } while (0)
/* As SPK_TRY, with a single exit: needs `spk_status status` and a label `done:`. */
#define SPK_GO(call)                                                                                                   \
    do {                                                                                                               \
        status = (call);                                                                                               \
        if (status != SPK_OK) goto done;                                                                               \
    } while (0)

/* ---- memory ---- */

/* 64-byte aligned blocks for data whose size the world decides: NULL when memory is short. */
void *spk_alloc(size_t bytes);
void *spk_alloc_zero(size_t bytes);
#if defined(__GNUC__)
#define SPK_NEVER_NULL __attribute__((returns_nonnull))
#else
#define SPK_NEVER_NULL
#endif
/* Small book-keeping objects: never NULL; aborts with one sentence when memory is short. */
void *spk_new(size_t bytes) SPK_NEVER_NULL; /* zeroed */
void *spk_renew(void *p, size_t bytes) SPK_NEVER_NULL;
char *spk_strdup(const char *s) SPK_NEVER_NULL;
char *spk_strndup(const char *s, size_t n) SPK_NEVER_NULL;
/* Frees what any of the above returned; NULL is allowed. */
void spk_free(void *p);
/* Blocks that batches lie in, which a device may fetch from: ordinary memory, unless a device was opened, whose driver then
 * gives it. Freed by spk_free_batch alone. */
void *spk_alloc_batch(size_t bytes);
void spk_free_batch(void *p);
/* Who gives such memory from now on, and takes back what it gave; NULL, NULL: spk_alloc. Before any is asked for. */
void spk_batch_memory(void *(*alloc)(size_t bytes), void (*release)(void *p));
/* How often any of the above allocated since the process began (all threads). */
int64_t spk_alloc_count(void);
/* a * b; sets *overflow (never clears it). For sizes that come from a file. */
size_t spk_mul(size_t a, size_t b, bool *overflow);

/* Append one item to `array` of `n` items (doubling at powers of two): an lvalue, SPK_PUSH(a, n) = x. */
#define SPK_PUSH(array, n)                                                                                             \
    (*(((((n) & ((n)-1)) == 0) ? (void)((array) = spk_renew((array), sizeof *(array) * (size_t)((n) ? 2 * (n) : 1)))   \
                               : (void)0),                                                                             \
       &(array)[(n)++]))

/* ---- growable text ---- */

typedef struct spk_text {
    char *s; /* NUL-terminated; NULL while empty (use spk_text_str) */
    size_t n, room;
} spk_text;
void spk_text_add(spk_text *t, const char *s);
void spk_text_addn(spk_text *t, const char *s, size_t n);
void spk_text_addf(spk_text *t, const char *fmt, ...) SPK_PRINTF(2, 3);
const char *spk_text_str(const spk_text *t);
void spk_text_clear(spk_text *t);
char *spk_strf(const char *fmt, ...) SPK_PRINTF(1, 2); /* a new string */

/* ---- strings and names ---- */

/* FNV-1a, 64 bits. */
uint64_t spk_hash(const void *data, size_t n);
uint64_t spk_hash_str(const char *s);
/* The name of `names` (n of them) nearest to `word` by edit distance, or NULL when none is near. */
const char *spk_nearest(const char *word, const char *const *names, int n);
bool spk_ends_with(const char *s, const char *end);
bool spk_starts_with(const char *s, const char *start);
/* Strict numbers: the whole word must be one. */
bool spk_parse_int(const char *s, int64_t *out);
bool spk_parse_double(const char *s, double *out);
bool spk_parse_bool(const char *s, bool *out); /* true/false/yes/no/on/off/1/0/t/f/y/n */
/* The shortest text that reads back as the same double ("0.001", "1e-05"). out holds 32 bytes. */
void spk_format_double(double x, char out[32]);

/* string -> int64 map (open addressing, keys borrowed) */
typedef struct spk_map {
    const char **key;
    int64_t *value;
    size_t n, room;
} spk_map;
bool spk_map_put(spk_map *m, const char *key, int64_t value); /* false when the key is there already */
bool spk_map_get(const spk_map *m, const char *key, int64_t *value);
void spk_map_clear(spk_map *m);

/* ---- files ---- */

bool spk_is_file(const char *path);
bool spk_is_folder(const char *path);
bool spk_exists(const char *path);
char *spk_path_join(const char *folder, const char *name);          /* new string; an absolute name stays */
char *spk_path_folder(const char *path);                            /* new string; "." when there is none */
const char *spk_path_name(const char *path);                        /* the part after the last slash */
spk_status spk_make_folders(const char *path);                      /* like mkdir -p */
spk_status spk_read_file(const char *path, char **data, size_t *n); /* NUL after the n bytes */

/* A file that appears under its name whole or not at all: written beside it as NAME.tmp, flushed,
 * fsynced and renamed by _commit; _abort removes it. Write errors stick and are told by _commit. */
typedef struct spk_outfile spk_outfile;
spk_status spk_outfile_open(const char *path, spk_outfile **out);
void spk_outfile_write(spk_outfile *f, const void *data, size_t n);
void spk_outfile_printf(spk_outfile *f, const char *fmt, ...) SPK_PRINTF(2, 3);
FILE *spk_outfile_stream(spk_outfile *f);
spk_status spk_outfile_commit(spk_outfile *f); /* frees f, also when it fails */
void spk_outfile_abort(spk_outfile *f);        /* frees f; NULL is allowed */
/* Write the whole text atomically. */
spk_status spk_write_file(const char *path, const char *data, size_t n);

/* ---- random streams (Philox 4x32-10; Salmon et al., SC 2011) ---- */

enum spk_purpose {
    SPK_PURPOSE_INIT = 1,
    SPK_PURPOSE_ORDER,
    SPK_PURPOSE_CROP,
    SPK_PURPOSE_NOISE,
    SPK_PURPOSE_RIR,
    SPK_PURPOSE_MASK,
    SPK_PURPOSE_TRIALS,
    SPK_PURPOSE_SYNTH,
    SPK_PURPOSE_TEST,
    SPK_PURPOSE_DITHER,
    SPK_PURPOSE_VOLUME,
    SPK_PURPOSE_GRAD_NOISE
};
typedef struct spk_rng {
    uint32_t key[2], counter[4], block[4];
    int used;
} spk_rng;
/* A draw is a function of (seed, purpose, epoch, item, nth time that the item is drawn). */
spk_rng spk_rng_make(uint64_t seed, int purpose, uint64_t epoch, uint64_t item, uint32_t nth);
uint32_t spk_rng_u32(spk_rng *r);
void spk_rng_skip(spk_rng *r, int64_t n);     /* as if n words had been drawn; of a stream that is new */
double spk_rng_uniform(spk_rng *r);           /* [0, 1), 53 bits */
int64_t spk_rng_below(spk_rng *r, int64_t n); /* 0..n-1, unbiased */
double spk_rng_normal(spk_rng *r);
void spk_rng_shuffle(spk_rng *r, int64_t *items, int64_t n);

/* ---- clocks, signals, processors ---- */

double spk_now(void);     /* seconds, monotonic */
double spk_peak_gb(void); /* largest resident size of the process, 1e9 bytes */
/* SIGINT and SIGTERM set a flag from now on; a second one ends the process. */
void spk_signals_catch(void);
bool spk_interrupted(void);
int spk_interrupted_by(void); /* the signal's number; 0: none came */
int spk_cpu_count(void);      /* processors that this process may use */

/* ---- logging (spk/log.h says who listens) ---- */

void spk_log(int level, const char *tag, const char *fmt, ...) SPK_PRINTF(3, 4);
#define spk_info(tag, ...) spk_log(SPK_LOG_INFO, tag, __VA_ARGS__)
#define spk_warn(tag, ...) spk_log(SPK_LOG_WARNING, tag, __VA_ARGS__)
#define spk_debug(tag, ...) spk_log(SPK_LOG_DEBUG, tag, __VA_ARGS__)

#endif
