/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utterance_mvn: each utterance's features minus their mean over time and, if asked, divided by their standard
 * deviation. Source: espnet2.layers.utterance_mvn (specification 3.3). Has no weights.
 */
#include "model/build_impl.h"

typedef struct utterance_mvn_conf {
    bool norm_means, norm_vars;
    double eps;
} utterance_mvn_conf;

#define FIELD(name) offsetof(utterance_mvn_conf, name)
static const spk_opt options[] = {
    {"norm_means", SPK_OPT_BOOL, FIELD(norm_means), "true", 0, 0, NULL, "subtract the mean over time", 0},
    {"norm_vars", SPK_OPT_BOOL, FIELD(norm_vars), "false", 0, 0, NULL, "divide by the standard deviation", 0},
    {"eps", SPK_OPT_FLOAT, FIELD(eps), "1e-20", 1e-30, 1, NULL, "smallest standard deviation", 0},
};

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    const utterance_mvn_conf *c = conf;
    return spk_g_mvn(b->g, x, (spk_mvn_attr){.means = c->norm_means, .vars = c->norm_vars, .eps = c->eps});
}

const spk_part spk__normalize_utterance_mvn = {.name = "utterance_mvn",
                                               .options = options,
                                               .n_options = SPK_COUNT(options),
                                               .conf_bytes = sizeof(utterance_mvn_conf),
                                               .build = build};
