/* SPDX-License-Identifier: Apache-2.0 */
/* spk identify: who of a gallery speaks in these recordings? */
#include <jansson.h>
#include <stdlib.h>

#include "cli/voice_impl.h"
#include "spk/gallery.h"

#define OWN_ROWS                                                                                                       \
    DECISION_ROWS                                                                                                      \
    ROW(top, INT, top, "3", 1, 1000000, NULL, 0, WORKS, NULL,                                                          \
        "so many of the nearest speakers of the gallery are shown")
#include "cli/voice_tables.def"

typedef struct candidate {
    int64_t who;
    double score;
} candidate;

static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return x->who < y->who ? -1 : x->who > y->who;
}

/* All of the gallery by their scores with one of n_tests recordings, the nearest first. */
static void rank(int64_t n_names, const float *score, int64_t n_tests, candidate *out)
{
    for (int64_t i = 0; i < n_names; i++)
        out[i] = (candidate){i, (double)score[i * n_tests]};
    qsort(out, (size_t)n_names, sizeof *out, by_score);
}

static void print_json(const spk_gallery *g, const voice_judge *j, const char *id, const candidate *c, int64_t n)
{
    const spk_decider *d = &j->decider;
    json_t *object = json_pack("{s:s}", "recording", id), *list = json_array();
    for (int64_t i = 0; i < n; i++) {
        const spk_decision decision = spk_decide(d, c[i].score);
        json_t *one = json_pack("{s:s}", "name", spk_gallery_name(g, c[i].who));
        answers_figures(one, j, &decision);
        json_array_append_new(list, one);
    }
    if (d->by != SPK_DECIDE_NOT)
        json_object_set_new(object, "speaker",
                            spk_decide(d, c[0].score).accept ? json_string(spk_gallery_name(g, c[0].who))
                                                             : json_null());
    json_object_set_new(object, "nearest", list);
    answers_line(object);
}

static void print_rows(answers *a, const spk_gallery *g, const char *id, const candidate *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const spk_decision d = spk_decide(&a->judge->decider, c[i].score);
        const char *said = i > 0 ? "" : d.accept ? spk_gallery_name(g, c[i].who) : "nobody of these";
        answers_add(a, i > 0 ? "" : id, spk_gallery_name(g, c[i].who), &d, said);
    }
}

static void show(const voice_options *o, const spk_gallery *g, const voice_judge *j, const char *const *id, int64_t n,
                 const float *score)
{
    const int64_t n_names = spk_gallery_n(g), n_top = o->top < n_names ? o->top : n_names;
    candidate *c = spk_new(sizeof *c * (size_t)n_names);
    answers a;
    answers_begin(&a, j, o->json, "recording", "nearest");
    for (int64_t i = 0; i < n; i++) {
        rank(n_names, score + i, n, c);
        if (o->json)
            print_json(g, j, id[i], c, n_top);
        else
            print_rows(&a, g, id[i], c, n_top);
    }
    answers_end(&a);
    spk_free(c);
}

/* All that could be embedded with all of the gallery. */
static spk_status compare(const voice_options *o, const spk_gallery *g, const voice_judge *j, const inputs *in,
                          const voices *v)
{
    const int64_t n_names = spk_gallery_n(g);
    int64_t n = 0;
    spk_voice_rows *name = spk_new(sizeof *name * (size_t)n_names), *test = spk_new(sizeof *test * (size_t)(v->n + 1));
    const char **id = spk_new(sizeof *id * (size_t)(v->n + 1));
    float *score = spk_new(sizeof *score * (size_t)(n_names * v->n + 1));
    for (int64_t i = 0; i < n_names; i++)
        name[i] = (spk_voice_rows){spk_gallery_name(g, i), spk_gallery_recordings(g, i), spk_gallery_rows(g, i)};
    for (int64_t i = 0; i < v->n; i++) {
        if (!v->good[i]) continue;
        id[n] = in->item[i].id;
        test[n++] = (spk_voice_rows){in->item[i].id, 1, v->row + i * v->size};
    }
    spk_status status = SPK_OK;
    if (n > 0) status = spk_compare(&j->comparer, v->size, name, n_names, test, n, score);
    if (status == SPK_OK) show(o, g, j, id, n, score);
    spk_free(name);
    spk_free(test);
    spk_free(id);
    spk_free(score);
    return status;
}

static spk_status identify(const voice_options *o, const spk_str_list *words, bool *usage)
{
    spk_embedder *e = NULL;
    spk_gallery *g = NULL;
    voice_judge judge = {0};
    inputs in = {0};
    voices v = {0};
    spk_status status;
    SPK_GO(inputs_read(words->v + 1, words->n - 1, &in));
    SPK_GO(voice_open(o, &e, usage));
    SPK_GO(spk_gallery_open(words->v[0], e, false, &g));
    if (spk_gallery_n(g) == 0) SPK_GO(spk_fail(SPK_E_VALUE, "%s: nobody is enrolled", words->v[0]));
    SPK_GO(voice_judge_open(o, e, &judge, usage));
    SPK_GO(voices_embed(o, e, in.item, in.n, &v));
    SPK_GO(compare(o, g, &judge, &in, &v));
    if (v.n_failed > 0)
        status = spk_fail(SPK_E_VALUE, "%lld of the %lld recordings could not be embedded", (long long)v.n_failed,
                          (long long)v.n);
done:
    voices_clear(&v);
    inputs_clear(&in);
    voice_judge_close(&judge);
    spk_gallery_close(g);
    spk_embedder_close(e);
    return status;
}

int cmd_identify(int argc, char **argv)
{
    static spk_opt_meta meta[SPK_COUNT(table)];
    cli_meta(meta_rows, SPK_COUNT(meta_rows), meta);
    const spk_args_spec spec = {
        .command = "spk identify",
        .usage = "GALLERY IN... --model EXP [OPTION...]",
        .about =
            "Compares whole recordings with everybody who is enrolled in GALLERY (spk enroll): the cosine with the\n"
            "mean of the embeddings of a name, or the score of --backend and --cohort. With --threshold or a "
            "calibration the nearest name is the answer where it\n"
            "passes, else nobody. IN is a file, a folder, a list *.scp or -. A recording that fails is named, the\n"
            "others go on, and the exit status is 1.",
        .words = "the gallery and recordings",
        .min_words = 2,
        .max_words = -1,
        .options = {table, meta, SPK_COUNT(table)}};
    return voice_command(&spec, argc, argv, identify);
}
