/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step as a child process: this program again, in a process group of its own, so that a signal reaches it once, whether
 * it came from the terminal or from `kill`; whatever comes is passed on, and the child's end is awaited.
 */
#include "recipe/recipe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static volatile sig_atomic_t came; /* the signal */
static volatile sig_atomic_t child_id;

static void pass_on(int number)
{
    const int error = errno;
    came = number;
    if (child_id > 0) kill((pid_t)child_id, number);
    errno = error;
}

int spk_recipe_signal(void)
{
    return came;
}

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP};
enum { N_PASSED = (int)(sizeof passed_on / sizeof *passed_on) };

/* stdin is empty, stdout and stderr end in the log; `keep` stays open. */
static int spawn(char **argv, const char *log, int keep, pid_t *child)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (keep >= 0) posix_spawn_file_actions_adddup2(&files, keep, keep); /* without its close-on-exec flag */
    sigemptyset(&none);
    sigemptyset(&usual);
    for (int i = 0; i < N_PASSED; i++)
        sigaddset(&usual, passed_on[i]);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    const int error = posix_spawn(child, "/proc/self/exe", &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static void wait_for(pid_t child, void (*tick)(void *user), void *user, int *state)
{
    struct timespec moment = {0, 2000000};
    while (waitpid(child, state, WNOHANG) == 0) {
        nanosleep(&moment, NULL);
        if (moment.tv_nsec < 100000000)
            moment.tv_nsec += moment.tv_nsec / 8; /* short steps end soon, long ones are not watched closely */
        if (tick) tick(user);
    }
}

spk_status spk_child_run(const spk_str_list *words, const char *log, int keep, void (*tick)(void *user), void *user,
                         spk_child *out)
{
    struct sigaction action, before[N_PASSED];
    char name[] = "spk", **argv = spk_new(sizeof *argv * (size_t)(words->n + 2));
    pid_t child = 0;
    int state = 0;
    argv[0] = name;
    for (int64_t i = 0; i < words->n; i++)
        argv[i + 1] = words->v[i];
    memset(&action, 0, sizeof action);
    action.sa_handler = pass_on;
    child_id = 0;
    for (int i = 0; i < N_PASSED; i++)
        sigaction(passed_on[i], &action, &before[i]);
    const int error = came ? 0 : spawn(argv, log, keep, &child);
    spk_status status = SPK_OK;
    if (error) {
        errno = error;
        status = spk_fail_errno("/proc/self/exe", "start");
    } else if (child > 0) {
        child_id = child;
        if (came) kill(child, came); /* it came before the line above */
        wait_for(child, tick, user, &state);
        child_id = 0;
    }
    for (int i = 0; i < N_PASSED; i++)
        sigaction(passed_on[i], &before[i], NULL);
    spk_free(argv);
    *out = (spk_child){.code = WIFEXITED(state) ? WEXITSTATUS(state) : -1,
                       .by = WIFSIGNALED(state) ? WTERMSIG(state) : 0,
                       .passed = came != 0};
    return status;
}
