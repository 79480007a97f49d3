/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kaldi's files of one object (mean.vec, transform.mat, plda), binary or text: tokens, vectors and matrices in a row. The
 * whole file is read first; every extent is checked against it.
 */
#ifndef SPK_FORMATS_KALDI_OBJECT_IMPL_H
#define SPK_FORMATS_KALDI_OBJECT_IMPL_H

#include "base/base_impl.h"

typedef struct spk_kaldi_reader {
    const char *path; /* borrowed; for messages */
    char *data;
    size_t n, at;
    bool binary;
} spk_kaldi_reader;

spk_status spk_kaldi_open(const char *path, spk_kaldi_reader *out);
void spk_kaldi_close(spk_kaldi_reader *r);
/* The next word must be `token`. SPK_E_FORMAT. */
spk_status spk_kaldi_expect(spk_kaldi_reader *r, const char *token);
/* A vector of floats or doubles as a new block; SPK_E_FORMAT: no such thing here, truncated; SPK_E_VALUE: not finite. */
spk_status spk_kaldi_vector(spk_kaldi_reader *r, double **out, int64_t *n);
spk_status spk_kaldi_matrix(spk_kaldi_reader *r, double **out, int64_t *rows, int64_t *columns);
/* Nothing may follow. */
spk_status spk_kaldi_end(const spk_kaldi_reader *r);

/* Binary, in double precision, into a file that begins with spk_kaldi_begin. */
void spk_kaldi_begin(spk_outfile *f);
void spk_kaldi_put_token(spk_outfile *f, const char *token);
void spk_kaldi_put_vector(spk_outfile *f, const double *v, int64_t n);
void spk_kaldi_put_matrix(spk_outfile *f, const double *m, int64_t rows, int64_t columns);

#endif
