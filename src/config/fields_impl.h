/* SPDX-License-Identifier: Apache-2.0 */
/* The C type of each kind of option, for tables whose fields are checked when they are compiled. */
#ifndef SPK_CONFIG_FIELDS_IMPL_H
#define SPK_CONFIG_FIELDS_IMPL_H

#define FIELD_BOOL bool
#define FIELD_INT int64_t
#define FIELD_FLOAT double
#define FIELD_STR char *
#define FIELD_INTS spk_int_list
#define FIELD_STRS spk_str_list
#define FIELD_TRIPLES spk_triple_list
#define FIELD_TREE spk_yaml *

#endif
