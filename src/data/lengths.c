/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the utterances of a training set are: from ESPnet's shape files ("UTT 48000", "UTT 200,80"), or from the
 * headers of the recordings. A copy at another speed is so much shorter or longer.
 */
#include "data/train_set_impl.h"

#include <math.h>
#include <string.h>

static int64_t at_speed(const spk_train_set *s, int64_t u, int64_t length)
{
    const int64_t l = s->speed[u] == SPK_SPEED_ONE ? length : (length * SPK_SPEED_ONE + s->speed[u] / 2) / s->speed[u];
    return l > 0 ? l : 1;
}

/* ---- shape files ---- */

/* "d0,d1,...": the first, and the product of the others. */
static bool parse_shape(const char *text, int64_t *length, int64_t *width)
{
    char *copy = spk_strdup(text), *rest = NULL;
    int n = 0;
    bool good = true;
    *width = 1;
    for (char *word = strtok_r(copy, ",", &rest); word && good; word = strtok_r(NULL, ",", &rest), n++) {
        int64_t d;
        good = spk_parse_int(word, &d) && d > 0 && d < INT64_C(1) << 40 && (n == 0 || *width < INT64_C(1) << 20);
        if (good && n == 0) *length = d;
        if (good && n > 0) *width *= d;
    }
    spk_free(copy);
    return good && n > 0;
}

static spk_status read_shape_file(const spk_train_set *s, const char *path, const spk_batcher *b, int64_t *length,
                                  int64_t *width)
{
    spk_list list = {0};
    spk_status status;
    SPK_TRY(spk_list_read(path, 0, &list));
    for (int64_t k = 0; k < b->n; k++) {
        const int64_t u = b->member[k];
        const char *id = s->id[s->base[u]];
        const int64_t i = spk_list_find(&list, id);
        int64_t l, w;
        if (i < 0) SPK_GO(spk_fail(SPK_E_MISMATCH, "%s: has no line for utterance '%s'", path, id));
        const spk_list_entry *e = &list.entry[i];
        if (!parse_shape(e->value, &l, &w))
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: '%s' is no shape of '%s' such as 48000 or 200,80", path,
                            (long long)e->line, e->value, id));
        if (k > 0 && w != *width)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: the other dimensions of '%s' are not those of '%s'", path,
                            (long long)e->line, id, s->id[b->member[0]]));
        *width = w;
        length[k] = at_speed(s, u, l);
    }
    status = SPK_OK;
done:
    spk_list_clear(&list);
    return status;
}

/* ---- headers ---- */

/* Of the n recordings from `first` on. */
static spk_status read_split_headers(const spk_train_set *s, int64_t first, int64_t n, int64_t *length)
{
    double *seconds = spk_new(sizeof *seconds * (size_t)n);
    spk_audio_reader *r = spk_audio_reader_new(&s->o.audio);
    const bool features = s->o.audio.feature_size > 0;
    spk_status status = SPK_OK;
    if (!features) spk_audio_durations(s->path + first, n, spk_cpu_count(), seconds);
    for (int64_t i = 0; i < n; i++) {
        const int64_t u = first + i;
        int64_t samples = features ? 0 : llround(seconds[i] * (double)s->o.audio.sample_rate);
        if (samples < 1) { /* features; or a file that cannot be read, for the reason */
            status = spk_audio_open(r, s->path[u], &samples);
            spk_audio_shut(r);
        }
        if (status != SPK_OK && s->o.max_bad_files == 0) SPK_GO(spk_fail_in(status, "utterance '%s'", s->id[u]));
        length[i] = status == SPK_OK ? samples : s->T; /* training will meet it */
        status = SPK_OK;
    }
done:
    spk_audio_reader_free(r);
    spk_free(seconds);
    return status;
}

static spk_status read_headers(const spk_train_set *s, const spk_batcher *b, int64_t *length)
{
    const int64_t first = s->split_first[b->split], n = s->split_first[b->split + 1] - first;
    if (s->length) { /* they have been */
        for (int64_t k = 0; k < b->n; k++)
            length[k] = s->length[b->member[k]];
        return SPK_OK;
    }
    int64_t *of_file = spk_new(sizeof *of_file * (size_t)n);
    const spk_status status = read_split_headers(s, first, n, of_file);
    for (int64_t k = 0; k < b->n; k++)
        length[k] = at_speed(s, b->member[k], of_file[s->base[b->member[k]] - first]);
    spk_free(of_file);
    return status;
}

/* The file, or of a folder of splits the batcher's own. */
static spk_status read_shapes(const spk_train_set *s, const char *path, const spk_batcher *b, int64_t *length,
                              int64_t *width)
{
    if (!s->o.multiple) return read_shape_file(s, path, b, length, width);
    char *split = spk__split_path(path, b->split);
    const spk_status status = read_shape_file(s, split, b, length, width);
    spk_free(split);
    return status;
}

spk_status spk__train_set_shapes(const spk_train_set *s, const spk_rule_options *rule, const spk_batcher *b,
                                 spk_shapes *out)
{
    spk_status status = SPK_OK;
    *out = (spk_shapes){.n = b->n, .n_files = rule->n_shape_files > 0 ? rule->n_shape_files : 1};
    out->length = spk_new(sizeof *out->length * (size_t)out->n_files);
    out->width = spk_new(sizeof *out->width * (size_t)out->n_files);
    for (int64_t f = 0; f < out->n_files; f++)
        out->length[f] = spk_new(sizeof **out->length * (size_t)b->n);
    out->width[0] = s->width;
    for (int64_t f = 0; f < rule->n_shape_files; f++)
        SPK_GO(read_shapes(s, rule->shape_file[f], b, out->length[f], &out->width[f]));
    if (rule->n_shape_files == 0) SPK_GO(read_headers(s, b, out->length[0]));
done:
    if (status != SPK_OK) spk_shapes_clear(out);
    return status;
}
