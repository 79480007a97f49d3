/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree as YAML text, through libyaml's emitter. Strings are quoted only where a plain word would
 * read as something else; everything that is not printable ASCII is written in double quotes.
 */
#include "formats/yaml_impl.h"

#include <string.h>
#include <yaml.h>

static int add_piece(void *text, unsigned char *piece, size_t n)
{
    spk_text_addn(text, (const char *)piece, n);
    return 1;
}

/* 2001-12-31 and the like: dates to other readers of YAML 1.1. */
static bool looks_like_date(const char *s)
{
    return strlen(s) >= 8 && strspn(s, "0123456789") == 4 && s[4] == '-';
}

static bool reads_as_string(const char *text)
{
    spk_yaml plain = {.kind = SPK_YAML_SCALAR};
    bool as_bool;
    double as_double;
    char *copy = spk_strdup(text);
    plain.text = copy;
    const bool other = spk_yaml_is_null(&plain) || spk_yaml_bool(&plain, &as_bool) ||
                       spk_yaml_double(&plain, &as_double) || looks_like_date(text) || strcmp(text, "=") == 0 ||
                       strcmp(text, "<<") == 0;
    spk_free(copy);
    return !other;
}

static bool is_printable(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e) return false;
    return true;
}

/* Bytes that are not UTF-8 cannot be written in YAML: each becomes '?'. */
static char *valid_text(const char *text)
{
    char *s = spk_strdup(text);
    unsigned char *p = (unsigned char *)s;
    while (*p) {
        const int n = *p < 0x80                 ? 1
                      : *p >= 0xc2 && *p < 0xe0 ? 2
                      : *p >= 0xe0 && *p < 0xf0 ? 3
                      : *p >= 0xf0 && *p < 0xf5 ? 4
                                                : 0;
        bool ok = n > 0;
        for (int i = 1; i < n && ok; i++)
            ok = (p[i] & 0xc0) == 0x80;
        if (ok && n == 3) ok = !(p[0] == 0xe0 && p[1] < 0xa0) && !(p[0] == 0xed && p[1] > 0x9f);
        if (ok && n == 4) ok = !(p[0] == 0xf0 && p[1] < 0x90) && !(p[0] == 0xf4 && p[1] > 0x8f);
        if (!ok) *p = '?';
        p += ok ? n : 1;
    }
    return s;
}

static void emit(yaml_emitter_t *e, yaml_event_t *event, int made)
{
    const int ok = made && yaml_emitter_emit(e, event);
    SPK_ASSERT(ok && "libyaml writes what it was given");
}

static void emit_scalar(yaml_emitter_t *e, const char *text, bool quoted)
{
    yaml_event_t event;
    char *valid = valid_text(text);
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    if (!is_printable(valid))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    else if (quoted && !reads_as_string(valid))
        style = YAML_SINGLE_QUOTED_SCALAR_STYLE;
    const char *written = !quoted && *valid == 0 ? "null" : valid;
    unsigned char *bytes = (unsigned char *)spk_strdup(written);
    emit(e, &event, yaml_scalar_event_initialize(&event, NULL, NULL, bytes, (int)strlen(written), 1, 1, style));
    spk_free(bytes);
    spk_free(valid);
}

static void emit_node(yaml_emitter_t *e, const spk_yaml *node)
{
    yaml_event_t event;
    if (node->kind == SPK_YAML_SCALAR) {
        emit_scalar(e, node->text, node->quoted);
        return;
    }
    if (node->kind == SPK_YAML_LIST) {
        emit(e, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE));
        for (int64_t i = 0; i < node->n; i++)
            emit_node(e, node->item[i]);
        emit(e, &event, yaml_sequence_end_event_initialize(&event));
        return;
    }
    emit(e, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
    for (int64_t i = 0; i < node->n; i++) {
        emit_scalar(e, node->key[i], true);
        emit_node(e, node->item[i]);
    }
    emit(e, &event, yaml_mapping_end_event_initialize(&event));
}

void spk_yaml_print(const spk_yaml *node, spk_text *out)
{
    yaml_emitter_t e;
    yaml_event_t event;
    const int made = yaml_emitter_initialize(&e);
    SPK_ASSERT(made && "memory for a YAML emitter");
    yaml_emitter_set_output(&e, add_piece, out);
    yaml_emitter_set_indent(&e, 4);
    yaml_emitter_set_width(&e, -1);
    yaml_emitter_set_unicode(&e, 1);
    yaml_emitter_set_break(&e, YAML_LN_BREAK);
    emit(&e, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&e, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    emit_node(&e, node);
    emit(&e, &event, yaml_document_end_event_initialize(&event, 1));
    emit(&e, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&e);
}
