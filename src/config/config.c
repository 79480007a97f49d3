/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a training's configuration from a file, a text or a command line, and what follows from its values. */
#include "config/config_impl.h"

#include <math.h>
#include <string.h>

/* ---- derived values ---- */

/* A setting that stands in preprocessor_conf and, in ESPnet without effect, among the options of the task: here both
 * are the same setting, and two different values are a mistake. */
static spk_status same_setting(const spk_config *c, const char *key, double task, double task_preset, double *value)
{
    char where[512], a[32], b[32];
    if (spk_yaml_index(c->preprocessor_conf, key) < 0) {
        *value = task;
        return SPK_OK;
    }
    if (spk_yaml_index(c->source, key) < 0 || task == *value || task == task_preset) return SPK_OK;
    spk_format_double(task, a);
    spk_format_double(*value, b);
    return spk_fail(SPK_E_CONFIG, "%s: %s disagrees with preprocessor_conf.%s, which is %s; give it in one place",
                    spk_option_where(c->source, key, where, sizeof where), a, key, b);
}

static spk_status same_rir_scp(spk_config *c)
{
    char where[512];
    char **scp = &c->preprocess.rir_scp;
    if (!c->rir_scp || !c->rir_scp[0]) return SPK_OK;
    if (!*scp) *scp = spk_strdup(c->rir_scp);
    if (strcmp(*scp, c->rir_scp) == 0) return SPK_OK;
    return spk_fail(SPK_E_CONFIG, "%s: %s disagrees with preprocessor_conf.rir_scp, which is %s; give it in one place",
                    spk_option_where(c->source, "rir_scp", where, sizeof where), c->rir_scp, *scp);
}

static spk_status derive_preprocess(spk_config *c)
{
    spk_preprocess_options *p = &c->preprocess;
    const bool known = c->preprocessor && strcmp(c->preprocessor, "spk") == 0;
    SPK_TRY(spk_opts_read(spk__preprocess_table, spk__n_preprocess, known ? c->preprocessor_conf : NULL,
                          "preprocessor_conf", p));
    double rate = (double)p->sample_rate, segments = (double)p->num_eval;
    SPK_TRY(same_setting(c, "target_duration", c->target_duration, 3.0, &p->target_duration));
    SPK_TRY(same_setting(c, "sample_rate", (double)c->sample_rate, 16000, &rate));
    SPK_TRY(same_setting(c, "num_eval", (double)c->num_eval, 10, &segments));
    p->sample_rate = (int64_t)rate;
    p->num_eval = (int64_t)segments;
    SPK_TRY(same_rir_scp(c));
    return spk__preprocess_derive(p);
}

spk_status spk__config_derive(spk_config *c, spk_yaml *source, bool *usage)
{
    spk_status status;
    c->source = source;
    SPK_GO(derive_preprocess(c));
    SPK_GO(spk__chunk_lengths(c, &c->chunk_lengths));
    SPK_GO(spk_channel_parse(c->channel, source, &c->i_channel));
    if (!c->pool_lengths) c->pool_lengths = spk_strdup(c->version ? "frontend" : "encoder");
done:
    if (status != SPK_OK) {
        *usage = spk_starts_with(spk_errmsg(), "--");
        spk_config_clear(c);
    }
    return status;
}

/* ---- the ways to read ---- */

spk_status spk__config_from_tree(spk_yaml *tree, spk_config *c)
{
    bool usage;
    memset(c, 0, sizeof *c);
    const spk_status status = spk_opts_read(spk__config_options.table, spk__config_options.n, tree, "", c);
    if (status != SPK_OK) {
        spk_yaml_free(tree);
        return status;
    }
    return spk__config_derive(c, tree, &usage);
}

void spk_config_init(spk_config *config)
{
    SPK_ASSERT(spk__config_from_tree(NULL, config) == SPK_OK);
}

spk_status spk_config_read(const char *path, spk_config *config)
{
    spk_yaml *tree = NULL;
    SPK_TRY(spk_yaml_load(path, &tree));
    return spk__config_from_tree(tree, config);
}

spk_status spk_config_parse(const char *text, size_t n, const char *name, spk_config *config)
{
    spk_yaml *tree = NULL;
    SPK_TRY(spk_yaml_parse(text, n, name, &tree));
    return spk__config_from_tree(tree, config);
}

