/* SPDX-License-Identifier: Apache-2.0 */
/* Scores of trials as a file, in any of the forms. */
#include "formats/number_impl.h"
#include "score/trial_list_impl.h"

static void add_line(spk_text *out, const spk_trial_list *t, int64_t i, const char *score, spk_form form)
{
    const char *a = t->name[t->enroll[i]], *b = t->name[t->test[i]];
    const char *word = t->label[i] ? "target" : "nontarget";
    if (form == SPK_FORM_ESPNET && t->has_labels)
        spk_text_addf(out, "%s*%s %s %d\n", a, b, score, t->label[i]);
    else if (form == SPK_FORM_ESPNET)
        spk_text_addf(out, "%s*%s %s\n", a, b, score);
    else if (form == SPK_FORM_KALDI)
        spk_text_addf(out, "%s %s %s\n", a, b, score);
    else if (form == SPK_FORM_NEMO)
        spk_text_addf(out, "%s\t%d\n", score, t->label[i]);
    else if (form == SPK_FORM_WESPEAKER)
        spk_text_addf(out, "%s %s %s %s\n", a, b, score, word);
    else
        spk_text_addf(out, "%s %s %d %s\n", a, b, t->label[i], score);
}

/* About a megabyte at a time, so that a long list is not held twice. */
static void put_lines(const spk_trial_list *t, const float *score, spk_form form, FILE *stream, spk_outfile *file)
{
    spk_text text = {0};
    for (int64_t i = 0; i < t->n; i++) {
        char number[32];
        spk_format_float(score[i], number);
        add_line(&text, t, i, number, form);
        if (text.n < 1000000 && i + 1 < t->n) continue;
        if (file)
            spk_outfile_write(file, spk_text_str(&text), text.n);
        else
            fwrite(spk_text_str(&text), 1, text.n, stream);
        text.n = 0;
    }
    spk_text_clear(&text);
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
