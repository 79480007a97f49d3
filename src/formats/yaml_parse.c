/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML text to a tree, over libyaml's events. Anchors and aliases are copied in place and merge keys
 * (`<<`) applied, so that what comes out is a plain tree. Depth and the number of nodes are limited:
 * a few lines of nested aliases could otherwise ask for any amount of memory.
 */
#include "formats/yaml_impl.h"

#include <string.h>
#include <yaml.h>

enum { DEEPEST = 64, LONGEST_KEY = 1000 };
static const int64_t MOST_NODES = 2000000;
static const size_t MOST_BYTES = (size_t)256 << 20;

typedef struct anchor {
    char *name;
    const spk_yaml *node; /* NULL while the node is being read: an alias to it would be a cycle */
    int64_t weight;       /* nodes in it */
} anchor;

typedef struct reader {
    yaml_parser_t parser;
    const char *name; /* of the source */
    const char *file; /* the root's copy of it, once there is a root */
    int64_t n_nodes;
    int64_t n_anchors;
    anchor *anchors;
    int64_t n_kept;
    spk_yaml **kept; /* nodes that are no part of the tree (keys, merged maps), but may be named by anchors */
} reader;

/* ---- failures ---- */

static spk_status fail_at(const reader *r, yaml_mark_t mark, const char *what)
{
    return spk_fail(SPK_E_CONFIG, "%s:%zu:%zu: %s", r->name, mark.line + 1, mark.column + 1, what);
}

static spk_status next_event(reader *r, yaml_event_t *event)
{
    if (yaml_parser_parse(&r->parser, event)) return SPK_OK;
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) return spk_fail(SPK_E_NOMEM, "%s: out of memory", r->name);
    if (p->error == YAML_READER_ERROR)
        return spk_fail(SPK_E_CONFIG, "%s: not a text file in UTF-8: %s at byte %zu", r->name,
                        p->problem ? p->problem : "bad byte", p->problem_offset);
    return spk_fail(SPK_E_CONFIG, "%s:%zu:%zu: not valid YAML: %s%s%s", r->name, p->problem_mark.line + 1,
                    p->problem_mark.column + 1, p->problem ? p->problem : "syntax error", p->context ? " " : "",
                    p->context ? p->context : "");
}

/* ---- anchors ---- */

static anchor *find_anchor(const reader *r, const char *name)
{
    for (int64_t i = r->n_anchors - 1; i >= 0; i--)
        if (strcmp(r->anchors[i].name, name) == 0) return &r->anchors[i];
    return NULL;
}

/* Index of a new anchor, or -1 when the event names none. */
static int64_t begin_anchor(reader *r, const yaml_char_t *name)
{
    if (!name) return -1;
    SPK_PUSH(r->anchors, r->n_anchors) = (anchor){spk_strdup((const char *)name), NULL, 0};
    return r->n_anchors - 1;
}

static void end_anchor(reader *r, int64_t i, const spk_yaml *node, int64_t nodes_before)
{
    if (i < 0) return;
    r->anchors[i].node = node;
    r->anchors[i].weight = r->n_nodes - nodes_before;
}

/* ---- nodes ---- */

static spk_status count_nodes(reader *r, int64_t n, yaml_mark_t mark)
{
    r->n_nodes += n;
    return r->n_nodes <= MOST_NODES ? SPK_OK : fail_at(r, mark, "the document is too large (aliases of aliases?)");
}

static spk_yaml *make_node(reader *r, spk_yaml_kind kind, yaml_mark_t mark)
{
    spk_yaml *node = spk_new(sizeof *node);
    node->kind = kind;
    if (!r->file) {
        node->owned_file = spk_strdup(r->name);
        r->file = node->owned_file;
    }
    node->file = r->file;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    return node;
}

/* Make a copy's nodes share this tree's file name: they would each carry their own otherwise. */
static void adopt_file(spk_yaml *node, const char *file)
{
    spk_free(node->owned_file);
    node->owned_file = NULL;
    node->file = file;
    for (int64_t i = 0; i < node->n; i++)
        adopt_file(node->item[i], file);
}

