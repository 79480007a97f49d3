/* SPDX-License-Identifier: Apache-2.0 */
/* --vad and what goes with it. */
#include "cli/speech_impl.h"

spk_status speech_open(const speech_options *o, spk_speech **out)
{
    const spk_vad_options energy = {.energy_threshold = o->energy_threshold,
                                    .energy_mean_scale = o->energy_mean_scale,
                                    .frames_context = o->frames_context,
                                    .proportion_threshold = o->proportion_threshold};
    *out = NULL;
    return o->vad ? spk_speech_open(o->vad, &energy, out) : SPK_OK;
}
