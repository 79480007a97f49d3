/* SPDX-License-Identifier: Apache-2.0 */
/* What the environment of a launcher says: as mpirun and srun of Debian 12 (Open MPI 4.1, MPICH 4.0, Slurm 22.05) set it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "comm/comm_impl.h"

static const char *const names[] = {
    "SPK_MPI",  "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK",   "PMI_RANK",
    "PMI_SIZE", "SLURM_PROCID",         "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"};

/* "NAME=VALUE NAME=VALUE ..." and nothing else of the above. */
static spk_launch with(const char *words)
{
    char *copy = spk_strdup(words), *rest = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        *value = 0;
        setenv(word, value + 1, 1);
    }
    spk_free(copy);
    return spk_comm_launch();
}

static void is(spk_launch l, int rank, int size, const char *mpi, const char *by)
{
    assert_int_equal(l.rank, rank);
    assert_int_equal(l.size, size);
    if (mpi)
        assert_string_equal(l.mpi, mpi);
    else
        assert_null(l.mpi);
    if (by)
        assert_string_equal(l.by, by);
    else
        assert_null(l.by);
}

#define SLURM "SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=3"

static void launchers(void **state)
{
    (void)state;
    is(with(""), 0, 1, NULL, NULL);
    is(with("OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=2 PMIX_RANK=1"), 1, 2, "openmpi", "mpirun of Open MPI");
    is(with("PMI_RANK=2 PMI_SIZE=3"), 2, 3, "mpich", "mpiexec of MPICH, or srun with PMI");
    is(with(SLURM " PMIX_RANK=3"), 3, 4, "openmpi", "srun with PMIx");
    is(with(SLURM " PMI_RANK=3 PMI_SIZE=4"), 3, 4, "mpich", "mpiexec of MPICH, or srun with PMI");
    is(with(SLURM), 3, 4, NULL, "srun");
    /* mpirun within an allocation: the step's variables are those of its daemons, one a machine. */
    is(with("SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4"), 2, 4,
       "openmpi", "mpirun of Open MPI");
}

static void alone(void **state)
{
    (void)state;
    /* A batch script's own shell: an allocation of four tasks, and no step. */
    is(with("SLURM_NTASKS=4 SLURM_PROCID=0"), 0, 1, NULL, NULL);
    is(with("SLURM_NTASKS=1 SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0"), 0, 1, NULL, "srun");
    is(with("OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=2"), 0, 1, NULL, NULL);
    is(with("OMPI_COMM_WORLD_RANK=x OMPI_COMM_WORLD_SIZE=2"), 0, 1, NULL, NULL);
    is(with(SLURM " SPK_MPI=none"), 0, 1, NULL, NULL);
}

static void asked(void **state)
{
    (void)state;
    is(with(SLURM " PMIX_RANK=3 SPK_MPI=mpi"), 3, 4, "mpi", "srun with PMIx");
    is(with(SLURM " PMI_RANK=3 PMI_SIZE=4 SPK_MPI="), 3, 4, "mpich", "mpiexec of MPICH, or srun with PMI");
    is(with(SLURM " SPK_MPI=openmpi"), 3, 4, NULL, "srun"); /* there is nothing to speak by */
}

/* Processes that know nothing of each other must not each train alone. */
static void without_mpi(void **state)
{
    (void)state;
    const spk_launch l = with(SLURM);
    const spk_comm_table *table = NULL;
    void *library = NULL;
    assert_int_equal(spk_comm_load(&l, &table, &library), SPK_E_UNSUPPORTED);
    assert_non_null(strstr(spk_errmsg(), "srun --mpi=pmix"));
    assert_null(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(launchers), cmocka_unit_test(alone), cmocka_unit_test(asked),
                                       cmocka_unit_test(without_mpi)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
