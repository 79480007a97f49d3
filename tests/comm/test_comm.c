/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ranks do together, against what one process finds by counting: run alone here, and by tests/cli/ranks.sh under
 * mpirun with several ranks.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm_impl.h"

static spk_comm *comm;

static void sums(void **state)
{
    (void)state;
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    float f[3] = {(float)rank, 1, -2};
    double d = 0.5 * (rank + 1);
    int64_t least[2] = {10 + rank, -rank}, most = rank;
    assert_int_equal(spk_comm_reduce(comm, f, 3, SPK_COMM_F32, SPK_COMM_SUM), SPK_OK);
    assert_int_equal(spk_comm_reduce(comm, &d, 1, SPK_COMM_F64, SPK_COMM_SUM), SPK_OK);
    assert_int_equal(spk_comm_reduce(comm, least, 2, SPK_COMM_I64, SPK_COMM_MIN), SPK_OK);
    assert_int_equal(spk_comm_reduce(comm, &most, 1, SPK_COMM_I64, SPK_COMM_MAX), SPK_OK);
    assert_true(f[0] == (float)(size * (size - 1)) / 2 && f[1] == (float)size && f[2] == (float)(-2 * size));
    assert_true(d == 0.25 * size * (size + 1));
    assert_int_equal(least[0], 10);
    assert_int_equal(least[1], 1 - size);
    assert_int_equal(most, size - 1);
}

/* Rank r gives r rows, so rank 0 none. */
static void gathers(void **state)
{
    (void)state;
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    int64_t *counts = spk_new((size_t)size * sizeof *counts), total = 0;
    int64_t(*own)[2] = spk_new((size_t)(rank + 1) * sizeof *own);
    for (int r = 0; r < size; r++)
        total += counts[r] = r;
    for (int i = 0; i < rank; i++) {
        own[i][0] = rank;
        own[i][1] = i;
    }
    for (int to_all = 0; to_all < 2; to_all++) {
        int64_t(*all)[2] = spk_new((size_t)(total + 1) * sizeof *all);
        const int root = to_all ? SPK_COMM_TO_ALL : size - 1;
        assert_int_equal(spk_comm_gather(comm, own, counts, sizeof *own, all, root), SPK_OK);
        for (int r = 0, at = 0; (to_all || rank == size - 1) && r < size; r++)
            for (int i = 0; i < r; i++, at++)
                assert_true(all[at][0] == r && all[at][1] == i);
        spk_free(all);
    }
    spk_free(counts);
    spk_free(own);
}

static void texts(void **state)
{
    (void)state;
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    char own[32], *told = NULL;
    snprintf(own, sizeof own, "I am %d", rank);
    assert_int_equal(spk_comm_broadcast_text(comm, own, size - 1, &told), SPK_OK);
    snprintf(own, sizeof own, "I am %d", size - 1);
    assert_string_equal(told, own);
    spk_free(told);
    assert_int_equal(spk_comm_broadcast_text(comm, "", 0, &told), SPK_OK);
    assert_string_equal(told, "");
    spk_free(told);
}

/* A failure of the last rank is everybody's, with its words; one that all share names no rank. */
static void agreement(void **state)
{
    (void)state;
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    char want[64];
    assert_int_equal(spk_comm_agree(comm, SPK_OK), SPK_OK);
    spk_comm_where(comm, "place %d", rank);
    spk_status status = rank == size - 1 ? spk_fail(SPK_E_IO, "file %d is gone", rank) : SPK_OK;
    assert_int_equal(spk_comm_agree(comm, status), SPK_E_IO);
    snprintf(want, sizeof want, "file %d is gone", size - 1);
    assert_non_null(strstr(spk_errmsg(), want));
    snprintf(want, sizeof want, "rank %d on ", size - 1);
    if (size > 1) assert_ptr_equal(strstr(spk_errmsg(), want), spk_errmsg());
    snprintf(want, sizeof want, ", place %d: ", size - 1);
    if (size > 1) assert_non_null(strstr(spk_errmsg(), want));
    assert_int_equal(spk_comm_agree(comm, spk_fail(SPK_E_VALUE, "all say this")), SPK_E_VALUE);
    assert_string_equal(spk_errmsg(), "all say this");
    assert_int_equal(spk_comm_same(comm, "colour", "red"), SPK_OK);
    status = spk_comm_same(comm, "colour", rank == size - 1 && size > 1 ? "blue" : "red");
    assert_int_equal(status, size > 1 ? SPK_E_MISMATCH : SPK_OK);
    if (size > 1) assert_non_null(strstr(spk_errmsg(), "its colour is blue"));
}

