/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions at an operating point (decision_impl.h). */
#include "infer/decision_impl.h"

#include <math.h>
#include <string.h>

#include "infer/embedder_impl.h"
#include "score/calibration_impl.h"

static const char companion[] = "calibration.json";

/* The calibration's line, score * weight + bias. `named`: somebody asked for it, so that it must serve. */
static spk_status take(const spk_calibration *c, const char *where, bool named, spk_decider *out)
{
    if (c->kind == SPK_CALIBRATION_LINEAR && c->n_systems == 1) {
        out->weight = c->weight[0];
        out->bias = c->bias;
        out->calibration = spk_strdup(where);
        return SPK_OK;
    }
    const spk_status status =
        spk_fail(SPK_E_UNSUPPORTED,
                 "%s: the calibration is of the kind %s and of %lld systems; here a linear one of one system serves: "
                 "spk calibrate --kind linear",
                 where, spk_calibration_kind_name(c->kind), (long long)c->n_systems);
    if (named) return status;
    spk_warn("decide", "%s", spk_errmsg());
    return SPK_OK;
}

static spk_status find_calibration(const spk_embedder *e, const char *named, bool own, spk_decider *out)
{
    spk_calibration c = {0};
    char *text = NULL, *where = NULL;
    size_t n = 0;
    spk_status status = SPK_OK;
    if (named)
        SPK_GO(spk_calibration_read(named, &c));
    else if (own)
        SPK_GO(spk__embedder_text(e, companion, &text, &n, &where));
    if (text) SPK_GO(spk_calibration_parse(text, n, where, &c));
    if (named || text) status = take(&c, named ? named : where, named != NULL, out);
done:
    spk_calibration_clear(&c);
    spk_free(text);
    spk_free(where);
    return status;
}

static double or_else(double given, double usual)
{
    return isnan(given) ? usual : given;
}

static spk_status choose(const spk_embedder *e, const spk_decider_options *o, spk_decider *out)
{
    const bool priors = !isnan(o->p_target) || !isnan(o->c_miss) || !isnan(o->c_fa);
    out->p_target = or_else(o->p_target, 0.05);
    out->c_miss = or_else(o->c_miss, 1);
    out->c_fa = or_else(o->c_fa, 1);
    if (!isnan(o->threshold)) {
        out->by = SPK_DECIDE_BY_SCORE;
        out->threshold = o->threshold;
        return SPK_OK;
    }
    if (out->calibration) {
        out->by = SPK_DECIDE_BY_RATIO;
        out->threshold = log((1 - out->p_target) * out->c_fa / (out->p_target * out->c_miss));
        return SPK_OK;
    }
    if (!priors) return SPK_OK;
    if (o->other_scores)
        return spk_fail(
            SPK_E_CONFIG,
            "--p_target, --c_miss and --c_fa need a calibration of these scores: fit one with spk calibrate on "
            "what spk score gives with the same --backend and --cohort, and name it with --calibration FILE, "
            "or give --threshold SCORE");
    return spk_fail(SPK_E_CONFIG,
                    "--p_target, --c_miss and --c_fa need a calibration, and %s has no %s: fit one with spk calibrate "
                    "and name it with --calibration FILE, or give --threshold SCORE",
                    e->home, companion);
}

spk_status spk_decider_open(const spk_embedder *e, const spk_decider_options *o, spk_decider *out)
{
    memset(out, 0, sizeof *out);
    if (!isnan(o->threshold) && (!isnan(o->c_miss) || !isnan(o->c_fa)))
        return spk_fail(SPK_E_CONFIG,
                        "--threshold and the costs of mistakes both say where to decide; give one of them");
    spk_status status = find_calibration(e, o->calibration, !o->other_scores, out);
    if (status == SPK_OK) status = choose(e, o, out);
    if (status != SPK_OK) spk_decider_close(out);
    return status;
}

void spk_decider_close(spk_decider *d)
{
    spk_free(d->calibration);
    memset(d, 0, sizeof *d);
}

spk_decision spk_decide(const spk_decider *d, double score)
{
    spk_decision out = {.score = score, .ratio = NAN, .probability = NAN};
    if (d->calibration) {
        out.ratio = d->weight * score + d->bias;
        out.probability = 1 / (1 + exp(-(out.ratio + log(d->p_target / (1 - d->p_target)))));
    }
    if (d->by == SPK_DECIDE_BY_SCORE) out.accept = score >= d->threshold;
    if (d->by == SPK_DECIDE_BY_RATIO) out.accept = out.ratio >= d->threshold;
    return out;
}

char *spk_decider_sentence(const spk_decider *d)
{
    if (d->by == SPK_DECIDE_BY_RATIO)
        return spk_strf("one speaker where the log likelihood ratio is at least %.4f: p_target %g, c_miss %g, c_fa %g "
                        "(%s)",
                        d->threshold, d->p_target, d->c_miss, d->c_fa, d->calibration);
    if (d->by == SPK_DECIDE_BY_SCORE) return spk_strf("one speaker where the score is at least %g", d->threshold);
    return spk_strdup(
        "nothing is decided: give --threshold SCORE, or a calibration (spk calibrate) to decide by costs");
}
