/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of config/parts_impl.h, found by kind and name. */
#include <string.h>

#include "config/parts_impl.h"
#include "model/build_impl.h"

#define SPK_NO_PART(name)

/* Each file of a part has its variable: spk__encoder_ecapa_tdnn. */
#define DECLARE(name) extern const spk_part spk__frontend_##name;
SPK_FRONTENDS(DECLARE, SPK_NO_PART)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__specaug_##name;
SPK_SPECAUGS(DECLARE)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__normalize_##name;
SPK_NORMALIZERS(DECLARE)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__encoder_##name;
SPK_ENCODERS(DECLARE)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__pooling_##name;
SPK_POOLINGS(DECLARE)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__projector_##name;
SPK_PROJECTORS(DECLARE)
#undef DECLARE
#define DECLARE(name) extern const spk_part spk__loss_##name;
SPK_LOSSES(DECLARE)
#undef DECLARE

#define ENTRY(name) &spk__frontend_##name,
static const spk_part *const frontends[] = {SPK_FRONTENDS(ENTRY, SPK_NO_PART) NULL};
#undef ENTRY
#define ENTRY(name) &spk__specaug_##name,
static const spk_part *const specaugs[] = {SPK_SPECAUGS(ENTRY) NULL};
#undef ENTRY
#define ENTRY(name) &spk__normalize_##name,
static const spk_part *const normalizers[] = {SPK_NORMALIZERS(ENTRY) NULL};
#undef ENTRY
#define ENTRY(name) &spk__encoder_##name,
static const spk_part *const encoders[] = {SPK_ENCODERS(ENTRY) NULL};
#undef ENTRY
#define ENTRY(name) &spk__pooling_##name,
static const spk_part *const poolings[] = {SPK_POOLINGS(ENTRY) NULL};
#undef ENTRY
#define ENTRY(name) &spk__projector_##name,
static const spk_part *const projectors[] = {SPK_PROJECTORS(ENTRY) NULL};
#undef ENTRY
#define ENTRY(name) &spk__loss_##name,
static const spk_part *const losses[] = {SPK_LOSSES(ENTRY) NULL};
#undef ENTRY

static const struct {
    const char *kind;
    const spk_part *const *parts; /* NULL-terminated */
} registry[SPK_N_PARTS] = {
    [SPK_FRONTEND] = {"frontend", frontends},
    [SPK_SPECAUG] = {"specaug", specaugs},
    [SPK_NORMALIZE] = {"normalize", normalizers},
    [SPK_ENCODER] = {"encoder", encoders},
    [SPK_POOLING] = {"pooling", poolings},
    [SPK_PROJECTOR] = {"projector", projectors},
    [SPK_LOSS] = {"loss", losses},
};

const spk_part *spk_part_find(spk_part_kind kind, const char *name)
{
    for (const spk_part *const *p = registry[kind].parts; *p; p++)
        if (strcmp((*p)->name, name) == 0) return *p;
    return NULL;
}

const char *spk_part_kind_name(spk_part_kind kind)
{
    return registry[kind].kind;
}
