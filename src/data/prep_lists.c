/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the folder that lists are drawn from, and writing lists with what they were made of. */
#include "data/prep_lists_impl.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "spk/data.h"

/* ---- the folder ---- */

static spk_status open_list(const char *folder, const char *name, spk_list *out)
{
    char *path = spk_path_join(folder, name);
    const spk_status status = spk_list_read(path, 0, out);
    spk_free(path);
    return status;
}

static spk_status assign(spk_folder *f)
{
    spk_map seen = {0};
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < f->n; i++) {
        const spk_list_entry *e = &f->utt2spk.entry[i];
        f->wav_path[i] = spk_list_get(&f->wav, e->key);
        if (!f->wav_path[i])
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' is not in %s", f->utt2spk.path, (long long)e->line,
                            e->key, f->wav.path));
        if (spk_map_put(&seen, e->value, f->n_speakers)) SPK_PUSH(f->speaker_name, f->n_speakers) = e->value;
        spk_map_get(&seen, e->value, &f->speaker[i]);
    }
    if (f->n == 0) SPK_GO(spk_fail(SPK_E_VALUE, "%s: the list is empty", f->utt2spk.path));
done:
    spk_map_clear(&seen);
    return status;
}

static spk_status keep_speakers(spk_folder *f, int64_t wanted, uint64_t seed)
{
    if (wanted > f->n_speakers)
        return spk_fail(SPK_E_VALUE, "%s: %lld speakers are asked for, and %lld are there", f->utt2spk.path,
                        (long long)wanted, (long long)f->n_speakers);
    int64_t *order = spk_new(sizeof *order * (size_t)f->n_speakers);
    for (int64_t s = 0; s < f->n_speakers; s++)
        order[s] = s;
    spk_rng r = spk_rng_make(seed, SPK_PURPOSE_TRIALS, 0, spk_hash_str("speakers"), 0);
    spk_rng_shuffle(&r, order, f->n_speakers);
    f->n_kept = wanted > 0 ? wanted : f->n_speakers;
    f->kept = spk_new(sizeof *f->kept * (size_t)f->n_speakers);
    for (int64_t k = 0; k < f->n_kept; k++)
        f->kept[order[k]] = true;
    spk_free(order);
    return SPK_OK;
}

spk_status spk_folder_open(const char *path, int64_t n_speakers, uint64_t seed, spk_folder *out)
{
    spk_status status;
    *out = (spk_folder){.path = spk_strdup(path)};
    SPK_GO(open_list(path, "wav.scp", &out->wav));
    SPK_GO(open_list(path, "utt2spk", &out->utt2spk));
    out->n = out->utt2spk.n;
    out->speaker = spk_new(sizeof *out->speaker * (size_t)(out->n + 1));
    out->wav_path = spk_new(sizeof *out->wav_path * (size_t)(out->n + 1));
    out->durations = spk_path_join(path, "utt2dur");
    if (!spk_exists(out->durations)) {
        spk_free(out->durations);
        out->durations = NULL;
    }
    SPK_GO(assign(out));
    SPK_GO(keep_speakers(out, n_speakers, seed));
done:
    if (status != SPK_OK) spk_folder_close(out);
    return status;
}

static spk_status durations_of_list(spk_folder *f)
{
    spk_list list;
    spk_status status = SPK_OK;
    SPK_TRY(open_list(f->path, "utt2dur", &list));
    for (int64_t i = 0; i < f->n; i++) {
        const spk_list_entry *e = &f->utt2spk.entry[i];
        const char *text = spk_list_get(&list, e->key);
        if (!text)
            SPK_GO(spk_fail(SPK_E_MISMATCH, "%s:%lld: utterance '%s' is not in %s", f->utt2spk.path, (long long)e->line,
                            e->key, list.path));
        if (!spk_parse_double(text, &f->seconds[i]) || !(f->seconds[i] > 0) || !isfinite(f->seconds[i]))
            SPK_GO(spk_fail(SPK_E_FORMAT, "%s:%lld: '%s' is no duration above 0", list.path,
                            (long long)list.entry[spk_list_find(&list, e->key)].line, text));
    }
done:
    spk_list_clear(&list);
    return status;
}

