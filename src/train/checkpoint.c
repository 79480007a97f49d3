/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and reading the full state of a training. */
#include "train/checkpoint_impl.h"

#include <string.h>
#include <unistd.h>

#include "optim/optim_impl.h"
#include "train/classes_impl.h"
#include "train/embed_impl.h"
#include "train/ranks_impl.h"
#include "train/reporter_impl.h"
#include "train/tracks_impl.h"

static const char FORMAT[] = "spk-checkpoint-2";

void spk_checkpoint_clear(spk_checkpoint *c)
{
    spk_free(c->path);
    spk_tensors_clear(&c->tensors);
    spk_meta_clear(&c->meta);
    memset(c, 0, sizeof *c);
}

/* A sum over all tensors, so that a file whose bytes changed on the disk is not taken for a whole one. */
static uint64_t sum_of(const spk_tensors *tensors)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < tensors->n; i++) {
        const spk_ndarray *a = &tensors->item[i].a;
        const size_t bytes = (size_t)spk_ndarray_count(a) * spk_dtype_size(a->dtype);
        const char *rest = (const char *)a->data + bytes / 4 * 4;
        sum = sum * 31 + spk_hash_words(a->data, (int64_t)(bytes / 4)) + spk_hash(rest, bytes % 4);
        sum = sum * 31 + spk_hash_str(tensors->item[i].name);
    }
    return sum;
}

/* The same over the metadata but `sum` and `meta_sum`. */
static uint64_t sum_of_meta(const spk_meta *meta)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < meta->n; i++) {
        const struct spk_meta_entry *e = &meta->entry[i];
        if (spk_ends_with(e->key, "sum")) continue;
        sum ^= spk_hash_str(e->key) * 31 + spk_hash_str(e->value); /* in any order */
    }
    return sum;
}

static void set_sum(spk_meta *meta, const char *key, uint64_t sum)
{
    char text[32];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    spk_meta_set(meta, key, text);
}

static char *join_names(int64_t n, const char *const *names)
{
    spk_text text = {0};
    for (int64_t i = 0; i < n; i++)
        spk_text_addf(&text, "%s%s", i ? "\n" : "", names[i]);
    char *joined = spk_strdup(spk_text_str(&text));
    spk_text_clear(&text);
    return joined;
}

static void set_number(spk_meta *meta, const char *key, int64_t value)
{
    char *text = spk_strf("%lld", (long long)value);
    spk_meta_set(meta, key, text);
    spk_free(text);
}

/* ---- writing ---- */

static spk_status gather(spk_training *t, const spk_tensors *state, spk_tensors *out)
{
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    spk_ndarray *a = NULL;
    for (int64_t i = 0; i < state->n; i++) {
        const spk_ndarray *from = &state->item[i].a;
        char *name = spk_strf("model.%s", state->item[i].name);
        const spk_status status = spk_tensors_add(out, name, from->dtype, from->n_dims, from->dim, &a);
        spk_free(name);
        SPK_TRY(status);
        memcpy(a->data, from->data, (size_t)spk_ndarray_count(from) * spk_dtype_size(from->dtype));
    }
    const int n_blocks = spk_ranks_blocks(t, block);
    for (int i = 0; i < n_blocks; i++) {
        char *name = spk_strf("optim.%s", block[i].name);
        const spk_dtype real = spk_optim_real(t->optim);
        const spk_status status = spk_tensors_add(out, name, real, 1, &block[i].n, &a);
        spk_free(name);
        SPK_TRY(status);
        memcpy(a->data, block[i].v, (size_t)block[i].n * spk_dtype_size(real));
    }
    return t->stage == SPK_STAGE_TRAIN ? spk_reporter_save_running(t->reporter, out) : SPK_OK;
}

static void describe(const spk_training *t, const spk_tensors *tensors, spk_meta *meta)
{
    const spk_training_setup *s = t->setup;
    static const char *const stage[] = {"train", "valid", "done"};
    spk_text json = {0};
    spk_meta_set(meta, "format", FORMAT);
    set_sum(meta, "sum", sum_of(tensors));
    set_number(meta, "epoch", t->epoch);
    spk_meta_set(meta, "stage", stage[t->stage]);
    set_number(meta, "batch", t->batch);
    set_number(meta, "validated_step", t->validated_step);
    set_number(meta, "n_due", t->n_due);
    set_number(meta, "n_skipped", t->n_skipped);
    set_number(meta, "n_in_a_row", t->n_in_a_row);
    set_number(meta, "step", t->step);
    set_number(meta, "metrics_length", spk_tracks_length(t->tracks));
    set_number(meta, "seed", s->options.seed);
    spk_meta_set(meta, "optim", spk_optim_name(t->optim));
    set_number(meta, "optim_steps", spk_optim_steps(t->optim));
    spk_meta_set(meta, "scheduler", spk_scheduler_name(t->scheduler));
    spk_reporter_save(t->reporter, &json);
    spk_meta_set(meta, "reporter", spk_text_str(&json));
    spk_text_clear(&json);
    if (t->stage == SPK_STAGE_TRAIN) spk_reporter_describe_running(t->reporter, &json);
    spk_meta_set(meta, "running", spk_text_str(&json));
    spk_text_clear(&json);
    spk_meta_set(meta, "config", s->config_text ? s->config_text : "");
    set_number(meta, "n_speakers", s->n_speakers);
    char *names = join_names(s->n_speakers, s->speakers);
    spk_meta_set(meta, "speakers", names);
    spk_free(names);
    spk_meta_set(meta, "program", spk_version());
    spk_meta_set(meta, "backend", s->backend ? s->backend : "");
    spk_meta_set(meta, "isa", s->isa ? s->isa : "");
    set_number(meta, "threads", s->threads);
    set_sum(meta, "meta_sum", sum_of_meta(meta));
}

