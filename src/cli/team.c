/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that run as several processes: joining, who speaks, how all end. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli_impl.h"
#include "comm/comm_impl.h"

static spk_comm *comm; /* NULL: alone */
static int threads;    /* of each process, where there are several */

static const char *const together[] = {"train", "validate", "extract", "bench"};

spk_comm *cli_comm(void)
{
    return comm;
}

static bool is_for_several(const char *command)
{
    for (size_t i = 0; i < sizeof together / sizeof *together; i++)
        if (strcmp(command, together[i]) == 0) return true;
    return false;
}

/* What all processes find, one of them tells; the launcher ends the others when the first is gone, so they wait. */
static int told_by_first(int rank, spk_status status, int code)
{
    if (rank == 0)
        cli_failed(status);
    else
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    return code;
}

int cli_team_open(const char *command)
{
    const spk_launch launch = spk_comm_launch();
    if (launch.size <= 1) return CLI_GO_ON;
    if (!is_for_several(command)) {
        const spk_status status =
            spk_fail(SPK_E_UNSUPPORTED, "spk %s runs as one process, and %s started %d (SPK_MPI=none lets each run)",
                     command, launch.by, launch.size);
        return told_by_first(launch.rank, status, CLI_USAGE);
    }
    const spk_status status = spk_comm_open(&comm);
    if (status != SPK_OK) return told_by_first(launch.rank, status, CLI_FAILED);
    if (spk_comm_threads(comm, &threads) != SPK_OK) return cli_failed(SPK_E_PEER);
    if (spk_comm_is_first(comm)) return CLI_GO_ON;
    if (!freopen("/dev/null", "w", stdout)) /* results are printed once */
        return cli_failed(spk_fail_errno("/dev/null", "open"));
    char *name = spk_strf("rank %d", spk_comm_rank(comm));
    cli_log_as(name);
    spk_free(name);
    return CLI_GO_ON;
}

void cli_team_close(void)
{
    spk_comm_close(comm);
    comm = NULL;
}

void cli_team_say(void)
{
    spk_text text = {0};
    if (!comm || spk_comm_describe(comm, &text) != SPK_OK) return;
    for (char *at = text.s; at && *at;) {
        char *end = strchr(at, '\n');
        if (end) *end = 0;
        spk_info("comm", "%s", at);
        at = end ? end + 1 : NULL;
    }
    spk_text_clear(&text);
}

int cli_team_threads(void)
{
    return comm ? threads : spk_cpu_count();
}