static spk_status durations_of_audio(spk_folder *f)
{
    char **path = spk_new(sizeof *path * (size_t)f->n);
    spk_status status = SPK_OK;
    for (int64_t i = 0; i < f->n; i++)
        path[i] = spk_list_resolve_path(f->wav.path, f->wav_path[i]);
    spk_info("prep", "%s: no utt2dur; reading the durations of %lld recordings", f->path, (long long)f->n);
    spk_audio_durations((const char *const *)path, f->n, spk_cpu_count(), f->seconds);
    for (int64_t i = 0; i < f->n && status == SPK_OK; i++) {
        if (f->seconds[i] > 0) continue;
        const char *utt = f->utt2spk.entry[i].key;
        status = spk_audio_duration(path[i], &f->seconds[i]); /* again, for its message */
        if (status == SPK_OK && !(f->seconds[i] > 0)) status = spk_fail(SPK_E_FORMAT, "%s: is empty", path[i]);
        if (status != SPK_OK)
            spk_fail_in(status, "%s:%lld: '%s'", f->wav.path, (long long)f->wav.entry[spk_list_find(&f->wav, utt)].line,
                        utt);
    }
    for (int64_t i = 0; i < f->n; i++)
        spk_free(path[i]);
    spk_free(path);
    return status;
}

spk_status spk_folder_measure(spk_folder *f)
{
    f->seconds = spk_new(sizeof *f->seconds * (size_t)(f->n + 1));
    return f->durations ? durations_of_list(f) : durations_of_audio(f);
}

void spk_folder_close(spk_folder *f)
{
    spk_list_clear(&f->wav);
    spk_list_clear(&f->utt2spk);
    spk_free(f->path);
    spk_free(f->durations);
    spk_free(f->speaker);
    spk_free(f->wav_path);
    spk_free(f->kept);
    spk_free(f->seconds);
    spk_free(f->speaker_name);
    memset(f, 0, sizeof *f);
}

/* ---- lists ---- */

spk_status spk_lists_manifest(const char *what, const spk_list_option *options, int n, const char *const *lists,
                              int n_lists, char **out)
{
    spk_status status = SPK_OK;
    json_t *all = json_object(), *given = json_object(), *sums = json_object();
    json_object_set_new(all, "lists", json_string(what));
    json_object_set_new(all, "options", given);
    json_object_set_new(all, "made_of", sums);
    for (int i = 0; i < n; i++)
        json_object_set_new(given, options[i].name, json_real(options[i].value));
    for (int k = 0; k < n_lists && status == SPK_OK; k++) {
        if (!lists[k]) continue;
        char *data = NULL, *sum = NULL;
        size_t bytes = 0;
        status = spk_read_file(lists[k], &data, &bytes);
        if (status == SPK_OK) sum = spk_strf("%016llx", (unsigned long long)spk_hash(data, bytes));
        if (status == SPK_OK) json_object_set_new(sums, lists[k], json_string(sum));
        spk_free(data);
        spk_free(sum);
    }
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
    *out = spk_strf("%s\n", text);
    free(text); /* jansson's malloc */
    json_decref(all);
    if (status == SPK_OK) return SPK_OK;
    spk_free(*out);
    *out = NULL;
    return status;
}

spk_status spk_lists_begin(const char *output, const char *manifest, bool overwrite, bool *same)
{
    char *path = spk_path_join(output, "lists.json"), *text = NULL;
    size_t n = 0;
    spk_status status = SPK_OK;
    *same = false;
    if (spk_exists(path)) {
        status = spk_read_file(path, &text, &n);
        if (status == SPK_OK) *same = strcmp(text, manifest) == 0 && !overwrite;
        if (status == SPK_OK && !*same && !overwrite)
            status = spk_fail(SPK_E_VALUE,
                              "%s: the lists there were made by other options or of other lists; say --overwrite true, "
                              "or name another folder",
                              path);
    }
    if (status == SPK_OK && !*same) status = spk_make_folders(output);
    spk_free(text);
    spk_free(path);
    return status;
}

spk_status spk_lists_write(const char *output, const char *name, const spk_text *text)
{
    char *path = spk_path_join(output, name);
    const spk_status status = spk_write_file(path, spk_text_str(text), text->n);
    spk_free(path);
    return status;
}

void spk_lists_add_path(const spk_folder *f, const char *key, int64_t utterance, spk_text *out)
{
    char *path = spk_list_resolve_path(f->wav.path, f->wav_path[utterance]);
    spk_text_addf(out, "%s %s\n", key, path);
    spk_free(path);
}
