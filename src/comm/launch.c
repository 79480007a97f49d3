/* SPDX-License-Identifier: Apache-2.0 */
/* How this process was started, and the plugin that speaks with the others. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/plugin_impl.h"
#include "comm/comm_impl.h"

/* ---- the launcher ---- */

/* A whole number of the environment, or -1. */
static int number(const char *name)
{
    const char *text = getenv(name);
    int64_t n = 0;
    return text && spk_parse_int(text, &n) && n >= 0 && n < 1000000000 ? (int)n : -1;
}

spk_launch spk_comm_launch(void)
{
    static const struct {
        const char *by, *mpi, *rank, *size;
    } launcher[] = {{"mpirun of Open MPI", "openmpi", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                    {"srun with PMIx", "openmpi", "PMIX_RANK", "SLURM_STEP_NUM_TASKS"},
                    {"mpiexec of MPICH, or srun with PMI", "mpich", "PMI_RANK", "PMI_SIZE"},
                    {"srun", NULL, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
    const char *asked = getenv("SPK_MPI");
    if (asked && !*asked) asked = NULL;
    if (asked && strcmp(asked, "none") == 0) return (spk_launch){.size = 1};
    for (size_t i = 0; i < sizeof launcher / sizeof *launcher; i++) {
        const int rank = number(launcher[i].rank), size = number(launcher[i].size);
        if (rank >= 0 && size > rank)
            return (spk_launch){launcher[i].by, asked && launcher[i].mpi ? asked : launcher[i].mpi, rank, size};
    }
    return (spk_launch){.size = 1};
}

/* ---- the plugin ---- */

static bool try_plugin(const char *path, const spk_comm_table **table, void **library, spk_text *why)
{
    if (!spk_is_file(path)) return false;
    /* Open MPI's own plugins look for its symbols among the global ones. */
    *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!*library) {
        spk_text_addf(why, "%s%s", why->n ? "; " : "", dlerror());
        return false;
    }
    spk_comm_plugin_fn plugin;
    void *symbol = dlsym(*library, SPK_COMM_PLUGIN_SYMBOL);
    memcpy(&plugin, &symbol, sizeof plugin);
    if (symbol) {
        *table = plugin();
        return true;
    }
    spk_text_addf(why, "%s%s: is no plugin of this program's version", why->n ? "; " : "", path);
    dlclose(*library);
    *library = NULL;
    return false;
}

static bool try_name(const char *folders, const char *mpi, const spk_comm_table **table, void **library, spk_text *why)
{
    for (const char *at = folders; *at;) {
        const size_t n = strcspn(at, "\n");
        char *path = spk_strf("%.*s/libspk_mpi_%s.so", (int)n, at, mpi);
        const bool good = try_plugin(path, table, library, why);
        spk_free(path);
        if (good) return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

spk_status spk_comm_load(const spk_launch *launch, const spk_comm_table **table, void **library)
{
    static const char *const others[] = {"openmpi", "mpich", "mpi"};
    spk_text folders = {0}, why = {0};
    spk_status status = SPK_OK;
    *library = NULL;
    if (!launch->mpi)
        return spk_fail(SPK_E_UNSUPPORTED,
                        "%s started %d processes that know nothing of each other: use srun --mpi=pmix for Open MPI, "
                        "srun --mpi=pmi2 for MPICH, or one task; SPK_MPI=none lets them run apart",
                        launch->by, launch->size);
    spk_plugin_folders(getenv("SPK_MPI_PLUGINS"), &folders);
    bool found = try_name(spk_text_str(&folders), launch->mpi, table, library, &why);
    /* srun speaks with either MPI; the launchers of an MPI only with their own. */
    const bool own = strncmp(launch->by, "mpirun", strlen("mpirun")) == 0;
    for (size_t i = 0; !found && !own && i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i], launch->mpi) != 0)
            found = try_name(spk_text_str(&folders), others[i], table, library, &why);
    if (!found && own) found = try_name(spk_text_str(&folders), "mpi", table, library, &why);
    if (!found)
        status = spk_fail(SPK_E_UNSUPPORTED,
                          "%s started %d processes, and this build of spk cannot join them (%s%s): build it where the "
                          "MPI's headers are installed, start one process, or let them run apart with SPK_MPI=none",
                          launch->by, launch->size, why.n ? "" : "no plugin libspk_mpi_", why.n ? why.s : launch->mpi);
    spk_text_clear(&folders);
    spk_text_clear(&why);
    return status;
}
