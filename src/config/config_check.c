/* SPDX-License-Identifier: Apache-2.0 */
/* What options ask of each other, one message for each rule. */
#include "config/config_impl.h"

#include <string.h>
#include <strings.h>

static bool is(const char *text, const char *word)
{
    return text && strcmp(text, word) == 0;
}

/* Which option a message is about, for the exit status. */
typedef struct checker {
    const spk_config *c;
    const char *key;
    char where[512];
} checker;

static const char *at(checker *k, const char *key)
{
    k->key = key;
    return spk_option_where(k->c->source, key, k->where, sizeof k->where);
}

/* ---- data ---- */

/* Does the model take features from files? */
static bool takes_features(const spk_config *c)
{
    return !c->frontend || is(c->frontend, "layer_weights");
}

/* Features are npy or kaldi_ark, sound is sound; arrays of HDF5 are what the model takes. */
static spk_status check_type(checker *k, const char *key, const spk_triple *t, bool speech)
{
    const char *type = t->part[2];
    const bool file = is(type, "npy") || is(type, "kaldi_ark"), features = takes_features(k->c);
    if (!speech && (is(type, "text") || is(type, "text_int") || is(type, "csv_int"))) return SPK_OK;
    if (speech && (is(type, "hdf5") || (features ? file : is(type, "sound") || is(type, "kaldi_ark")))) return SPK_OK;
    if (speech && features && is(type, "sound"))
        return spk_fail(SPK_E_CONFIG,
                        "%s: %s is given as sound, but the model has no frontend for it; name one, or give features as "
                        "npy, kaldi_ark or hdf5",
                        at(k, key), t->part[0]);
    if (speech && file)
        return spk_fail(SPK_E_CONFIG,
                        "%s: %s is given as %s, which are features, but the frontend takes sound; set frontend to none "
                        "and input_size to train on features",
                        at(k, key), t->part[0], type);
    return spk_fail(SPK_E_UNSUPPORTED, "%s: type %s of %s (%s) is not supported yet; give it as %s", at(k, key), type,
                    t->part[1], t->part[0],
                    !speech    ? "text"
                    : features ? "npy, kaldi_ark or hdf5"
                               : "sound, kaldi_ark or hdf5");
}

static spk_status check_entry(checker *k, const char *key, const spk_triple *t)
{
    static const char *const names[] = {"speech", "speech2", "trial", "spk_labels", "task_tokens"};
    const char *name = t->part[1];
    bool known = false;
    for (int i = 0; i < SPK_COUNT(names); i++)
        known |= is(name, names[i]);
    if (!known) {
        const char *near = spk_nearest(name, names, SPK_COUNT(names));
        return spk_fail(SPK_E_CONFIG, "%s: data '%s' (%s) is not known; %s%s", at(k, key), name, t->part[0],
                        near ? "did you mean " : "speaker training has speech, speech2, spk_labels and task_tokens",
                        near ? near : "");
    }
    return check_type(k, key, t, is(name, "speech") || is(name, "speech2"));
}

static spk_status check_list(checker *k, const char *key, const spk_triple_list *list, const char *const *needed,
                             int n_needed)
{
    for (int64_t i = 0; i < list->n; i++) {
        SPK_TRY(check_entry(k, key, &list->v[i]));
        for (int64_t j = 0; j < i; j++)
            if (is(list->v[j].part[1], list->v[i].part[1]))
                return spk_fail(SPK_E_CONFIG, "%s: %s is given twice (%s and %s)", at(k, key), list->v[i].part[1],
                                list->v[j].part[0], list->v[i].part[0]);
    }
    for (int n = 0; n < n_needed; n++) {
        bool found = false;
        for (int64_t i = 0; i < list->n; i++)
            found |= is(list->v[i].part[1], needed[n]);
        if (!found)
            return spk_fail(SPK_E_CONFIG, "%s: there is no entry for %s; add --%s PATH,%s,%s", at(k, key), needed[n],
                            key, needed[n], spk_starts_with(needed[n], "speech") ? "sound" : "text");
    }
    return SPK_OK;
}

