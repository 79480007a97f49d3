/* SPDX-License-Identifier: Apache-2.0 */
/*
 * specaug: SpecAugment (Park et al., Interspeech 2019) with the options of espnet2.asr.specaug.specaug (specification
 * 3.1). Differences, on purpose: each utterance has draws of its own, over its own frames; the upper ends of width
 * ranges are included and every bin and frame can be masked; masked places hold the utterance's mean unless zeros are
 * asked for (which `version: '202611'` does); without a range for time masks they are up to 5 % of the frames.
 */
#include "backend/specaug_impl.h"
#include "model/build_impl.h"

typedef struct specaug_conf {
    bool apply_time_warp, apply_freq_mask, apply_time_mask;
    int64_t time_warp_window, num_freq_mask, num_time_mask;
    int time_warp_mode, replace_with_zero;
    spk_int_list freq_mask_width_range, time_mask_width_range;
    spk_yaml *time_mask_width_ratio_range;
    double ratio[2]; /* settled from the one above; [1] 0: widths are frames */
} specaug_conf;

static const double USUAL_RATIO = 0.05;
enum { ZERO_NO, ZERO_YES };

#define FIELD(name) offsetof(specaug_conf, name)
static const spk_opt options[] = {
    {"apply_time_warp", SPK_OPT_BOOL, FIELD(apply_time_warp), "true", 0, 0, NULL, "stretch one part of time", 0},
    {"time_warp_window", SPK_OPT_INT, FIELD(time_warp_window), "5", 1, 100000, NULL, "frames that time is moved by", 0},
    {"time_warp_mode", SPK_OPT_CHOICE, FIELD(time_warp_mode), "bicubic", 0, 0, "bicubic|bilinear|nearest",
     "interpolation of the warp", 0},
    {"apply_freq_mask", SPK_OPT_BOOL, FIELD(apply_freq_mask), "true", 0, 0, NULL, "mask ranges of bins", 0},
    {"freq_mask_width_range", SPK_OPT_INTS, FIELD(freq_mask_width_range), "[0, 20]", 0, 65536, NULL,
     "narrowest and widest mask in bins, or the widest", 0},
    {"num_freq_mask", SPK_OPT_INT, FIELD(num_freq_mask), "2", 0, 1000, NULL, "masks of bins", 0},
    {"apply_time_mask", SPK_OPT_BOOL, FIELD(apply_time_mask), "true", 0, 0, NULL, "mask ranges of frames", 0},
    {"time_mask_width_range", SPK_OPT_INTS, FIELD(time_mask_width_range), "none", 0, 1e9, NULL,
     "narrowest and widest mask in frames, or the widest", SPK_OPT_NULLABLE},
    {"time_mask_width_ratio_range", SPK_OPT_TREE, FIELD(time_mask_width_ratio_range), "none", 0, 0, NULL,
     "the same as shares of the utterance's frames", SPK_OPT_NULLABLE},
    {"num_time_mask", SPK_OPT_INT, FIELD(num_time_mask), "2", 0, 1000, NULL, "masks of frames", 0},
    {"replace_with_zero", SPK_OPT_CHOICE, FIELD(replace_with_zero), "none", 0, 0, "false|true",
     "masked places become 0 instead of the utterance's mean; none: false, or true with version 202611",
     SPK_OPT_NULLABLE},
};

/* [narrowest, widest] or one number, the widest. */
static spk_status check_range(const char *key, const spk_int_list *range)
{
    if (range->n > 2) return spk_fail(SPK_E_CONFIG, "specaug_conf: %s needs two numbers, narrowest and widest", key);
    if (range->n == 2 && range->v[0] > range->v[1])
        return spk_fail(SPK_E_CONFIG, "specaug_conf: %s: %lld is larger than %lld", key, (long long)range->v[0],
                        (long long)range->v[1]);
    return SPK_OK;
}

static int64_t low(const spk_int_list *range)
{
    return range->n == 2 ? range->v[0] : 0;
}

static int64_t high(const spk_int_list *range)
{
    return range->n ? range->v[range->n - 1] : 0;
}

static spk_status read_ratio(specaug_conf *c)
{
    const spk_yaml *node = c->time_mask_width_ratio_range;
    const int64_t n = node->kind == SPK_YAML_LIST ? node->n : 1;
    bool good = node->kind != SPK_YAML_MAP && (n == 1 || n == 2);
    for (int64_t i = 0; i < n && good; i++)
        good = spk_yaml_double(node->kind == SPK_YAML_LIST ? node->item[i] : node, &c->ratio[2 - n + i]);
    good = good && c->ratio[0] >= 0 && c->ratio[0] <= c->ratio[1] && c->ratio[1] > 0 && c->ratio[1] <= 1;
    return good ? SPK_OK
                : spk_fail(SPK_E_CONFIG,
                           "specaug_conf: time_mask_width_ratio_range needs two shares of the frames between 0 and 1, "
                           "narrowest and widest");
}

static spk_status check_time(specaug_conf *c)
{
    if (!c->apply_time_mask) return SPK_OK;
    SPK_TRY(check_range("time_mask_width_range", &c->time_mask_width_range));
    if (c->time_mask_width_range.n && c->time_mask_width_ratio_range)
        return spk_fail(SPK_E_CONFIG,
                        "specaug_conf: time_mask_width_range and time_mask_width_ratio_range both say how "
                        "wide masks of frames are; give one");
    if (c->time_mask_width_ratio_range) return read_ratio(c);
    if (!c->time_mask_width_range.n) c->ratio[1] = USUAL_RATIO;
    return SPK_OK;
}

static spk_status check(void *conf, const spk_part_in *in, int64_t *output_size)
{
    specaug_conf *c = conf;
    (void)output_size;
    if (!c->apply_time_warp && !c->apply_freq_mask && !c->apply_time_mask)
        return spk_fail(SPK_E_CONFIG, "specaug_conf: all of it is switched off; take specaug out");
    if (c->replace_with_zero < 0) c->replace_with_zero = in->like_202611 ? ZERO_YES : ZERO_NO;
    SPK_TRY(check_range("freq_mask_width_range", &c->freq_mask_width_range));
    return check_time(c);
}

static spk_tensor *build(spk_build *b, const void *conf, spk_tensor *x)
{
    static const int modes[] = {SPK_WARP_BICUBIC, SPK_WARP_LINEAR, SPK_WARP_NEAREST};
    const specaug_conf *c = conf;
    const spk_specaug_attr attr = {.time_warp = c->apply_time_warp,
                                   .warp_window = c->time_warp_window,
                                   .warp_mode = modes[c->time_warp_mode],
                                   .freq_mask = c->apply_freq_mask,
                                   .n_freq = c->num_freq_mask,
                                   .freq_lo = low(&c->freq_mask_width_range),
                                   .freq_hi = high(&c->freq_mask_width_range),
                                   .time_mask = c->apply_time_mask,
                                   .n_time = c->num_time_mask,
                                   .time_lo = low(&c->time_mask_width_range),
                                   .time_hi = high(&c->time_mask_width_range),
                                   .time_ratio_lo = c->ratio[0],
                                   .time_ratio_hi = c->ratio[1],
                                   .replace_with_zero = c->replace_with_zero == ZERO_YES};
    return spk_g_specaug(b->g, x, attr);
}

const spk_part spk__specaug_specaug = {.name = "specaug",
                                       .options = options,
                                       .n_options = SPK_COUNT(options),
                                       .conf_bytes = sizeof(specaug_conf),
                                       .check = check,
                                       .build = build};
