/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `spk prep` makes of known corpora. Everything is a function of the corpus' files, the options and the seed; lists
 * are written as prep_out_impl.h says, recordings are named absolutely, and nothing is changed in the corpus.
 */
#ifndef SPK_DATA_PREP_IMPL_H
#define SPK_DATA_PREP_IMPL_H

#include "base/base_impl.h"
#include "data/datadir_impl.h"

typedef void (*spk_prep_progress)(void *user, const char *what, int64_t done, int64_t total);

/* What was written, a row for each folder or list. */
typedef struct spk_prep_report {
    int64_t n;
    struct spk_prep_row {
        char *path; /* of the folder or the list */
        int64_t n_speakers, n_utterances, n_trials, n_targets, n_files;
    } * row;
} spk_prep_report;
/* Room for one more; valid until the next. */
struct spk_prep_row *spk_prep_report_add(spk_prep_report *r, const char *folder, const char *name);
void spk_prep_report_clear(spk_prep_report *r);

/* ---- VoxCeleb (prep_voxceleb.c) ---- */

/*
 * VOX/{dev,test}/{wav,aac}/idXXXXX/VIDEO/00001.{wav,flac,m4a} become voxceleb1_dev, voxceleb1_test, voxceleb2_dev,
 * voxceleb2_test, as far as they are there, and voxceleb12_devs of both dev sets; ids are "idXXXXX/VIDEO/00001". A list of
 * trials "1 a.wav b.wav" whose utterances are all of the test part goes to voxceleb1_test, the first one; others go to
 * voxceleb1_STEM, with the utterances that they name.
 */
typedef struct spk_voxceleb_options {
    const char *vox1, *vox2, *output; /* vox1 or vox2 may be NULL */
    const char *const *trials;
    int64_t n_trials;
    bool allow_missing; /* leave out trials of utterances that are not there */
    bool overwrite;
    /* m4a files become entries "ffmpeg ... |", or once and for all files below `convert` (NULL: entries) */
    const char *convert, *convert_to; /* "flac" or "wav" */
    int jobs;                         /* so many ffmpeg at once */
    spk_prep_progress progress;       /* NULL: none */
    void *user;
} spk_voxceleb_options;
/* SPK_E_IO, SPK_E_FORMAT, SPK_E_MISMATCH; SPK_E_UNSUPPORTED: m4a without ffmpeg. */
spk_status spk_prep_voxceleb(const spk_voxceleb_options *o, spk_prep_report *report) SPK_NODISCARD;

/* ---- CN-Celeb (prep_cnceleb.c) ---- */

/*
 * CN1/data, dev/dev.lst, eval/{enroll,test}, eval/lists/{enroll.lst,enroll.map,trials.lst}, CN2/data, CN2/spk.lst:
 * cnceleb1_dev, cnceleb2, cnceleb_train (both), cnceleb1_eval (each model's one enrolment file and the tests, with trials)
 * and cnceleb1_eval_sep (the utterances behind each model, enroll.map, and enroll_trials of models and tests).
 */
typedef struct spk_cnceleb_options {
    const char *cnceleb1, *cnceleb2, *output; /* cnceleb2 may be NULL */
    bool allow_missing, overwrite;
    spk_prep_progress progress;
    void *user;
} spk_cnceleb_options;
spk_status spk_prep_cnceleb(const spk_cnceleb_options *o, spk_prep_report *report) SPK_NODISCARD;

/* ---- MUSAN and RIRS_NOISES (prep_sounds.c) ---- */

/* OUT/musan_{speech,noise,music}.scp of DIR (or DIR/musan). */
spk_status spk_prep_musan(const char *dir, const char *output, bool overwrite, spk_prep_report *report) SPK_NODISCARD;

enum { SPK_RIRS_SMALL = 1, SPK_RIRS_MEDIUM = 2, SPK_RIRS_LARGE = 4, SPK_RIRS_REAL = 8 };
/* OUT/rirs.scp of DIR (or DIR/RIRS_NOISES): the simulated rooms and the measured ones that `which` adds up. */
spk_status spk_prep_rirs(const char *dir, const char *output, int which, bool overwrite,
                         spk_prep_report *report) SPK_NODISCARD;

