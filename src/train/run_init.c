/* SPDX-License-Identifier: Apache-2.0 */
/* Fine-tuning: the model of another training, its weights, its classes. */
#include <string.h>

#include "config/config_impl.h"
#include "formats/yaml_impl.h"
#include "train/run_impl.h"

static bool is_of_the_model(const char *key)
{
    static const char *const data[] = {"spk_num", "spk_version", "model_conf"};
    for (int i = 0; i < SPK_COUNT(data); i++)
        if (strcmp(key, data[i]) == 0) return false;
    for (int i = 0; i < spk__config_options.n; i++)
        if (strcmp(spk__config_options.table[i].key, key) == 0)
            return spk__config_options.meta[i].use == SPK_CONFIG_MODEL;
    return false;
}

/* Does `given` choose another part of that kind ("encoder" for encoder_conf), so that the options of the old one are not
 * its? */
static bool is_other_part(const spk_yaml *base, const spk_yaml *given, const char *key)
{
    if (!spk_ends_with(key, "_conf")) return false;
    char *kind = spk_strndup(key, strlen(key) - strlen("_conf"));
    const spk_yaml *a = spk_yaml_get(base, kind), *b = spk_yaml_get(given, kind);
    const bool other =
        b && (!a || a->kind != SPK_YAML_SCALAR || b->kind != SPK_YAML_SCALAR || strcmp(a->text, b->text) != 0);
    spk_free(kind);
    return other;
}

/* Put what `base` has and `given` has not into `given`; maps key by key. */
static void fill(spk_yaml *given, const spk_yaml *base, const char *key)
{
    const spk_yaml *from = spk_yaml_get(base, key);
    spk_yaml *to = spk_yaml_get(given, key);
    if (!from || is_other_part(base, given, key)) return;
    if (!to) {
        spk_yaml_set(given, key, spk_yaml_copy(from));
        return;
    }
    if (from->kind != SPK_YAML_MAP || to->kind != SPK_YAML_MAP) return;
    for (int64_t i = 0; i < from->n; i++)
        if (!spk_yaml_get(to, from->key[i])) spk_yaml_set(to, from->key[i], spk_yaml_copy(from->item[i]));
}

/* The rate belongs to the model's features, though it stands among the options of the data. */
static void fill_rate(spk_yaml *given, const spk_yaml *base)
{
    const spk_yaml *rate = spk_yaml_get(spk_yaml_get(base, "preprocessor_conf"), "sample_rate");
    if (!rate) return;
    if (!spk_yaml_get(given, "preprocessor_conf"))
        spk_yaml_set(given, "preprocessor_conf", spk_yaml_new_map(given->file));
    spk_yaml *conf = spk_yaml_get(given, "preprocessor_conf");
    if (conf->kind == SPK_YAML_MAP && !spk_yaml_get(conf, "sample_rate") && !spk_yaml_get(given, "sample_rate"))
        spk_yaml_set(conf, "sample_rate", spk_yaml_copy(rate));
}

/* The weights in a folder: the mean of the best, the best, the latest; new, or NULL. */
static char *find_weights(const char *folder)
{
    static const char *const names[] = {"valid.eer.ave.pth", "valid.eer.best.pth", "latest.pth"};
    for (int i = 0; i < SPK_COUNT(names); i++) {
        char *path = spk_path_join(folder, names[i]);
        if (spk_exists(path)) return path;
        spk_free(path);
    }
    return NULL;
}

/* Before the files that init_param names, which go over it; once, also where a finished config.yaml is read again. */
static void add_weights(spk_yaml *given, const char *weights)
{
    const spk_yaml *old = spk_yaml_get(given, "init_param");
    spk_yaml *list = spk_yaml_new_list(given->file);
    spk_yaml_append(list, spk_yaml_new_scalar(given->file, weights, true));
    for (int64_t i = 0; old && old->kind == SPK_YAML_LIST && i < old->n; i++)
        if (strcmp(old->item[i]->text, weights) != 0) spk_yaml_append(list, spk_yaml_copy(old->item[i]));
    spk_yaml_set(given, "init_param", list);
}

static spk_status keep_classes(spk_yaml *given, const char *folder)
{
    char *path = spk_path_join(folder, "speakers.txt");
    const bool there = spk_is_file(path);
    if (there) spk_yaml_set(given, "spk2utt", spk_yaml_new_scalar(given->file, path, true));
    const spk_status status =
        there ? SPK_OK : spk_fail(SPK_E_IO, "keep_classes: %s is not there, so its classes are not known", path);
    spk_free(path);
    return status;
}

static spk_status merge(spk_yaml *given, const spk_config *c, const char *folder, const char *weights)
{
    spk_yaml *base = NULL;
    spk_status status = SPK_OK;
    char *path = spk_path_join(folder, "config.yaml");
    SPK_GO(spk_yaml_load(path, &base));
    for (int64_t i = 0; i < base->n; i++)
        if (is_of_the_model(base->key[i])) fill(given, base, base->key[i]);
    fill_rate(given, base);
    add_weights(given, weights);
    if (c->keep_classes) SPK_GO(keep_classes(given, folder));
done:
    spk_yaml_free(base);
    spk_free(path);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "init_from");
}

spk_status spk_run_take_init(spk_config *config)
{
    const char *from = config->init_from;
    spk_config merged;
    if (!from) return SPK_OK;
    const bool is_folder = spk_is_folder(from);
    char *folder = is_folder ? spk_strdup(from) : spk_path_folder(from);
    char *weights = is_folder ? find_weights(from) : spk_strdup(from);
    spk_yaml *given = config->source ? spk_yaml_copy(config->source) : spk_yaml_new_map("init_from");
    spk_status status = weights ? merge(given, config, folder, weights)
                                : spk_fail(SPK_E_IO,
                                           "init_from: %s holds no valid.eer.ave.pth, valid.eer.best.pth or "
                                           "latest.pth: name the weights (.pth) themselves",
                                           from);
    spk_free(folder);
    spk_free(weights);
    if (status != SPK_OK) {
        spk_yaml_free(given);
        return status;
    }
    SPK_TRY(spk__config_from_tree(given, &merged)); /* takes the tree */
    spk_config_clear(config);
    *config = merged;
    return SPK_OK;
}
