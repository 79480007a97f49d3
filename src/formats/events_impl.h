/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event files that TensorBoard shows: scalars by tag and step.
 *
 * A file is a row of records as TensorFlow writes them: length (8 bytes, little end first), masked CRC-32C of the length,
 * data, masked CRC-32C of the data; data is a protobuf message `Event` (tensorflow/core/util/event.proto: 1 wall_time,
 * 2 step, 3 file_version, 5 summary of values {1 tag, 2 simple_value}, 7 session_log {1 status}). The first record says
 * "brain.Event:2".
 */
#ifndef SPK_FORMATS_EVENTS_IMPL_H
#define SPK_FORMATS_EVENTS_IMPL_H

#include "base/base_impl.h"

typedef struct spk_events spk_events;

/* Begin a file FOLDER/events.out.tfevents.SECONDS.HOST.PROCESS (the folder is made). purge_step >= 0: what earlier files
 * of the folder hold from that step on is void, because the training goes on from there. */
spk_status spk_events_open(const char *folder, int64_t purge_step, spk_events **out);
/* Add a value; it is on the disk after the next flush. Steps are whole numbers that need not rise. */
void spk_events_scalar(spk_events *e, const char *tag, double value, int64_t step);
/* SPK_E_IO once for all that could not be written since the last call. */
spk_status spk_events_flush(spk_events *e);
void spk_events_close(spk_events *e); /* NULL is allowed */

/* CRC-32C (Castagnoli), as in RFC 3720. */
uint32_t spk_crc32c(const void *data, size_t n);

#endif