static void to_default(spk_config *c, const char *key)
{
    for (int i = 0; i < spk__config_options.n; i++) {
        const spk_opt *o = &spk__config_options.table[i];
        if (strcmp(o->key, key) != 0) continue;
        spk_opts_clear(o, 1, c);
        SPK_ASSERT(spk_opts_read(o, 1, NULL, "", c) == SPK_OK);
    }
}

/* A folder and lists are two ways to say where data are: what the command line gives replaces the file's other way. */
static void command_line_data(spk_config *c, const spk_yaml *given)
{
    static const char *const ways[][3] = {
        {"train_dir", "train_data_path_and_name_and_type", "spk2utt"},
        {"valid_dir", "valid_data_path_and_name_and_type", NULL},
    };
    for (int i = 0; i < SPK_COUNT(ways); i++) {
        const bool dir = spk_option_on_command_line(given, ways[i][0]);
        const bool lists = spk_option_on_command_line(given, ways[i][1]);
        if (dir == lists) continue; /* neither; or both, which is refused */
        if (lists) {
            to_default(c, ways[i][0]);
        } else if (spk_yaml_get(given, ways[i][1])) {
            to_default(c, ways[i][1]);
            if (ways[i][2] && !spk_option_on_command_line(given, ways[i][2])) to_default(c, ways[i][2]);
        }
    }
}

spk_status spk_config_load(int argc, char *const *argv, spk_config *config, spk_config_request *request)
{
    spk_args args;
    spk_args_spec spec = spk__config_spec;
    spec.options.meta = NULL; /* what is supported is for spk_config_check to say */
    memset(config, 0, sizeof *config);
    memset(request, 0, sizeof *request);
    spk_status status = spk_args_parse(&spec, argc, argv, config, &args);
    request->help = args.help;
    request->usage = args.usage;
    if (status == SPK_OK) {
        command_line_data(config, args.given);
        request->print_config = config->print_config && spk_option_on_command_line(args.given, "print_config");
        status = spk__config_derive(config, args.given, &request->usage);
        args.given = NULL;
    }
    spk_args_clear(&args);
    return status;
}

void spk_config_clear(spk_config *config)
{
    spk_opts_clear(spk__config_options.table, spk__config_options.n, config);
    spk__preprocess_clear(&config->preprocess);
    spk_free(config->chunk_lengths.v);
    spk_yaml_free(config->source);
    memset(config, 0, sizeof *config);
}

/* ---- texts ---- */

static spk_yaml *plain(const char *text, bool quoted)
{
    return spk_yaml_new_scalar(NULL, text, quoted);
}

/* What counts, so that a program which knows no defaults (or other ones) reads the same. */
static void complete_preprocessor(const spk_config *c, spk_yaml *map)
{
    spk_yaml *conf = spk_yaml_get(map, "preprocessor_conf");
    spk_yaml *all = spk_opts_dump(spk__preprocess_table, spk__n_preprocess, &c->preprocess);
    static const char *const keys[] = {"target_duration", "sample_rate", "num_eval", "noise_apply_prob",
                                       "rir_apply_prob"};
    for (int i = 0; i < SPK_COUNT(keys); i++)
        if (!spk_yaml_get(conf, keys[i])) spk_yaml_set(conf, keys[i], spk_yaml_copy(spk_yaml_get(all, keys[i])));
    spk_yaml_free(all);
}

char *spk_config_dump(const spk_config *c)
{
    spk_text t = {0};
    spk_yaml *map = spk_opts_dump(spk__config_options.table, spk__config_options.n, c);
    spk_yaml *required = spk_yaml_new_list(NULL);
    if (c->preprocessor && strcmp(c->preprocessor, "spk") == 0) complete_preprocessor(c, map);
    spk_yaml_append(required, plain("output_dir", false));
    spk_yaml_set(map, "required", required);
    spk_yaml_set(map, "print_config", plain("false", false)); /* a request, not a setting */
    if (strcmp(c->pool_lengths, "frontend") == 0) spk_yaml_set(map, "version", plain("202611", true));
    spk_yaml_set(map, "distributed", plain("false", false));
    spk_yaml_set(map, "pool_lengths", plain(c->pool_lengths, true));
    spk_yaml_set(map, "spk_version", plain(spk_version(), true));
    spk_yaml_print(map, &t);
    spk_yaml_free(map);
    char *text = spk_strdup(spk_text_str(&t));
    spk_text_clear(&t);
    return text;
}

char *spk_config_help(void)
{
    return spk_args_help(&spk__config_spec);
}

void spk_config_free_text(char *text)
{
    spk_free(text);
}
