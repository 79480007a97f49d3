/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models in the files of other programs. A model between formats is a configuration in this program's words and weights
 * under its names; each format has a file of its own that reads into that, and some that write from it:
 *
 *   espnet       folder with config.yaml and .pth, or a packed .zip       read, write (also this program's own folders)
 *   safetensors  folder with config.yaml and model.safetensors            read, write
 *   wespeaker    folder with config.yaml and avg_model.pt                 read, write
 *   3dspeaker    a .bin or .pt of CAM++                                   read
 *   speechbrain  embedding_model.ckpt of ECAPA-TDNN                       read
 */
#ifndef SPK_INFER_CONVERT_IMPL_H
#define SPK_INFER_CONVERT_IMPL_H

#include "base/base_impl.h"
#include "formats/yaml_impl.h"
#include "model/net_impl.h"
#include "spk/config.h"
#include "spk/state.h"

typedef struct spk_foreign {
    spk_yaml *config;      /* a map of this program's options: frontend, frontend_conf, encoder, ... */
    spk_tensors weights;   /* encoder.conv.weight, ... */
    spk_str_list speakers; /* the classes, where they are known */
} spk_foreign;
void spk_foreign_clear(spk_foreign *f);

typedef struct spk_convert_options {
    const char *from;   /* one of the formats above; NULL: by the look of the files */
    const char *to;     /* "espnet", "spk" (as espnet, with its own pool_lengths), "safetensors", "wespeaker" */
    const char *config; /* NULL: beside the weights */
    const char *output_dir;
    bool allow_different_pooling; /* to espnet, although it will compute something else there */
} spk_convert_options;

/* Read `model` (a folder, a packed zip, or a file of weights) and write it in another format. What does not fit is
 * refused by name and nothing is written. */
spk_status spk_convert(const char *model, const spk_convert_options *o);

/* Read only. The weights have been put into the network that the configuration describes: they fit, and have its shapes. */
spk_status spk_convert_read(const char *model, const spk_convert_options *o, spk_foreign *out);

/* The configuration of `f` and the network of it with its weights, both new; pool_lengths (may be NULL) replaces the
 * configuration's. The weights of `f` get the network's shapes. On failure nothing is to be cleared. */
spk_status spk_foreign_net(spk_foreign *f, const char *name, const char *pool_lengths, spk_config *config,
                           spk_net **net);

/* ---- formats ---- */

/* config: of the other program, or NULL where there is none. `t` holds its weights; `name` is for messages. */
spk_status spk_from_wespeaker(const spk_yaml *config, const spk_tensors *t, const char *name, spk_foreign *out);
spk_status spk_from_3dspeaker(const spk_tensors *t, const char *name, spk_foreign *out);
spk_status spk_from_speechbrain(const spk_tensors *t, const char *name, spk_foreign *out);
/* WeSpeaker's configuration (new) and weights of a network whose weights are given under this program's names. */
spk_status spk_to_wespeaker(spk_net *net, const spk_tensors *weights, spk_yaml **yaml, spk_tensors *out);

/* ---- names ---- */

/*
 * Names of one program and of the other, up to a dot: {"layer{2}.bn", "encoder.layer{1}.bn"} says that layer2.bn.weight is
 * encoder.layer1.bn.weight, layer3.bn.weight is encoder.layer2.bn.weight, ...: the number in braces is the first one. An empty
 * name stands for all. The first row that fits counts.
 */
typedef enum spk_rename_shape { SPK_SHAPE_SAME, SPK_SHAPE_LINEAR, SPK_SHAPE_CONV } spk_rename_shape;
typedef struct spk_rename {
    const char *theirs, *ours;
    spk_rename_shape shape; /* of their weight: (O,C) where ours is (O,C,1), or the other way round */
} spk_rename;
/* A new string, or NULL: no row fits. *rule (may be NULL): the row. */
char *spk_rename_find(const spk_rename *table, int n, const char *name, bool to_ours, const spk_rename **rule);
/* All of `from` under the other names. `drop`: beginnings of names that are left out, NULL-terminated. SPK_E_MISMATCH
 * for a name that no row knows. */
spk_status spk_rename_all(const spk_rename *table, int n, const spk_tensors *from, const char *const *drop,
                          bool to_ours, const char *what, spk_tensors *out);

/* ---- maps ---- */
void spk_put_text(spk_yaml *map, const char *key, const char *text);
void spk_put_int(spk_yaml *map, const char *key, int64_t value);
void spk_put_bool(spk_yaml *map, const char *key, bool value);
void spk_put_ints(spk_yaml *map, const char *key, const int64_t *v, int64_t n);
/* The map of that key, made where it is not there. */
spk_yaml *spk_put_map(spk_yaml *map, const char *key);
/* The text of an entry; NULL: none. */
const char *spk_text_of(const spk_yaml *map, const char *key);
/* Extent of an axis of a tensor; 0: there is no such tensor or axis. */
int64_t spk_extent(const spk_tensors *t, const char *name, int axis);
/* How many tensors "fmt % i" there are, counted from i = first. */
int64_t spk_count_tensors(const spk_tensors *t, const char *before, int64_t first, const char *behind);

#endif
