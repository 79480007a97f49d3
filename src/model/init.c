/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --init: another initialisation of a whole network (specification 7; espnet2.torch_utils.initialize).
 *
 * Weights of two axes or more that would be drawn at random are drawn by the chosen rule, and biases become 0. What
 * begins at values that mean something stays: normalisations, alpha of AFMS, the edges of sinc filters, tables. ESPnet
 * overwrites the last three (D5). Two kinds of weights that are drawn keep their own rule: the position biases of
 * relative attention (ESPnet redraws them as if they were matrices), and the class weights of the loss, whose cosines do
 * not depend on their length.
 */
#include <math.h>
#include <string.h>

#include "model/init_impl.h"

static bool keeps_its_own(const spk_param *q)
{
    return spk_starts_with(q->name, "loss.") || spk_ends_with(q->name, ".pos_bias_u") ||
           spk_ends_with(q->name, ".pos_bias_v");
}

static spk_init draw_by(const char *choice, const spk_param *q)
{
    const double fan_in = (double)q->count / (double)q->dim[0], fan_out = (double)q->count / (double)q->dim[1];
    const double fan = spk_starts_with(choice, "xavier") ? fan_in + fan_out : fan_in;
    if (spk_ends_with(choice, "uniform")) return (spk_init){SPK_INIT_UNIFORM, sqrt(6 / fan), NULL};
    return (spk_init){SPK_INIT_NORMAL, sqrt(2 / fan), NULL};
}

void spk_init_choose(spk_params *params, const char *choice)
{
    for (int64_t i = 0; choice && i < spk_params_n(params); i++) {
        const spk_param *q = spk_params_at(params, i);
        const bool random = q->init.kind == SPK_INIT_UNIFORM || q->init.kind == SPK_INIT_NORMAL;
        if (!q->trainable || !random || keeps_its_own(q)) continue;
        if (q->n_dims >= 2)
            spk_params_set_init(params, i, draw_by(choice, q));
        else if (q->n_dims == 1 && strstr(q->name, ".bias"))
            spk_params_set_init(params, i, (spk_init){SPK_INIT_CONST, 0, NULL});
    }
}

/* ---- freezing ---- */

/* The parameter name, or the part of one up to a dot, that is nearest to `word`: new, or NULL. */
static char *nearest_prefix(const spk_params *params, const char *word)
{
    char **names = NULL;
    int64_t n = 0;
    spk_map seen = {0};
    for (int64_t i = 0; i < spk_params_n(params); i++) {
        const spk_param *q = spk_params_at(params, i);
        for (const char *end = q->name; q->trainable && end; end = *end ? end + 1 : NULL) {
            end += strcspn(end, ".");
            char *name = spk_strndup(q->name, (size_t)(end - q->name));
            if (spk_map_put(&seen, name, n))
                SPK_PUSH(names, n) = name;
            else
                spk_free(name);
        }
    }
    const char *near = spk_nearest(word, (const char *const *)names, (int)n);
    char *copy = near ? spk_strdup(near) : NULL;
    spk_map_clear(&seen);
    for (int64_t i = 0; i < n; i++)
        spk_free(names[i]);
    spk_free(names);
    return copy;
}

spk_status spk_init_freeze(spk_params *params, const spk_str_list *prefixes)
{
    for (int64_t i = 0; i < prefixes->n; i++) {
        const char *prefix = prefixes->v[i];
        const int64_t n = spk_params_freeze(params, prefix);
        if (n > 0) {
            spk_info("model", "freeze_param %s: %lld tensors are not trained", prefix, (long long)n);
            continue;
        }
        char *near = nearest_prefix(params, prefix);
        const spk_status status =
            spk_fail(SPK_E_CONFIG, "freeze_param: no weights are called %s or begin with %s. (with a dot)%s%s", prefix,
                     prefix, near ? "; did you mean " : "; `spk model` lists the names", near ? near : "");
        spk_free(near);
        return status;
    }
    return SPK_OK;
}
