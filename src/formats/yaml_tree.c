/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML tree itself: making, copying, freeing nodes, and looking into them. */
#include "formats/yaml_impl.h"

#include <string.h>

static spk_yaml *new_node(spk_yaml_kind kind, const char *file)
{
    spk_yaml *node = spk_new(sizeof *node);
    node->kind = kind;
    if (file) {
        node->owned_file = spk_strdup(file);
        node->file = node->owned_file;
    }
    return node;
}

spk_yaml *spk_yaml_new_map(const char *file)
{
    return new_node(SPK_YAML_MAP, file);
}

spk_yaml *spk_yaml_new_list(const char *file)
{
    return new_node(SPK_YAML_LIST, file);
}

spk_yaml *spk_yaml_new_scalar(const char *file, const char *text, bool quoted)
{
    spk_yaml *node = new_node(SPK_YAML_SCALAR, file);
    node->text = spk_strdup(text);
    node->quoted = quoted;
    return node;
}

void spk_yaml_free(spk_yaml *node)
{
    if (!node) return;
    for (int64_t i = 0; i < node->n; i++) {
        spk_yaml_free(node->item[i]);
        if (node->key) spk_free(node->key[i]);
    }
    spk_free(node->item);
    spk_free(node->key);
    spk_free(node->key_line);
    spk_free(node->key_column);
    spk_free(node->text);
    spk_free(node->owned_file);
    spk_free(node);
}

/* Nodes of one file share the name that the topmost of them owns: `from` is that name in the source tree, `to` its
 * copy. A subtree from another file brings its own. */
static spk_yaml *copy_node(const spk_yaml *node, const char *from, const char *to)
{
    spk_yaml *c = spk_new(sizeof *c);
    c->kind = node->kind;
    c->quoted = node->quoted;
    c->line = node->line;
    c->column = node->column;
    if (node->file && (!from || strcmp(node->file, from) != 0)) {
        c->owned_file = spk_strdup(node->file);
        from = node->file;
        to = c->owned_file;
    }
    c->file = node->file ? to : NULL;
    if (node->text) c->text = spk_strdup(node->text);
    const size_t n = (size_t)node->n;
    c->n = node->n;
    if (n == 0) return c;
    size_t room = 1; /* SPK_PUSH grows at powers of two */
    while (room < n)
        room *= 2;
    c->item = spk_new(room * sizeof *c->item);
    for (size_t i = 0; i < n; i++)
        c->item[i] = copy_node(node->item[i], from, to);
    if (node->key) {
        c->key = spk_new(room * sizeof *c->key);
        c->key_line = spk_new(room * sizeof *c->key_line);
        c->key_column = spk_new(room * sizeof *c->key_column);
        for (size_t i = 0; i < n; i++)
            c->key[i] = spk_strdup(node->key[i]);
        memcpy(c->key_line, node->key_line, n * sizeof *c->key_line);
        memcpy(c->key_column, node->key_column, n * sizeof *c->key_column);
    }
    return c;
}

spk_yaml *spk_yaml_copy(const spk_yaml *node)
{
    return node ? copy_node(node, NULL, NULL) : NULL;
}

spk_yaml *spk_yaml_get(const spk_yaml *map, const char *key)
{
    if (!map || map->kind != SPK_YAML_MAP) return NULL;
    for (int64_t i = 0; i < map->n; i++)
        if (strcmp(map->key[i], key) == 0) return map->item[i];
    return NULL;
}

void spk_yaml_set(spk_yaml *map, const char *key, spk_yaml *value)
{
    SPK_ASSERT(map->kind == SPK_YAML_MAP && value);
    for (int64_t i = 0; i < map->n; i++)
        if (strcmp(map->key[i], key) == 0) {
            if (map->item[i] != value) spk_yaml_free(map->item[i]);
            map->item[i] = value;
            return;
        }
    int64_t n = map->n;
    SPK_PUSH(map->item, n) = value;
    n = map->n;
    SPK_PUSH(map->key, n) = spk_strdup(key);
    n = map->n;
    SPK_PUSH(map->key_line, n) = value->line;
    n = map->n;
    SPK_PUSH(map->key_column, n) = value->column;
    map->n = n;
}

void spk_yaml_append(spk_yaml *list, spk_yaml *value)
{
    SPK_ASSERT(list->kind == SPK_YAML_LIST && value);
    SPK_PUSH(list->item, list->n) = value;
}

const char *spk_yaml_where(const spk_yaml *node, char *out, size_t room)
{
    const char *file = node->file ? node->file : "configuration";
    if (node->line > 0)
        snprintf(out, room, "%s:%d:%d", file, node->line, node->column);
    else
        snprintf(out, room, "%s", file);
    return out;
}