static spk_yaml *copy_inside(reader *r, const spk_yaml *node)
{
    spk_yaml *c = spk_yaml_copy(node);
    adopt_file(c, r->file);
    return c;
}

static spk_status read_alias(reader *r, const yaml_event_t *event, spk_yaml **out)
{
    const char *name = (const char *)event->data.alias.anchor;
    const anchor *a = find_anchor(r, name);
    if (!a)
        return spk_fail(SPK_E_CONFIG, "%s:%zu:%zu: there is no anchor '&%s' before this alias", r->name,
                        event->start_mark.line + 1, event->start_mark.column + 1, name);
    if (!a->node) return fail_at(r, event->start_mark, "an alias stands inside the node it names");
    SPK_TRY(count_nodes(r, a->weight, event->start_mark));
    *out = copy_inside(r, a->node);
    return SPK_OK;
}

/* Whether a tag makes the scalar a string (1), leaves it to be resolved (0), or is not known (-1). */
static int tag_meaning(const char *tag)
{
    static const char core[] = "tag:yaml.org,2002:";
    if (strcmp(tag, "!") == 0) return 1;
    if (!spk_starts_with(tag, core)) return -1;
    const char *type = tag + sizeof core - 1;
    if (strcmp(type, "str") == 0 || strcmp(type, "python/str") == 0 || strcmp(type, "python/unicode") == 0) return 1;
    static const char *const known[] = {"int", "float", "bool", "null", "seq", "map", "python/tuple", "omap"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(type, known[i]) == 0) return 0;
    return -1;
}

static spk_status check_tag(const reader *r, const yaml_char_t *tag, yaml_mark_t mark, int *meaning)
{
    *meaning = tag ? tag_meaning((const char *)tag) : 0;
    if (*meaning < 0)
        return spk_fail(SPK_E_CONFIG, "%s:%zu:%zu: the tag '%s' is not known; only plain values are read", r->name,
                        mark.line + 1, mark.column + 1, (const char *)tag);
    return SPK_OK;
}

static spk_status read_scalar(reader *r, const yaml_event_t *event, spk_yaml **out)
{
    const char *text = (const char *)event->data.scalar.value;
    int meaning;
    SPK_TRY(check_tag(r, event->data.scalar.tag, event->start_mark, &meaning));
    SPK_TRY(count_nodes(r, 1, event->start_mark));
    if (strlen(text) != event->data.scalar.length)
        return fail_at(r, event->start_mark, "a value holds a NUL character");
    spk_yaml *node = make_node(r, SPK_YAML_SCALAR, event->start_mark);
    node->text = spk_strdup(text);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (event->data.scalar.tag) node->quoted = meaning == 1;
    const int64_t a = begin_anchor(r, event->data.scalar.anchor);
    end_anchor(r, a, node, r->n_nodes - 1);
    *out = node;
    return SPK_OK;
}

static spk_status read_node(reader *r, const yaml_event_t *event, int depth, spk_yaml **out);

static spk_status read_list(reader *r, const yaml_event_t *start, int depth, spk_yaml **out)
{
    int meaning;
    SPK_TRY(check_tag(r, start->data.sequence_start.tag, start->start_mark, &meaning));
    const int64_t before = r->n_nodes;
    SPK_TRY(count_nodes(r, 1, start->start_mark));
    const int64_t a = begin_anchor(r, start->data.sequence_start.anchor);
    spk_yaml *node = *out = make_node(r, SPK_YAML_LIST, start->start_mark);
    for (;;) {
        yaml_event_t event;
        spk_yaml *item = NULL;
        SPK_TRY(next_event(r, &event));
        const bool end = event.type == YAML_SEQUENCE_END_EVENT;
        const spk_status status = end ? SPK_OK : read_node(r, &event, depth + 1, &item);
        yaml_event_delete(&event);
        if (item) SPK_PUSH(node->item, node->n) = item;
        SPK_TRY(status);
        if (end) break;
    }
    end_anchor(r, a, node, before);
    return SPK_OK;
}

