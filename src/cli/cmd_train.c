/* SPDX-License-Identifier: Apache-2.0 */
/* spk train: ESPnet's options, a training, a line on stdout for each epoch. */
#include "cli/train_impl.h"
#include "comm/comm_impl.h"

static void print_epoch(void *user, int64_t epoch, const char *line)
{
    (void)user;
    (void)epoch;
    cli_lock();
    cli_progress_clear();
    puts(line);
    fflush(stdout);
    cli_unlock();
}

static int print_text(char *text)
{
    fputs(text, stdout);
    spk_config_free_text(text);
    return cli_flush();
}

int cmd_train(int argc, char **argv)
{
    spk_config config;
    spk_config_request request;
    bool usage = false;
    if (spk_comm_agree(cli_comm(), spk_config_load(argc, argv, &config, &request)) != SPK_OK) {
        cli_failed(SPK_E_CONFIG);
        return request.usage ? CLI_USAGE : CLI_FAILED;
    }
    int rc = CLI_OK;
    if (cli_checks_only()) {
        spk_config_clear(&config);
        return rc;
    }
    if (request.help) {
        rc = print_text(spk_config_help());
    } else if (request.print_config) {
        rc = print_text(spk_config_dump(&config));
    } else {
        const train_view view = {.epoch_line = print_epoch};
        cli_log_start(config.quiet, cli_log_level(config.log_level));
        cli_log_hide("epoch results: ");
        spk_signals_catch();
        cli_threads(config.num_threads);
        rc = cli_failed(train_with_view(&config, &view, &usage));
        if (rc != CLI_OK && usage) rc = CLI_USAGE;
        if (rc == CLI_OK && config.dry_run) cli_note("dry run: everything can be opened; nothing was trained");
        if (rc == CLI_OK) rc = cli_flush();
    }
    spk_config_clear(&config);
    return rc;
}
