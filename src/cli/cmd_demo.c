/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spk demo: the whole way on synthetic speakers, or on data folders of the user's: corpus, training with open-set
 * validation after every epoch, embeddings, pictures.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/train_impl.h"
#include "formats/list_impl.h"
#include "recipe/synth_impl.h"

typedef struct demo_options {
    char *data, *output_dir;
    int64_t threads, epochs, steps, seed;
    bool quiet;
} demo_options;

#define FIELD(name) offsetof(demo_options, name)
static const spk_opt table[] = {
    {"data", SPK_OPT_STR, FIELD(data), "none", 0, 0, NULL,
     "a folder with train/ (wav.scp, utt2spk) and valid/ (trials, wav.scp) instead of synthetic speakers",
     SPK_OPT_NULLABLE},
    {"output_dir", SPK_OPT_STR, FIELD(output_dir), "demo", 0, 0, NULL, "everything is written here", 0},
    {"num_threads", SPK_OPT_INT, FIELD(threads), "none", 1, 1024, NULL, "none: all processors", SPK_OPT_NULLABLE},
    {"epochs", SPK_OPT_INT, FIELD(epochs), "12", 1, 10000, NULL, "epochs of the training", 0},
    {"steps", SPK_OPT_INT, FIELD(steps), "20", 1, 100000, NULL, "training steps of an epoch", 0},
    {"seed", SPK_OPT_INT, FIELD(seed), "0", 0, 1e15, NULL, "of the corpus and of the training", 0},
    {"quiet", SPK_OPT_BOOL, FIELD(quiet), "false", 0, 0, NULL, "no notes and no progress on stderr, but warnings", 0},
};

/* What a small ECAPA-TDNN needs to learn something in minutes. */
static const char conf[] = "frontend: melspec_torch\n"
                           "frontend_conf: {preemp: true, n_fft: 512, log: true, win_length: 400, hop_length: 160,"
                           " n_mels: 80, normalize: mn}\n"
                           "encoder: ecapa_tdnn\n"
                           "encoder_conf: {model_scale: 8, ndim: 128, output_size: 384}\n"
                           "pooling: chn_attn_stat\n"
                           "projector: rawnet3\n"
                           "projector_conf: {output_size: 128}\n"
                           "preprocessor: spk\n"
                           "preprocessor_conf: {target_duration: 2.0, sample_rate: 16000, num_eval: 3,"
                           " noise_apply_prob: 0.0, rir_apply_prob: 0.0}\n"
                           "loss: aamsoftmax\n"
                           "loss_conf: {margin: 0.2, scale: 30}\n"
                           "num_att_plot: 0\n"
                           "num_workers: 2\n"
                           "drop_last_iter: true\n"
                           "iterator_type: category\n"
                           "valid_iterator_type: sequence\n"
                           "batch_type: catbel\n"
                           "valid_batch_type: unsorted\n"
                           "valid_batch_size: 40\n"
                           "keep_nbest_models: 2\n"
                           "grad_clip: 9999\n"
                           "best_model_criterion: [[valid, eer, min]]\n"
                           "optim: adam\n"
                           "optim_conf: {weight_decay: 0.00005}\n"
                           "scheduler: cosineannealingwarmuprestarts\n";

static void set_text(char **field, const char *value)
{
    spk_free(*field);
    *field = spk_strdup(value);
}

/* Utterances of a batch: 40, or fewer where there are not so many. */
static spk_status choose_batch(const char *data, int64_t *batch)
{
    char *path = spk_path_join(data, "train/wav.scp");
    spk_list list;
    const spk_status status = spk_list_read(path, 0, &list);
    if (status == SPK_OK) {
        *batch = list.n > 0 && list.n < 40 ? list.n : 40;
        spk_list_clear(&list);
    }
    spk_free(path);
    return status;
}