/* ---- maps ---- */

/* Appends an entry; the map owns key and value from here. */
static void push_entry(spk_yaml *map, char *key, int line, int column, spk_yaml *value)
{
    int64_t n = map->n;
    SPK_PUSH(map->item, n) = value;
    n = map->n;
    SPK_PUSH(map->key, n) = key;
    n = map->n;
    SPK_PUSH(map->key_line, n) = line;
    n = map->n;
    SPK_PUSH(map->key_column, n) = column;
    map->n = n;
}

/* The text of a key event: a scalar, or an alias of one. */
static spk_status key_text(reader *r, const yaml_event_t *event, char **out)
{
    spk_yaml *node = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        SPK_TRY(read_alias(r, event, &node));
    else if (event->type == YAML_SCALAR_EVENT)
        SPK_TRY(read_scalar(r, event, &node));
    if (node) SPK_PUSH(r->kept, r->n_kept) = node;
    if (!node || node->kind != SPK_YAML_SCALAR)
        return fail_at(r, event->start_mark, "the key of a map must be a word, not a list or a map");
    if (strlen(node->text) > LONGEST_KEY) return fail_at(r, event->start_mark, "a key is longer than 1000 bytes");
    *out = spk_strdup(node->text);
    return SPK_OK;
}

/* Entries of `from` that the map does not have yet; lists of maps are merged in their order. */
static spk_status merge(reader *r, spk_yaml *map, const spk_yaml *from, spk_map *index, bool top)
{
    if (from->kind == SPK_YAML_LIST && top) {
        for (int64_t i = 0; i < from->n; i++)
            SPK_TRY(merge(r, map, from->item[i], index, false));
        return SPK_OK;
    }
    if (from->kind != SPK_YAML_MAP)
        return spk_fail(SPK_E_CONFIG, "%s:%d:%d: '<<' takes a map or a list of maps", r->name, from->line,
                        from->column);
    for (int64_t i = 0; i < from->n; i++) {
        int64_t at;
        if (spk_map_get(index, from->key[i], &at)) continue;
        char *key = spk_strdup(from->key[i]);
        push_entry(map, key, from->key_line[i], from->key_column[i], copy_inside(r, from->item[i]));
        spk_map_put(index, key, map->n - 1);
    }
    return SPK_OK;
}

static spk_status read_entry(reader *r, spk_yaml *map, const yaml_event_t *key_event, int depth, spk_map *index,
                             spk_yaml **merged)
{
    char *key = NULL;
    spk_yaml *value = NULL;
    yaml_event_t event;
    const yaml_mark_t at = key_event->start_mark;
    SPK_TRY(key_text(r, key_event, &key));
    const bool is_merge = strcmp(key, "<<") == 0 && key_event->type == YAML_SCALAR_EVENT &&
                          key_event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    int64_t first;
    spk_status status = SPK_OK;
    if (is_merge && *merged)
        status = fail_at(r, at, "key '<<' stands twice");
    else if (!is_merge && spk_map_get(index, key, &first))
        status = spk_fail(SPK_E_CONFIG, "%s:%zu:%zu: key '%s' stands twice (first at line %d)", r->name, at.line + 1,
                          at.column + 1, key, map->key_line[first]);
    if (status == SPK_OK) status = next_event(r, &event);
    if (status == SPK_OK) {
        status = read_node(r, &event, depth + 1, &value);
        yaml_event_delete(&event);
    }
    if (value && !is_merge) {
        push_entry(map, key, (int)at.line + 1, (int)at.column + 1, value);
        spk_map_put(index, key, map->n - 1);
        return status;
    }
    if (value) {
        SPK_PUSH(r->kept, r->n_kept) = value;
        *merged = value;
    }
    spk_free(key);
    return status;
}