/* ---- copies at other speeds (prep_speed.c) ---- */

/*
 * Utterances and speakers once more for each factor, under the names of ESPnet's recipe: "sp0.9-UTT" of "sp0.9-NAME"; a
 * factor of 1 stands for the originals. No audio is written: a copy is "FILE[speed:0.9]", or with `sox` a command. Other
 * lists of the folder (utt2*, spk2*, text) follow, durations divided; utt2uniq names the original.
 */
typedef struct spk_speed_options {
    const char *input, *output;
    const double *factor;
    int64_t n_factors;
    bool sox, overwrite;
} spk_speed_options;
spk_status spk_prep_speed(const spk_speed_options *o, spk_prep_report *report) SPK_NODISCARD;

/* ---- trials and folds of speakers (prep_split.c) ---- */

typedef struct spk_split_options {
    const char *input, *output;
    int64_t fold,
        n_folds; /* fold 1..n_folds of the speakers is OUT/valid, the others OUT/train; 0: trials alone, in OUT */
    /* Trials alone: speakers that take part, one a line; NULL: n_speakers drawn, 0: all. */
    const char *speakers;
    int64_t n_speakers;
    /* Trials (trial_draw_impl.h). */
    int64_t targets, max_targets;
    double nontarget_ratio;
    bool balanced, same_sex; /* same_sex: by spk2gender */
    bool utt2sess;           /* target trials between two sessions of utt2sess */
    int64_t session_parts;   /* or of the first so many parts of the ids; 0: any */
    uint64_t seed;
    bool overwrite;
} spk_split_options;
/* Speakers are put in random order by the seed, with spk2gender one sex behind the other, and dealt to the folds in turn.
 * SPK_E_VALUE: too few speakers, or no trial of one kind. */
spk_status spk_prep_split(const spk_split_options *o, spk_prep_report *report) SPK_NODISCARD;

/* ---- what these share (prep_common.c) ---- */

/* An absolute path of a folder that must be there; `what` is for the message. */
spk_status spk__prep_root(const char *path, const char *what, char **out) SPK_NODISCARD;
/* .m4a, .aac, .mp4, which only ffmpeg reads. */
bool spk__is_m4a(const char *name);
/* The file's name without its extension: new. */
char *spk__stem(const char *name);
/* The names in a folder, or with `files` its recordings (m4a too), sorted; of "00001.m4a" and "00001.wav" the one that
 * needs no ffmpeg. *ignored (may be NULL) counts the others. */
spk_status spk__prep_folders(const char *folder, char ***names, int64_t *n, int64_t *ignored) SPK_NODISCARD;
spk_status spk__prep_files(const char *folder, char ***names, int64_t *n, int64_t *ignored) SPK_NODISCARD;
void spk__prep_free_names(char **names, int64_t n);
/* Collects what is not there: the first few are kept for the message. */
typedef struct spk__missing {
    int64_t n;
    spk_text first;
} spk__missing;
void spk__missing_add(spk__missing *m, const char *name);
/* Copies the utterances of a to b. */
void spk__datadir_append(const spk_datadir *a, spk_datadir *b);
/* A row of the report; writes a set, and its row. */
void spk__prep_row(spk_prep_report *report, const spk_datadir *set, const char *output, const char *name);
void spk__prep_write(const spk_datadir *set, const char *output, const char *name, spk_prep_out *out,
                     spk_prep_report *report);

/* ---- conversion by ffmpeg (prep_convert.c) ---- */

bool spk__has_program(const char *name); /* in PATH */
/* A word for the shell: in quotes where it needs them. */
void spk__shell_word(spk_text *t, const char *s);
/* "ffmpeg ... |" that writes the file as WAV, 16 kHz, one channel: new. */
char *spk__ffmpeg_entry(const char *path);
/* Make to[i] of from[i]; files that are there stay. Each appears whole or not at all; those that failed are counted in the
 * message, and the others are made. SPK_E_INTERRUPTED: a signal came; a later call goes on. */
spk_status spk__ffmpeg_convert(const char *const *from, const char *const *to, int64_t n, const char *format, int jobs,
                               spk_prep_progress progress, void *user) SPK_NODISCARD;

#endif
