/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of one job, which a launcher (mpirun, srun) started together and which pass messages by MPI.
 *
 * The library itself is not linked to MPI: a plugin, libspk_mpi_openmpi.so or libspk_mpi_mpich.so, is opened when the
 * environment says that a launcher started several processes. Ranks count from 0; rank 0 writes and logs.
 *
 * Thread rule: one call at a time for the job, from any thread.
 */
#ifndef SPK_COMM_H
#define SPK_COMM_H

#include <stdbool.h>

#include "spk/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spk_comm spk_comm;

/*
 * Join the job that this process was started in. *out is NULL where it runs alone, which every function of the library
 * takes for one process. SPK_E_UNSUPPORTED: a launcher started several processes and this build has no plugin for it
 * (SPK_MPI=none in the environment says that they are to run apart); SPK_E_PEER: MPI refused.
 */
SPK_API spk_status spk_comm_open(spk_comm **out) SPK_NODISCARD;
/* Leave the job; waits until all have. NULL is allowed. */
SPK_API void spk_comm_close(spk_comm *c);
/* End all processes of the job with that exit status, this one too; of NULL: nothing. */
SPK_API void spk_comm_abort(spk_comm *c, int code);

/* Of NULL: 0, 1, this host's name. */
SPK_API int spk_comm_rank(const spk_comm *c);
SPK_API int spk_comm_size(const spk_comm *c);
SPK_API const char *spk_comm_host(const spk_comm *c, int rank);

/* Seconds that a rank waits for the others before it gives up (SPK_E_PEER); 0: for ever. Default 1800. */
SPK_API void spk_comm_timeout(spk_comm *c, double seconds);

#ifdef __cplusplus
}
#endif
#endif
