/* SPDX-License-Identifier: Apache-2.0 */
/* The output folder of a run: who may write there, small files, links to snapshots and which snapshots stay. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/checkpoint_impl.h"

/* ---- names ---- */

/* N of "Nepoch.pth"; 0: another file. */
static int64_t snapshot_epoch(const char *name)
{
    int64_t epoch = 0;
    const size_t n = strlen(name), end = strlen("epoch.pth");
    if (n <= end || n > end + 12 || strcmp(name + n - end, "epoch.pth") != 0) return 0;
    char *digits = spk_strndup(name, n - end);
    const bool is_number = digits[0] >= '1' && digits[0] <= '9' && spk_parse_int(digits, &epoch);
    spk_free(digits);
    return is_number ? epoch : 0;
}

/* Call `fn` on each name in the folder. */
static spk_status each_name(const char *folder, void (*fn)(void *user, const char *path, const char *name), void *user)
{
    DIR *d = opendir(folder);
    if (!d) return spk_fail_errno(folder, "read the folder");
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        char *path = spk_path_join(folder, e->d_name);
        fn(user, path, e->d_name);
        spk_free(path);
    }
    closedir(d);
    return SPK_OK;
}

/* ---- who may write there ---- */

bool spk_checkpoint_exists(const char *folder)
{
    char *now = spk_path_join(folder, SPK_CHECKPOINT_NAME), *prev = spk_path_join(folder, SPK_CHECKPOINT_PREV_NAME);
    const bool there = spk_exists(now) || spk_exists(prev);
    spk_free(now);
    spk_free(prev);
    return there;
}

static spk_status check_writable(const char *folder)
{
    char *probe = spk_path_join(folder, ".spk_probe");
    spk_outfile *f = NULL;
    spk_status status = spk_outfile_open(probe, &f);
    if (status != SPK_OK) status = spk_fail_errno(folder, "write into the output folder");
    spk_outfile_abort(f);
    spk_free(probe);
    return status;
}

static void find_snapshot(void *user, const char *path, const char *name)
{
    char **found = user;
    (void)path;
    if (snapshot_epoch(name) > 1 && !*found) *found = spk_strdup(name);
}

/* Models without a checkpoint of ours are another program's, and starting here would remove them. What a run of ours
 * that was killed at the end of its first epoch leaves behind, 1epoch.pth, is not in the way. */
static spk_status check_foreign(const char *folder)
{
    char *found = NULL, *espnet = spk_path_join(folder, "checkpoint.pth");
    spk_status status = SPK_OK;
    if (spk_exists(espnet))
        found = spk_strdup("checkpoint.pth");
    else
        status = each_name(folder, find_snapshot, &found);
    if (found)
        status = spk_fail(SPK_E_VALUE,
                          "%s: holds %s and no checkpoint of this program, so it is not a training to go on from: name "
                          "another --output_dir, or have its models removed with --overwrite true",
                          folder, found);
    spk_free(found);
    spk_free(espnet);
    return status;
}

spk_status spk_training_check_folder(const char *output_dir, bool resume, bool overwrite)
{
    SPK_ASSERT(output_dir && "an output folder is needed");
    if (spk_exists(output_dir) && !spk_is_folder(output_dir))
        return spk_fail(SPK_E_IO, "%s: is a file: --output_dir must name a folder", output_dir);
    SPK_TRY(spk_make_folders(output_dir));
    SPK_TRY(check_writable(output_dir));
    if (!resume && !overwrite && spk_checkpoint_exists(output_dir))
        return spk_fail(SPK_E_VALUE,
                        "%s: holds the checkpoint of a training: continue it with --resume, start over with "
                        "--overwrite true, or name another --output_dir",
                        output_dir);
    return overwrite || spk_checkpoint_exists(output_dir) ? SPK_OK : check_foreign(output_dir);
}

/* ---- small files ---- */