spk_status spk_checkpoint_write(const char *folder, spk_training *t, const spk_tensors *state)
{
    spk_status status = SPK_OK;
    spk_tensors tensors = {0};
    spk_meta meta = {0};
    char *path = spk_path_join(folder, SPK_CHECKPOINT_NAME), *prev = spk_path_join(folder, SPK_CHECKPOINT_PREV_NAME);
    char *fresh = spk_path_join(folder, "checkpoint.new.safetensors");
    SPK_GO(gather(t, state, &tensors));
    describe(t, &tensors, &meta);
    SPK_GO(spk_safetensors_write(fresh, &tensors, &meta));
    status = spk_folder_rotate(fresh, path, prev);
    if (status != SPK_OK) unlink(fresh);
done:
    spk_tensors_clear(&tensors);
    spk_meta_clear(&meta);
    spk_free(path);
    spk_free(prev);
    spk_free(fresh);
    return status;
}

/* ---- reading ---- */

static spk_status check(const spk_checkpoint *c)
{
    char sum[32];
    const char *format = spk_meta_get(&c->meta, "format");
    if (!format || strcmp(format, FORMAT) != 0)
        return spk_fail(SPK_E_FORMAT, "%s: is not a checkpoint of this program (format '%s', expected '%s')", c->path,
                        format ? format : "none", FORMAT);
    for (int i = 0; i < 2; i++) {
        const char *told = spk_meta_get(&c->meta, i ? "meta_sum" : "sum");
        snprintf(sum, sizeof sum, "%016llx", (unsigned long long)(i ? sum_of_meta(&c->meta) : sum_of(&c->tensors)));
        if (!told || strcmp(sum, told) != 0)
            return spk_fail(SPK_E_FORMAT, "%s: is damaged: its %s is %s where it says %s", c->path,
                            i ? "sum of settings" : "sum", sum, told ? told : "nothing");
    }
    return SPK_OK;
}

static spk_status read_one(const char *folder, const char *name, spk_checkpoint *out)
{
    out->path = spk_path_join(folder, name);
    spk_status status = spk_safetensors_read(out->path, &out->tensors, &out->meta);
    if (status == SPK_OK) status = check(out);
    if (status != SPK_OK) spk_checkpoint_clear(out);
    return status;
}

/* What can be done about a damaged checkpoint, in the place of `why`. */
static spk_status offer_before(const char *folder, spk_status status, const char *why)
{
    spk_checkpoint c = {0};
    if (read_one(folder, SPK_CHECKPOINT_PREV_NAME, &c) != SPK_OK)
        return spk_fail(status, "%s; nor can the one before it be used: start over with --overwrite true", why);
    const char *epoch = spk_meta_get(&c.meta, "epoch"), *batch = spk_meta_get(&c.meta, "batch");
    spk_fail(status,
             "%s; the one before it is whole, %s (epoch %s, batch %s): go on from that with --resume_from previous",
             why, c.path, epoch ? epoch : "?", batch ? batch : "?");
    spk_checkpoint_clear(&c);
    return status;
}

static spk_status read_before(const char *folder, spk_status status, const char *why, spk_checkpoint *out)
{
    if (read_one(folder, SPK_CHECKPOINT_PREV_NAME, out) != SPK_OK) return offer_before(folder, status, why);
    spk_warn("trainer", "%s; going on from the checkpoint before it, %s", why, out->path);
    return SPK_OK;
}

