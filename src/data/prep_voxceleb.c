/* SPDX-License-Identifier: Apache-2.0 */
/* VoxCeleb 1 and 2 as data folders, and lists of trials (prep_impl.h). */
#include "data/prep_vox_impl.h"

#include <string.h>

static const struct vox_set sets[VOX_SETS] = {{"voxceleb1_dev", "dev", 1, 1211, 148642},
                                              {"voxceleb1_test", "test", 1, 40, 4874},
                                              {"voxceleb2_dev", "dev", 2, 5994, 1092009},
                                              {"voxceleb2_test", "test", 2, 118, 36237}};

/* ---- the folders ---- */

/* DIR/PART/wav, DIR/PART/aac or DIR/PART; NULL: that part is not there. */
static char *find_part(const char *root, const char *part)
{
    static const char *const below[] = {"wav", "aac"};
    char *folder = spk_path_join(root, part);
    for (int i = 0; i < 2; i++) {
        char *inner = spk_path_join(folder, below[i]);
        if (spk_is_folder(inner)) {
            spk_free(folder);
            return inner;
        }
        spk_free(inner);
    }
    if (spk_is_folder(folder)) return folder;
    spk_free(folder);
    return NULL;
}

static spk_status scan_video(struct vox *v, int set, const char *folder, const char *speaker, const char *video)
{
    char **names = NULL;
    int64_t n = 0;
    SPK_TRY(spk__prep_files(folder, &names, &n, &v->n_ignored));
    for (int64_t i = 0; i < n; i++) {
        char *stem = spk__stem(names[i]), *id = spk_strf("%s/%s/%s", speaker, video, stem),
             *path = spk_path_join(folder, names[i]);
        if (spk__is_m4a(names[i])) {
            const struct m4a m = {set, v->set[set].n, spk_strf("%s/%s", sets[set].part, id)};
            SPK_PUSH(v->m4a, v->n_m4a) = m;
        }
        spk_datadir_add(&v->set[set], id, speaker, path);
        spk_free(stem);
        spk_free(id);
        spk_free(path);
    }
    spk__prep_free_names(names, n);
    return SPK_OK;
}

static spk_status scan_speaker(struct vox *v, int set, const char *folder, const char *speaker)
{
    char **names = NULL;
    int64_t n = 0;
    spk_status status = spk__prep_folders(folder, &names, &n, &v->n_ignored);
    for (int64_t i = 0; i < n && status == SPK_OK; i++) {
        char *path = spk_path_join(folder, names[i]);
        status = scan_video(v, set, path, speaker, names[i]);
        spk_free(path);
    }
    spk__prep_free_names(names, n);
    return status;
}

static spk_status scan_part(struct vox *v, int set, const char *folder)
{
    char **names = NULL;
    int64_t n = 0;
    spk_status status = spk__prep_folders(folder, &names, &n, &v->n_ignored);
    for (int64_t i = 0; i < n && status == SPK_OK; i++) {
        char *path = spk_path_join(folder, names[i]);
        status = scan_speaker(v, set, path, names[i]);
        spk_free(path);
        if (v->o->progress) v->o->progress(v->o->user, sets[set].name, i + 1, n);
        if (status == SPK_OK && spk_interrupted())
            status = spk_fail(SPK_E_INTERRUPTED, "interrupted by a signal; nothing is written");
    }
    spk__prep_free_names(names, n);
    if (status != SPK_OK || v->set[set].n > 0) return status;
    return spk_fail(
        SPK_E_IO, "%s: no recording is there; expected are wav, flac or m4a files as idXXXXX/VIDEO/00001.wav", folder);
}

static spk_status scan_corpus(struct vox *v, int corpus, const char *dir)
{
    spk_status status;
    char *root = NULL;
    int found = 0;
    if (!dir) return SPK_OK;
    SPK_TRY(spk__prep_root(dir, corpus == 1 ? "VoxCeleb1" : "VoxCeleb2", &root));
    for (int s = 0; s < VOX_SETS; s++) {
        char *part = sets[s].corpus == corpus ? find_part(root, sets[s].part) : NULL;
        if (!part) continue;
        found++;
        status = scan_part(v, s, part);
        spk_free(part);
        SPK_GO(status);
    }
    status = found > 0 ? SPK_OK
                       : spk_fail(SPK_E_IO,
                                  "%s: neither dev nor test is in it; expected is {dev,test}/{wav,aac}/idXXXXX/VIDEO/"
                                  "00001.{wav,m4a}",
                                  dir);
done:
    spk_free(root);
    return status;
}

/* ---- m4a ---- */

static void set_source(struct vox *v, const struct m4a *m, char *source)
{
    spk_datadir_item *it = &v->set[m->set].item[m->item];
    spk_free(it->source);
    it->source = source;
}

