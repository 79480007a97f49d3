/* SPDX-License-Identifier: Apache-2.0 */
/* Two dumps of a configuration compared, setting by setting. */
#include <string.h>

#include "formats/yaml_impl.h"
#include "train/checkpoint_impl.h"

/* Settings by which no weight and no figure changes: where a run is written, how fast it is, how long it may go on and
 * what is said of it. */
bool spk_setting_decides(const char *key)
{
    static const char *const idle[] = {"config",
                                       "output_dir",
                                       "log_level",
                                       "log_interval",
                                       "num_workers",
                                       "num_att_plot",
                                       "max_epoch",
                                       "patience",
                                       "use_matplotlib",
                                       "use_tensorboard",
                                       "best_model_criterion",
                                       "keep_nbest_models",
                                       "nbest_averaging_interval",
                                       "early_stopping_criterion",
                                       "checkpoint_interval",
                                       "average_last",
                                       "num_threads",
                                       "resume",
                                       "quiet",
                                       "overwrite",
                                       "resume_conf",
                                       "resume_from",
                                       "max_skipped_steps",
                                       "detect_anomaly",
                                       "valid_interval",
                                       "test_dir",
                                       "init_param",
                                       "init_from",
                                       "ignore_init_mismatch",
                                       "spk_version",
                                       "version",
                                       "max_cache_fd",
                                       "profile",
                                       "swa_start",
                                       "swa_steps",
                                       "sharded_ddp",
                                       "shard_classes"};
    static const char *const idle_groups[] = {"dist_", "wandb_", "cudnn_", "use_wandb", "create_graph"};
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (strcmp(key, idle[i]) == 0) return false;
    for (size_t i = 0; i < sizeof idle_groups / sizeof *idle_groups; i++)
        if (spk_starts_with(key, idle_groups[i])) return false;
    return true;
}

/* A value in one line: new. */
static char *in_a_line(const spk_yaml *value)
{
    enum { SHOWN = 160 };
    spk_text text = {0}, line = {0};
    if (!value) return spk_strdup("nothing");
    spk_yaml_print(value, &text);
    const char *p = spk_text_str(&text);
    for (bool space = false; *p; p++) {
        const bool blank = *p == '\n' || *p == ' ';
        if (!blank && space && line.n) spk_text_add(&line, " ");
        if (!blank) spk_text_addn(&line, p, 1);
        space = blank;
    }
    if (line.n > SHOWN) {
        line.n = SHOWN;
        line.s[SHOWN] = 0;
        spk_text_add(&line, " ...");
    }
    char *copy = spk_strdup(spk_text_str(&line));
    spk_text_clear(&text);
    spk_text_clear(&line);
    return copy;
}

static bool is_same(const spk_yaml *a, const spk_yaml *b)
{
    spk_text x = {0}, y = {0};
    if (a) spk_yaml_print(a, &x);
    if (b) spk_yaml_print(b, &y);
    const bool same = !a == !b && strcmp(spk_text_str(&x), spk_text_str(&y)) == 0;
    spk_text_clear(&x);
    spk_text_clear(&y);
    return same;
}

static void compare(const char *key, const spk_yaml *then, const spk_yaml *now, bool deciding, spk_text *out)
{
    if (spk_setting_decides(key) != deciding || is_same(then, now)) return;
    char *a = in_a_line(then), *b = in_a_line(now);
    spk_text_addf(out, "%s%s: %s (was %s)", out->n ? ", " : "", key, b, a);
    spk_free(a);
    spk_free(b);
}

void spk_settings_changed(const char *then, const char *now, bool deciding, spk_text *out)
{
    spk_yaml *a = NULL, *b = NULL;
    if (spk_yaml_parse(then, strlen(then), "the checkpoint's configuration", &a) == SPK_OK &&
        spk_yaml_parse(now, strlen(now), "the configuration", &b) == SPK_OK && a->kind == SPK_YAML_MAP &&
        b->kind == SPK_YAML_MAP) {
        for (int64_t i = 0; i < b->n; i++)
            compare(b->key[i], spk_yaml_get(a, b->key[i]), b->item[i], deciding, out);
        for (int64_t i = 0; i < a->n; i++)
            if (!spk_yaml_get(b, a->key[i])) compare(a->key[i], a->item[i], NULL, deciding, out);
    } else if (deciding && strcmp(then, now) != 0) {
        spk_text_add(out, "a configuration that cannot be compared");
    }
    spk_yaml_free(a);
    spk_yaml_free(b);
}