static spk_status check_data(checker *k)
{
    static const char *const train[] = {"speech", "spk_labels"};
    static const char *const valid[] = {"speech", "speech2", "spk_labels"};
    static const char train_key[] = "train_data_path_and_name_and_type";
    static const char valid_key[] = "valid_data_path_and_name_and_type";
    const spk_config *c = k->c;
    const spk_triple_list *t = &c->train_data_path_and_name_and_type, *v = &c->valid_data_path_and_name_and_type;
    if (c->train_dir && t->n > 0)
        return spk_fail(SPK_E_CONFIG, "%s and %s both say where the training data are; give one", at(k, "train_dir"),
                        train_key);
    if (c->valid_dir && v->n > 0)
        return spk_fail(SPK_E_CONFIG, "%s and %s both say where the trials are; give one", at(k, "valid_dir"),
                        valid_key);
    if (!c->train_dir && t->n == 0)
        return spk_fail(SPK_E_CONFIG,
                        "training data are missing; give --train_dir DIR, or --%s PATH,NAME,TYPE for "
                        "speech and spk_labels",
                        at(k, train_key));
    if (!c->valid_dir && v->n == 0 && !c->collect_stats)
        return spk_fail(SPK_E_CONFIG,
                        "trials for validation are missing; give --valid_dir DIR, or --%s "
                        "PATH,NAME,TYPE for speech, speech2 and spk_labels",
                        at(k, valid_key));
    if (t->n > 0) SPK_TRY(check_list(k, train_key, t, train, SPK_COUNT(train)));
    if (v->n > 0) SPK_TRY(check_list(k, valid_key, v, valid, SPK_COUNT(valid)));
    const bool named = c->spk2utt && c->spk2utt[0], raw = !c->use_preprocessor && !c->collect_stats;
    if (raw && !named && c->spk_num == SPK_NONE)
        return spk_fail(
            SPK_E_CONFIG,
            "%s is missing; with use_preprocessor false labels are numbers of classes: say how many there are",
            at(k, "spk_num"));
    if (!raw && !c->train_dir && !named)
        return spk_fail(SPK_E_CONFIG, "%s is missing; give --spk2utt FILE, whose lines name the speakers",
                        at(k, "spk2utt"));
    return SPK_OK;
}

static spk_status check_augmentation(checker *k)
{
    if (!k->c->use_preprocessor) return SPK_OK; /* it has no effect */
    k->key = "preprocessor_conf";
    return spk__preprocess_check(&k->c->preprocess);
}

/* ---- criteria ---- */

/* The figure of "NAME.eer", where NAME is a further validation set; else the key itself. */
static const char *without_set(const spk_config *c, const char *key)
{
    const char *dot = strchr(key, '.');
    if (!dot || !c->valid_sets) return key;
    for (int64_t i = 0; i < c->valid_sets->n; i++)
        if (strlen(c->valid_sets->key[i]) == (size_t)(dot - key) && spk_starts_with(key, c->valid_sets->key[i]))
            return dot + 1;
    return key;
}

static bool is_metric(const spk_config *c, const char *phase, const char *key)
{
    static const char *const train[] = {"loss", "accuracy"};
    static const char *const valid[] = {"eer",      "mindcf",  "eer_espnet",  "mindcf_espnet", "n_trials",
                                        "trg_mean", "trg_std", "nontrg_mean", "nontrg_std",    "mindcf_p01"};
    if (is(phase, "valid")) key = without_set(c, key);
    for (int i = 0; is(phase, "train") && i < SPK_COUNT(train); i++)
        if (is(key, train[i])) return true;
    for (int i = 0; is(phase, "valid") && i < SPK_COUNT(valid); i++)
        if (is(key, valid[i])) return true;
    return false;
}

/* Of ESPnet's default list; no speaker training has these, so they never choose a model. */
static bool is_default_criterion(const spk_triple *t)
{
    return (is(t->part[0], "valid") && is(t->part[1], "loss") && is(t->part[2], "min")) ||
           ((is(t->part[0], "train") || is(t->part[0], "valid")) && is(t->part[1], "acc") && is(t->part[2], "max"));
}

