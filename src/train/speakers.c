/* SPDX-License-Identifier: Apache-2.0 */
/* The speakers that a file of weights has as classes: names that lie beside it. */
#include <string.h>

#include "formats/yaml_impl.h"
#include "train/init_param_impl.h"

/* The first word of each line. */
static spk_status read_words(const char *path, spk_str_list *out)
{
    char *text = NULL;
    size_t n = 0;
    SPK_TRY(spk_read_file(path, &text, &n));
    for (const char *p = text; *p;) {
        p += strspn(p, " \t\r\n");
        const size_t length = strcspn(p, " \t\r\n");
        if (length) SPK_PUSH(out->v, out->n) = spk_strndup(p, length);
        p += length;
        p += strcspn(p, "\n");
    }
    spk_free(text);
    return SPK_OK;
}

/* The spk2utt that the config.yaml beside the weights names, if it can still be found: new, or NULL. */
static char *spk2utt_of(const char *folder)
{
    char *config = spk_path_join(folder, "config.yaml"), *path = NULL;
    spk_yaml *tree = NULL;
    if (spk_is_file(config) && spk_yaml_load(config, &tree) == SPK_OK) {
        const spk_yaml *list = spk_yaml_get(tree, "spk2utt"), *dir = spk_yaml_get(tree, "train_dir");
        if (list && list->kind == SPK_YAML_SCALAR && !spk_yaml_is_null(list) && list->text[0])
            path = spk_strdup(list->text);
        else if (dir && dir->kind == SPK_YAML_SCALAR && !spk_yaml_is_null(dir))
            path = spk_path_join(dir->text, "spk2utt");
        if (path && !spk_is_file(path)) {
            spk_free(path);
            path = NULL;
        }
    }
    spk_yaml_free(tree);
    spk_free(config);
    return path;
}

spk_status spk_read_speakers_of(const char *weights, spk_str_list *out)
{
    char *folder = spk_path_folder(weights), *path = spk_path_join(folder, "speakers.txt");
    *out = (spk_str_list){0};
    if (!spk_is_file(path)) {
        spk_free(path);
        path = spk2utt_of(folder);
    }
    const spk_status status = path ? read_words(path, out) : SPK_OK;
    spk_free(path);
    spk_free(folder);
    return status;
}
