/* SPDX-License-Identifier: Apache-2.0 */
/* All figures of a file of scores: of all trials, and of the parts that conditions make. */
#include "cli/measure_impl.h"
#include "score/duration_impl.h"

static spk_status read_scores(const measure_options *o, const char *path, const spk_trial_list *trials,
                              report_system *s)
{
    s->name = path;
    SPK_TRY(spk_trial_list_read(path, spk_form_of(o->form), true, &s->scores));
    spk_info("eval", "%s: %lld scores of the form '%s' (%s)", path, (long long)s->scores.n,
             spk_form_line(s->scores.form, true), spk_form_name(s->scores.form));
    if (s->scores.n_repeated)
        spk_warn("eval", "%s: %lld trials stand there more than once", path, (long long)s->scores.n_repeated);
    if (trials->n > 0) return spk_trial_list_label(&s->scores, trials, true);
    if (!s->scores.has_labels)
        return spk_fail(SPK_E_MISMATCH, "%s: the scores have no labels; name the list of trials: --trials LIST", path);
    return SPK_OK;
}

/* ---- intervals ---- */

/* Who speaks in the trials; n_speakers 0: nobody knows. */
typedef struct speakers {
    int64_t *enroll, *test, n;
} speakers;

static spk_status add_intervals(const measure_options *o, const float *score, const uint8_t *label, int64_t n,
                                const speakers *who, spk_evaluation *e)
{
    const spk_bootstrap_options b = {.enroll_speaker = who->enroll,
                                     .test_speaker = who->test,
                                     .n_speakers = who->n,
                                     .replicates = o->bootstrap,
                                     .confidence = o->confidence,
                                     .seed = (uint64_t)o->seed,
                                     .dcf = e->dcf,
                                     .n_dcf = e->n_dcf};
    SPK_TRY(spk_metrics_bootstrap(score, label, n, &b, &e->interval));
    e->has_intervals = true;
    return SPK_OK;
}

/* ---- parts ---- */

/* The trials of one group, or (group -1) of all whose sides have the same word. */
static bool belongs(const spk_condition *c, int64_t trial, int64_t group)
{
    return group < 0 ? c->alike[c->group[trial]] : c->group[trial] == group;
}

/* A group of one class has counts only. */
static spk_status add_part(const measure_options *o, const spk_condition *c, int64_t group, const char *condition,
                           const speakers *who, report_system *s)
{
    const spk_trial_list *t = &s->scores;
    spk_status status = SPK_OK;
    int64_t n = 0;
    float *score = spk_new(sizeof *score * (size_t)t->n);
    uint8_t *label = spk_new((size_t)t->n);
    speakers some = {spk_new(sizeof(int64_t) * (size_t)t->n), spk_new(sizeof(int64_t) * (size_t)t->n), who->n};
    report_part *p = &SPK_PUSH(s->part, s->n_parts);
    *p = (report_part){.condition = spk_strdup(condition),
                       .name = spk_strdup(group < 0 ? "both sides alike" : c->name[group])};
    for (int64_t i = 0; i < t->n; i++) {
        if (!belongs(c, i, group)) continue;
        if (who->n) {
            some.enroll[n] = who->enroll[i];
            some.test[n] = who->test[i];
        }
        score[n] = t->score[i];
        label[n++] = t->label[i];
        p->n_targets += t->label[i];
    }
    p->n_nontargets = n - p->n_targets;
    p->there = p->n_targets > 0 && p->n_nontargets > 0;
    if (p->there) status = spk_evaluate(score, label, n, s->e.dcf, s->e.n_dcf, &p->e);
    if (status == SPK_OK && p->there && who->n && add_intervals(o, score, label, n, &some, &p->e) != SPK_OK)
        spk_warn("eval", "%s: no intervals for %s %s: %s", s->name, condition, p->name, spk_errmsg());
    spk_free(score);
    spk_free(label);
    spk_free(some.enroll);
    spk_free(some.test);
    return status;
}

static spk_status add_condition(const measure_options *o, const char *path, const speakers *who, report_system *s)
{
    spk_condition c;
    int64_t n_alike = 0;
    SPK_TRY(spk_condition_read(&s->scores, path, o->utt2spk, &c));
    spk_status status = SPK_OK;
    if (c.n > 1000)
        status = spk_fail(SPK_E_VALUE, "%s: makes %lld groups of trials; at most 1000 are shown", path, (long long)c.n);
    for (int64_t g = 0; status == SPK_OK && g < c.n; g++) {
        n_alike += c.alike[g];
        status = add_part(o, &c, g, spk_path_name(path), who, s);
    }
    if (status == SPK_OK && n_alike > 1 && n_alike < c.n) status = add_part(o, &c, -1, spk_path_name(path), who, s);
    spk_condition_clear(&c);
    return status;
}

static spk_status add_durations(const measure_options *o, const speakers *who, report_system *s)
{
    enum { MOST_BINS = 16 };
    double edge[MOST_BINS];
    spk_condition c;
    const int64_t n = o->duration_bins.n;
    if (n < 1 || n > MOST_BINS) return spk_fail(SPK_E_CONFIG, "--duration_bins takes 1 to %d times", MOST_BINS);
    for (int64_t i = 0; i < n; i++)
        if (!spk_parse_double(o->duration_bins.v[i], &edge[i]) || !(edge[i] > (i ? edge[i - 1] : 0)))
            return spk_fail(SPK_E_CONFIG, "--duration_bins: '%s' is no time above the one before",
                            o->duration_bins.v[i]);
    spk_status status = spk_condition_durations(&s->scores, o->utt2dur, edge, n, &c);
    for (int64_t g = 0; status == SPK_OK && g < c.n; g++)
        status = add_part(o, &c, g, "duration", who, s);
    spk_condition_clear(&c);
    return status;
}

/* ---- all ---- */

static spk_status add_figures(const measure_options *o, report_system *s)
{
    const spk_trial_list *t = &s->scores;
    speakers who = {0};
    spk_status status = SPK_OK;
    if (o->utt2spk) {
        who.enroll = spk_new(sizeof *who.enroll * (size_t)t->n);
        who.test = spk_new(sizeof *who.test * (size_t)t->n);
        SPK_GO(spk_trial_speakers(t, o->utt2spk, who.enroll, who.test, &who.n));
        SPK_GO(add_intervals(o, t->score, t->label, t->n, &who, &s->e));
    }
    for (int64_t i = 0; i < o->conditions.n; i++)
        SPK_GO(add_condition(o, o->conditions.v[i], &who, s));
    if (o->utt2dur) SPK_GO(add_durations(o, &who, s));
done:
    spk_free(who.enroll);
    spk_free(who.test);
    return status;
}

spk_status measure_system(const measure_options *o, const spk_dcf *dcf, const char *path, const spk_trial_list *trials,
                          report_system *s)
{
    SPK_TRY(read_scores(o, path, trials, s));
    const spk_status status =
        spk_evaluate(s->scores.score, s->scores.label, s->scores.n, dcf, (int)o->p_target.n, &s->e);
    if (status != SPK_OK) return spk_fail_in(status, "%s", path);
    return add_figures(o, s);
}