spk_status spk_folder_rotate(const char *fresh, const char *path, const char *prev)
{
    spk_status status = SPK_OK;
    char *beside = spk_strf("%s.tmp", prev);
    if (spk_exists(path)) {
        /* A second name first, so that a whole file is always there; where links are not to be had, by moving it. */
        unlink(beside);
        const bool linked = link(path, beside) == 0;
        if (rename(linked ? beside : path, prev) != 0) status = spk_fail_errno(prev, "keep the file before");
    }
    if (status == SPK_OK && rename(fresh, path) != 0) status = spk_fail_errno(path, "write");
    spk_free(beside);
    return status;
}

spk_status spk_folder_write_config(const char *folder, const char *text)
{
    char *path = spk_path_join(folder, "config.yaml"), *prev = spk_path_join(folder, "config.prev.yaml");
    char *fresh = spk_path_join(folder, "config.new.yaml"), *before = NULL;
    size_t n = 0;
    spk_status status = SPK_OK;
    if (spk_is_file(path)) SPK_GO(spk_read_file(path, &before, &n));
    if (before && n == strlen(text) && memcmp(before, text, n) == 0) goto done;
    SPK_GO(spk_write_file(fresh, text, strlen(text)));
    status = spk_folder_rotate(fresh, path, prev);
    if (status != SPK_OK) unlink(fresh);
done:
    spk_free(before);
    spk_free(path);
    spk_free(prev);
    spk_free(fresh);
    return status;
}

spk_status spk_folder_write_speakers(const char *folder, int64_t n, const char *const *names)
{
    spk_text text = {0};
    char *path = spk_path_join(folder, "speakers.txt");
    for (int64_t i = 0; i < n; i++) {
        spk_text_add(&text, names[i]);
        spk_text_add(&text, "\n");
    }
    const spk_status status = spk_write_file(path, spk_text_str(&text), text.n);
    spk_text_clear(&text);
    spk_free(path);
    return status;
}

spk_status spk_folder_link(const char *folder, const char *name, const char *target)
{
    spk_status status = SPK_OK;
    char *path = spk_path_join(folder, name), *beside = spk_strf("%s.tmp", path);
    char now[256];
    const ssize_t n = readlink(path, now, sizeof now);
    if (n == (ssize_t)strlen(target) && memcmp(now, target, (size_t)n) == 0) goto done;
    unlink(beside);
    if (symlink(target, beside) != 0 || rename(beside, path) != 0) status = spk_fail_errno(path, "make the link");
done:
    spk_free(path);
    spk_free(beside);
    return status;
}

/* ---- snapshots ---- */

/* Links to snapshots and means of them. */
static bool is_derived(const char *name)
{
    if (!spk_ends_with(name, ".pth")) return false;
    return spk_ends_with(name, ".best.pth") || strstr(name, ".ave.") || strstr(name, ".ave_") ||
           spk_starts_with(name, "ave_last") || spk_starts_with(name, "swa.") || strcmp(name, "latest.pth") == 0;
}

static void clear_one(void *user, const char *path, const char *name)
{
    (void)user;
    if (snapshot_epoch(name) || is_derived(name)) unlink(path);
}

static void clear_events(void *user, const char *path, const char *name)
{
    (void)user;
    if (spk_starts_with(name, "events.out.tfevents.")) unlink(path);
}

spk_status spk_folder_clear(const char *folder)
{
    static const char *const first[] = {SPK_CHECKPOINT_NAME, SPK_CHECKPOINT_PREV_NAME,
                                        "checkpoint.damaged.safetensors"};
    for (int i = 0; i < 3; i++) {
        char *path = spk_path_join(folder, first[i]);
        const bool bad = unlink(path) != 0 && errno != ENOENT;
        const spk_status status = bad ? spk_fail_errno(path, "remove") : SPK_OK;
        spk_free(path);
        SPK_TRY(status);
    }
    static const char *const of_events[] = {"tensorboard/train", "tensorboard/valid"};
    for (int i = 0; i < 2; i++) {
        char *path = spk_path_join(folder, of_events[i]);
        const spk_status status = spk_is_folder(path) ? each_name(path, clear_events, NULL) : SPK_OK;
        spk_free(path);
        SPK_TRY(status);
    }
    return each_name(folder, clear_one, NULL);
}

