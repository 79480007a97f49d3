/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own networks: built from a configuration, with ESPnet's names for parts, options and weights.
 *
 * A network keeps its plans (one for each batch size and length that it has met) and one arena that they share.
 * Thread rule: one call at a time. Determinism: the same weights, input and thread count give the same bits.
 */
#ifndef SPK_NET_H
#define SPK_NET_H

#include <stdbool.h>

#include "spk/config.h"
#include "spk/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_net spk_net;

typedef struct spk_net_options {
    int n_threads; /* 0: all processors that the process may use */
    bool f64;      /* parameters and all that is computed in double, by the reference kernels: exact and slow */
    /* Frames between frontend and pooling in bfloat16 and all else in float, in training steps and where waves are
     * embedded; where the processor has no arithmetic for it a line in the log says so, and all is float. */
    bool bf16_train, bf16_embed;
    bool embed_only; /* no loss, so no class weights: weights of another number of speakers fit */
    /* Several processes divide the loss's classes among them, and this is the network of one (spk_model.divided); default 0:
     * all are here. */
    int class_process, class_processes;
    /* A GPU computes, where the build has its plugin: which one of this machine's, from 1; 0: the processor. It computes in
     * float or, by bf16_*, bfloat16; f64 and class_processes are not for it. */
    int gpu;
    bool gpu_tf32;      /* products of floats may round their factors to 10 bits (use_tf32) */
    bool gpu_any_bits;  /* results may differ in the last bits from run to run (cudnn_deterministic: false) */
    bool gpu_no_dnn;    /* convolutions without cuDNN (cudnn_enabled: false) */
    bool gpu_benchmark; /* try the library's algorithms and take the fastest (cudnn_benchmark) */
    bool has_weights; /* weights will be loaded: a file that only gives initial values may be missing (so embed_only) */
} spk_net_options;

/* Build the network of config's frontend, encoder, pooling, projector and loss, with initial values drawn from
 * config->seed. SPK_E_CONFIG or SPK_E_UNSUPPORTED name the key. options may be NULL. */
SPK_API spk_status spk_net_new(const spk_config *config, const spk_net_options *options, spk_net **out) SPK_NODISCARD;
SPK_API void spk_net_free(spk_net *net);

/* Put every part's options, as the network uses them, into the maps of `config` (the one that it was made of), so that
 * a dump means the same wherever it is read. With pool_lengths `frontend`, where the dump carries ESPnet's version, only
 * what differs from that release's defaults is added, and ESPnet can read it. */
SPK_API void spk_net_resolve(const spk_net *net, spk_config *config);
/* A line in the log for each choice that makes results differ from ESPnet 202611's, or like them. Before
 * spk_net_resolve. */
SPK_API void spk_net_log_choices(const spk_net *net, const spk_config *config);

/* The network as the trainer sees it; owned by the network. */
SPK_API spk_model *spk_net_model(spk_net *net);

/* Load a state_dict file (.pth or .safetensors). With embed_only, "loss." entries are passed over. A file that does
 * not fit is SPK_E_MISMATCH with the names, and the network stays as it was. */
SPK_API spk_status spk_net_load(spk_net *net, const char *path) SPK_NODISCARD;

/* Shortest wave, in samples, that the network takes, and the frames that a wave of so many samples has. */
SPK_API int64_t spk_net_min_samples(const spk_net *net);
SPK_API int64_t spk_net_frames(const spk_net *net, int64_t samples);

/* Values of a frame where the network takes features instead of waves; 0: waves. */
SPK_API int64_t spk_net_feature_size(const spk_net *net);
/* The same of a configuration, before there is a network. */
SPK_API spk_status spk_config_feature_size(const spk_config *config, int64_t *size) SPK_NODISCARD;

/* Embed n waves of lengths[i] <= samples: speech (n, samples) float32, padded behind with anything -> embedding (n, E),
 * of a network in double rounded to float32. Each comes out as it would alone. Waves with the same number of frames (spk_net_frames) cost least. A network without
 * a frontend takes features instead: (n, frames, input_size), lengths in frames. */
SPK_API spk_status spk_net_embed(spk_net *net, const float *speech, const int64_t *lengths, int64_t n, int64_t samples,
                                 float *embedding) SPK_NODISCARD;

typedef struct spk_net_info {
    int64_t n_parameters; /* trainable */
    int64_t embedding_size;
    double gflop_forward, gflop_training; /* an utterance of `samples` samples */
    const char *frontend, *encoder, *pooling, *projector, *loss;
} spk_net_info;
SPK_API spk_status spk_net_describe(spk_net *net, int64_t samples, spk_net_info *out) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
