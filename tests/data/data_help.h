/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary folder, small recordings and lists in it, and the log as text: what the tests of this room share. */
#ifndef SPK_TESTS_DATA_HELP_H
#define SPK_TESTS_DATA_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <sndfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_impl.h"
#include "spk/data.h"

static char help_root[128];
static spk_text help_log;

static inline void help_listen(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    (void)level;
    spk_text_addf(&help_log, "%s: %s\n", tag, line);
}

/* How often the log holds the text. */
static inline int help_said(const char *text)
{
    int n = 0;
    for (const char *at = spk_text_str(&help_log); (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

static inline int help_setup(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(help_root, sizeof help_root, "%s/spk-data-XXXXXX", base ? base : "/tmp");
    spk_log_listen(help_listen, NULL, SPK_LOG_DEBUG);
    return mkdtemp(help_root) ? 0 : -1;
}

static inline void help_remove(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *path = spk_path_join(folder, e->d_name);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            help_remove(path);
        else
            unlink(path);
        spk_free(path);
    }
    if (d) closedir(d);
    rmdir(folder);
}

static inline int help_teardown(void **state)
{
    (void)state;
    spk_log_listen(NULL, NULL, 0);
    spk_text_clear(&help_log);
    help_remove(help_root);
    return 0;
}

/* help_root/NAME; of the last eight calls. */
static inline const char *help_path(const char *name)
{
    static char path[8][512];
    static int i;
    i = (i + 1) % 8;
    snprintf(path[i], sizeof path[i], "%s/%s", help_root, name);
    return path[i];
}

static inline const char *help_text(const char *name, const char *content)
{
    const char *path = help_path(name);
    char *folder = spk_path_folder(path);
    assert_int_equal(spk_make_folders(folder), SPK_OK);
    spk_free(folder);
    assert_int_equal(spk_write_file(path, content, strlen(content)), SPK_OK);
    return path;
}

/* A recording of n frames: sample i of channel c is value(i, c). */
static inline const char *help_sound(const char *name, int format, int rate, int channels, int64_t n,
                                     float (*value)(int64_t i, int c))
{
    const char *path = help_path(name);
    char *folder = spk_path_folder(path);
    assert_int_equal(spk_make_folders(folder), SPK_OK);
    spk_free(folder);
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *f = sf_open(path, SFM_WRITE, &info);
    if (!f) fail_msg("%s: %s", path, sf_strerror(NULL));
    float *x = malloc(sizeof *x * (size_t)(n * channels + 1));
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < channels; c++)
            x[i * channels + c] = value(i, c);
    assert_int_equal(sf_writef_float(f, x, n), n);
    free(x);
    sf_close(f);
    return path;
}

/* Says where it is: sample i is i / 32768 (16-bit files keep it exactly). */
static inline float help_ramp(int64_t i, int c)
{
    return (float)((i + 1000 * c) % 32768) / 32768.0f;
}

static inline float help_tone(int64_t i, int c)
{
    return 0.4f * sinf(0.05f * (float)i) + 0.2f * sinf(0.31f * (float)i + (float)c);
}

enum { HELP_WAV = SF_FORMAT_WAV | SF_FORMAT_PCM_16, HELP_FLAC = SF_FORMAT_FLAC | SF_FORMAT_PCM_16 };

/* The call failed with that code and every given piece of text is in the message. */
#define help_refused(call, code, ...) help_refused_at(call, code, (const char *[]){__VA_ARGS__, NULL}, __LINE__)
static inline void help_refused_at(spk_status got, spk_status code, const char *const *pieces, int line)
{
    if (got != code)
        fail_msg("line %d: %s (%s), expected %s", line, spk_status_name(got), got ? spk_errmsg() : "",
                 spk_status_name(code));
    for (; *pieces; pieces++)
        if (!strstr(spk_errmsg(), *pieces)) fail_msg("line %d: '%s' is not in: %s", line, *pieces, spk_errmsg());
}

#define help_ok(call) help_ok_at(call, __LINE__)
static inline void help_ok_at(spk_status got, int line)
{
    if (got != SPK_OK) fail_msg("line %d: %s: %s", line, spk_status_name(got), spk_errmsg());
}

#endif