spk_status spk_checkpoint_read(const char *folder, bool before, spk_checkpoint *out)
{
    char *path = spk_path_join(folder, SPK_CHECKPOINT_NAME), *why;
    const bool there = spk_exists(path);
    spk_status status = there ? read_one(folder, SPK_CHECKPOINT_NAME, out)
                              : spk_fail(SPK_E_IO, "%s: is not there, as after a kill between two renames", path);
    spk_free(path);
    if (status == SPK_OK && before) spk_info("trainer", "resume_from: %s is whole, and serves", out->path);
    if (status == SPK_OK) return SPK_OK;
    why = spk_strdup(spk_errmsg());
    status = before || !there ? read_before(folder, status, why, out) : offer_before(folder, status, why);
    spk_free(why);
    return status;
}

void spk_checkpoint_set_aside(const char *folder)
{
    char *path = spk_path_join(folder, SPK_CHECKPOINT_NAME);
    char *aside = spk_path_join(folder, "checkpoint.damaged.safetensors");
    rename(path, aside);
    spk_free(path);
    spk_free(aside);
}

/* ---- is it the same training? ---- */

/* The speaker of the next line of `*list` (borrowed, *n bytes), or false at the end. */
static bool next_line(const char **list, const char **line, size_t *n)
{
    if (!*list) return false;
    const char *end = strchr(*list, '\n');
    *line = *list;
    *n = end ? (size_t)(end - *list) : strlen(*list);
    *list = end ? end + 1 : NULL;
    return true;
}

static spk_status check_speakers(const spk_checkpoint *c, const spk_training_setup *s)
{
    int64_t n = 0;
    const char *count = spk_meta_get(&c->meta, "n_speakers"), *list = spk_meta_get(&c->meta, "speakers"), *line = NULL;
    size_t length = 0;
    if (!count || !spk_parse_int(count, &n) || n == 0 || s->n_speakers == 0) return SPK_OK;
    for (int64_t i = 0; i < n && i < s->n_speakers && next_line(&list, &line, &length); i++) {
        if (strlen(s->speakers[i]) != length || memcmp(s->speakers[i], line, length) != 0)
            return spk_fail(SPK_E_MISMATCH,
                            "%s: was trained with other speakers: class %lld is '%.*s' there and '%s' now: give the "
                            "same spk2utt, or start over in another folder",
                            c->path, (long long)i, (int)(length < 200 ? length : 200), line, s->speakers[i]);
    }
    if (n != s->n_speakers)
        return spk_fail(SPK_E_MISMATCH,
                        "%s: was trained with %lld speakers, and now there are %lld: the first that "
                        "differs is '%s'",
                        c->path, (long long)n, (long long)s->n_speakers,
                        n < s->n_speakers ? s->speakers[n] : "missing now");
    return SPK_OK;
}

static void say_differences(const spk_checkpoint *c, const spk_training_setup *s)
{
    char threads[32];
    snprintf(threads, sizeof threads, "%lld", (long long)s->threads);
    const struct {
        const char *key, *what, *now;
    } fact[] = {{"program", "program", spk_version()},
                {"backend", "library", s->backend},
                {"isa", "instruction set", s->isa},
                {"threads", "number of threads", s->threads ? threads : NULL}};
    for (int i = 0; i < 4; i++) {
        const char *then = spk_meta_get(&c->meta, fact[i].key);
        if (then && then[0] && strcmp(then, "0") != 0 && fact[i].now && strcmp(then, fact[i].now) != 0)
            spk_warn("trainer", "resuming with another %s (%s, was %s): the last bits of results may differ",
                     fact[i].what, fact[i].now, then);
    }
}

/* Settings that decide results must be those of the checkpoint, unless others are asked for. */
static spk_status check_settings(const spk_checkpoint *c, const spk_training_setup *s)
{
    const char *then = spk_meta_get(&c->meta, "config");
    spk_text other = {0}, deciding = {0};
    spk_status status = SPK_OK;
    if (!then || !then[0] || !s->config_text) return SPK_OK;
    spk_settings_changed(then, s->config_text, false, &other);
    spk_settings_changed(then, s->config_text, true, &deciding);
    if (other.n) spk_info("trainer", "resuming with %s", spk_text_str(&other));
    if (deciding.n && s->resume_changed)
        spk_warn("trainer", "resuming with other settings, which hold from here on: %s", spk_text_str(&deciding));
    else if (deciding.n)
        status =
            spk_fail(SPK_E_MISMATCH,
                     "%s: was written with other settings: now %s; go on with these with --resume_conf new, or with "
                     "the old ones with --resume_conf old",
                     c->path, spk_text_str(&deciding));
    spk_text_clear(&other);
    spk_text_clear(&deciding);
    return status;
}

/* ---- putting it back ---- */

static spk_status number_of(const spk_checkpoint *c, const char *key, int64_t *out)
{
    const char *text = spk_meta_get(&c->meta, key);
    if (!text || !spk_parse_int(text, out) || *out < 0)
        return spk_fail(SPK_E_FORMAT, "%s: has no valid '%s'", c->path, key);
    return SPK_OK;
}

