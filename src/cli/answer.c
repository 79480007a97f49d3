/* SPDX-License-Identifier: Apache-2.0 */
/* What comparing voices has given, for people and for programs. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "cli/voice_impl.h"

void answers_begin(answers *a, const voice_judge *j, bool json, const char *first, const char *second)
{
    const spk_decider *d = &j->decider;
    *a = (answers){.judge = j, .json = json};
    if (json) return;
    a->table.n_columns = 3 + (d->calibration ? 2 : 0) + (d->by != SPK_DECIDE_NOT);
    table_add(&a->table, "%s", first);
    table_add(&a->table, "%s", second);
    table_add(&a->table, spk_comparer_is_plain(&j->comparer) ? "cosine" : "score");
    if (d->calibration) {
        table_add(&a->table, "log ratio");
        table_add(&a->table, "probability");
    }
    if (d->by != SPK_DECIDE_NOT) table_add(&a->table, "decision");
}

static void set(json_t *to, const char *key, double value)
{
    json_object_set_new(to, key, isfinite(value) ? json_real(value) : json_null());
}

void answers_figures(json_t *to, const voice_judge *j, const spk_decision *d)
{
    set(to, "score", d->score);
    if (j->decider.calibration) {
        set(to, "log_likelihood_ratio", d->ratio);
        set(to, "probability", d->probability);
    }
}

/* How it was compared and decided, so that a line stands for itself. */
static void set_point(json_t *to, const voice_judge *j)
{
    const spk_decider *d = &j->decider;
    const spk_scoring_options *how = &j->comparer.how;
    if (how->backend) json_object_set_new(to, "backend", json_string(how->backend->path));
    if (how->cohort) json_object_set_new(to, "cohort", json_string(how->cohort));
    if (how->cohort) json_object_set_new(to, "top_k", json_integer((json_int_t)how->top_k));
    if (d->by == SPK_DECIDE_BY_SCORE) set(to, "threshold", d->threshold);
    if (d->by == SPK_DECIDE_BY_RATIO) set(to, "ratio_threshold", d->threshold);
    if (!d->calibration) return;
    set(to, "p_target", d->p_target);
    if (d->by != SPK_DECIDE_BY_RATIO) return;
    set(to, "c_miss", d->c_miss);
    set(to, "c_fa", d->c_fa);
}

void answers_line(json_t *object)
{
    char *line = json_dumps(object, JSON_REAL_PRECISION(9));
    puts(line ? line : "null");
    free(line); /* jansson's malloc */
    json_decref(object);
}

void answers_add(answers *a, const char *first, const char *second, const spk_decision *d, const char *said)
{
    const spk_decider *by = &a->judge->decider;
    if (a->json) {
        json_t *object = json_pack("{s:s, s:s}", "first", first, "second", second);
        answers_figures(object, a->judge, d);
        if (by->by != SPK_DECIDE_NOT) json_object_set_new(object, "same_speaker", json_boolean(d->accept));
        set_point(object, a->judge);
        answers_line(object);
        return;
    }
    table_add(&a->table, "%s", first);
    table_add(&a->table, "%s", second);
    table_add(&a->table, "%.4f", d->score);
    if (by->calibration) {
        table_add(&a->table, "%.3f", d->ratio);
        table_add(&a->table, "%.4f", d->probability);
    }
    if (by->by != SPK_DECIDE_NOT) table_add(&a->table, "%s", said);
}

void answers_end(answers *a)
{
    spk_text text = {0};
    if (a->json || a->table.n <= a->table.n_columns) {
        table_clear(&a->table);
        return;
    }
    const spk_decider *d = &a->judge->decider;
    char *score = spk_comparer_sentence(&a->judge->comparer), *sentence = spk_decider_sentence(d);
    table_text(&a->table, &text);
    printf("%s\n", spk_text_str(&text));
    if (!spk_comparer_is_plain(&a->judge->comparer)) puts(score);
    puts(sentence);
    if (d->calibration) printf("probability: of one speaker, where %g of such pairs are of one\n", d->p_target);
    spk_free(score);
    spk_free(sentence);
    spk_text_clear(&text);
    table_clear(&a->table);
}
