/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open-set validation of a trained model: the call that ESPnet's documentation shows as
 *
 *     SpkTrainer.validate_one_epoch(model, iterator, reporter, options, distributed_option)
 *
 * usage: validate EXP VALID
 *   EXP    an output folder of `spk train`: config.yaml and valid.eer.best.pth
 *   VALID  a data folder with trial.scp, trial2.scp and trial_label
 *
 * cc validate.c $(pkg-config --cflags --libs spk) -o validate
 */
#include <stdio.h>

#include <spk/config.h>
#include <spk/data.h>
#include <spk/net.h>
#include <spk/spk_trainer.h>

/* The network of an output folder, with its best weights. */
static spk_status open_model(const char *exp, spk_config *config, spk_net **net)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/config.yaml", exp);
    spk_status status = spk_config_read(path, config);
    if (status != SPK_OK) return status;
    const spk_net_options options = {.embed_only = true};
    status = spk_net_new(config, &options, net);
    (void)snprintf(path, sizeof path, "%s/valid.eer.best.pth", exp);
    return status == SPK_OK ? spk_net_load(*net, path) : status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: validate EXP VALID\n");
        return 2;
    }
    spk_config config;
    spk_config_init(&config);
    spk_net *net = NULL;
    spk_trial_set *trials = NULL;
    spk_iterator *iterator = NULL;
    spk_reporter *reporter = spk_reporter_new();
    spk_status status = open_model(argv[1], &config, &net);

    /* Where trials come from: this set, or any iterator of your own (spk/iterator.h). */
    if (status == SPK_OK) {
        spk_trial_set_options o;
        spk_trial_set_options_init(&o);
        o.dir = argv[2];
        o.audio.sample_rate = config.preprocess.sample_rate;
        o.target_duration = config.preprocess.target_duration;
        o.num_eval = config.preprocess.num_eval;
        status = spk_trial_set_open(&o, &trials);
    }
    if (status == SPK_OK) status = spk_trial_iterator(trials, &iterator);

    /* The reporter keeps values by epoch and phase, as in training. */
    if (status == SPK_OK) {
        const spk_trainer_options options = {0};
        const spk_distributed_option alone = {0};
        spk_reporter_set_epoch(reporter, 1);
        spk_reporter_begin_phase(reporter, "valid");
        status = spk_trainer_validate_one_epoch(spk_net_model(net), iterator, reporter, &options, &alone);
        spk_reporter_end_phase(reporter);
    }
    if (status == SPK_OK) {
        const char *const names[] = {"eer", "mindcf", "n_trials", "trg_mean", "trg_std", "nontrg_mean", "nontrg_std"};
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            double value = 0;
            if (spk_reporter_get(reporter, 1, "valid", names[i], &value)) printf("%s=%.6g\n", names[i], value);
        }
    } else {
        fprintf(stderr, "validate: %s\n", spk_errmsg());
    }
    spk_iterator_close(iterator);
    spk_trial_set_close(trials);
    spk_reporter_free(reporter);
    spk_net_free(net);
    spk_config_clear(&config);
    return status == SPK_OK ? 0 : 1;
}