static spk_status find_optim(const spk_checkpoint *c, spk_training *t, spk_optim_block *block, int n_blocks,
                             const spk_ndarray **from)
{
    const char *name = spk_meta_get(&c->meta, "optim");
    if (!name || strcmp(name, spk_optim_name(t->optim)) != 0)
        return spk_fail(SPK_E_MISMATCH, "%s: was written with the optimiser %s, and the configuration asks for %s",
                        c->path, name ? name : "none", spk_optim_name(t->optim));
    for (int i = 0; i < n_blocks; i++) {
        char *key = spk_strf("optim.%s", block[i].name);
        const spk_ndarray *a = spk_tensors_find(&c->tensors, key);
        spk_free(key);
        const bool real = a && (a->dtype == SPK_F32 || a->dtype == SPK_F64);
        if (!real || spk_ndarray_count(a) != spk_classes_count(t))
            return spk_fail(SPK_E_MISMATCH,
                            "%s: the optimiser's state '%s' does not fit: the model or the optimiser's options are "
                            "others than when it was written",
                            c->path, block[i].name);
        from[i] = a;
    }
    return SPK_OK;
}

/* The model's part under its own names; arrays are borrowed. */
static spk_status load_model(const spk_checkpoint *c, spk_model *model)
{
    spk_tensors view = {0};
    for (int64_t i = 0; i < c->tensors.n; i++) {
        struct spk_named item = c->tensors.item[i];
        if (!spk_starts_with(item.name, "model.")) continue;
        item.name += strlen("model.");
        SPK_PUSH(view.item, view.n) = item;
    }
    const spk_status status = model->load_state(model->self, &view);
    spk_free(view.item);
    return status == SPK_OK ? SPK_OK : spk_fail_in(status, "%s", c->path);
}

static spk_status stage_of(const spk_checkpoint *c, spk_stage *out)
{
    const char *text = spk_meta_get(&c->meta, "stage");
    if (!text) return spk_fail(SPK_E_FORMAT, "%s: has no valid 'stage'", c->path);
    *out = strcmp(text, "train") == 0 ? SPK_STAGE_TRAIN : strcmp(text, "valid") == 0 ? SPK_STAGE_VALID : SPK_STAGE_DONE;
    return SPK_OK;
}

static spk_status read_place(const spk_checkpoint *c, spk_training *t)
{
    SPK_TRY(number_of(c, "epoch", &t->epoch));
    SPK_TRY(stage_of(c, &t->stage));
    SPK_TRY(number_of(c, "batch", &t->batch));
    SPK_TRY(number_of(c, "step", &t->step));
    SPK_TRY(number_of(c, "metrics_length", &t->metrics_length));
    SPK_TRY(number_of(c, "validated_step", &t->validated_step));
    SPK_TRY(number_of(c, "n_due", &t->n_due));
    SPK_TRY(number_of(c, "n_skipped", &t->n_skipped));
    return number_of(c, "n_in_a_row", &t->n_in_a_row);
}

static void say_resumed(const spk_checkpoint *c, const spk_training *t)
{
    static const char *const where[] = {"within", "in the validation of", "after"};
    spk_info("trainer", "The training was resumed using %s, %s epoch %lld (batch %lld, step %lld)", c->path,
             where[t->stage], (long long)t->epoch, (long long)t->batch, (long long)t->step);
}

spk_status spk_checkpoint_apply(const spk_checkpoint *c, spk_training *t)
{
    spk_optim_block block[SPK_OPTIM_MAX_BLOCKS];
    const spk_ndarray *from[SPK_OPTIM_MAX_BLOCKS] = {0};
    const int n_blocks = spk_optim_blocks(t->optim, block);
    const char *json = spk_meta_get(&c->meta, "reporter");
    const char *running = spk_meta_get(&c->meta, "running");
    spk_training place = *t;
    int64_t optim_steps = 0;
    SPK_TRY(check_speakers(c, t->setup));
    SPK_TRY(check_settings(c, t->setup));
    SPK_TRY(read_place(c, &place));
    SPK_TRY(number_of(c, "optim_steps", &optim_steps));
    SPK_TRY(find_optim(c, t, block, n_blocks, from));
    SPK_TRY(spk_reporter_load(t->reporter, json ? json : "", json ? strlen(json) : 0, c->path));
    spk_reporter_set_epoch(t->reporter, place.epoch);
    if (running && running[0]) SPK_TRY(spk_reporter_load_running(t->reporter, running, &c->tensors, c->path));
    SPK_TRY(load_model(c, t->model));
    for (int i = 0; i < n_blocks; i++)
        spk_classes_take_state(t, from[i], &block[i]);
    spk_optim_push(t->optim);
    spk_optim_set_steps(t->optim, optim_steps);
    *t = place;
    say_differences(c, t->setup);
    say_resumed(c, t);
    return SPK_OK;
}
