/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with the settings of a checkpoint, whatever is given now. */
#include <string.h>

#include "formats/yaml_impl.h"
#include "train/checkpoint_impl.h"
#include "train/run_impl.h"

/* The checkpoint's settings, and what is given now of those that decide nothing. */
static spk_status merge(const char *then, const spk_yaml *given, spk_config *out)
{
    spk_yaml *tree = NULL;
    spk_text text = {0};
    SPK_TRY(spk_yaml_parse(then, strlen(then), "the checkpoint's configuration", &tree));
    for (int64_t i = 0; given && i < given->n; i++)
        if (!spk_setting_decides(given->key[i])) spk_yaml_set(tree, given->key[i], spk_yaml_copy(given->item[i]));
    spk_yaml_print(tree, &text);
    spk_yaml_free(tree);
    const spk_status status = spk_config_parse(spk_text_str(&text), text.n, "the checkpoint's configuration", out);
    spk_text_clear(&text);
    return status;
}

spk_status spk_run_take_old(spk_config *config)
{
    spk_checkpoint c = {0};
    spk_config old;
    if (!config->output_dir || !spk_checkpoint_exists(config->output_dir)) return SPK_OK;
    const bool before = config->resume_from && strcmp(config->resume_from, "previous") == 0;
    SPK_TRY(spk_checkpoint_read(config->output_dir, before, &c));
    const char *then = spk_meta_get(&c.meta, "config");
    spk_status status = then && then[0] ? merge(then, config->source, &old)
                                        : spk_fail(SPK_E_FORMAT, "%s: holds no configuration to go on with", c.path);
    spk_checkpoint_clear(&c);
    SPK_TRY(status);
    spk_config_clear(config);
    *config = old;
    return SPK_OK;
}
