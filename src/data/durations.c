/* SPDX-License-Identifier: Apache-2.0 */
/* How long recordings are, by their headers, for many files at once. */
#include "data/audio_impl.h"

#include <pthread.h>
#include <stdatomic.h>

spk_status spk_audio_duration(const char *path, double *seconds)
{
    const spk_audio_options any = {.sample_rate = 0, .channel = SPK_CHANNEL_MEAN};
    spk_audio_reader *r = spk_audio_reader_new(&any);
    int64_t samples = 0;
    *seconds = -1;
    const spk_status status = spk_audio_open(r, path, &samples);
    if (status == SPK_OK) *seconds = (double)samples / (double)spk_audio_file_rate(r);
    spk_audio_reader_free(r);
    return status;
}

/* One of the two is asked for. */
struct task {
    const char *const *paths;
    const spk_audio_options *options; /* of lengths */
    double *seconds;
    int64_t *lengths, n;
    atomic_int_fast64_t next;
};

static void *work(void *arg)
{
    struct task *task = arg;
    spk_audio_reader *r = task->lengths ? spk_audio_reader_new(task->options) : NULL;
    for (;;) {
        const int64_t i = atomic_fetch_add(&task->next, 1);
        if (i >= task->n) break;
        if (task->seconds && spk_audio_duration(task->paths[i], &task->seconds[i]) != SPK_OK) task->seconds[i] = -1;
        if (task->lengths && spk_audio_open(r, task->paths[i], &task->lengths[i]) != SPK_OK) task->lengths[i] = -1;
    }
    spk_audio_reader_free(r);
    return NULL;
}

static void run(struct task *task, int threads)
{
    enum { MAX_THREADS = 64 };
    pthread_t helper[MAX_THREADS];
    int n_helpers = 0;
    while (n_helpers < threads - 1 && n_helpers < MAX_THREADS &&
           pthread_create(&helper[n_helpers], NULL, work, task) == 0)
        n_helpers++;
    work(task);
    for (int i = 0; i < n_helpers; i++)
        pthread_join(helper[i], NULL);
}

void spk_audio_durations(const char *const *paths, int64_t n, int threads, double *seconds)
{
    struct task task = {.paths = paths, .seconds = seconds, .n = n};
    run(&task, threads);
}

void spk_audio_lengths(const char *const *paths, int64_t n, const spk_audio_options *options, int threads,
                       int64_t *lengths)
{
    struct task task = {.paths = paths, .options = options, .lengths = lengths, .n = n};
    run(&task, threads);
}
