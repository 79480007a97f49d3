/* SPDX-License-Identifier: Apache-2.0 */
/* What reaches stderr and train.log: errors, notes, the library's log. One lock keeps lines and progress bars whole. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "cli/cli_impl.h"
#include "comm/comm_impl.h"

static struct {
    pthread_mutex_t lock;
    bool quiet;
    int level;        /* lowest that stderr shows */
    const char *hide; /* lines of the log that stdout shows already; NULL: none */
    bool keeping;     /* lines for a file that is not open yet are kept */
    spk_text kept;
    FILE *file;
    char *file_name;
    bool file_broken;
    char *name; /* of a process that is not the first; NULL: it is */
} output = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool cli_is_quiet(void)
{
    return output.quiet;
}

void cli_lock(void)
{
    pthread_mutex_lock(&output.lock);
}

void cli_unlock(void)
{
    pthread_mutex_unlock(&output.lock);
}

/* ---- lines ---- */

static void put_line(const char *before, const char *line)
{
    pthread_mutex_lock(&output.lock);
    cli_progress_clear();
    fprintf(stderr, "%s%s\n", before, line);
    fflush(stderr);
    pthread_mutex_unlock(&output.lock);
}

static void put_file(const char *line)
{
    pthread_mutex_lock(&output.lock);
    if (output.file) {
        const bool good = fprintf(output.file, "%s\n", line) >= 0 && fflush(output.file) == 0;
        if (!good && !output.file_broken) {
            output.file_broken = true;
            fprintf(stderr, "spk: %s: cannot write: %s; going on without it\n", output.file_name, strerror(errno));
        }
    }
    pthread_mutex_unlock(&output.lock);
}

/* A sentence of ours may hold a file name with a newline in it: one line it stays. */
static void one_line(char *s)
{
    for (; *s; s++)
        if (*s == '\n' || *s == '\r') *s = ' ';
}

static void put_error(char *text)
{
    one_line(text);
    char *line = spk_strf("spk: error: %s", text);
    put_line("", line);
    put_file(line);
    spk_free(line);
}

int cli_usage(const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_error(text);
    return CLI_USAGE;
}

int cli_failed(spk_status status)
{
    spk_comm *comm = cli_comm();
    if (status == SPK_OK) return CLI_OK;
    const char *message = *spk_errmsg() ? spk_errmsg() : spk_status_name(status);
    const bool known = !comm || spk_comm_agreed(comm);
    char *self = spk_comm_self(comm), *text = known ? spk_strdup(message) : spk_strf("%s: %s", self, message);
    if (!known || spk_comm_rank(comm) == 0) put_error(text);
    spk_free(self);
    spk_free(text);
    if (!known) spk_comm_abort(comm, CLI_FAILED); /* the others wait for this process */
    return status == SPK_E_INTERRUPTED && spk_interrupted_by() ? 128 + spk_interrupted_by() : CLI_FAILED;
}

void cli_note(const char *fmt, ...)
{
    char text[4096];
    if (output.quiet) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put_line("", text);
}

void cli_complain(const char *fmt, ...)
{
    char text[4096];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    one_line(text);
    put_line("spk: ", text);
}

int cli_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return CLI_OK;
    return cli_failed(spk_fail(SPK_E_IO, "standard output: cannot write: %s", strerror(errno)));
}

/* ---- log ---- */

static char letter(int level)
{
    return level >= SPK_LOG_ERROR ? 'E' : level >= SPK_LOG_WARNING ? 'W' : level >= SPK_LOG_INFO ? 'I' : 'D';
}

/* "12:03:04.123 W data: a sentence"; the file gets the date too. */
static void on_log(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    struct timespec now;
    struct tm t;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &t);
    char *text = spk_strf("%02d:%02d:%02d.%03d %c %s: %s", t.tm_hour, t.tm_min, t.tm_sec, (int)(now.tv_nsec / 1000000),
                          letter(level), tag, line);
    one_line(text);
    const bool own = level >= SPK_LOG_WARNING && (strcmp(tag, "loader") == 0 || strcmp(tag, "comm") == 0);
    const bool told = output.name && !own; /* by the first process */
    const bool hidden = told || (output.hide && strstr(line, output.hide));
    if (level >= output.level && !hidden && (level >= SPK_LOG_WARNING || !output.quiet))
        put_line(output.name ? output.name : "", text);
    if (!output.name && (output.file || output.keeping)) {
        char *dated = spk_strf("%04d-%02d-%02d %s", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, text);
        put_file(dated);
        spk_free(dated);
    }
    spk_free(text);
}

int cli_log_level(const char *word)
{
    static const struct {
        const char *word;
        int level;
    } levels[] = {{"CRITICAL", SPK_LOG_ERROR}, {"ERROR", SPK_LOG_ERROR}, {"WARNING", SPK_LOG_WARNING},
                  {"INFO", SPK_LOG_INFO},      {"DEBUG", SPK_LOG_DEBUG}, {"NOTSET", SPK_LOG_DEBUG}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (word && strcmp(levels[i].word, word) == 0) return levels[i].level;
    return SPK_LOG_INFO;
}

void cli_log_as(const char *name)
{
    spk_free(output.name);
    output.name = spk_strf("%s: ", name);
}

void cli_log_start(bool quiet, int level)
{
    output.quiet = quiet || output.name;
    output.level = level;
    spk_log_listen(on_log, NULL, level < SPK_LOG_INFO ? level : SPK_LOG_INFO);
}

void cli_log_keep(void)
{
    output.keeping = true;
}

void cli_log_hide(const char *hide)
{
    output.hide = hide;
}

spk_status cli_log_file(const char *path, bool afresh)
{
    FILE *file = fopen(path, afresh ? "w" : "a");
    if (!file) return spk_fail_errno(path, "open for writing");
    cli_lock();
    if (output.file) fclose(output.file);
    output.file = file;
    spk_free(output.file_name);
    output.file_name = spk_strdup(path);
    output.file_broken = false;
    output.keeping = false;
    fputs(spk_text_str(&output.kept), file);
    spk_text_clear(&output.kept);
    cli_unlock();
    return SPK_OK;
}

void cli_log_stop(void)
{
    spk_log_listen(NULL, NULL, SPK_LOG_INFO);
    cli_lock();
    cli_progress_clear();
    cli_unlock();
    if (output.file) fclose(output.file);
    output.file = NULL;
    spk_free(output.file_name);
    output.file_name = NULL;
    spk_free(output.name);
    output.name = NULL;
    spk_text_clear(&output.kept);
}