/* Sums that run beside each other, the large one in many messages, begun and waited for in several steps. */
static void background(void **state)
{
    (void)state;
    enum { N = 3000000, ROUNDS = 3 };
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    float *x = spk_alloc(N * sizeof *x);
    spk_comm_flow *f = spk_comm_flow_new(comm, SPK_COMM_F32);
    for (int round = 0; round < ROUNDS; round++) {
        for (int64_t i = 0; i < N; i++)
            x[i] = (float)((i + round) % 1000 + rank);
        spk_comm_flow_start(f, x + N / 2, N - N / 2);
        spk_comm_flow_poll(f);
        spk_comm_flow_start(f, x + 7, N / 2 - 7);
        spk_comm_flow_start(f, x, 7);
        spk_comm_flow_poll(f);
        assert_int_equal(spk_comm_flow_wait(f), SPK_OK);
        for (int64_t i = 0; i < N; i++)
            assert_true(x[i] == (float)(size * ((i + round) % 1000) + size * (size - 1) / 2));
    }
    spk_comm_flow_free(f);
    spk_free(x);
}

/* In two bytes small whole numbers stay exact, others are within `step` of themselves for each rank, and what is not finite
 * is not lost. */
static void two_bytes(spk_comm_type travel, float step)
{
    enum { N = 1000 };
    const int rank = spk_comm_rank(comm), size = spk_comm_size(comm);
    float x[N];
    spk_comm_flow *f = spk_comm_flow_new(comm, travel);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++)
            x[i] = i < 8 ? (float)(i + rank) : 0.001F * (float)i;
        if (rank == size - 1) x[N - 1] = NAN;
        x[N - 2] = 60000;
        spk_comm_flow_start(f, x + N / 2, N - N / 2);
        spk_comm_flow_start(f, x, N / 2);
        assert_int_equal(spk_comm_flow_wait(f), SPK_OK);
        if (comm) assert_true(travel == SPK_COMM_F16 ? isinf(x[N - 2]) : fabsf(x[N - 2] - 6e4F * (float)size) < 2e3F);
        for (int i = 0; i < N - 2; i++) {
            const float want = i < 8 ? (float)(i * size + size * (size - 1) / 2) : 0.001F * (float)(i * size);
            const float most = i < 8 || !comm ? 0 : want * (float)size * step;
            assert_true(fabsf(x[i] - want) <= (comm ? most : 0.001F * want));
        }
        assert_true(isnan(x[N - 1]));
    }
    spk_comm_flow_free(f);
}

static void background_bf16(void **state)
{
    (void)state;
    two_bytes(SPK_COMM_BF16, 0x1p-8F);
}

static void background_f16(void **state)
{
    (void)state;
    two_bytes(SPK_COMM_F16, 0x1p-11F);
}

static void places(void **state)
{
    (void)state;
    int threads = 0;
    spk_text text = {0};
    assert_int_equal(spk_comm_threads(comm, &threads), SPK_OK);
    assert_true(threads >= 1 && threads <= spk_cpu_count());
    assert_int_equal(spk_comm_describe(comm, &text), SPK_OK);
    if (comm && spk_comm_is_first(comm)) assert_non_null(strstr(spk_text_str(&text), "rank 1 on "));
    spk_text_clear(&text);
    assert_true(spk_comm_host(comm, 0)[0] != 0);
    assert_int_equal(spk_comm_rest(comm), SPK_OK);
}

/* The table of one process keeps what it is given. */
static void alone(void **state)
{
    (void)state;
    void *self;
    spk_comm_place place;
    spk_comm_request request = {0};
    double x = 3, all = 0;
    const int64_t one = 1;
    bool done = false;
    assert_null(spk_comm_alone.open(&self, &place));
    assert_true(place.size == 1 && place.rank == 0);
    assert_null(spk_comm_alone.reduce(self, &x, 1, SPK_COMM_F64, SPK_COMM_SUM, &request));
    assert_null(spk_comm_alone.test(self, &request, &done));
    assert_true(done && !request.open && x == 3);
    assert_null(spk_comm_alone.gather(self, &x, &one, sizeof x, &all, 0, &request));
    assert_true(all == 3);
    spk_comm_alone.close(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),           cmocka_unit_test(gathers),    cmocka_unit_test(texts),
        cmocka_unit_test(agreement),      cmocka_unit_test(background), cmocka_unit_test(background_bf16),
        cmocka_unit_test(background_f16), cmocka_unit_test(places),     cmocka_unit_test(alone)};
    if (spk_comm_open(&comm) != SPK_OK) {
        fprintf(stderr, "%s\n", spk_errmsg());
        return 1;
    }
    printf("rank %d of %d\n", spk_comm_rank(comm), spk_comm_size(comm));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed) spk_comm_abort(comm, 1); /* the others would wait */
    spk_comm_close(comm);
    return 0;
}
