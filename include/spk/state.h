/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of model weights: PyTorch's .pth (a zip file with a pickled state_dict) and safetensors.
 *
 * Nothing in a .pth is ever executed: a small machine reads the pickle and knows only what a
 * state_dict needs; anything else it calls is refused by name. Both writers appear whole or not at
 * all and put down no time stamps: equal weights give equal bytes. Failures of readers leave *out
 * empty and say in one sentence what is wrong with which file.
 */
#ifndef SPK_STATE_H
#define SPK_STATE_H

#include "spk/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Read a state_dict that torch.save wrote (PyTorch 1.6 or newer): a dict or OrderedDict of tensors, or one that lies
 * in the entry `state_dict`, `model` or `module` of a checkpoint. Tensors come in the file's order and contiguous,
 * whatever strides and storage offsets they were saved with. float32, float64, float16, bfloat16, int64, int32, int16,
 * int8, uint8, bool; scalars have n_dims 0. SPK_E_IO: cannot be read; SPK_E_FORMAT: anything else.
 */
SPK_API spk_status spk_pth_read(const char *path, spk_tensors *out) SPK_NODISCARD;
/* The same of n bytes in memory; `name` stands for the path in messages. */
SPK_API spk_status spk_pth_read_memory(const void *data, size_t n, const char *name, spk_tensors *out) SPK_NODISCARD;
/* Whatever file of weights it is: .safetensors by its name, a model that ESPnet has packed (below), else a .pth. */
SPK_API spk_status spk_weights_read(const char *path, spk_tensors *out) SPK_NODISCARD;
/* What torch.load(path, weights_only=True) opens as an OrderedDict of tensors. Names that stand twice: SPK_E_VALUE. */
SPK_API spk_status spk_pth_write(const char *path, const spk_tensors *tensors) SPK_NODISCARD;

/*
 * ESPnet's packed model: a zip file whose meta.yaml names a configuration and a .pth among its members. _is_packed: the
 * file is one; _read_packed: its configuration as text (new, n bytes and a NUL; spk_packed_free), called *config_name
 * ("ZIP/exp/config.yaml"), and its weights. Any of config, config_name and weights may be NULL.
 */
SPK_API int spk_is_packed(const char *path);
SPK_API spk_status spk_read_packed(const char *path, char **config, size_t *n, char **config_name,
                                   spk_tensors *weights) SPK_NODISCARD;
SPK_API void spk_packed_free(char *text);

/* Strings that go with tensors in a safetensors file ("__metadata__"); zero-initialise. */
typedef struct spk_meta {
    int64_t n;
    struct spk_meta_entry {
        char *key, *value;
    } * entry;
} spk_meta;
SPK_API void spk_meta_set(spk_meta *meta, const char *key, const char *value); /* copies both; replaces */
SPK_API const char *spk_meta_get(const spk_meta *meta, const char *key);       /* NULL: not there */
SPK_API void spk_meta_clear(spk_meta *meta);

/* meta: NULL for none. Tensors come in the order of the file's header, which is the order they were written in. */
SPK_API spk_status spk_safetensors_read(const char *path, spk_tensors *out, spk_meta *meta) SPK_NODISCARD;
SPK_API spk_status spk_safetensors_write(const char *path, const spk_tensors *tensors,
                                         const spk_meta *meta) SPK_NODISCARD;
/* The metadata alone, without reading tensors. */
SPK_API spk_status spk_safetensors_read_meta(const char *path, spk_meta *meta) SPK_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
