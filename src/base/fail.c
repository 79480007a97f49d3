/* SPDX-License-Identifier: Apache-2.0 */
/* Failure messages: one sentence for each thread, and assertions for what only a bug does. */
#define SPK_BASE_FAIL_C
#include "base/base_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 2048 };
static _Thread_local char message[MESSAGE_BYTES];

const char *spk_errmsg(void)
{
    return message;
}

spk_status spk_fail(spk_status code, const char *fmt, ...)
{
    char text[MESSAGE_BYTES]; /* an argument may be spk_errmsg() itself */
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return code;
}

spk_status spk_fail_in(spk_status code, const char *fmt, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    const int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n >= 0 && n < MESSAGE_BYTES) snprintf(text + n, sizeof text - (size_t)n, ": %s", message);
    memcpy(message, text, sizeof message);
    return code;
}

spk_status spk_fail_errno(const char *path, const char *action)
{
    return spk_fail(errno == ENOMEM ? SPK_E_NOMEM : SPK_E_IO, "%s: cannot %s: %s", path, action, strerror(errno));
}

void spk__assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "spk: bug: %s:%d: %s\n", file, line, cond);
    abort();
}

const char *spk_status_name(spk_status status)
{
    static const char *const names[] = {"SPK_OK",       "SPK_E_NOMEM",       "SPK_E_IO",         "SPK_E_FORMAT",
                                        "SPK_E_CONFIG", "SPK_E_VALUE",       "SPK_E_SHAPE",      "SPK_E_MISMATCH",
                                        "SPK_E_PEER",   "SPK_E_INTERRUPTED", "SPK_E_UNSUPPORTED"};
    const int i = -(int)status;
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : "unknown";
}

const char *spk_version(void)
{
    return SPK_VERSION;
}
