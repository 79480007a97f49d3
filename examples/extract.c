/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeddings of the recordings of a data folder: the call that ESPnet's documentation shows as
 *
 *     SpkTrainer.extract_embed(model, iterator, reporter, options, distributed_option, output_dir, custom_bs, average)
 *
 * usage: extract EXP DATA OUT
 *   EXP   an output folder of `spk train`: config.yaml and valid.eer.best.pth
 *   DATA  a data folder with wav.scp, or with trials (trial.scp, trial2.scp)
 *   OUT   a folder that is there; OUT/embeddings0.npz is written: numpy.load(...)["utterance id"] has shape (E,)
 *
 * cc extract.c $(pkg-config --cflags --libs spk) -o extract
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
    if (argc != 4) {
        fprintf(stderr, "usage: extract EXP DATA OUT\n");
        return 2;
    }
    spk_config config;
    spk_config_init(&config);
    spk_net *net = NULL;
    spk_trial_set *utterances = NULL;
    spk_iterator *iterator = NULL;
    spk_status status = open_model(argv[1], &config, &net);
    if (status == SPK_OK) {
        spk_trial_set_options o;
        spk_trial_set_options_init(&o);
        o.dir = argv[2];
        o.utterances_only = true;
        o.audio.sample_rate = config.preprocess.sample_rate;
        o.target_duration = config.preprocess.target_duration;
        o.num_eval = config.preprocess.num_eval;
        status = spk_trial_set_open(&o, &utterances);
    }
    if (status == SPK_OK) status = spk_trial_iterator(utterances, &iterator);
    if (status == SPK_OK) {
        const spk_trainer_options options = {0};
        const spk_distributed_option alone = {0};
        status = spk_trainer_extract_embed(spk_net_model(net), iterator, NULL, &options, &alone, argv[3], 20, true);
    }
    if (status == SPK_OK)
        printf("%s/embeddings0.npz: %lld utterances\n", argv[3], (long long)spk_trial_set_n_utterances(utterances));
    else
        fprintf(stderr, "extract: %s\n", spk_errmsg());
    spk_iterator_close(iterator);
    spk_trial_set_close(utterances);
    spk_net_free(net);
    spk_config_clear(&config);
    return status == SPK_OK ? 0 : 1;
}
