/* SPDX-License-Identifier: Apache-2.0 */
/* Folders of splits (splits_impl.h). */
#include "data/splits_impl.h"

#include <string.h>

char *spk__split_path(const char *folder, int64_t k)
{
    return spk_strf("%s/split.%lld", folder, (long long)k);
}

int64_t spk__split_iters(int64_t m, int64_t k, int64_t n_splits)
{
    return (m + k) / n_splits;
}

/* The number in PATH/num_splits. */
static spk_status read_number(const char *folder, int64_t *n)
{
    char *path = spk_path_join(folder, "num_splits"), *text = NULL;
    size_t size = 0;
    spk_status status;
    if (!spk_exists(path))
        SPK_GO(spk_fail(SPK_E_IO,
                        "%s: is not there; multiple_iterator takes folders that hold num_splits and split.0, split.1, "
                        "...",
                        path));
    SPK_GO(spk_read_file(path, &text, &size));
    text[strcspn(text, "\r\n")] = '\0';
    if (!spk_parse_int(text, n) || *n < 1 || *n > 100000)
        status = spk_fail(SPK_E_FORMAT, "%s: '%.40s' is no number of splits", path, text);
done:
    spk_free(text);
    spk_free(path);
    return status;
}

/* All splits are there, and none behind them, which nobody would ever read. */
static spk_status check_splits(const char *folder, int64_t n)
{
    spk_status status = SPK_OK;
    for (int64_t k = 0; k <= n && status == SPK_OK; k++) {
        char *path = spk__split_path(folder, k);
        const bool there = spk_exists(path);
        if (there != (k < n))
            status = spk_fail(there ? SPK_E_FORMAT : SPK_E_IO, "%s: is %sthere, and %s/num_splits says %lld", path,
                              there ? "" : "not ", folder, (long long)n);
        spk_free(path);
    }
    return status;
}

spk_status spk__splits_count(const char *const *folder, int64_t n, int64_t *n_splits)
{
    const char *first = NULL;
    *n_splits = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t here = 0;
        if (!folder[i]) continue;
        if (!spk_is_folder(folder[i]))
            return spk_fail(SPK_E_IO,
                            "%s: is no folder; with multiple_iterator each list is a folder that holds num_splits and "
                            "split.0, split.1, ...",
                            folder[i]);
        SPK_TRY(read_number(folder[i], &here));
        SPK_TRY(check_splits(folder[i], here));
        if (first && here != *n_splits)
            return spk_fail(SPK_E_MISMATCH, "%s has %lld splits and %s has %lld; all lists must have as many", first,
                            (long long)*n_splits, folder[i], (long long)here);
        if (!first) first = folder[i];
        *n_splits = here;
    }
    return SPK_OK;
}
