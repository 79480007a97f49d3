/* SPDX-License-Identifier: Apache-2.0 */
/* spk verify: are these recordings of one speaker? */
#include "cli/voice_impl.h"

#define OWN_ROWS DECISION_ROWS
#include "cli/voice_tables.def"

static spk_status compare(const voice_options *o, const voice_judge *j, const spk_embed_item *items, const voices *v)
{
    answers a;
    float *score = spk_new(sizeof *score * (size_t)v->n);
    spk_voice_rows *voice = spk_new(sizeof *voice * (size_t)v->n);
    for (int64_t i = 0; i < v->n; i++)
        voice[i] = (spk_voice_rows){items[i].path, 1, v->row + i * v->size};
    const spk_status status = spk_compare(&j->comparer, v->size, voice, 1, voice + 1, v->n - 1, score);
    if (status == SPK_OK) {
        answers_begin(&a, j, o->json, "recording", "compared with");
        for (int64_t i = 1; i < v->n; i++) {
            const spk_decision d = spk_decide(&j->decider, (double)score[i - 1]);
            answers_add(&a, items[0].path, items[i].path, &d, d.accept ? "one speaker" : "two speakers");
        }
        answers_end(&a);
    }
    spk_free(voice);
    spk_free(score);
    return status;
}

static spk_status verify(const voice_options *o, const spk_str_list *words, bool *usage)
{
    spk_embedder *e = NULL;
    voices v = {0};
    voice_judge judge = {0};
    spk_status status;
    spk_embed_item *items = spk_new(sizeof *items * (size_t)words->n);
    for (int64_t i = 0; i < words->n; i++)
        items[i] = (spk_embed_item){inputs_id(words->v[i]), words->v[i]};
    SPK_GO(voice_open(o, &e, usage));
    SPK_GO(voice_judge_open(o, e, &judge, usage));
    SPK_GO(voices_embed(o, e, items, words->n, &v));
    if (v.n_failed > 0)
        SPK_GO(spk_fail(SPK_E_VALUE, "%lld of the %lld recordings could not be embedded; nothing was compared",
                        (long long)v.n_failed, (long long)v.n));
    SPK_GO(compare(o, &judge, items, &v));
done:
    voices_clear(&v);
    voice_judge_close(&judge);
    spk_embedder_close(e);
    for (int64_t i = 0; i < words->n; i++)
        spk_free((void *)(uintptr_t)items[i].id);
    spk_free(items);
    return status;
}

int cmd_verify(int argc, char **argv)
{
    static spk_opt_meta meta[SPK_COUNT(table)];
    cli_meta(meta_rows, SPK_COUNT(meta_rows), meta);
    const spk_args_spec spec = {
        .command = "spk verify",
        .usage = "A B... --model EXP [OPTION...]",
        .about =
            "Compares recording A with each of the others: the cosine of the embeddings of whole recordings, or the "
            "score\n"
            "of a back-end, normalised by a cohort (as spk score); where a calibration is there (spk calibrate), the "
            "natural log likelihood ratio and the probability of one\n"
            "speaker; and a decision, by --threshold or by the costs of the two mistakes. Exit status 0 says that the\n"
            "comparison was made, not how it ended.",
        .words = "two recordings or more",
        .min_words = 2,
        .max_words = -1,
        .options = {table, meta, SPK_COUNT(table)}};
    return voice_command(&spec, argc, argv, verify);
}