static spk_status convert(struct vox *v)
{
    const spk_voxceleb_options *o = v->o;
    const size_t n = (size_t)v->n_m4a;
    const char **from = spk_new(sizeof *from * n), **to = spk_new(sizeof *to * n);
    char *root = spk_datadir_absolute(o->convert);
    for (int64_t i = 0; i < v->n_m4a; i++) {
        from[i] = v->set[v->m4a[i].set].item[v->m4a[i].item].source;
        to[i] = spk_strf("%s/voxceleb%d/%s.%s", root, sets[v->m4a[i].set].corpus, v->m4a[i].rest, o->convert_to);
    }
    const spk_status status =
        spk__ffmpeg_convert(from, to, v->n_m4a, o->convert_to, o->jobs > 0 ? o->jobs : 1, o->progress, o->user);
    for (int64_t i = 0; i < v->n_m4a; i++)
        set_source(v, &v->m4a[i], spk_strdup(to[i]));
    for (int64_t i = 0; i < v->n_m4a; i++) {
        char *owned = NULL;
        memcpy(&owned, &to[i], sizeof owned);
        spk_free(owned);
    }
    spk_free(from);
    spk_free(to);
    spk_free(root);
    return status;
}

static bool all_converted(const struct vox *v)
{
    bool all = v->o->convert != NULL;
    for (int64_t i = 0; i < v->n_m4a && all; i++) {
        char *to = spk_strf("%s/voxceleb%d/%s.%s", v->o->convert, sets[v->m4a[i].set].corpus, v->m4a[i].rest,
                            v->o->convert_to);
        all = spk_is_file(to);
        spk_free(to);
    }
    return all;
}

static spk_status read_m4a(struct vox *v)
{
    if (v->n_m4a == 0) return SPK_OK;
    const struct m4a *first = &v->m4a[0];
    if (!spk__has_program("ffmpeg") && !all_converted(v))
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s: %lld recordings are m4a, which only ffmpeg reads: install it (apt-get install ffmpeg) and "
                        "run this again",
                        v->set[first->set].item[first->item].source, (long long)v->n_m4a);
    if (v->o->convert) return convert(v);
    for (int64_t i = 0; i < v->n_m4a; i++)
        set_source(v, &v->m4a[i], spk__ffmpeg_entry(v->set[v->m4a[i].set].item[v->m4a[i].item].source));
    spk_warn("prep",
             "%lld recordings are m4a, and the lists decode them by ffmpeg at each reading (--allow_pipes true): for "
             "more than a look convert them once, with --convert DIR",
             (long long)v->n_m4a);
    return SPK_OK;
}

/* ---- all together ---- */

static spk_status write_sets(struct vox *v)
{
    for (int s = 0; s < VOX_SETS; s++) {
        if (v->set[s].n == 0) continue;
        spk__prep_write(&v->set[s], v->o->output, sets[s].name, &v->out, v->report);
        if (v->set[s].n != sets[s].n_utterances || v->set[s].n_speakers != sets[s].n_speakers)
            spk_warn("prep", "%s: %lld speakers with %lld utterances are there; the complete one has %lld with %lld",
                     sets[s].name, (long long)v->set[s].n_speakers, (long long)v->set[s].n,
                     (long long)sets[s].n_speakers, (long long)sets[s].n_utterances);
    }
    if (v->set[VOX_DEV1].n == 0 || v->set[VOX_DEV2].n == 0) return SPK_OK;
    spk_datadir both = {0};
    spk__datadir_append(&v->set[VOX_DEV1], &both);
    spk__datadir_append(&v->set[VOX_DEV2], &both);
    const spk_status status = spk_datadir_sort(&both);
    if (status == SPK_OK) spk__prep_write(&both, v->o->output, "voxceleb12_devs", &v->out, v->report);
    spk_datadir_clear(&both);
    return status;
}

spk_status spk_prep_voxceleb(const spk_voxceleb_options *o, spk_prep_report *report)
{
    spk_status status;
    struct vox v = {.o = o, .out = {.overwrite = o->overwrite}, .report = report};
    *report = (spk_prep_report){0};
    SPK_GO(scan_corpus(&v, 1, o->vox1));
    SPK_GO(scan_corpus(&v, 2, o->vox2));
    SPK_GO(read_m4a(&v));
    for (int s = 0; s < VOX_SETS; s++)
        SPK_GO(spk_datadir_sort(&v.set[s]));
    SPK_GO(write_sets(&v));
    for (int64_t i = 0; i < o->n_trials; i++)
        SPK_GO(spk__vox_trials(&v, o->trials[i]));
    SPK_GO(spk_prep_out_commit(&v.out));
    if (v.n_ignored > 0)
        spk_info("prep", "%lld files and folders were left out: not audio, or not in idXXXXX/VIDEO",
                 (long long)v.n_ignored);
done:
    for (int s = 0; s < VOX_SETS; s++)
        spk_datadir_clear(&v.set[s]);
    for (int64_t i = 0; i < v.n_m4a; i++)
        spk_free(v.m4a[i].rest);
    spk_free(v.m4a);
    spk_prep_out_clear(&v.out);
    if (status != SPK_OK) spk_prep_report_clear(report);
    return status;
}