static spk_status check_criterion(checker *k, const char *key, const spk_triple *t)
{
    if (!is(t->part[2], "min") && !is(t->part[2], "max"))
        return spk_fail(SPK_E_CONFIG, "%s: '%s' in %s,%s,%s must be min or max", at(k, key), t->part[2], t->part[0],
                        t->part[1], t->part[2]);
    if (!is_metric(k->c, t->part[0], t->part[1]) && !is_default_criterion(t))
        return spk_fail(SPK_E_CONFIG,
                        "%s: there is no %s.%s; there are train.loss, train.accuracy, valid.eer, valid.mindcf",
                        at(k, key), t->part[0], t->part[1]);
    return SPK_OK;
}

static spk_status check_criteria(checker *k)
{
    const spk_triple_list *list = &k->c->best_model_criterion;
    char **stop = k->c->early_stopping_criterion.v;
    for (int64_t i = 0; i < list->n; i++)
        SPK_TRY(check_criterion(k, "best_model_criterion", &list->v[i]));
    if (k->c->early_stopping_criterion.n != 3) return SPK_OK;
    const spk_triple early = {{stop[0], stop[1], stop[2]}};
    return check_criterion(k, "early_stopping_criterion", &early);
}

/* What a scheduler that follows a value would wait for in vain. */
static spk_status check_scheduler_criterion(checker *k)
{
    const spk_str_list *list = &k->c->val_scheduler_criterion;
    const char *phase = list->n == 2 ? list->v[0] : "", *key = list->n == 2 ? list->v[1] : "";
    if (is_metric(k->c, phase, key) || (is(phase, "valid") && is(key, "loss"))) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "%s: there is no %s.%s; there are train.loss, train.accuracy, valid.eer, valid.mindcf",
                    at(k, "val_scheduler_criterion"), phase, key);
}

/* ---- arithmetic ---- */

static spk_status check_dtype(checker *k)
{
    const spk_config *c = k->c;
    if (is(c->train_dtype, "float16") || is(c->train_dtype, "bfloat16"))
        return spk_fail(
            SPK_E_UNSUPPORTED,
            "%s: %s: weights of 16 bits lose the optimiser's small steps, and have no Fourier transform on a "
            "processor (ESPnet fails there, too); use float32, and use_amp true for products in bfloat16",
            at(k, "train_dtype"), c->train_dtype);
    if (is(c->train_dtype, "float64") && c->use_amp)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s: products in bfloat16 have no use in a training in float64 (train_dtype); leave one out",
                        at(k, "use_amp"));
    return SPK_OK;
}

/* ---- batches ---- */

static spk_status check_pk(checker *k)
{
    const spk_config *c = k->c;
    if (!is(c->batch_type, "pk")) return SPK_OK;
    if (!is(c->iterator_type, "category"))
        return spk_fail(SPK_E_CONFIG, "%s: pk needs iterator_type category", at(k, "batch_type"));
    if (c->batch_size % c->per_speaker == 0 && c->batch_size != c->per_speaker) return SPK_OK;
    return spk_fail(SPK_E_CONFIG,
                    "%s: %lld is no multiple of per_speaker (%lld) with two speakers or more; set it to %lld",
                    at(k, "batch_size"), (long long)c->batch_size, (long long)c->per_speaker,
                    (long long)(c->batch_size / c->per_speaker < 2 ? 2 * c->per_speaker
                                                                   : c->batch_size - c->batch_size % c->per_speaker));
}

