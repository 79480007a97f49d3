/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes and the message that goes with them.
 *
 * Every function that can fail because of the world (files, configuration, memory for data, a peer
 * rank) returns a spk_status. 0 is success. On failure one sentence that names the file, line, key
 * or utterance is kept for the calling thread: read it with spk_errmsg() before the next call.
 * Mistakes of the calling program (a NULL where one is not allowed) abort with file and line.
 *
 * The library never prints and never exits.
 */
#ifndef SPK_STATUS_H
#define SPK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SPK_API __attribute__((visibility("default")))
#define SPK_NODISCARD __attribute__((warn_unused_result))
#define SPK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define SPK_API
#define SPK_NODISCARD
#define SPK_PRINTF(fmt, args)
#endif

typedef enum spk_status {
    SPK_OK = 0,
    SPK_E_NOMEM = -1,       /* memory for data could not be had */
    SPK_E_IO = -2,          /* a file could not be opened, read or written */
    SPK_E_FORMAT = -3,      /* a file's content is not what its format says */
    SPK_E_CONFIG = -4,      /* a configuration key or option is wrong */
    SPK_E_VALUE = -5,       /* a value is outside of what the call accepts (a label of 2) */
    SPK_E_SHAPE = -6,       /* array extents do not fit */
    SPK_E_MISMATCH = -7,    /* two things that must agree do not (weights and model) */
    SPK_E_PEER = -8,        /* another rank failed or cannot be reached */
    SPK_E_INTERRUPTED = -9, /* SIGINT or SIGTERM was received */
    SPK_E_UNSUPPORTED = -10 /* known, but not available in this build or release */
} spk_status;

/* The sentence of the calling thread's last failure; "" before any. Valid until the next failure. */
SPK_API const char *spk_errmsg(void);

/* The name of a code, e.g. "SPK_E_IO". */
SPK_API const char *spk_status_name(spk_status status);

/* The program's version, e.g. "0.1.0". */
SPK_API const char *spk_version(void);

#ifdef __cplusplus
}
#endif
#endif
