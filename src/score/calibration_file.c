/* SPDX-License-Identifier: Apache-2.0 */
/* A calibration as JSON: numbers that read back as the same doubles. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score/calibration_impl.h"

static const char format[] = "spk-calibration-1";
static const char *const kinds[] = {"linear", "qmf", "qmf_espnet"};

const char *spk_calibration_kind_name(spk_calibration_kind kind)
{
    return kinds[kind];
}

spk_status spk_calibration_write(const spk_calibration *c, const char *path)
{
    json_t *weights = json_array();
    for (int64_t k = 0; k < c->F; k++)
        json_array_append_new(weights, json_real(c->weight[k]));
    json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:f, s:f, s:o}", "format", format, "kind", kinds[c->kind],
                            "n_systems", (json_int_t)c->n_systems, "embedding_size", (json_int_t)c->D, "prior",
                            c->prior, "bias", c->bias, "weights", weights);
    char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    const spk_status status = spk_write_file(path, text, strlen(text));
    free(text); /* jansson's malloc */
    json_decref(all);
    return status;
}

static spk_status take(const json_t *all, const char *path, spk_calibration *c)
{
    const char *kind = NULL, *of = NULL;
    json_int_t n_systems = 0, D = 0;
    json_t *weights = NULL;
    json_error_t error;
    json_t *root = (json_t *)(uintptr_t)all; /* only read */
    if (json_unpack_ex(root, &error, 0, "{s:s, s:s, s:I, s:I, s:F, s:F, s:o}", "format", &of, "kind", &kind,
                       "n_systems", &n_systems, "embedding_size", &D, "prior", &c->prior, "bias", &c->bias, "weights",
                       &weights) != 0)
        return spk_fail(SPK_E_FORMAT, "%s: is no calibration: %s", path, error.text);
    if (strcmp(of, format) != 0) return spk_fail(SPK_E_FORMAT, "%s: the format is '%s', not '%s'", path, of, format);
    for (int k = 0; k < 3; k++)
        if (strcmp(kind, kinds[k]) == 0) c->F = 1 + k;
    if (c->F == 0) return spk_fail(SPK_E_FORMAT, "%s: the kind '%s' is not known", path, kind);
    c->kind = (spk_calibration_kind)(c->F - 1);
    const int64_t n = (int64_t)json_array_size(weights);
    const bool plausible = n_systems >= 1 && n_systems <= n && D >= 0 && D <= n; /* so that nothing overflows */
    c->n_systems = n_systems;
    c->D = D;
    c->F = plausible ? n_systems + (c->kind == SPK_CALIBRATION_LINEAR ? 0 : 8 + 2 * D) : 0;
    if (!plausible || !(c->prior > 0 && c->prior < 1) || n != c->F)
        return spk_fail(SPK_E_FORMAT, "%s: %zu weights, %lld systems and embeddings of %lld values do not fit", path,
                        json_array_size(weights), (long long)n_systems, (long long)D);
    c->weight = spk_new(sizeof *c->weight * (size_t)c->F);
    for (int64_t k = 0; k < c->F; k++) {
        const json_t *w = json_array_get(weights, (size_t)k);
        if (!json_is_number(w)) return spk_fail(SPK_E_FORMAT, "%s: weight %lld is no number", path, (long long)k + 1);
        c->weight[k] = json_number_value(w);
    }
    return SPK_OK;
}

spk_status spk_calibration_parse(const char *text, size_t n, const char *name, spk_calibration *out)
{
    json_error_t error;
    memset(out, 0, sizeof *out);
    json_t *all = json_loadb(text, n, 0, &error);
    if (!all) return spk_fail(SPK_E_FORMAT, "%s:%d: %s", name, error.line, error.text);
    const spk_status status = take(all, name, out);
    json_decref(all);
    if (status != SPK_OK) spk_calibration_clear(out);
    return status;
}

spk_status spk_calibration_read(const char *path, spk_calibration *out)
{
    char *text = NULL;
    size_t n = 0;
    memset(out, 0, sizeof *out);
    SPK_TRY(spk_read_file(path, &text, &n));
    const spk_status status = spk_calibration_parse(text, n, path, out);
    spk_free(text);
    return status;
}
