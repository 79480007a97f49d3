/* SPDX-License-Identifier: Apache-2.0 */
/* Embeddings as JSON lines, with the shortest numbers that read back as the same float32. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_impl.h"
#include "formats/number_impl.h"
#include "spk/arrays.h"

/* JSON knows no NaN and no infinity. */
static void add_float(spk_text *t, float x)
{
    char s[32];
    spk_format_float(x, s);
    spk_text_add(t, isfinite(x) ? s : "null");
}

static void add_string(spk_text *t, const char *s)
{
    spk_text_add(t, "\"");
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            spk_text_addf(t, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            spk_text_addf(t, "\\u%04x", (unsigned)(unsigned char)*s);
        else
            spk_text_addn(t, s, 1);
    }
    spk_text_add(t, "\"");
}

static const float *add_values(spk_text *t, int n_dims, const int64_t *dim, const float *data)
{
    spk_text_add(t, "[");
    for (int64_t i = 0; i < dim[0]; i++) {
        if (i > 0) spk_text_add(t, ", ");
        if (n_dims > 1)
            data = add_values(t, n_dims - 1, dim + 1, data);
        else
            add_float(t, *data++);
    }
    spk_text_add(t, "]");
    return data;
}

char *spk_jsonl_line(const char *id, int n_dims, const int64_t *dim, const float *data)
{
    spk_text t = {0};
    SPK_ASSERT(n_dims >= 1 && n_dims <= SPK_MAX_DIMS);
    spk_text_add(&t, "{\"id\": ");
    add_string(&t, id);
    spk_text_add(&t, ", \"embedding\": ");
    add_values(&t, n_dims, dim, data);
    spk_text_add(&t, "}");
    return t.s;
}

struct spk_jsonl_writer {
    spk_outfile *out;
};

spk_status spk_jsonl_create(const char *path, spk_jsonl_writer **out)
{
    spk_outfile *f = NULL;
    *out = NULL;
    SPK_TRY(spk_outfile_open(path, &f));
    *out = spk_new(sizeof **out);
    (*out)->out = f;
    return SPK_OK;
}

spk_status spk_jsonl_add(spk_jsonl_writer *w, const char *id, int n_dims, const int64_t *dim, const float *data)
{
    char *line = spk_jsonl_line(id, n_dims, dim, data);
    spk_outfile_write(w->out, line, strlen(line));
    spk_outfile_write(w->out, "\n", 1);
    spk_free(line);
    return SPK_OK;
}

spk_status spk_jsonl_finish(spk_jsonl_writer *w)
{
    const spk_status status = spk_outfile_commit(w->out);
    spk_free(w);
    return status;
}

void spk_jsonl_abort(spk_jsonl_writer *w)
{
    if (!w) return;
    spk_outfile_abort(w->out);
    spk_free(w);
}
