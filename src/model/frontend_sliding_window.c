/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sliding_window: the samples themselves, cut into frames: (N, samples) -> (N, T, win_length).
 * Source: espnet2.asr.frontend.windowing (specification 2.4), whose fourth axis of one channel no speaker encoder of
 * ESPnet takes; it is left out here.
 */
#include "model/features_impl.h"

typedef struct sliding_conf {
    int64_t win_length, hop_length, channels, padding, fs;
} sliding_conf;

#define FIELD(name) offsetof(sliding_conf, name)
static const spk_opt options[] = {
    {"win_length", SPK_OPT_INT, FIELD(win_length), "400", 1, 65536, NULL, "samples of a frame", 0},
    {"hop_length", SPK_OPT_INT, FIELD(hop_length), "160", 1, 65536, NULL, "samples from frame to frame", 0},
    {"channels", SPK_OPT_INT, FIELD(channels), "1", 1, 1, NULL, "must be 1", 0},
    {"padding", SPK_OPT_INT, FIELD(padding), "none", 0, 0, NULL, "without effect, as in ESPnet", SPK_OPT_NULLABLE},
    {"fs", SPK_OPT_INT, FIELD(fs), "none", 1, 1000000, NULL, "Hz; none: that of the audio, which it must be",
     SPK_OPT_NULLABLE},
};

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    sliding_conf *c = conf;
    *output_size = c->win_length;
    return spk_feature_check_rate("fs", &c->fs, in);
}

static spk_melspec_attr attributes(const sliding_conf *c)
{
    return (spk_melspec_attr){.n_fft = c->win_length,
                              .win_length = c->win_length,
                              .hop_length = c->hop_length,
                              .edges = SPK_EDGES_SNIP,
                              .frames_only = true};
}

static int64_t min_samples(const void *conf)
{
    return ((const sliding_conf *)conf)->win_length;
}

static int64_t frames(const void *conf, int64_t samples)
{
    const spk_melspec_attr attr = attributes(conf);
    return spk_melspec_frames(&attr, samples);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *wave)
{
    return spk_g_melspec(b->g, wave, NULL, NULL, NULL, NULL, attributes(conf));
}

const spk_part spk__frontend_sliding_window = {.name = "sliding_window",
                                               .options = options,
                                               .n_options = SPK_COUNT(options),
                                               .conf_bytes = sizeof(sliding_conf),
                                               .check = check,
                                               .build = build,
                                               .min_samples = min_samples,
                                               .frames = frames};