/* The training's configuration: the text above with steps, folders and threads. */
static spk_status configure(const demo_options *o, const char *data, const char *exp, spk_config *c)
{
    const int64_t n_steps = o->epochs * o->steps;
    const int64_t warm_up = n_steps / 8 > 0 ? n_steps / 8 : 1;
    int64_t batch;
    spk_text text = {0};
    SPK_TRY(choose_batch(data, &batch));
    spk_text_add(&text, conf);
    spk_text_addf(&text, "batch_size: %" PRId64 "\n", batch);
    spk_text_addf(&text,
                  "scheduler_conf: {first_cycle_steps: %" PRId64 ", cycle_mult: 1.0, max_lr: 0.001, min_lr: 0.00001, "
                  "warmup_steps: %" PRId64 ", gamma: 1.0}\n"
                  "max_epoch: %" PRId64 "\nnum_iters_per_epoch: %" PRId64 "\nseed: %" PRId64 "\n",
                  n_steps > warm_up ? n_steps : warm_up + 1, warm_up, o->epochs, o->steps, o->seed);
    const spk_status status = spk_config_parse(spk_text_str(&text), text.n, "the demo's configuration", c);
    spk_text_clear(&text);
    if (status != SPK_OK) return status;
    char *train = spk_path_join(data, "train"), *valid = spk_path_join(data, "valid");
    set_text(&c->output_dir, exp);
    set_text(&c->train_dir, train);
    set_text(&c->valid_dir, valid);
    c->overwrite = true;
    c->num_threads = o->threads;
    spk_free(train);
    spk_free(valid);
    return SPK_OK;
}

/* ---- what is said ---- */

static double figure(const spk_training *t, const char *phase, const char *name)
{
    double value;
    return spk_reporter_get(t->reporter, t->epoch, phase, name, &value) ? value : NAN;
}

static double training_began;

static spk_status say_epoch(spk_training *t)
{
    const int64_t max = t->setup->max_epoch;
    const double left = (spk_now() - training_began) / (double)t->epoch * (double)(max - t->epoch);
    char rest[48] = "";
    if (t->epoch < max) snprintf(rest, sizeof rest, "  %d:%02d left", (int)(left / 60), (int)left % 60);
    cli_lock();
    cli_progress_clear();
    printf("epoch %2" PRId64 "/%" PRId64 ":  loss %6.3f  open-set EER %6.2f %%  minDCF %.3f  (%.1f s + %.1f s)%s\n",
           t->epoch, max, figure(t, "train", "loss"), figure(t, "valid", "eer"), figure(t, "valid", "mindcf"),
           figure(t, "train", "time"), figure(t, "valid", "time"), rest);
    fflush(stdout);
    cli_unlock();
    return SPK_OK;
}

static void say_opened(const spk_run *r)
{
    spk_net_info info;
    training_began = spk_now();
    if (spk_net_describe(r->net, spk_train_set_samples(r->train), &info) != SPK_OK) return;
    printf("training %s with %" PRId64 " parameters on %" PRId64 " utterances of %" PRId64 " speakers;\n"
           "after each epoch %" PRId64 " trials between %" PRId64 " utterances of speakers that it never hears\n",
           info.encoder, info.n_parameters, spk_train_set_n_utterances(r->train), spk_train_set_n_speakers(r->train),
           spk_trial_set_n_trials(r->valid), spk_trial_set_n_utterances(r->valid));
    fflush(stdout);
}

/* A line of the list at the end, for what is there (without gnuplot there are no pictures). */
static void say_file(const char *folder, const char *name, const char *what)
{
    char *path = spk_path_join(folder, name);
    if (spk_exists(path)) printf("  %-34s %s\n", path, what);
    spk_free(path);
}

static void say_end(const demo_options *o, const char *exp, double seconds)
{
    printf("\ndone in %d:%02d minutes; everything lies in %s:\n", (int)seconds / 60, (int)seconds % 60, o->output_dir);
    if (!o->data) say_file(o->output_dir, "corpus", "recordings and lists");
    say_file(exp, "valid.eer.best.pth", "the model with the lowest EER, its configuration: config.yaml");
    say_file(exp, "images/progress.png", "loss and EER over the epochs");
    say_file(exp, "images/scores.png", "scores of same and of different speakers");
    say_file(o->output_dir, "valid_embeddings.npz", "embeddings: numpy.load(...)[ID]");
    if (!o->data)
        puts("The speakers are synthetic: these figures say nothing about real speech. For that:\n"
             "  spk prep tree RECORDINGS data      (one folder of recordings for each speaker)\n"
             "  spk demo --data data --output_dir demo-real");
}