static spk_status read_map(reader *r, const yaml_event_t *start, int depth, spk_yaml **out)
{
    spk_map index = {0};
    spk_yaml *merged = NULL;
    spk_status status;
    int meaning;
    SPK_TRY(check_tag(r, start->data.mapping_start.tag, start->start_mark, &meaning));
    const int64_t before = r->n_nodes;
    SPK_TRY(count_nodes(r, 1, start->start_mark));
    const int64_t a = begin_anchor(r, start->data.mapping_start.anchor);
    spk_yaml *node = *out = make_node(r, SPK_YAML_MAP, start->start_mark);
    for (;;) {
        yaml_event_t event;
        SPK_GO(next_event(r, &event));
        const bool end = event.type == YAML_MAPPING_END_EVENT;
        status = end ? SPK_OK : read_entry(r, node, &event, depth, &index, &merged);
        yaml_event_delete(&event);
        if (end || status != SPK_OK) break;
    }
    if (status == SPK_OK && merged) status = merge(r, node, merged, &index, true);
    if (status == SPK_OK) end_anchor(r, a, node, before);
done:
    spk_map_clear(&index);
    return status;
}

static spk_status read_node(reader *r, const yaml_event_t *event, int depth, spk_yaml **out)
{
    if (depth > DEEPEST) return fail_at(r, event->start_mark, "nested too deeply (64 levels at most)");
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r, event, out);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, event, depth, out);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, event, depth, out);
    case YAML_ALIAS_EVENT:
        return read_alias(r, event, out);
    default:
        return fail_at(r, event->start_mark, "not valid YAML: a value was expected");
    }
}

/* ---- documents ---- */

static spk_status expect_end(reader *r)
{
    yaml_event_t event;
    SPK_TRY(next_event(r, &event));
    const bool end = event.type == YAML_STREAM_END_EVENT;
    const spk_status status =
        end ? SPK_OK : fail_at(r, event.start_mark, "a second document begins; one document a file is read");
    yaml_event_delete(&event);
    return status;
}

static spk_status read_document(reader *r, spk_yaml **out)
{
    for (;;) {
        yaml_event_t event;
        SPK_TRY(next_event(r, &event));
        const yaml_event_type_t type = event.type;
        spk_status status = SPK_OK;
        if (type == YAML_STREAM_END_EVENT)
            *out = make_node(r, SPK_YAML_MAP, event.start_mark);
        else if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT)
            status = read_node(r, &event, 0, out);
        yaml_event_delete(&event);
        if (status != SPK_OK || type == YAML_STREAM_END_EVENT) return status;
        if (*out) break;
    }
    yaml_event_t end; /* of the document */
    SPK_TRY(next_event(r, &end));
    yaml_event_delete(&end);
    return expect_end(r);
}

spk_status spk_yaml_parse(const char *text, size_t n, const char *name, spk_yaml **out)
{
    reader r = {.name = name};
    spk_yaml *root = NULL;
    *out = NULL;
    if (n > MOST_BYTES) return spk_fail(SPK_E_CONFIG, "%s: too large for a configuration (%zu bytes)", name, n);
    if (!yaml_parser_initialize(&r.parser)) return spk_fail(SPK_E_NOMEM, "%s: out of memory", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    const spk_status status = read_document(&r, &root);
    yaml_parser_delete(&r.parser);
    for (int64_t i = 0; i < r.n_anchors; i++)
        spk_free(r.anchors[i].name);
    spk_free(r.anchors);
    for (int64_t i = 0; i < r.n_kept; i++)
        spk_yaml_free(r.kept[i]);
    spk_free(r.kept);
    if (status != SPK_OK) {
        spk_yaml_free(root);
        return status;
    }
    if (spk_yaml_is_null(root)) { /* "---" alone, or comments: an empty map, as an empty file */
        root->kind = SPK_YAML_MAP;
        spk_free(root->text);
        root->text = NULL;
    }
    *out = root;
    return SPK_OK;
}

spk_status spk_yaml_load(const char *path, spk_yaml **out)
{
    char *text = NULL;
    size_t n = 0;
    *out = NULL;
    SPK_TRY(spk_read_file(path, &text, &n));
    const spk_status status = spk_yaml_parse(text, n, path, out);
    spk_free(text);
    return status;
}
