/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running gnuplot beside the training. The script and the finished pictures lie in FOLDER/.drawing until the child has
 * ended; then the pictures are renamed into FOLDER and the rest is removed. What a killed run left there is removed
 * before the next drawing.
 */
#include "train/plot_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "train/plot_script_impl.h"

extern char **environ;

struct spk_plots {
    char *folder, *work; /* FOLDER and FOLDER/.drawing */
    pid_t child;         /* 0: none runs */
    bool failed, warned;
};

spk_plots *spk_plots_new(const char *folder)
{
    spk_plots *p = spk_new(sizeof *p);
    p->folder = spk_strdup(folder);
    p->work = spk_strf("%s/.drawing", folder);
    return p;
}

/* Pictures are an extra: what goes wrong is said once and training goes on. */
static void give_up(spk_plots *p, const char *why)
{
    p->failed = true;
    if (!p->warned) spk_warn("plot", "no pictures in %s: %s", p->folder, why);
    p->warned = true;
}

/* Remove the working folder, first moving finished pictures into place if `keep`. */
static void clear_work(spk_plots *p, bool keep)
{
    DIR *dir = opendir(p->work);
    if (!dir) return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        char *from = spk_strf("%s/%s", p->work, e->d_name), *to = spk_strf("%s/%s", p->folder, e->d_name);
        struct stat s;
        const bool picture = keep && spk_ends_with(e->d_name, ".png") && stat(from, &s) == 0 && s.st_size > 0;
        if (picture && rename(from, to) != 0) give_up(p, strerror(errno));
        if (!picture || p->failed) unlink(from);
        spk_free(from);
        spk_free(to);
    }
    closedir(dir);
    rmdir(p->work);
}

/* The first line of what gnuplot said. */
static void tell_failure(spk_plots *p)
{
    char *path = spk_strf("%s/messages", p->work), *text = NULL;
    size_t n = 0;
    if (spk_read_file(path, &text, &n) == SPK_OK && n > 0) {
        const char *line = text + strspn(text, " \n");
        char *first = spk_strf("gnuplot failed: %.*s", (int)strcspn(line, "\n"), line);
        give_up(p, first);
        spk_free(first);
    } else {
        give_up(p, "gnuplot failed");
    }
    spk_free(text);
    spk_free(path);
}

/* Collect the child: `options` of waitpid. */
static void reap(spk_plots *p, int options)
{
    int state = 0;
    pid_t got;
    if (p->child == 0) return;
    do
        got = waitpid(p->child, &state, options);
    while (got < 0 && errno == EINTR);
    if (got == 0) return;
    p->child = 0;
    p->failed = got < 0 || !WIFEXITED(state) || WEXITSTATUS(state) != 0;
    if (p->failed && got > 0 && WIFEXITED(state) && WEXITSTATUS(state) == 127)
        give_up(p, "gnuplot is not installed (Debian: gnuplot-nox)");
    else if (p->failed)
        tell_failure(p);
    clear_work(p, !p->failed);
}

/* gnuplot on the script, in a session without terminal or display; its words go into a file. */
static int spawn_gnuplot(const spk_plots *p, const char *script, pid_t *child)
{
    char program[] = "gnuplot", *path = spk_strdup(script), *argv[] = {program, path, NULL};
    char *messages = spk_strf("%s/messages", p->work);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t usual;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, messages, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    /* Its own group: Ctrl-C at the terminal is for the program, which waits for the pictures. Signals that other
     * threads block or ignore are as usual in the child. */
    sigemptyset(&usual);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &usual);
    const int error = posix_spawnp(child, program, &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    spk_free(messages);
    spk_free(path);
    return error;
}

static void draw(spk_plots *p, const spk_text *script)
{
    char *path = spk_strf("%s/script", p->work);
    if (spk_make_folders(p->work) != SPK_OK || spk_write_file(path, spk_text_str(script), script->n) != SPK_OK) {
        give_up(p, spk_errmsg());
    } else {
        const int error = spawn_gnuplot(p, path, &p->child);
        if (error != 0) {
            p->child = 0;
            give_up(p, error == ENOENT ? "gnuplot is not installed (Debian: gnuplot-nox)" : strerror(error));
        }
    }
    if (p->failed) clear_work(p, false);
    spk_free(path);
}

void spk_plots_start(spk_plots *p, const spk_reporter *r, const spk_plot_scores *scores)
{
    spk_text script = {0};
    spk_plots_wait(p);
    p->failed = false;
    clear_work(p, false);
    if (spk_plot_script(p->work, r, scores, &script) > 0) draw(p, &script);
    spk_text_clear(&script);
}

void spk_plots_poll(spk_plots *p)
{
    reap(p, WNOHANG);
}

bool spk_plots_wait(spk_plots *p)
{
    reap(p, 0);
    return !p->failed;
}

void spk_plots_free(spk_plots *p)
{
    if (!p) return;
    spk_plots_wait(p);
    spk_free(p->folder);
    spk_free(p->work);
    spk_free(p);
}