/* ---- the way ---- */

static spk_status make_corpus(const demo_options *o, const char *folder)
{
    spk_synth_options s;
    spk_synth_report r;
    char *done = spk_path_join(folder, "train/wav.scp"), *trials = spk_path_join(folder, "valid/trial_label");
    const bool there = spk_is_file(done) && spk_is_file(trials);
    spk_free(done);
    spk_free(trials);
    if (there) {
        printf("%s: the corpus is there already (remove the folder to make another)\n", folder);
        return SPK_OK;
    }
    spk_synth_defaults(&s);
    s.folder = folder;
    s.seed = (uint64_t)o->seed;
    s.threads = o->threads == SPK_NONE ? 0 : (int)o->threads;
    s.progress = cli_progress;
    printf("making synthetic speakers with espeak-ng\n");
    fflush(stdout);
    SPK_TRY(spk_synth_corpus(&s, &r));
    printf("%s: %" PRId64 " speakers, %" PRId64 " utterances, %.0f minutes of audio\n", folder, r.n_speakers,
           r.n_utterances, r.audio_s / 60);
    return SPK_OK;
}

static spk_status train(const demo_options *o, const char *data, const char *exp)
{
    const train_view view = {.epoch_done = say_epoch, .opened = say_opened};
    spk_config config;
    bool usage;
    SPK_TRY(configure(o, data, exp, &config));
    const spk_status status = train_with_view(&config, &view, &usage);
    spk_config_clear(&config);
    return status;
}

/* As a user would: `spk extract --model EXP --valid_dir VALID --output_dir OUT`. */
static int extract(const demo_options *o, const char *data, const char *exp)
{
    char *valid = spk_path_join(data, "valid"), *model = spk_strdup(exp), *out = spk_strdup(o->output_dir);
    char *words[] = {spk_strdup("--model"),
                     model,
                     spk_strdup("--valid_dir"),
                     valid,
                     spk_strdup("--output_dir"),
                     out,
                     spk_strdup("--num_eval"),
                     spk_strdup("3"),
                     spk_strdup("--average_embd"),
                     spk_strdup("true"),
                     spk_strdup("--log_level"),
                     spk_strdup("WARNING"),
                     o->quiet ? spk_strdup("--quiet") : NULL};
    const int n = (int)(sizeof words / sizeof *words) - !o->quiet;
    const int rc = cmd_extract(n, words);
    for (int i = 0; i < n; i++)
        spk_free(words[i]);
    return rc;
}

static int demo(const demo_options *o)
{
    const double begun = spk_now();
    char *corpus = spk_path_join(o->output_dir, "corpus"), *exp = spk_path_join(o->output_dir, "exp");
    const char *data = o->data ? o->data : corpus;
    int rc = cli_failed(o->data ? SPK_OK : make_corpus(o, corpus));
    if (rc == CLI_OK) rc = cli_failed(train(o, data, exp));
    if (rc == CLI_OK) rc = extract(o, data, exp);
    if (rc == CLI_OK) say_end(o, exp, spk_now() - begun);
    spk_free(corpus);
    spk_free(exp);
    return rc;
}

int cmd_demo(int argc, char **argv)
{
    const spk_args_spec spec = {
        .command = "spk demo",
        .usage = "[--data DIR] [OPTION...]",
        .about =
            "Goes the whole way in minutes: makes a corpus of synthetic speakers (or takes the data folders of DIR),\n"
            "trains a small ECAPA-TDNN, prints the open-set EER after each epoch, extracts embeddings, draws pictures.",
        .options = {table, NULL, SPK_COUNT(table)}};
    demo_options o;
    spk_args args;
    int rc = cli_args(&spec, argc, argv, &o, &args);
    if (rc != CLI_GO_ON) return rc;
    cli_log_start(o.quiet, SPK_LOG_WARNING);
    spk_signals_catch();
    cli_threads(o.threads);
    rc = demo(&o);
    spk_args_clear(&args);
    spk_opts_clear(table, SPK_COUNT(table), &o);
    const int flushed = cli_flush();
    return rc == CLI_OK ? flushed : rc;
}