static spk_status check_batches(checker *k)
{
    const spk_config *c = k->c;
    const bool sequence = is(c->iterator_type, "sequence"), power = spk_starts_with(c->batch_type, "catpow");
    SPK_TRY(check_pk(k));
    if (sequence && (is(c->batch_type, "catbel") || power))
        return spk_fail(SPK_E_CONFIG, "%s: %s needs iterator_type category", at(k, "batch_type"), c->batch_type);
    if (sequence && is(c->batch_type, "folded") && c->fold_length.n > 1 && c->fold_length.n != c->train_shape_file.n)
        return spk_fail(SPK_E_CONFIG, "%s: %lld values for %lld shape files (train_shape_file); give one for each",
                        at(k, "fold_length"), (long long)c->fold_length.n, (long long)c->train_shape_file.n);
    if (power && c->train_shape_file.n > 1)
        return spk_fail(SPK_E_CONFIG, "%s: %s takes one shape file, not %lld", at(k, "train_shape_file"), c->batch_type,
                        (long long)c->train_shape_file.n);
    if (c->max_batch_size != SPK_NONE && c->max_batch_size < c->min_batch_size)
        return spk_fail(SPK_E_CONFIG, "%s: %lld is below min_batch_size, %lld", at(k, "max_batch_size"),
                        (long long)c->max_batch_size, (long long)c->min_batch_size);
    if (spk_ends_with(c->iterator_type, "chunk") && !(c->chunk_shift_ratio > 0))
        return spk_fail(SPK_E_CONFIG, "%s: must be above 0", at(k, "chunk_shift_ratio"));
    return SPK_OK;
}

/* ESPnet's FILE:SOURCE:TARGET:EXCLUDE. */
static spk_status check_init_param(checker *k)
{
    for (int64_t i = 0; i < k->c->init_param.n; i++) {
        const char *text = k->c->init_param.v[i];
        int n = 0;
        for (const char *p = text; *p; p++)
            n += *p == ':';
        if (n > 3 || text[0] == ':' || !text[0])
            return spk_fail(SPK_E_CONFIG,
                            "%s: '%s' is not FILE, FILE:SOURCE, FILE:SOURCE:TARGET or "
                            "FILE:SOURCE:TARGET:EXCLUDE",
                            at(k, "init_param"), text);
    }
    return SPK_OK;
}

/* Names become parts of names of figures and files. */
static spk_status check_valid_sets(checker *k)
{
    const spk_yaml *sets = k->c->valid_sets;
    for (int64_t i = 0; sets && i < sets->n; i++) {
        const char *name = sets->key[i];
        const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
        if (!name[0] || name[n])
            return spk_fail(SPK_E_CONFIG, "%s: '%s' is no name of a set: use letters, digits, _ and -",
                            at(k, "valid_sets"), name);
        if (sets->item[i]->kind != SPK_YAML_SCALAR || !sets->item[i]->text[0])
            return spk_fail(SPK_E_CONFIG, "%s: %s needs a folder, NAME=DIR", at(k, "valid_sets"), name);
    }
    return SPK_OK;
}

/* ---- all of it ---- */

static spk_status check_training(checker *k)
{
    const spk_config *c = k->c;
    if (c->resume && c->overwrite)
        return spk_fail(SPK_E_CONFIG, "%s: a training is either resumed or overwritten; leave one out",
                        at(k, "overwrite"));
    SPK_TRY(check_data(k));
    SPK_TRY(check_batches(k));
    SPK_TRY(check_valid_sets(k));
    SPK_TRY(check_criteria(k));
    SPK_TRY(check_scheduler_criterion(k));
    SPK_TRY(check_init_param(k));
    return check_augmentation(k);
}

spk_status spk_config_check(const spk_config *config, spk_config_use use, bool *usage)
{
    checker k = {.c = config};
    if (usage) *usage = false;
    if (use == SPK_CONFIG_TRAIN && (!config->output_dir || !config->output_dir[0])) {
        if (usage) *usage = true; /* first of all, so that `spk train` alone says what it needs */
        return spk_fail(SPK_E_CONFIG, "%s is missing; give --output_dir DIR", at(&k, "output_dir"));
    }
    spk_status status = use == SPK_CONFIG_TRAIN ? check_dtype(&k) : SPK_OK;
    if (status == SPK_OK) SPK_TRY(spk_options_check(&spk__config_options, config, config->source, (int)use, usage));
    if (use != SPK_CONFIG_TRAIN) return SPK_OK;
    if (status == SPK_OK) status = check_training(&k);
    if (status != SPK_OK && usage) /* a missing option is asked for on the command line */
        *usage = spk_option_on_command_line(config->source, k.key) || spk_yaml_index(config->source, k.key) < 0;
    return status;
}
