/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of learning-rate schedules by ESPnet's names. A rate is a pure function of the number of steps done, so a
 * run that goes on from a checkpoint needs nothing but that number. */
#include "optim/kind_impl.h"

#include <string.h>
#include <strings.h>

struct spk_scheduler {
    const spk_scheduler_kind *kind;
    void *conf;
    double lr0;
};

static double constant_lr(const void *conf, double lr0, int64_t n)
{
    (void)conf;
    (void)n;
    return lr0;
}

static const spk_scheduler_kind constant = {"constant", NULL, 0, 1, NULL, constant_lr};
static const spk_scheduler_kind *const kinds[] = {&constant, &spk_scheduler_cosine_warmup_restarts};
static const char *const here[] = {"constant", "cosineannealingwarmuprestarts"};
static const char *const known[] = {"warmuplr",
                                    "noamlr",
                                    "piecewiselinearwarmuplr",
                                    "warmupsteplr",
                                    "tristagelr",
                                    "warmupreducelronplateau",
                                    "reducelronplateau",
                                    "lambdalr",
                                    "exponentialdecaywarmup",
                                    "steplr",
                                    "multisteplr",
                                    "exponentiallr",
                                    "cosineannealinglr",
                                    "cycliclr",
                                    "cosineannealingwarmrestarts",
                                    "onecyclelr"};

static spk_status read_conf(spk_scheduler *s, const spk_yaml *map)
{
    if (s->kind == &constant) { /* ESPnet does not look at scheduler_conf where there is no scheduler */
        if (map && map->n > 0) spk_warn("optim", "scheduler_conf has no effect, as there is no scheduler");
        return SPK_OK;
    }
    SPK_TRY(spk_opts_read(s->kind->options, s->kind->n_options, map, "scheduler_conf", s->conf));
    const spk_status status = s->kind->check(s->conf, map);
    if (status != SPK_OK) spk_opts_clear(s->kind->options, s->kind->n_options, s->conf);
    return status;
}

spk_status spk_scheduler_new(const char *name, const spk_yaml *map, double lr0, spk_scheduler **out)
{
    *out = NULL;
    if (!name || strcasecmp(name, "none") == 0) name = "constant";
    for (int i = 0; i < SPK_COUNT(kinds); i++) {
        if (strcasecmp(kinds[i]->name, name) != 0) continue;
        spk_scheduler *s = spk_new(sizeof *s);
        s->kind = kinds[i];
        s->lr0 = lr0;
        s->conf = spk_new(kinds[i]->conf_size);
        const spk_status status = read_conf(s, map);
        if (status == SPK_OK) {
            *out = s;
        } else {
            spk_free(s->conf);
            spk_free(s);
        }
        return status;
    }
    return spk_optim_unknown("scheduler", name, known, SPK_COUNT(known), here, SPK_COUNT(here));
}

void spk_scheduler_free(spk_scheduler *s)
{
    if (!s) return;
    if (s->kind->options) spk_opts_clear(s->kind->options, s->kind->n_options, s->conf);
    spk_free(s->conf);
    spk_free(s);
}

const char *spk_scheduler_name(const spk_scheduler *s)
{
    return s->kind->name;
}

double spk_scheduler_lr(const spk_scheduler *s, int64_t n)
{
    return s->kind->lr(s->conf, s->lr0, n);
}
