/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648, the plain alphabet, with padding) for values that are no text. */
#ifndef LRD_WARM_BASE64_H
#define LRD_WARM_BASE64_H

#include "base/bytes.h"

LARDER_MUST_CHECK larder_err lrd_base64_append(lrd_buf *out, const void *data, size_t len);
/* In place: *len_inout becomes the length of what it meant. LARDER_EINVAL when it is no base64. */
LARDER_MUST_CHECK larder_err lrd_base64_undo(uint8_t *text, size_t *len_inout);

#endif
