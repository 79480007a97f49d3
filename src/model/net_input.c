/* SPDX-License-Identifier: Apache-2.0 */
/* What a network hears: waves, or features from files. */
#include "model/build_impl.h"
#include "spk/net.h"

spk_status spk_config_feature_size(const spk_config *config, int64_t *size)
{
    const spk_part *part = config->frontend ? spk_part_find(SPK_FRONTEND, config->frontend) : NULL;
    *size = 0;
    if (!config->frontend && config->input_size == SPK_NONE)
        return spk_fail(SPK_E_CONFIG, "input_size: without a frontend the size of the features must be given");
    if (!config->frontend) *size = config->input_size;
    if (!part || !part->input_size) return SPK_OK; /* a frontend that is not known is told when the network is built */
    void *conf = spk_new(part->conf_bytes + 1);
    const spk_status status =
        spk_opts_read(part->options, part->n_options, config->frontend_conf, "frontend_conf", conf);
    if (status == SPK_OK) {
        *size = part->input_size(conf);
        spk_opts_clear(part->options, part->n_options, conf);
    }
    spk_free(conf);
    return status;
}
