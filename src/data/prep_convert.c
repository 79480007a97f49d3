/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings that only ffmpeg reads: as commands of a list, or converted once, several at a time. */
#include "data/prep_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spk/data.h"

extern char **environ;

bool spk__has_program(const char *name)
{
    const char *path = getenv("PATH");
    char *all = spk_strdup(path ? path : ""), *rest = NULL;
    bool found = false;
    for (const char *folder = strtok_r(all, ":", &rest); folder && !found; folder = strtok_r(NULL, ":", &rest)) {
        char *file = spk_path_join(folder, name);
        found = spk_is_file(file) && access(file, X_OK) == 0;
        spk_free(file);
    }
    spk_free(all);
    return found;
}

/* ---- entries ---- */

void spk__shell_word(spk_text *t, const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:@%";
    if (s[strspn(s, plain)] == '\0') {
        spk_text_add(t, s);
        return;
    }
    spk_text_add(t, "'");
    for (; *s; s++)
        if (*s == '\'')
            spk_text_add(t, "'\\''");
        else
            spk_text_addn(t, s, 1);
    spk_text_add(t, "'");
}

char *spk__ffmpeg_entry(const char *path)
{
    spk_text t = {0};
    spk_text_add(&t, "ffmpeg -nostdin -v error -i ");
    spk__shell_word(&t, path);
    spk_text_add(&t, " -ac 1 -ar 16000 -f wav - |");
    return t.s;
}

/* ---- one file ---- */

/* Pipes are made and children started one after another, so that no child holds the pipe of another. */
static pthread_mutex_t spawn_lock = PTHREAD_MUTEX_INITIALIZER;

/* Start the program with nothing on its standard input and output; *err reads its standard error. */
static int start(char *const argv[], pid_t *child, int *err)
{
    posix_spawn_file_actions_t files;
    int ends[2] = {-1, -1};
    int rc = posix_spawn_file_actions_init(&files);
    if (rc) return rc;
    (void)pthread_mutex_lock(&spawn_lock);
    rc = pipe(ends) == 0 ? 0 : errno;
    if (rc == 0) {
        (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        (void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        (void)posix_spawn_file_actions_adddup2(&files, ends[1], 2);
        rc = posix_spawnp(child, argv[0], &files, NULL, argv, environ);
        (void)close(ends[1]);
        if (rc) (void)close(ends[0]);
    }
    (void)pthread_mutex_unlock(&spawn_lock);
    (void)posix_spawn_file_actions_destroy(&files);
    *err = ends[0];
    return rc;
}

/* The first line that comes, and then all until the end. */
static void read_complaint(int fd, char *line, size_t room)
{
    char piece[4096];
    size_t n = 0;
    ssize_t got;
    while ((got = read(fd, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
        for (ssize_t i = 0; i < got && n + 1 < room; i++)
            line[n++] = piece[i];
    line[n] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
}

static spk_status run_ffmpeg(const char *from, const char *to, const char *format)
{
    char *argv[] = {spk_strdup("ffmpeg"),
                    spk_strdup("-nostdin"),
                    spk_strdup("-v"),
                    spk_strdup("error"),
                    spk_strdup("-y"),
                    spk_strdup("-i"),
                    spk_strdup(from),
                    spk_strdup("-ac"),
                    spk_strdup("1"),
                    spk_strdup("-ar"),
                    spk_strdup("16000"),
                    spk_strdup("-sample_fmt"),
                    spk_strdup("s16"),
                    spk_strdup("-f"),
                    spk_strdup(format),
                    spk_strdup(to),
                    NULL};
    char line[512] = "";
    pid_t child = 0;
    int err = -1, how = 0;
    const int failed = start(argv, &child, &err);
    for (int i = 0; argv[i]; i++)
        spk_free(argv[i]);
    if (failed) return spk_fail(SPK_E_UNSUPPORTED, "ffmpeg cannot be started: %s", strerror(failed));
    read_complaint(err, line, sizeof line);
    (void)close(err);
    while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0) return SPK_OK;
    return spk_fail(SPK_E_IO, "%s: ffmpeg failed%s%s", from, line[0] ? ": " : "", line);
}

/* TO appears when it is whole: what ffmpeg wrote must open as audio. */
static spk_status convert_one(const char *from, const char *to, const char *format)
{
    struct stat st;
    double seconds = 0;
    if (stat(to, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) return SPK_OK;
    char *folder = spk_path_folder(to), *tmp = spk_strf("%s.tmp", to);
    spk_status status = spk_make_folders(folder);
    if (status == SPK_OK) status = run_ffmpeg(from, tmp, format);
    if (status == SPK_OK && spk_audio_duration(tmp, &seconds) != SPK_OK)
        status = spk_fail(SPK_E_FORMAT, "%s: what ffmpeg made of it is no audio", from);
    if (status == SPK_OK && rename(tmp, to) != 0) status = spk_fail_errno(to, "write");
    if (status != SPK_OK) (void)unlink(tmp);
    spk_free(folder);
    spk_free(tmp);
    return status;
}

/* ---- all ---- */

struct work {
    const char *const *from, *const *to, *format;
    int64_t n;
    spk_prep_progress progress;
    void *user;
    pthread_mutex_t lock; /* guards what follows */
    int64_t next, done, failed;
    char *message; /* of the first failure */
};

static void *worker(void *arg)
{
    struct work *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    while (w->next < w->n && !spk_interrupted()) {
        const int64_t i = w->next++;
        (void)pthread_mutex_unlock(&w->lock);
        const spk_status status = convert_one(w->from[i], w->to[i], w->format);
        (void)pthread_mutex_lock(&w->lock);
        w->done++;
        if (status != SPK_OK && w->failed++ == 0) w->message = spk_strdup(spk_errmsg());
        if (w->progress) w->progress(w->user, "converting", w->done, w->n);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

spk_status spk__ffmpeg_convert(const char *const *from, const char *const *to, int64_t n, const char *format, int jobs,
                               spk_prep_progress progress, void *user)
{
    enum { MOST = 256 };
    pthread_t thread[MOST];
    int started = 0;
    struct work w = {.from = from, .to = to, .format = format, .n = n, .progress = progress, .user = user};
    (void)pthread_mutex_init(&w.lock, NULL);
    while (started < jobs - 1 && started < MOST && pthread_create(&thread[started], NULL, worker, &w) == 0)
        started++;
    (void)worker(&w);
    for (int i = 0; i < started; i++)
        (void)pthread_join(thread[i], NULL);
    (void)pthread_mutex_destroy(&w.lock);
    spk_status status = SPK_OK;
    if (spk_interrupted() && w.done < n)
        status = spk_fail(SPK_E_INTERRUPTED,
                          "interrupted by a signal after %lld of %lld files; the same command goes on with the others",
                          (long long)w.done, (long long)n);
    else if (w.failed > 0)
        status = spk_fail(SPK_E_IO, "%lld of %lld files could not be converted (the others are), the first: %s",
                          (long long)w.failed, (long long)n, w.message);
    spk_free(w.message);
    return status;
}
