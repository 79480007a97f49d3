/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of cuDNN's graph interface, and which engine runs a graph: the first that its heuristics recommend and that can be made,
 * or, with options.benchmark, the fastest of the first few. Engines whose results differ from run to run are passed over
 * unless options allow them, and for strict floats those that use tensor cores, round factors, or transform tiles.
 */
#include "backend/cuda/dnn_impl.h"

#include <stdio.h>
#include <string.h>

enum { MOST_CONFIGS = 64, MOST_TRIED = 8, TIMES = 3 };

/* ---- descriptors ---- */

static bool good(spk_dnn_bag *bag, cudnnStatus_t status, const char *what, int name)
{
    if (status == CUDNN_STATUS_SUCCESS || bag->status != CUDNN_STATUS_SUCCESS)
        return bag->status == CUDNN_STATUS_SUCCESS;
    char why[160] = "";
    cudnnGetLastErrorString(why, sizeof why);
    bag->status = status;
    snprintf(bag->what, sizeof bag->what, "%s %d: %s %s", what, name, cudnnGetErrorString(status), why);
    return false;
}

cudnnBackendDescriptor_t spk_dnn_make(spk_dnn_bag *bag, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = nullptr;
    if (bag->n == SPK_DNN_MOST) abort();
    if (!good(bag, cudnnBackendCreateDescriptor(type, &d), "descriptor", type)) return nullptr;
    bag->all[bag->n++] = d;
    return d;
}

void spk_dnn_set(spk_dnn_bag *bag, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                 cudnnBackendAttributeType_t type, int64_t n, const void *values)
{
    if (bag->status != CUDNN_STATUS_SUCCESS) return;
    good(bag, cudnnBackendSetAttribute(d, name, type, n, values), "attribute", name);
}

void spk_dnn_finish(spk_dnn_bag *bag, cudnnBackendDescriptor_t d)
{
    if (bag->status != CUDNN_STATUS_SUCCESS) return;
    good(bag, cudnnBackendFinalize(d), "finalizing descriptor", bag->n);
}

void spk_dnn_empty(spk_dnn_bag *bag)
{
    while (bag->n > 0)
        cudnnBackendDestroyDescriptor(bag->all[--bag->n]);
}

/* ---- engines ---- */

static bool note_is_fine(cudnnBackendNumericalNote_t note, const spk_dnn_limits *limits)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return !limits->deterministic;
    case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
        return true;
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return false;
    default: /* tensor cores, rounded factors, transforms */
        return !limits->strict_float;
    }
}

/* May the engine of this configuration run? */
static bool allowed(cudnnBackendDescriptor_t config, const spk_dnn_limits *limits)
{
    cudnnBackendDescriptor_t engine = nullptr;
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t ways[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t n = 0, n_notes = 0, n_ways = 0;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS) return false;
    bool fine = cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &n,
                                         &engine) == CUDNN_STATUS_SUCCESS &&
                cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                         CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &n_notes, notes) == CUDNN_STATUS_SUCCESS &&
                cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                         CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &n_ways, ways) == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; i < n_notes && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT && fine; i++)
        fine = note_is_fine(notes[i], limits);
    for (int64_t i = 0; i < n_ways && i < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT && fine; i++)
        fine = ways[i] != CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION || !limits->soon;
    cudnnBackendDestroyDescriptor(engine);
    return fine;
}

/* A plan of a configuration; NULL: it cannot be made, or wants too much memory. */
static cudnnBackendDescriptor_t make_plan(spk_cuda *d, cudnnBackendDescriptor_t config, const spk_dnn_limits *limits,
                                          size_t *workspace)
{
    cudnnBackendDescriptor_t plan = nullptr;
    cudnnHandle_t handle = static_cast<cudnnHandle_t>(d->dnn);
    int64_t bytes = 0, n = 0;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan) != CUDNN_STATUS_SUCCESS)
        return nullptr;
    if (cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle) ==
            CUDNN_STATUS_SUCCESS &&
        cudnnBackendSetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                 &config) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendFinalize(plan) == CUDNN_STATUS_SUCCESS &&
        cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &bytes) ==
            CUDNN_STATUS_SUCCESS &&
        static_cast<size_t>(bytes) <= limits->workspace) {
        *workspace = static_cast<size_t>(bytes);
        return plan;
    }
    cudnnBackendDestroyDescriptor(plan);
    return nullptr;
}

/* Configurations of a graph, best first, behind the n that are there already; how many there are then. */
static int recommended(cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t *configs,
                       int n)
{
    cudnnBackendDescriptor_t heuristic = nullptr;
    int64_t there = 0, got = 0;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristic) != CUDNN_STATUS_SUCCESS) return n;
    bool fine = cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH,
                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph) == CUDNN_STATUS_SUCCESS &&
                cudnnBackendSetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) ==
                    CUDNN_STATUS_SUCCESS &&
                cudnnBackendFinalize(heuristic) == CUDNN_STATUS_SUCCESS &&
                cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                         &there, nullptr) == CUDNN_STATUS_SUCCESS;
    if (there > MOST_CONFIGS - n) there = MOST_CONFIGS - n;
    for (int64_t i = 0; i < there && fine; i++)
        fine =
            cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[n + i]) == CUDNN_STATUS_SUCCESS;
    if (fine && there > 0)
        fine = cudnnBackendGetAttribute(heuristic, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, there,
                                        &got, configs + n) == CUDNN_STATUS_SUCCESS;
    cudnnBackendDestroyDescriptor(heuristic);
    if (!fine) got = 0;
    for (int64_t i = got; i < there; i++) {
        if (configs[n + i]) cudnnBackendDestroyDescriptor(configs[n + i]);
        configs[n + i] = nullptr;
    }
    return n + static_cast<int>(got);
}

