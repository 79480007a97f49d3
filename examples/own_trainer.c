/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trainer of one's own, derived from the generic one by replacing entries of its table of hooks, as the speaker
 * trainer itself is. This one validates as the speaker trainer does, counts the steps whose gradient was large, and ends
 * the training as soon as the EER is below a wanted figure.
 *
 * usage: own_trainer CONFIG.yaml TRAIN VALID OUT WANTED_EER
 *
 * cc own_trainer.c $(pkg-config --cflags --libs spk) -o own_trainer
 */
#include <stdio.h>
#include <stdlib.h>

#include <spk/config.h>
#include <spk/data.h>
#include <spk/net.h>
#include <spk/trainer.h>

/* What the hooks know beside the training: t->setup->user. */
typedef struct mine {
    spk_train_set *train;
    spk_trial_set *valid;
    double wanted_eer;
    long n_large;
} mine;

/* In place of the generic step: do it, and look at what it did. */
static spk_status counting_step(spk_training *t, const spk_batch *batch, spk_step *out)
{
    mine *m = t->setup->user;
    const spk_status status = spk_trainer_train_step(t, batch, out);
    if (status == SPK_OK && out->grad_norm > 3) m->n_large++;
    return status;
}

/* After each epoch's files are written: any other status than SPK_OK ends the training with it. */
static spk_status good_enough(spk_training *t)
{
    const mine *m = t->setup->user;
    double eer = 100;
    const int known = spk_reporter_get(t->reporter, t->epoch, "valid", "eer", &eer);
    printf("epoch %lld: EER %.2f %%, %ld large gradients so far\n", (long long)t->epoch, eer, m->n_large);
    return known && eer <= m->wanted_eer ? SPK_E_INTERRUPTED : SPK_OK;
}

static spk_status build_iter(void *data, const char *mode, int64_t epoch, spk_iterator **out)
{
    mine *m = data;
    return mode[0] == 't' ? spk_train_iterator(m->train, epoch, out) : spk_trial_iterator(m->valid, out);
}

static void close_iter(void *data, spk_iterator *iterator)
{
    (void)data;
    spk_iterator_close(iterator);
}

static spk_status open_data(mine *m, const spk_config *c, const char *train, const char *valid)
{
    spk_train_set_options t;
    spk_train_set_options_init(&t);
    t.dir = train;
    t.audio.sample_rate = c->preprocess.sample_rate;
    t.target_duration = c->preprocess.target_duration;
    t.batch_size = c->batch_size;
    t.num_iters_per_epoch = c->num_iters_per_epoch == SPK_NONE ? 0 : c->num_iters_per_epoch;
    t.seed = (uint64_t)c->seed;
    const spk_status status = spk_train_set_open(&t, &m->train);
    if (status != SPK_OK) return status;
    spk_trial_set_options v;
    spk_trial_set_options_init(&v);
    v.dir = valid;
    v.audio.sample_rate = c->preprocess.sample_rate;
    v.target_duration = c->preprocess.target_duration;
    v.num_eval = c->preprocess.num_eval;
    return spk_trial_set_open(&v, &m->valid);
}

static spk_status train(mine *m, spk_config *config, spk_net *net, const char *out)
{
    spk_trainer_hooks hooks = spk_trainer_generic_hooks();
    hooks.name = "mine";
    hooks.train_step = counting_step;
    hooks.validate_one_epoch = spk_trainer_validate_hook;
    hooks.epoch_done = good_enough;

    spk_training_setup setup;
    spk_training_defaults(&setup);
    setup.model = spk_net_model(net);
    setup.build_iter = build_iter;
    setup.close_iter = close_iter;
    setup.data = setup.user = m;
    setup.optim = "adam";
    setup.optim_conf = "{lr: 0.001}";
    setup.output_dir = out;
    setup.max_epoch = config->max_epoch;
    setup.n_speakers = spk_train_set_n_speakers(m->train);
    setup.speakers = spk_train_set_speakers(m->train);
    return spk_trainer_run(&hooks, &setup);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: own_trainer CONFIG.yaml TRAIN VALID OUT WANTED_EER\n");
        return 2;
    }
    mine m = {.wanted_eer = strtod(argv[5], NULL)};
    spk_net *net = NULL;
    spk_config config;
    spk_status status = spk_config_read(argv[1], &config);
    if (status != SPK_OK) {
        fprintf(stderr, "own_trainer: %s\n", spk_errmsg());
        return 1;
    }
    status = open_data(&m, &config, argv[2], argv[3]);
    if (status == SPK_OK) {
        config.spk_num = spk_train_set_n_speakers(m.train);
        status = spk_net_new(&config, NULL, &net);
    }
    if (status == SPK_OK) status = train(&m, &config, net, argv[4]);
    if (status == SPK_E_INTERRUPTED)
        printf("good enough: %s\n", argv[4]);
    else if (status != SPK_OK)
        fprintf(stderr, "own_trainer: %s\n", spk_errmsg());
    spk_trial_set_close(m.valid);
    spk_train_set_close(m.train);
    spk_net_free(net);
    spk_config_clear(&config);
    return status == SPK_OK || status == SPK_E_INTERRUPTED ? 0 : 1;
}
