/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 files through the plugin (h5_impl.h). */
#include "formats/h5_impl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/plugin_impl.h"

struct spk_h5 {
    char *path, *name; /* name: of the open array, or of the one that was asked for last */
    int64_t file, array;
};

static const char prefix[] = "hdf5:", between[] = "::";

bool spk_h5_parse(const char *text, size_t *n_file, const char **file, const char **name)
{
    if (!spk_starts_with(text, prefix)) return false;
    *file = text + strlen(prefix);
    const char *end = strstr(*file, between);
    if (!end || end == *file || !end[strlen(between)]) return false;
    *n_file = (size_t)(end - *file);
    *name = end + strlen(between);
    return true;
}

/* ---- the plugin ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* around every call of it */
static const spk_h5_table *table;                        /* NULL: not opened yet; it stays for the process's life */

/* Under the lock. `why`: of a library that is there and cannot be opened. */
static void try_plugin(const char *path, spk_text *why)
{
    if (!spk_is_file(path)) return;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL),
         *symbol = library ? dlsym(library, SPK_H5_PLUGIN_SYMBOL) : NULL;
    spk_h5_plugin_fn plugin;
    if (!symbol) {
        spk_text_addf(why, "; %s", dlerror());
        if (library) dlclose(library);
        return;
    }
    memcpy(&plugin, &symbol, sizeof plugin);
    const spk_h5_table *found = plugin();
    if (found->version == SPK_H5_TABLE_VERSION)
        table = found;
    else
        spk_text_addf(why, "; %s is of another version", path);
}

/* Under the lock. */
static spk_status load_plugin(const char *path)
{
    spk_text folders = {0}, why = {0};
    if (table) return SPK_OK;
    spk_plugin_folders(getenv("SPK_PLUGINS"), &folders);
    for (const char *at = spk_text_str(&folders); *at && !table;) {
        const size_t n = strcspn(at, "\n");
        char *file = spk_strf("%.*s/libspk_hdf5.so", (int)n, at);
        try_plugin(file, &why);
        spk_free(file);
        at += n + (at[n] == '\n');
    }
    const spk_status status =
        table ? SPK_OK
              : spk_fail(SPK_E_UNSUPPORTED,
                         "%s: this build of spk has no plugin for HDF5 (libspk_hdf5.so%s): install libhdf5-dev and "
                         "build again",
                         path, spk_text_str(&why));
    spk_text_clear(&folders);
    spk_text_clear(&why);
    return status;
}

/* ---- files ---- */

static spk_status open_locked(const char *path, int64_t *file)
{
    spk_h5_why why;
    SPK_TRY(load_plugin(path));
    *file = table->open_file(path, &why);
    return *file >= 0 ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: cannot be read as HDF5: %s", path, why.text);
}

spk_status spk_h5_open(const char *path, spk_h5 **out)
{
    int64_t file = -1;
    *out = NULL;
    if (!spk_exists(path)) return spk_fail(SPK_E_IO, "%s: is not there", path);
    pthread_mutex_lock(&lock);
    const spk_status status = open_locked(path, &file);
    pthread_mutex_unlock(&lock);
    SPK_TRY(status);
    *out = spk_new(sizeof **out);
    **out = (spk_h5){.path = spk_strdup(path), .file = file, .array = -1};
    return SPK_OK;
}

void spk_h5_close(spk_h5 *h)
{
    if (!h) return;
    spk_h5_array_close(h);
    pthread_mutex_lock(&lock);
    table->close_file(h->file);
    pthread_mutex_unlock(&lock);
    spk_free(h->path);
    spk_free(h->name);
    spk_free(h);
}

const char *spk_h5_file(const spk_h5 *h)
{
    return h->path;
}

/* ---- names ---- */

typedef struct names {
    spk_text *out;
    char bad[200]; /* a name that cannot stand in a list */
} names;

static bool take_name(void *user, const char *name)
{
    names *n = user;
    if (!name[0] || strpbrk(name, " \t\r\n\v\f")) {
        snprintf(n->bad, sizeof n->bad, "%s", name);
        return false;
    }
    spk_text_addf(n->out, "%s\n", name);
    return true;
}

spk_status spk_h5_names(spk_h5 *h, spk_text *out)
{
    spk_h5_why why;
    names n = {.out = out};
    pthread_mutex_lock(&lock);
    const bool good = table->each_array(h->file, take_name, &n, &why);
    pthread_mutex_unlock(&lock);
    if (!good) return spk_fail(SPK_E_FORMAT, "%s: its list of arrays cannot be read: %s", h->path, why.text);
    if (n.bad[0])
        return spk_fail(SPK_E_FORMAT, "%s: the array '%s' has white space in its name, which is no utterance's id",
                        h->path, n.bad);
    return SPK_OK;
}

/* ---- arrays ---- */

spk_status spk_h5_array(spk_h5 *h, const char *name, spk_h5_shape *shape)
{
    spk_h5_why why;
    spk_h5_array_close(h);
    spk_free(h->name);
    h->name = spk_strdup(name);
    pthread_mutex_lock(&lock);
    const bool there = table->has(h->file, name);
    if (there) h->array = table->open_array(h->file, name, shape, &why);
    pthread_mutex_unlock(&lock);
    if (!there) return spk_fail(SPK_E_MISMATCH, "%s: holds no array '%s'", h->path, name);
    return h->array >= 0 ? SPK_OK
                         : spk_fail(SPK_E_FORMAT, "%s: the array '%s' cannot be opened: %s", h->path, name, why.text);
}

spk_status spk_h5_read(spk_h5 *h, const int64_t *start, const int64_t *count, float *dst)
{
    spk_h5_why why;
    SPK_ASSERT(h->array >= 0);
    pthread_mutex_lock(&lock);
    const bool good = table->read(h->array, start, count, dst, &why);
    pthread_mutex_unlock(&lock);
    return good ? SPK_OK : spk_fail(SPK_E_FORMAT, "%s: the array '%s' cannot be read: %s", h->path, h->name, why.text);
}

void spk_h5_array_close(spk_h5 *h)
{
    if (h->array < 0) return;
    pthread_mutex_lock(&lock);
    table->close_array(h->array);
    pthread_mutex_unlock(&lock);
    h->array = -1;
}