/* ---- running ---- */

cudnnStatus_t spk_dnn_execute(spk_cuda *d, cudnnBackendDescriptor_t plan, void *const *xwyb, void *workspace)
{
    static const int64_t names[4] = {SPK_DNN_X, SPK_DNN_W, SPK_DNN_Y, SPK_DNN_BIAS};
    const int64_t n = xwyb[3] ? 4 : 3;
    cudnnBackendDescriptor_t pack = nullptr;
    cudnnStatus_t status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (status != CUDNN_STATUS_SUCCESS) return status;
    status = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, xwyb);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, names);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendFinalize(pack);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendExecute(static_cast<cudnnHandle_t>(d->dnn), plan, pack);
    cudnnBackendDestroyDescriptor(pack);
    return status;
}

/* Buffers that candidates are tried on, and a clock. */
struct trial {
    void *buffers[4], *workspace;
    cudaEvent_t begin, end;
    bool ready;
};

static trial trial_open(const spk_dnn_limits *limits)
{
    trial t = {};
    t.ready = cudaMalloc(&t.workspace, limits->workspace ? limits->workspace : 1) == cudaSuccess;
    for (int i = 0; i < 4 && t.ready; i++) {
        if (limits->bytes[i] == 0) continue;
        t.ready = cudaMalloc(&t.buffers[i], limits->bytes[i]) == cudaSuccess &&
                  cudaMemset(t.buffers[i], 0, limits->bytes[i]) == cudaSuccess;
    }
    cudaGetLastError(); /* memory that is short is no failure of what comes next */
    SPK_CUDA(cudaEventCreate(&t.begin));
    SPK_CUDA(cudaEventCreate(&t.end));
    SPK_CUDA(cudaDeviceSynchronize());
    return t;
}

static void trial_close(trial *t)
{
    for (int i = 0; i < 4; i++)
        cudaFree(t->buffers[i]);
    cudaFree(t->workspace);
    cudaEventDestroy(t->begin);
    cudaEventDestroy(t->end);
}

/* The least milliseconds of some runs; below zero: it failed. */
static float time_plan(spk_cuda *d, trial *t, cudnnBackendDescriptor_t plan)
{
    float least = -1;
    for (int i = 0; i <= TIMES; i++) {
        float ms = 0;
        SPK_CUDA(cudaEventRecord(t->begin, d->stream));
        if (spk_dnn_execute(d, plan, t->buffers, t->workspace) != CUDNN_STATUS_SUCCESS) return -1;
        SPK_CUDA(cudaEventRecord(t->end, d->stream));
        SPK_CUDA(cudaEventSynchronize(t->end));
        SPK_CUDA(cudaEventElapsedTime(&ms, t->begin, t->end));
        if (i > 0 && (least < 0 || ms < least)) least = ms; /* the first one warms up */
    }
    return least;
}

/* ---- choosing ---- */

struct choice {
    int config;
    cudnnBackendDescriptor_t plan;
    size_t workspace;
    float ms;
};

static choice first_that_works(spk_cuda *d, cudnnBackendDescriptor_t *configs, int n, const spk_dnn_limits *limits)
{
    choice c = {-1, nullptr, 0, 0};
    for (int i = 0; i < n && !c.plan; i++) {
        if (!allowed(configs[i], limits)) continue;
        c.plan = make_plan(d, configs[i], limits, &c.workspace);
        c.config = i;
    }
    return c;
}

static choice fastest(spk_cuda *d, cudnnBackendDescriptor_t *configs, int n, const spk_dnn_limits *limits)
{
    choice best = {-1, nullptr, 0, 0};
    trial t = trial_open(limits);
    for (int i = 0, tried = 0; i < n && tried < MOST_TRIED && t.ready; i++) {
        choice c = {i, nullptr, 0, -1};
        if (allowed(configs[i], limits)) c.plan = make_plan(d, configs[i], limits, &c.workspace);
        if (!c.plan) continue;
        tried++;
        c.ms = time_plan(d, &t, c.plan);
        const bool better = c.ms >= 0 && (!best.plan || c.ms < best.ms);
        if (better && best.plan) cudnnBackendDestroyDescriptor(best.plan);
        if (better)
            best = c;
        else
            cudnnBackendDestroyDescriptor(c.plan);
    }
    trial_close(&t);
    return best.plan ? best : first_that_works(d, configs, n, limits);
}

cudnnBackendDescriptor_t spk_dnn_plan(spk_cuda *d, spk_dnn_bag *bag, cudnnBackendDescriptor_t graph,
                                      const spk_dnn_limits *limits, size_t *workspace)
{
    cudnnBackendDescriptor_t configs[MOST_CONFIGS] = {};
    if (bag->status != CUDNN_STATUS_SUCCESS) return nullptr;
    int n = recommended(graph, CUDNN_HEUR_MODE_A, configs, 0);
    n = recommended(graph, CUDNN_HEUR_MODE_FALLBACK, configs, n);
    const choice c = limits->benchmark ? fastest(d, configs, n, limits) : first_that_works(d, configs, n, limits);
    for (int i = 0; i < n; i++)
        if (!c.plan || i != c.config) cudnnBackendDestroyDescriptor(configs[i]);
    if (!c.plan) {
        good(bag, CUDNN_STATUS_NOT_SUPPORTED, "no engine fits, of", n);
        return nullptr;
    }
    if (bag->n + 2 > SPK_DNN_MOST) abort();
    bag->all[bag->n++] = configs[c.config];
    bag->all[bag->n++] = c.plan; /* destroyed first */
    *workspace = c.workspace;
    return c.plan;
}
