/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target for Kaldi's files of one object, binary and text, read as what a back-end has. */
#include "fuzz.h"

#include "formats/kaldi_object_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    spk_kaldi_reader r;
    double *x = NULL;
    int64_t rows = 0, columns = 0;
    if (spk_kaldi_open(fuzz_file(data, n), &r) != SPK_OK) return 0;
    if (spk_kaldi_expect(&r, "<Plda>") == SPK_OK)
        SPK_ASSERT(r.at <= r.n);
    else
        r.at = r.binary ? 2 : 0;
    while (spk_kaldi_vector(&r, &x, &rows) == SPK_OK || spk_kaldi_matrix(&r, &x, &rows, &columns) == SPK_OK) {
        SPK_ASSERT(x && rows >= 0 && columns >= 0 && r.at <= r.n);
        spk_free(x);
        if (r.at == r.n) break;
    }
    if (spk_kaldi_end(&r) == SPK_OK) SPK_ASSERT(r.at <= r.n);
    spk_kaldi_close(&r);
    return 0;
}
