/* SPDX-License-Identifier: Apache-2.0 */
/* Finds WAV files that end before their header says they do. */
#ifndef SPK_DATA_WAV_CHECK_IMPL_H
#define SPK_DATA_WAV_CHECK_IMPL_H

#include "base/base_impl.h"

/* True when fd (any position; left as it is) is RIFF WAVE with a data chunk that the file's end cuts off. */
bool spk__wav_is_cut(int fd, int64_t file_bytes, int64_t *missing_bytes);

#endif
