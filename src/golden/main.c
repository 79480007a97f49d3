/* SPDX-License-Identifier: Apache-2.0 */
/* spk_golden [--f64] [--threads N] DIR...: a row for each array; exit status 1 when any fails, 2 for wrong usage. */
#include <stdlib.h>
#include <string.h>

#include "golden/golden_impl.h"
#include "spk/arrays.h"
#include "spk/state.h"

static const char USAGE[] =
    "usage: spk_golden [--f64] [--threads N] DIR...\n"
    "Compute what each golden folder (config.yaml, model.pth, golden.npz) holds and compare.\n"
    "  --f64        the reference kernels in double precision, against the f64/ arrays\n"
    "  --threads N  threads (default: all processors)\n"
    "Prints a row for each array: name, shape, error relative to its scale, tolerance, cosine, pass or FAIL.\n";

static spk_status load(golden *g, bool f64, int n_threads)
{
    spk_status status;
    char *path = spk_path_join(g->folder, "config.yaml");
    char *weights = spk_path_join(g->folder, "model.pth"), *arrays = spk_path_join(g->folder, "golden.npz");
    const spk_net_options options = {.n_threads = n_threads, .f64 = f64};
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

static bool run_folder(const char *folder, bool f64, int n_threads)
{
    golden g = {.folder = folder, .prefix = f64 ? "f64/" : ""};
    printf("%s%s\n", folder, f64 ? " (double precision)" : "");
    spk_status status = load(&g, f64, n_threads);
    if (status == SPK_OK) status = f64 ? golden_run_f64(&g) : golden_run_f32(&g);
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

int main(int argc, char **argv)
{
    bool f64 = false, good = true;
    int64_t n_threads = 0;
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
            f64 = true;
        } else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc && spk_parse_int(argv[i + 1], &n_threads) &&
                   n_threads > 0 && n_threads < 4096) {
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
    for (int i = 1; i <= n_folders; i++)
        good = run_folder(argv[i], f64, (int)n_threads) && good;
    return good ? 0 : 1;
}
