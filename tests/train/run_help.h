/* SPDX-License-Identifier: Apache-2.0 */
/* A whole training of the fake model: set-up, data, what the log said. */
#ifndef TEST_RUN_HELP_H
#define TEST_RUN_HELP_H

#include "train/train_help.h"

#include "spk/state.h"

static fake_model model;
static fake_train batches;
static fake_trials trials;
static spk_training_setup setup;
static spk_text said;  /* the log, a line each */
static spk_text lines; /* the epochs' lines */
static int64_t n_batches;

static const char *const speakers[C] = {"ann", "bob", "cem", "dee"};
static const char optim_conf[] = "{lr: 0.02, weight_decay: 0.0001}";
static const char scheduler_conf[] =
    "{first_cycle_steps: 20, max_lr: 0.05, min_lr: 0.001, warmup_steps: 4, gamma: 0.75}";

static void hear(void *user, int level, const char *tag, const char *line)
{
    (void)user;
    (void)tag;
    spk_text_addf(&said, "%d %s\n", level, line);
}

static inline bool was_said(const char *part)
{
    return strstr(spk_text_str(&said), part) != NULL;
}

static void hear_epoch(void *user, int64_t epoch, const char *line)
{
    (void)user;
    (void)epoch;
    spk_text_addf(&lines, "%s\n", line);
}

static spk_status build_iter(void *data, const char *mode, int64_t epoch, spk_iterator **out)
{
    (void)data;
    if (strcmp(mode, "train") == 0) {
        fake_train_init(&batches, epoch, n_batches);
        *out = &batches.it;
    } else {
        fake_trials_init(&trials, 18, 2, 7, true);
        *out = &trials.it;
    }
    return SPK_OK;
}

/* A fresh model and the options of a run of so many epochs; what was said is forgotten. */
static inline void begin(const char *folder, int64_t max_epoch)
{
    fake_model_init(&model, 1);
    n_batches = 5;
    spk_text_clear(&said);
    spk_text_clear(&lines);
    spk_log_listen(hear, NULL, SPK_LOG_INFO);
    spk_training_defaults(&setup);
    setup.model = &model.m;
    setup.build_iter = build_iter;
    setup.optim = "adam";
    setup.optim_conf = optim_conf;
    setup.scheduler = "cosineannealingwarmuprestarts";
    setup.scheduler_conf = scheduler_conf;
    setup.output_dir = folder;
    setup.max_epoch = max_epoch;
    setup.plots = false;
    setup.speakers = speakers;
    setup.n_speakers = C;
    setup.config_text = "max_epoch: 4\nseed: 0\n";
    setup.epoch_line = hear_epoch;
}

static inline void end(void)
{
    spk_log_listen(NULL, NULL, SPK_LOG_INFO);
    spk_text_clear(&said);
    spk_text_clear(&lines);
}

static inline spk_status train(void)
{
    const spk_trainer_hooks hooks = spk_trainer_speaker_hooks();
    return spk_trainer_run(&hooks, &setup);
}

static inline void refused(spk_status code, const char *part)
{
    const spk_status status = train();
    if (status != code)
        fail_msg("status %s, not %s (%s)", spk_status_name(status), spk_status_name(code), spk_errmsg());
    assert_message(part);
}

static inline void assert_link(const char *folder, const char *name, const char *target)
{
    char *path = spk_path_join(folder, name), got[256] = {0};
    const ssize_t n = readlink(path, got, sizeof got - 1);
    if (n < 0 || strcmp(got, target) != 0) fail_msg("%s points to '%s', not to '%s'", name, got, target);
    spk_free(path);
}

/* Are the files of two folders the same bytes? */
static inline void assert_same_file(const char *a, const char *b, const char *name)
{
    size_t n = 0, m = 0;
    char *x = slurp(a, name, &n), *y = slurp(b, name, &m);
    if (n != m || memcmp(x, y, n) != 0) fail_msg("%s differs", name);
    spk_free(x);
    spk_free(y);
}

#endif
