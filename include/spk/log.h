/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens to the library's log. The library itself never prints: without a listener, log lines
 * are dropped. Thread-safe; the listener may be called from any thread, one call at a time.
 */
#ifndef SPK_LOG_H
#define SPK_LOG_H

#include "spk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPK_LOG_ERROR = 40, SPK_LOG_WARNING = 30, SPK_LOG_INFO = 20, SPK_LOG_DEBUG = 10 };

/* `line` is a whole message without a newline; `tag` names the part that speaks ("loader"). */
typedef void (*spk_log_fn)(void *user, int level, const char *tag, const char *line);

/* Set the listener (NULL: none) and the lowest level that reaches it. */
SPK_API void spk_log_listen(spk_log_fn fn, void *user, int level);

#ifdef __cplusplus
}
#endif
#endif
