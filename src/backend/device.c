/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a device: the plugin that speaks with it, and which one. */
#include "backend/device_impl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/plugin_impl.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const spk_device_table *table; /* NULL: not opened yet; it stays for the process's life */

/* Under the lock. `why`: of a library that is there and cannot be opened. */
static void try_plugin(const char *path, spk_text *why)
{
    if (!spk_is_file(path)) return;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL),
         *symbol = library ? dlsym(library, SPK_DEVICE_PLUGIN_SYMBOL) : NULL;
    spk_device_plugin_fn plugin;
    if (!symbol) {
        spk_text_addf(why, "; %s", dlerror());
        if (library) dlclose(library);
        return;
    }
    memcpy(&plugin, &symbol, sizeof plugin);
    const spk_device_table *found = plugin();
    if (found->version == SPK_DEVICE_VERSION)
        table = found;
    else
        spk_text_addf(why, "; %s is of another version", path);
}

/* Under the lock. */
static spk_status load_plugin(void)
{
    spk_text folders = {0}, why = {0};
    const char *name = getenv("SPK_DEVICE");
    if (table) return SPK_OK;
    spk_plugin_folders(getenv("SPK_PLUGINS"), &folders);
    for (const char *at = spk_text_str(&folders); *at && !table;) {
        const size_t n = strcspn(at, "\n");
        char *file = spk_strf("%.*s/libspk_%s.so", (int)n, at, name && *name ? name : "cuda");
        try_plugin(file, &why);
        spk_free(file);
        at += n + (at[n] == '\n');
    }
    const spk_status status =
        table ? SPK_OK
              : spk_fail(
                    SPK_E_UNSUPPORTED,
                    "ngpu: this build of spk has no plugin for GPUs that can be opened here (libspk_%s.so%s): build it "
                    "where CUDA 13 and cuDNN 9 are, or leave ngpu at 0",
                    name && *name ? name : "cuda", spk_text_str(&why));
    spk_text_clear(&folders);
    spk_text_clear(&why);
    return status;
}

static spk_status open_locked(const spk_device_options *options, spk_device *d)
{
    SPK_TRY(load_plugin());
    d->t = table;
    const int n = table->count();
    if (n == 0) return spk_fail(SPK_E_UNSUPPORTED, "ngpu: there is no %s GPU here; leave ngpu at 0", table->kind);
    if (options->index >= n)
        return spk_fail(SPK_E_UNSUPPORTED, "ngpu: GPU %d is asked for, and this machine has %d", options->index, n);
    const char *trouble = table->open(options, &d->self, &d->info);
    if (trouble) return spk_fail(SPK_E_UNSUPPORTED, "ngpu: %s", trouble);
    spk_batch_memory(table->host_alloc, table->host_free);
    return SPK_OK;
}

spk_status spk_device_open(const spk_device_options *options, spk_device **out)
{
    spk_device *d = spk_new(sizeof *d);
    pthread_mutex_lock(&lock);
    const spk_status status = open_locked(options, d);
    pthread_mutex_unlock(&lock);
    if (status != SPK_OK)
        spk_free(d);
    else
        *out = d;
    return status;
}

void spk_device_close(spk_device *d)
{
    if (d) d->t->close(d->self);
    spk_free(d);
}

void spk_device_put(const spk_device *d, void *to, const void *from, size_t n)
{
    d->t->put(d->self, to, from, &(spk_device_rows){1, n, 0, 0});
}

void spk_device_get(const spk_device *d, void *to, const void *from, size_t n)
{
    d->t->get(d->self, to, from, &(spk_device_rows){1, n, 0, 0});
}
