/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing named members of a JSON document and leaving the rest as it is, readable by anything. The value of a member of
 * one of the names, at any depth, becomes a string that holds it sealed: a Fernet token, or `larder-sealed:` and a frame in
 * base64. What is sealed is the value's JSON text, quotes and all, so it comes back byte by byte.
 */
#ifndef LRD_CODEC_FIELDS_H
#define LRD_CODEC_FIELDS_H

#include "frame.h"

#define LRD_FIELD_NAME_MAX 100u

/* What a document has of members of the names. */
typedef struct lrd_fields_found {
  bool sealed;     /* some are */
  bool bare;       /* some are not */
  bool tokens;     /* of those that are, some are Fernet tokens, */
  bool frames;     /* some are frames */
  uint64_t key_id; /* with which; the present one only where all are */
} lrd_fields_found;

/* `names`: each with a line break behind it. Appends to out. LARDER_EFORMAT: no JSON; LARDER_EKEY and the rest as frames. */
LARDER_MUST_CHECK larder_err lrd_fields_seal(lrd_codec *codec, lrd_seal seal, const lrd_codec_place *place, const char *names,
                                             lrd_span json, lrd_buf *out);
/*
 * The way back, whatever they were sealed with; out is only filled when found->sealed. LARDER_EKEY; LARDER_EUNSUPPORTED or
 * LARDER_ECORRUPT with *why; what is no JSON, or no token, is not sealed.
 */
LARDER_MUST_CHECK larder_err lrd_fields_open(lrd_codec *codec, const lrd_codec_place *place, const char *names, lrd_span json,
                                             lrd_buf *out, lrd_fields_found *found, const char **why);

#endif
