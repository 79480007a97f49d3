/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that are known and ask for what is not there yet: each is refused by its name, with what to do. And where
 * a given option stood, for messages.
 */
#include "config/args_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool spk_option_on_command_line(const spk_yaml *given, const char *key)
{
    const spk_yaml *value = spk_yaml_get(given, key);
    return value && value->file && spk_starts_with(value->file, "--");
}

const char *spk_option_where(const spk_yaml *given, const char *key, char *out, size_t room)
{
    const int64_t i = spk_yaml_index(given, key);
    if (i < 0)
        snprintf(out, room, "%s", key);
    else if (spk_option_on_command_line(given, key))
        snprintf(out, room, "--%s", key);
    else if (given->key_line[i] > 0)
        snprintf(out, room, "%s:%d:%d: %s", given->item[i]->file, given->key_line[i], given->key_column[i], key);
    else
        snprintf(out, room, "%s", key);
    return out;
}

/* The default as text: new. */
static char *preset_text(const spk_opt *o)
{
    max_align_t space[2] = {0};
    spk_opt one = *o;
    one.offset = 0;
    one.flags &= ~SPK_OPT_REQUIRED;
    SPK_ASSERT(spk_opts_read(&one, 1, NULL, "", space) == SPK_OK);
    char *text = spk_opt_text(&one, space);
    spk_opts_clear(&one, 1, space);
    return text;
}

static bool is_accepted(const char *accepted, const char *text)
{
    const size_t n = strlen(text);
    for (const char *word = accepted;; word++) {
        const size_t length = strcspn(word, "|");
        if (length == n && strncasecmp(word, text, n) == 0) return true;
        word += length;
        if (!*word) return false;
    }
}

/* "a", "a or b", "a, b or c" from "a|b|c". */
static void add_alternatives(spk_text *t, const char *accepted)
{
    while (*accepted) {
        const size_t n = strcspn(accepted, "|");
        spk_text_addn(t, accepted, n);
        accepted += n;
        if (!*accepted) break;
        accepted++;
        spk_text_add(t, strchr(accepted, '|') ? ", " : " or ");
    }
}

static spk_status refuse(const spk_opt *o, const char *text, const char *accepted, bool is_default,
                         const spk_yaml *given)
{
    char where[512];
    spk_text right = {0};
    add_alternatives(&right, *accepted ? accepted : "empty");
    spk_option_where(given, o->key, where, sizeof where);
    const spk_status status =
        spk_yaml_index(given, o->key) >= 0
            ? spk_fail(SPK_E_UNSUPPORTED, "%s: %s is not supported yet; %s %s", where, text,
                       is_default ? "leave it at" : "use", spk_text_str(&right))
            : spk_fail(SPK_E_UNSUPPORTED, "%s: the default, %s, is not supported yet; set %s to %s", where, text,
                       o->key, spk_text_str(&right));
    spk_text_clear(&right);
    return status;
}

static spk_status check_one(const spk_opt *o, const char *accepted, const void *in, const spk_yaml *given)
{
    char *preset = preset_text(o);
    char *text = spk_opt_text(o, in);
    const char *right = accepted ? accepted : preset;
    spk_status status = SPK_OK;
    if (!is_accepted(right, text)) status = refuse(o, text, right, strcmp(right, preset) == 0, given);
    spk_free(text);
    spk_free(preset);
    return status;
}

spk_status spk_options_check(const spk_options *options, const void *in, const spk_yaml *given, int use, bool *usage)
{
    for (int i = 0; i < options->n; i++) {
        const spk_opt_meta *m = &options->meta[i];
        if (m->support != SPK_SUPPORT_ONLY || m->use > use) continue;
        const spk_status status = check_one(&options->table[i], m->accepted, in, given);
        if (usage) *usage = status != SPK_OK && spk_option_on_command_line(given, options->table[i].key);
        SPK_TRY(status);
    }
    return SPK_OK;
}

spk_status spk_channel_parse(const char *text, const spk_yaml *given, int64_t *out)
{
    char where[512];
    int64_t i;
    if (!text) {
        *out = SPK_NONE;
    } else if (strcasecmp(text, "mean") == 0) {
        *out = SPK_CONFIG_CHANNEL_MEAN;
    } else if (spk_parse_int(text, &i) && i >= 0 && i < 1024) {
        *out = i;
    } else {
        return spk_fail(SPK_E_CONFIG, "%s: '%s' is neither a channel number from 0 nor mean",
                        spk_option_where(given, "channel", where, sizeof where), text);
    }
    return SPK_OK;
}
