/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: reading one by its table, help, and what several commands make of their options. */
#include <omp.h>

#include "cli/cli_impl.h"
#include "comm/comm_impl.h"

static bool checks_only;

void cli_check_only(bool on)
{
    checks_only = on;
}

bool cli_checks_only(void)
{
    return checks_only;
}

int cli_args(const spk_args_spec *spec, int argc, char **argv, void *out, spk_args *args)
{
    const spk_status status = spk_comm_agree(cli_comm(), spk_args_parse(spec, argc, argv, out, args));
    const bool usage = args->usage;
    if (status == SPK_OK && !args->help && !checks_only) return CLI_GO_ON;
    if (status == SPK_OK && !args->help) {
        spk_opts_clear(spec->options.table, spec->options.n, out);
        spk_args_clear(args);
        return CLI_OK;
    }
    if (status == SPK_OK) {
        char *text = spk_args_help(spec);
        fputs(text, stdout);
        spk_free(text);
        spk_opts_clear(spec->options.table, spec->options.n, out);
    }
    spk_args_clear(args);
    if (status == SPK_OK) return cli_flush();
    cli_failed(status);
    return usage ? CLI_USAGE : CLI_FAILED;
}

int cli_threads(int64_t threads)
{
    const int n = threads > 0 && threads < 1024 ? (int)threads : cli_team_threads();
    omp_set_num_threads(n);
    return n;
}

spk_audio_options cli_audio(int64_t sample_rate, int64_t i_channel)
{
    return (spk_audio_options){.sample_rate = sample_rate,
                               .channel = i_channel == SPK_NONE ? SPK_CHANNEL_REFUSE : (int)i_channel};
}

spk_data_list *cli_lists(const spk_triple_list *t)
{
    spk_data_list *lists = spk_new(sizeof *lists * (size_t)(t->n + 1));
    for (int64_t i = 0; i < t->n; i++)
        lists[i] = (spk_data_list){t->v[i].part[0], t->v[i].part[1], t->v[i].part[2]};
    return lists;
}

void cli_meta(const spk_opt_meta *rows, int n, spk_opt_meta *out)
{
    const char *group = NULL;
    for (int i = 0; i < n; i++) {
        if (rows[i].use < 0) {
            group = rows[i].group;
            continue;
        }
        *out = rows[i];
        out++->group = group;
        group = NULL;
    }
}
