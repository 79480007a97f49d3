/* SPDX-License-Identifier: Apache-2.0 */
/* spk_golden [--f64] [--threads N] [--ngpu 1] DIR...: a row for each array; exit status 1 when any fails, 2 for wrong usage. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "golden/golden_impl.h"
#include "spk/arrays.h"
#include "spk/state.h"

static const char USAGE[] =
    "usage: spk_golden [--f64] [--threads N] [--ngpu 1] DIR...\n"
    "Compute what each golden folder (config.yaml, model.pth, golden.npz) holds and compare. A folder of WeSpeaker's "
    "has\n"
    "model.pt instead of model.pth; one with kaldi_fbank.npz holds features; of any other, the folders in it are run.\n"
    "  --f64        the reference kernels in double precision, against the f64/ arrays\n"
    "  --threads N  threads (default: all processors)\n"
    "  --ngpu 1     on a GPU, against the same arrays and tolerances\n"
    "Prints a row for each array: name, shape, error relative to its scale, tolerance, cosine, pass or FAIL.\n";

typedef struct choices {
    bool f64;
    int n_threads, gpu;
} choices;

static spk_status load(golden *g, const choices *o)
{
    spk_status status;
    char *path = spk_path_join(g->folder, "config.yaml");
    char *weights = spk_path_join(g->folder, "model.pth"), *arrays = spk_path_join(g->folder, "golden.npz");
    const spk_net_options options = {.n_threads = o->n_threads, .f64 = o->f64, .gpu = o->gpu, .has_weights = true};
    SPK_GO(spk_config_read(path, &g->config));
    SPK_GO(spk_config_check(&g->config, SPK_CONFIG_MODEL, NULL));
    SPK_GO(spk_net_new(&g->config, &options, &g->net));
    spk_net_keep_all(g->net);
    SPK_GO(spk_net_load(g->net, weights));
    SPK_GO(spk_npz_read(arrays, &g->arrays));
done:
    spk_free(path);
    spk_free(weights);
    spk_free(arrays);
    return status;
}

/* An array with a tolerance that got no row was not computed: that is a failure too. */
static void count_forgotten(golden *g)
{
    char *start = spk_strf("%stol/", g->prefix);
    for (int64_t i = 0; i < g->arrays.n; i++) {
        const char *name = g->arrays.item[i].name;
        int64_t seen;
        if (!spk_starts_with(name, start) || spk_map_get(&g->compared, name + strlen(start), &seen)) continue;
        printf("%-52s was not computed FAIL\n", name + strlen(start));
        g->n_fail++;
    }
    spk_free(start);
}

static spk_status run_one(golden *g, const choices *o, bool kaldi)
{
    if (kaldi) return golden_run_kaldi(g);
    char *foreign = spk_path_join(g->folder, "model.pt");
    const bool wespeaker = spk_is_file(foreign);
    spk_free(foreign);
    if (wespeaker) {
        g->prefix = "";
        return golden_run_wespeaker(g, o->f64, o->n_threads);
    }
    SPK_TRY(load(g, o));
    return o->f64 ? golden_run_f64(g) : golden_run_f32(g);
}

static bool run_arrays(const char *folder, const choices *o, bool kaldi)
{
    golden g = {.folder = folder, .prefix = o->f64 && !kaldi ? "f64/" : ""};
    printf("%s%s\n", folder, o->f64 ? " (double precision)" : "");
    const spk_status status = run_one(&g, o, kaldi);
    if (status == SPK_OK)
        count_forgotten(&g);
    else
        fprintf(stderr, "spk_golden: error: %s\n", spk_errmsg());
    printf("%s: %d arrays hold, %d fail\n", folder, g.n_pass, g.n_fail);
    const bool good = status == SPK_OK && g.n_fail == 0 && g.n_pass > 0;
    spk_net_free(g.net);
    spk_config_clear(&g.config);
    spk_tensors_clear(&g.arrays);
    spk_map_clear(&g.compared);
    return good;
}

static bool holds(const char *folder, const char *name)
{
    char *path = spk_path_join(folder, name);
    const bool there = spk_exists(path);
    spk_free(path);
    return there;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders in it that hold golden.npz or kaldi_fbank.npz, in the order of their names: new strings. */
static char **list_folders(const char *folder, int64_t *n)
{
    char **list = NULL;
    *n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *path = spk_path_join(folder, e->d_name);
        if (e->d_name[0] != '.' && (holds(path, "golden.npz") || holds(path, "kaldi_fbank.npz")))
            SPK_PUSH(list, *n) = path;
        else
            spk_free(path);
    }
    if (d) closedir(d);
    if (*n > 1) qsort(list, (size_t)*n, sizeof *list, by_name);
    return list;
}

static bool run_folder(const char *folder, const choices *o)
{
    bool good = true;
    int64_t n = 0;
    const bool kaldi = holds(folder, "kaldi_fbank.npz");
    char **list = holds(folder, "golden.npz") ? NULL : list_folders(folder, &n);
    if (kaldi && !o->f64) good = run_arrays(folder, o, true); /* float alone: nothing is trained there */
    if (n == 0 && !kaldi) good = run_arrays(folder, o, false);
    for (int64_t i = 0; i < n; i++) {
        good = run_folder(list[i], o) && good;
        spk_free(list[i]);
    }
    spk_free(list);
    return good;
}

int main(int argc, char **argv)
{
    choices o = {0};
    bool good = true;
    int64_t n_threads = 0, ngpu = 0;
    int n_folders = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(USAGE, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("spk_golden %s\n", spk_version());
            return 0;
        }
        if (strcmp(argv[i], "--f64") == 0) {
            o.f64 = true;
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc && spk_parse_int(argv[i + 1], &n_threads) &&
                   n_threads > 0 && n_threads < 4096) {
            i++;
        } else if (strcmp(argv[i], "--ngpu") == 0 && i + 1 < argc && spk_parse_int(argv[i + 1], &ngpu) && ngpu >= 0 &&
                   ngpu <= 1) {
            i++;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "spk_golden: error: unknown option or bad value: %s\n%s", argv[i], USAGE);
            return 2;
        } else {
            argv[++n_folders] = argv[i];
        }
    }
    if (n_folders == 0) {
        fputs(USAGE, stderr);
        return 2;
    }
    o.n_threads = (int)n_threads;
    o.gpu = (int)ngpu;
    for (int i = 1; i <= n_folders; i++)
        good = run_folder(argv[i], &o) && good;
    return good ? 0 : 1;
}
