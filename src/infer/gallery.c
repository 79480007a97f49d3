/* SPDX-License-Identifier: Apache-2.0 */
/* Galleries of enrolled speakers (spk/gallery.h). */
#include "spk/gallery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "infer/embedder_impl.h"
#include "spk/state.h"

enum { LONGEST_NAME = 200, PATIENCE_S = 20 };
static const char format[] = "spk-gallery-1";

typedef struct voice {
    char *name;
    int64_t n;   /* recordings */
    float *row;  /* (n, E) */
    float *mean; /* (E) */
} voice;

struct spk_gallery {
    char *path;
    int lock; /* the folder, while somebody writes; -1: not held */
    char fingerprint[17];
    char *model;
    int64_t size; /* E; 0 until something is known of the model */
    int64_t n;
    voice *v;
};

/* ---- voices ---- */

static void clear_voice(voice *v)
{
    spk_free(v->name);
    spk_free(v->row);
    spk_free(v->mean);
}

static void set_rows(voice *v, int64_t n, int64_t E, const float *rows)
{
    v->row = spk_renew(v->row, sizeof *v->row * (size_t)((v->n + n) * E));
    v->mean = spk_renew(v->mean, sizeof *v->mean * (size_t)E);
    memcpy(v->row + v->n * E, rows, sizeof *rows * (size_t)(n * E));
    v->n += n;
    for (int64_t i = 0; i < E; i++) {
        double sum = 0;
        for (int64_t k = 0; k < v->n; k++)
            sum += (double)v->row[k * E + i];
        v->mean[i] = (float)(sum / (double)v->n);
    }
}

static bool is_name(const char *name)
{
    const size_t n = strlen(name);
    if (n < 1 || n > LONGEST_NAME || strcmp(name, "__metadata__") == 0) return false; /* safetensors' own */
    for (const char *s = name; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) return false;
    return true;
}

/* ---- reading ---- */

static spk_status take_tensor(spk_gallery *g, const struct spk_named *t)
{
    if (t->a.dtype != SPK_F32 || t->a.n_dims != 2 || t->a.dim[0] < 1 || t->a.dim[1] != g->size || !is_name(t->name))
        return spk_fail(SPK_E_FORMAT, "%s: '%s' does not hold embeddings of %lld values; the gallery is damaged",
                        g->path, t->name, (long long)g->size);
    voice v = {.name = spk_strdup(t->name)};
    set_rows(&v, t->a.dim[0], g->size, t->a.data);
    SPK_PUSH(g->v, g->n) = v;
    return SPK_OK;
}

static spk_status read_file(spk_gallery *g)
{
    spk_tensors t = {0};
    spk_meta meta = {0};
    spk_status status;
    SPK_GO(spk_safetensors_read(g->path, &t, &meta));
    const char *is = spk_meta_get(&meta, "format"), *fingerprint = spk_meta_get(&meta, "fingerprint");
    const char *model = spk_meta_get(&meta, "model"), *size = spk_meta_get(&meta, "embedding_size");
    if (!is || strcmp(is, format) != 0 || !fingerprint || strlen(fingerprint) != 16 || !model || !size ||
        !spk_parse_int(size, &g->size) || g->size < 1)
        SPK_GO(spk_fail(SPK_E_FORMAT, "%s: is no gallery; spk enroll makes one", g->path));
    memcpy(g->fingerprint, fingerprint, 17);
    g->model = spk_strdup(model);
    for (int64_t i = 0; i < t.n; i++)
        SPK_GO(take_tensor(g, &t.item[i]));
done:
    spk_tensors_clear(&t);
    spk_meta_clear(&meta);
    return status;
}

static spk_status check_model(spk_gallery *g, const spk_embedder *e)
{
    char fingerprint[17];
    SPK_TRY(spk__embedder_fingerprint(e, fingerprint));
    if (!g->model) {
        memcpy(g->fingerprint, fingerprint, sizeof fingerprint);
        g->model = spk_strdup(spk_embedder_model_file(e));
        g->size = spk_embedder_size(e);
        return SPK_OK;
    }
    if (strcmp(g->fingerprint, fingerprint) == 0 && g->size == spk_embedder_size(e)) return SPK_OK;
    return spk_fail(
        SPK_E_MISMATCH,
        "%s: its voices were enrolled with another model (%s) than %s, and embeddings of two models cannot be "
        "compared; name that model, or enrol them anew in another file",
        g->path, g->model, spk_embedder_model_file(e));
}

/* The folder's lock, not the file's: writing puts another file in its place. Whoever holds it reads and writes a small
 * file, so it is soon free, or something is wrong. */
