/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, signals, processors and the log. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "base/base_impl.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double spk_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double spk_peak_gb(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)r.ru_maxrss / 1e6;
}

int spk_cpu_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* ---- signals ---- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    if (interrupted) _Exit(128 + number);
    interrupted = number;
}

void spk_signals_catch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool spk_interrupted(void)
{
    return interrupted != 0;
}

int spk_interrupted_by(void)
{
    return interrupted;
}

/* ---- log ---- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static spk_log_fn log_fn;
static void *log_user;
static int log_level = SPK_LOG_INFO;

void spk_log_listen(spk_log_fn fn, void *user, int level)
{
    pthread_mutex_lock(&log_lock);
    log_fn = fn;
    log_user = user;
    log_level = level;
    pthread_mutex_unlock(&log_lock);
}

void spk_log(int level, const char *tag, const char *fmt, ...)
{
    char line[4096];
    va_list args;
    if (level < log_level) return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    pthread_mutex_lock(&log_lock);
    if (log_fn) log_fn(log_user, level, tag, line);
    pthread_mutex_unlock(&log_lock);
}
