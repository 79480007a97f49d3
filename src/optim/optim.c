/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of optimisers by ESPnet's names, and their state. */
#include "optim/kind_impl.h"

#include <string.h>
#include <strings.h>

static const spk_optim_kind *const kinds[] = {&spk_optim_adam, &spk_optim_sgd};
static const char *const here[] = {"adam", "sgd"};
static const char *const known[] = {"adamw",    "adadelta",  "adagrad",   "adamax",        "asgd",     "lbfgs",
                                    "rmsprop",  "rprop",     "radam",     "accagd",        "adabound", "adamod",
                                    "diffgrad", "lamb",      "novograd",  "pid",           "qhm",      "sgdw",
                                    "yogi",     "fusedadam", "fusedlamb", "fusednovograd", "fusedsgd"};

const char *spk_optim_where(const spk_yaml *map, const char *key, char out[512])
{
    const spk_yaml *node = map ? spk_yaml_get(map, key) : NULL;
    char place[500];
    out[0] = 0;
    if (node || map) snprintf(out, 512, "%s: ", spk_yaml_where(node ? node : map, place, sizeof place));
    return out;
}

spk_status spk_optim_unknown(const char *what, const char *name, const char *const *later, int n_later,
                             const char *const *now, int n_now)
{
    spk_text list = {0};
    spk_status status = SPK_E_CONFIG;
    const char *nearest = spk_nearest(name, now, n_now);
    for (int i = 0; i < n_now; i++)
        spk_text_addf(&list, "%s%s", i ? ", " : "", now[i]);
    for (int i = 0; i < n_later && status != SPK_E_UNSUPPORTED; i++)
        if (strcasecmp(later[i], name) == 0) status = SPK_E_UNSUPPORTED;
    if (status == SPK_E_UNSUPPORTED)
        spk_fail(status, "%s: %s is not available in this release; use one of: %s", what, name, spk_text_str(&list));
    else if (nearest)
        spk_fail(status, "%s: %s is unknown; did you mean %s? (available: %s)", what, name, nearest,
                 spk_text_str(&list));
    else
        spk_fail(status, "%s: %s is unknown; use one of: %s", what, name, spk_text_str(&list));
    spk_text_clear(&list);
    return status;
}

/* The kind and its options, read and checked. */
static spk_status read_conf(const char *name, const spk_yaml *map, const spk_optim_kind **kind, void **conf)
{
    for (int i = 0; i < SPK_COUNT(kinds); i++) {
        if (strcasecmp(kinds[i]->name, name) != 0) continue;
        *kind = kinds[i];
        *conf = spk_new(kinds[i]->conf_size);
        spk_status status = spk_opts_read(kinds[i]->options, kinds[i]->n_options, map, "optim_conf", *conf);
        if (status == SPK_OK && (status = kinds[i]->check(*conf, map)) != SPK_OK)
            spk_opts_clear(kinds[i]->options, kinds[i]->n_options, *conf);
        if (status != SPK_OK) spk_free(*conf);
        return status;
    }
    return spk_optim_unknown("optim", name, known, SPK_COUNT(known), here, SPK_COUNT(here));
}

spk_status spk_optim_check(const char *name, const spk_yaml *map)
{
    const spk_optim_kind *kind = NULL;
    void *conf = NULL;
    SPK_TRY(read_conf(name, map, &kind, &conf));
    SPK_ASSERT(kind && conf);
    spk_opts_clear(kind->options, kind->n_options, conf);
    spk_free(conf);
    return SPK_OK;
}

spk_status spk_optim_new(const char *name, const spk_yaml *map, int64_t n, spk_optim **out)
{
    const spk_optim_kind *kind = NULL;
    void *conf = NULL;
    const char *names[SPK_OPTIM_MAX_BLOCKS];
    *out = NULL;
    SPK_TRY(read_conf(name, map, &kind, &conf));
    SPK_ASSERT(kind && conf);
    spk_optim *o = spk_new(sizeof *o);
    o->kind = kind;
    o->conf = conf;
    o->n = n;
    o->n_blocks = kind->blocks(conf, names);
    for (int i = 0; i < o->n_blocks; i++) {
        float *v = spk_alloc_zero((size_t)(n > 0 ? n : 1) * sizeof *v);
        o->block[i] = (spk_optim_block){names[i], v, n};
        if (!v) {
            spk_fail(SPK_E_NOMEM, "optim: not enough memory for the state of %s: %d blocks of %.3f GB", name,
                     o->n_blocks, (double)n * 4e-9);
            spk_optim_free(o);
            return SPK_E_NOMEM;
        }
    }
    *out = o;
    return SPK_OK;
}

void spk_optim_free(spk_optim *o)
{
    if (!o) return;
    spk_opts_clear(o->kind->options, o->kind->n_options, o->conf);
    spk_free(o->conf);
    for (int i = 0; i < o->n_blocks; i++)
        spk_free(o->block[i].v);
    spk_free(o);
}

const char *spk_optim_name(const spk_optim *o)
{
    return o->kind->name;
}

double spk_optim_lr(const spk_optim *o)
{
    double lr;
    memcpy(&lr, (const char *)o->conf + o->kind->lr_offset, sizeof lr);
    return lr;
}

void spk_optim_step(spk_optim *o, float *parameters, const float *gradients, double lr, double grad_scale)
{
    o->steps++;
    o->kind->step(o, parameters, gradients, lr, grad_scale);
}

int64_t spk_optim_steps(const spk_optim *o)
{
    return o->steps;
}

void spk_optim_set_steps(spk_optim *o, int64_t steps)
{
    o->steps = steps;
}

int spk_optim_blocks(spk_optim *o, spk_optim_block out[SPK_OPTIM_MAX_BLOCKS])
{
    memcpy(out, o->block, (size_t)o->n_blocks * sizeof *out);
    return o->n_blocks;
}
