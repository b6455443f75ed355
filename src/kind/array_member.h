/* SPDX-License-Identifier: Apache-2.0 */
/* Members of an `.npz` as arrays. */
#ifndef LRD_KIND_ARRAY_MEMBER_H
#define LRD_KIND_ARRAY_MEMBER_H

#include "zip.h"
#include <larder/array.h>

/* The member's name without `.npy`; false when it has another ending. */
bool lrd_array_member_name(const lrd_zip_member *member, lrd_span *out);
/* As larder_array_view, of a member that was found. */
LARDER_MUST_CHECK larder_err lrd_array_member_view(const lrd_zip_member *member, bool verify, larder_array *out,
                                                   larder_error *err);

#endif
