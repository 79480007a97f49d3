/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of trials as a file, in any of the forms. */
#include "formats/number_impl.h"
#include "score/trial_list_impl.h"

static void add_words(spk_text *out, const char *const *words)
{
    for (; *words; words++)
        spk_text_add(out, *words);
}

static void add_line(spk_text *out, const spk_trial_list *t, int64_t i, const char *score, spk_form form)
{
    const char *a = t->name[t->enroll[i]], *b = t->name[t->test[i]];
    const char *digit = t->label[i] ? "1" : "0", *word = t->label[i] ? "target" : "nontarget";
    if (form == SPK_FORM_NEMO) {
        add_words(out, (const char *[]){score, "\t", digit, NULL});
    } else {
        add_words(out, (const char *[]){a, form == SPK_FORM_ESPNET ? "*" : " ", b, " ", NULL});
        if (form == SPK_FORM_SPEECHBRAIN) add_words(out, (const char *[]){digit, " ", NULL});
        spk_text_add(out, score);
        if (form == SPK_FORM_ESPNET && t->has_labels) add_words(out, (const char *[]){" ", digit, NULL});
        if (form == SPK_FORM_WESPEAKER) add_words(out, (const char *[]){" ", word, NULL});
    }
    spk_text_add(out, "\n");
}

enum { PART = 4096, PARTS = 16 }; /* lines of a text, texts that are made at once: so a long list is not held twice */

static void make_text(const spk_trial_list *t, const float *score, spk_form form, int64_t from, spk_text *text)
{
    const int64_t to = from + PART < t->n ? from + PART : t->n;
    text->n = 0;
    for (int64_t i = from; i < to; i++) {
        char number[32];
        spk_format_float(score[i], number);
        add_line(text, t, i, number, form);
    }
}

static void put_lines(const spk_trial_list *t, const float *score, spk_form form, FILE *stream, spk_outfile *file)
{
    spk_text text[PARTS] = {{0}};
    for (int64_t begin = 0; begin < t->n; begin += (int64_t)PART * PARTS) {
        const int64_t left = (t->n - begin + PART - 1) / PART, n = left < PARTS ? left : PARTS;
#pragma omp parallel for schedule(dynamic)
        for (int64_t k = 0; k < n; k++)
            make_text(t, score, form, begin + k * PART, &text[k]);
        for (int64_t k = 0; k < n; k++) {
            if (file)
                spk_outfile_write(file, spk_text_str(&text[k]), text[k].n);
            else
                fwrite(spk_text_str(&text[k]), 1, text[k].n, stream);
        }
    }
    for (int k = 0; k < PARTS; k++)
        spk_text_clear(&text[k]);
}

spk_status spk_trial_list_write(const spk_trial_list *t, const float *score, spk_form form, const char *path,
                                FILE *stream)
{
    spk_outfile *file = NULL;
    if ((form == SPK_FORM_WESPEAKER || form == SPK_FORM_SPEECHBRAIN || form == SPK_FORM_NEMO) && !t->has_labels)
        return spk_fail(SPK_E_CONFIG,
                        "%s: the trials have no labels, which scores '%s' need; write them as espnet or "
                        "kaldi",
                        t->path, spk_form_line(form, true));
    if (!path) {
        put_lines(t, score, form, stream, NULL);
        return ferror(stream) ? spk_fail_errno("standard output", "write") : SPK_OK;
    }
    char *folder = spk_path_folder(path);
    const spk_status made = spk_make_folders(folder);
    spk_free(folder);
    SPK_TRY(made);
    SPK_TRY(spk_outfile_open(path, &file));
    put_lines(t, score, form, NULL, file);
    return spk_outfile_commit(file);
}