static bool is_kept(const int64_t *keep, int64_t n, int64_t epoch)
{
    for (int64_t i = 0; i < n; i++)
        if (keep[i] == epoch) return true;
    return false;
}

/* Remove the snapshots of epochs before `epoch` but those of `keep` and the last ones. */
static void sweep(const char *folder, int64_t epoch, int64_t last, const int64_t *keep, int64_t n_keep)
{
    spk_text removed = {0};
    for (int64_t e = 1; e < epoch; e++) {
        if (e > epoch - last || is_kept(keep, n_keep, e)) continue;
        char *name = spk_strf("%lldepoch.pth", (long long)e), *path = spk_path_join(folder, name);
        if (unlink(path) == 0) spk_text_addf(&removed, "%s%s", removed.n ? ", " : "", name);
        spk_free(name);
        spk_free(path);
    }
    if (removed.n) spk_info("trainer", "The model files were removed: %s", spk_text_str(&removed));
    spk_text_clear(&removed);
}

/* The best epochs of a criterion up to `epoch`: *order is new, its length is returned. */
static int64_t best_epochs(const spk_training *t, const spk_criterion *c, int64_t **order)
{
    const int64_t n = spk_reporter_sort(t->reporter, c->phase, c->key, c->mode, NULL, 0);
    *order = spk_new((size_t)(n + 1) * sizeof **order);
    return spk_reporter_sort(t->reporter, c->phase, c->key, c->mode, *order, n);
}

static spk_status link_best(const char *folder, const spk_training *t, const spk_criterion *c, int64_t epoch,
                            int64_t best, spk_text *updated)
{
    double value;
    if (!spk_reporter_get(t->reporter, best, c->phase, c->key, &value) || value != value)
        return SPK_OK; /* every epoch so far has NaN: none is the best */
    char *name = spk_strf("%s.%s.best.pth", c->phase, c->key), *target = spk_strf("%lldepoch.pth", (long long)best);
    char *path = spk_path_join(folder, target);
    const spk_status status = spk_exists(path) ? spk_folder_link(folder, name, target) : SPK_OK;
    if (best == epoch && updated) spk_text_addf(updated, "%s%s.%s", updated->n ? ", " : "", c->phase, c->key);
    spk_free(name);
    spk_free(target);
    spk_free(path);
    return status;
}

/* How many of the last snapshots stay for means. */
static int64_t count_last(const spk_training *t, int64_t epoch)
{
    const int64_t last = t->setup->average_last, start = t->setup->swa_start;
    const int64_t averaged = start > 0 && epoch >= start ? epoch - start + 1 : 0;
    return last > averaged ? last : averaged;
}

spk_status spk_folder_settle(const char *folder, const spk_training *t, int64_t epoch, spk_text *updated)
{
    spk_status status = SPK_OK;
    int64_t *kept = NULL, n_kept = 0;
    char *latest = spk_strf("%lldepoch.pth", (long long)epoch);
    const int64_t keep = t->setup->keep_nbest_models > 1 ? t->setup->keep_nbest_models : 1;
    SPK_GO(spk_folder_link(folder, "latest.pth", latest));
    for (int i = 0; i < t->setup->n_best_model_criterion; i++) {
        const spk_criterion *c = &t->setup->best_model_criterion[i];
        int64_t *order = NULL;
        const int64_t n = best_epochs(t, c, &order);
        if (n > 0) status = link_best(folder, t, c, epoch, order[0], updated);
        for (int64_t k = 0; k < n && k < keep; k++)
            SPK_PUSH(kept, n_kept) = order[k];
        spk_free(order);
        if (status != SPK_OK) goto done;
    }
    sweep(folder, epoch, count_last(t, epoch), kept, n_kept);
done:
    spk_free(kept);
    spk_free(latest);
    return status;
}