static spk_status hold(spk_gallery *g)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    const double begun = spk_now();
    char *folder = spk_path_folder(g->path);
    spk_status status = SPK_OK;
    bool held = false;
    g->lock = open(folder, O_RDONLY | O_CLOEXEC);
    while (g->lock >= 0 && !(held = flock(g->lock, LOCK_EX | LOCK_NB) == 0) && errno == EWOULDBLOCK &&
           spk_now() - begun < PATIENCE_S)
        nanosleep(&pause, NULL);
    if (g->lock >= 0 && !held && errno == EWOULDBLOCK)
        status =
            spk_fail(SPK_E_IO, "%s: another process has been writing there for %d s; try again", folder, PATIENCE_S);
    else if (!held)
        status = spk_fail_errno(folder, "open the folder");
    spk_free(folder);
    return status;
}

spk_status spk_gallery_open(const char *path, const spk_embedder *e, bool writing, spk_gallery **out)
{
    spk_gallery *g = spk_new(sizeof *g);
    spk_status status = SPK_OK;
    *out = NULL;
    g->path = spk_strdup(path);
    g->lock = -1;
    if (writing) SPK_GO(hold(g));
    if (!writing || spk_exists(path)) SPK_GO(read_file(g));
    if (e) SPK_GO(check_model(g, e));
done:
    if (status != SPK_OK) {
        spk_gallery_close(g);
        return status;
    }
    *out = g;
    return SPK_OK;
}

void spk_gallery_close(spk_gallery *g)
{
    if (!g) return;
    for (int64_t i = 0; i < g->n; i++)
        clear_voice(&g->v[i]);
    if (g->lock >= 0) close(g->lock);
    spk_free(g->v);
    spk_free(g->model);
    spk_free(g->path);
    spk_free(g);
}

/* ---- looking ---- */

int64_t spk_gallery_n(const spk_gallery *g)
{
    return g->n;
}

const char *spk_gallery_name(const spk_gallery *g, int64_t i)
{
    return g->v[i].name;
}

int64_t spk_gallery_recordings(const spk_gallery *g, int64_t i)
{
    return g->v[i].n;
}

const float *spk_gallery_mean(const spk_gallery *g, int64_t i)
{
    return g->v[i].mean;
}

const float *spk_gallery_rows(const spk_gallery *g, int64_t i)
{
    return g->v[i].row;
}

const char *spk_gallery_model(const spk_gallery *g)
{
    return g->model ? g->model : "";
}

int64_t spk_gallery_find(const spk_gallery *g, const char *name)
{
    for (int64_t i = 0; i < g->n; i++)
        if (strcmp(g->v[i].name, name) == 0) return i;
    return -1;
}

/* ---- changing ---- */

spk_status spk_gallery_put(spk_gallery *g, const char *name, spk_gallery_how how, int64_t n, const float *embeddings)
{
    int64_t i = spk_gallery_find(g, name);
    SPK_ASSERT(g->size > 0 && n > 0);
    if (!is_name(name))
        return spk_fail(SPK_E_VALUE, "'%s' cannot be a name: 1 to %d bytes without control characters", name,
                        LONGEST_NAME);
    if (i >= 0 && how == SPK_GALLERY_NEW)
        return spk_fail(SPK_E_VALUE,
                        "%s: '%s' is enrolled already; --replace true takes the new recordings instead, --add true too",
                        g->path, name);
    if (i < 0) {
        i = g->n;
        SPK_PUSH(g->v, g->n) = (voice){.name = spk_strdup(name)};
    }
    if (how == SPK_GALLERY_REPLACE) g->v[i].n = 0;
    set_rows(&g->v[i], n, g->size, embeddings);
    return SPK_OK;
}

spk_status spk_gallery_remove(spk_gallery *g, const char *name)
{
    const int64_t i = spk_gallery_find(g, name);
    if (i < 0) return spk_fail(SPK_E_VALUE, "%s: '%s' is not enrolled", g->path, name);
    clear_voice(&g->v[i]);
    memmove(&g->v[i], &g->v[i + 1], sizeof *g->v * (size_t)(g->n - i - 1));
    g->n--;
    return SPK_OK;
}

spk_status spk_gallery_write(spk_gallery *g)
{
    spk_tensors t = {0};
    spk_meta meta = {0};
    spk_status status = SPK_OK;
    char *size = spk_strf("%lld", (long long)g->size);
    SPK_ASSERT(g->lock >= 0);
    spk_meta_set(&meta, "format", format);
    spk_meta_set(&meta, "fingerprint", g->fingerprint);
    spk_meta_set(&meta, "model", g->model ? g->model : "");
    spk_meta_set(&meta, "embedding_size", size);
    for (int64_t i = 0; i < g->n; i++) {
        const int64_t dim[2] = {g->v[i].n, g->size};
        spk_ndarray *a = NULL;
        SPK_GO(spk_tensors_add(&t, g->v[i].name, SPK_F32, 2, dim, &a));
        memcpy(a->data, g->v[i].row, sizeof(float) * (size_t)(dim[0] * dim[1]));
    }
    SPK_GO(spk_safetensors_write(g->path, &t, &meta));
done:
    spk_free(size);
    spk_tensors_clear(&t);
    spk_meta_clear(&meta);
    return status;
}
