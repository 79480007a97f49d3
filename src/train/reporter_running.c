/* SPDX-License-Identifier: Apache-2.0 */
/* The running phase of a reporter in a checkpoint, so that an epoch's figures are those of all its steps. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "train/reporter_store_impl.h"

static const char TENSOR[] = "reporter.values";

const char *spk_reporter_running(const spk_reporter *r)
{
    return r->phase;
}

void spk_reporter_describe_running(const spk_reporter *r, spk_text *json)
{
    if (!r->phase) return;
    json_t *series = json_array();
    for (int64_t i = 0; i < r->n_series; i++)
        json_array_append_new(series, json_pack("{s:s, s:b, s:b}", "name", r->series[i].name, "weighted",
                                                r->series[i].weighted, "integral", r->series[i].integral));
    json_t *root = json_pack("{s:s, s:f, s:I, s:o}", "phase", r->phase, "time", spk_now() - r->start_s, "steps",
                             (json_int_t)r->steps, "series", series);
    char *text = json_dumps(root, JSON_COMPACT);
    SPK_ASSERT(text);
    spk_text_add(json, text);
    free(text);
    json_decref(root);
}

spk_status spk_reporter_save_running(const spk_reporter *r, spk_tensors *out)
{
    const int64_t dim[3] = {r->n_series, 2, r->steps};
    spk_ndarray *a;
    if (!r->phase || r->n_series == 0 || r->steps == 0) return SPK_OK;
    SPK_ASSERT(!r->step_open && "a phase is kept between steps");
    SPK_TRY(spk_tensors_add(out, TENSOR, SPK_F64, 3, dim, &a));
    double *v = a->data;
    for (int64_t i = 0; i < r->n_series; i++, v += 2 * r->steps) {
        memcpy(v, r->series[i].value, (size_t)r->steps * sizeof *v);
        memcpy(v + r->steps, r->series[i].weight, (size_t)r->steps * sizeof *v);
    }
    return SPK_OK;
}

static void load_series(spk_reporter *r, const json_t *list, const double *v)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        spk_series *s = &SPK_PUSH(r->series, r->n_series);
        const size_t bytes = (size_t)r->steps * sizeof *v;
        *s = (spk_series){.name = spk_strdup(json_string_value(json_object_get(item, "name"))),
                          .weighted = json_is_true(json_object_get(item, "weighted")),
                          .integral = json_is_true(json_object_get(item, "integral")),
                          .n = r->steps,
                          .room = r->steps,
                          .value = spk_new(bytes),
                          .weight = spk_new(bytes)};
        const double *at = v + 2 * (size_t)r->steps * i;
        memcpy(s->value, at, bytes);
        memcpy(s->weight, at + r->steps, bytes);
    }
}

static bool fits(const json_t *root, const spk_ndarray *a)
{
    const json_t *series = json_object_get(root, "series");
    size_t i;
    json_t *item;
    if (!json_is_string(json_object_get(root, "phase")) || !json_is_number(json_object_get(root, "time")) ||
        !json_is_integer(json_object_get(root, "steps")) || !json_is_array(series))
        return false;
    json_array_foreach(series, i, item) if (!json_is_string(json_object_get(item, "name"))) return false;
    const int64_t n = (int64_t)json_array_size(series), steps = json_integer_value(json_object_get(root, "steps"));
    if (!a) return n == 0 || steps == 0;
    return steps > 0 && a->dtype == SPK_F64 && a->n_dims == 3 && a->dim[0] == n && a->dim[1] == 2 && a->dim[2] == steps;
}

spk_status spk_reporter_load_running(spk_reporter *r, const char *json, const spk_tensors *in, const char *what)
{
    json_t *root = json_loads(json, 0, NULL);
    const spk_ndarray *a = spk_tensors_find(in, TENSOR);
    if (!root || !fits(root, a)) {
        json_decref(root);
        return spk_fail(SPK_E_FORMAT, "%s: the values of the running epoch are damaged", what);
    }
    spk_reporter_begin_phase(r, json_string_value(json_object_get(root, "phase")));
    r->start_s -= json_number_value(json_object_get(root, "time"));
    if (a) {
        r->steps = json_integer_value(json_object_get(root, "steps"));
        load_series(r, json_object_get(root, "series"), a->data);
    }
    json_decref(root);
    return SPK_OK;
}
