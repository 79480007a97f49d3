/* SPDX-License-Identifier: Apache-2.0 */
/* A training on whole utterances (use_preprocessor false): what is said and checked before it begins. */
#include <inttypes.h>
#include <string.h>

#include "formats/yaml_impl.h"
#include "train/run_impl.h"

/* What the configuration says of crops and augmentation, and what does not happen. */
void spk_run_say_whole(const spk_config *c)
{
    spk_text keys = {0};
    const spk_yaml *conf = c->preprocessor_conf;
    for (int64_t i = 0; conf && i < conf->n; i++)
        if (strcmp(conf->key[i], "sample_rate") != 0) spk_text_addf(&keys, "%s%s", keys.n ? ", " : "", conf->key[i]);
    if (keys.n)
        spk_warn(
            "trainer",
            "use_preprocessor is false: utterances are taken whole and as they are, and of preprocessor_conf these "
            "have no effect: %s",
            spk_text_str(&keys));
    spk_text_clear(&keys);
}

/* The shortest utterance is known before anything is trained. */
spk_status spk_run_check_whole(const spk_run *r)
{
    const int64_t least = spk_net_min_samples(r->net), n = spk_train_set_n_utterances(r->train);
    for (int64_t i = 0; i < n; i++) {
        const int64_t length = spk_train_set_length(r->train, i);
        if (length == 0) break; /* crops */
        if (length >= least) continue;
        return spk_fail(SPK_E_VALUE,
                        "%s: utterance '%s' has %" PRId64 " samples, and the model needs %" PRId64
                        ": take it out of the training data",
                        spk_train_set_path(r->train, i), spk_train_set_utterance(r->train, i), length, least);
    }
    return SPK_OK;
}
