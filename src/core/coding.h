/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the values of callers, which memory keeps as they are, and the form in which shared tiers keep them: compressed,
 * sealed, or both, as the namespace's policy says. A value has up to two such forms: one for tiers whose format is ours, and
 * one for tiers that other programs read, which is never compressed. What a tier has says of itself how it is to be opened.
 */
#ifndef LRD_CORE_CODING_H
#define LRD_CORE_CODING_H

#include "codec/fields.h"
#include <larder/larder.h>

typedef struct lrd_link lrd_link;

/* One form: borrowed from the caller's value or from the lrd_coded. */
typedef struct lrd_form {
  const void *value;
  uint64_t len;
  uint64_t raw_len; /* of what a frame holds */
  bool framed;
} lrd_form;

/* Zero-initialised: the value as it is, for all tiers. */
typedef struct lrd_coded {
  bool used;
  lrd_form ours;
  lrd_form readable;
  lrd_buf frame;
  lrd_buf text; /* the document with sealed members */
} lrd_coded;

/* A namespace's part of the policy, and what it needs to be carried out. */
typedef struct lrd_coding {
  lrd_codec *codec;
  lrd_codec_policy policy;
  const char *fields;             /* names of members to be sealed; NULL: whole values */
  bool used;                      /* false: values are stored as they are, and only frames of former times are opened */
  _Atomic int64_t told_no_key_ns; /* when that was last logged */
  _Atomic int64_t told_newer_ns;
} lrd_coding;

/*
 * Makes the forms that the namespace's tiers want. On failure nothing may be stored: LARDER_EKEY, LARDER_ENOMEM, LARDER_EIO.
 * lrd_coded_fini in any case.
 */
LARDER_MUST_CHECK larder_err lrd_code_value(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts,
                                            lrd_coded *out);
void lrd_coded_fini(lrd_coded *coded);
/* Puts the form that the tier wants into an item that has the value as it is. */
void lrd_coded_apply(const lrd_coded *coded, const lrd_link *link, larder_tier_write *item);

/*
 * The value of what a tier has, in an allocation of its own (lrd_dealloc). LARDER_NOT_KEPT: it is the value already.
 * LARDER_ECORRUPT: damaged, counted and logged. LARDER_EKEY: its key is not here; LARDER_EFORMAT: a newer build wrote it; both
 * are logged now and then, and it is to stay. LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_decode_value(larder_ns *ns, lrd_link *link, lrd_span key, const void *value,
                                              const larder_facts *facts, uint8_t **value_out, size_t *len_out);
/*
 * Whether what a tier has would open, for whoever looks through a tier: by the name of the namespace, which need not be open,
 * and without counting or logging. LARDER_OK. LARDER_NOT_KEPT: there is nothing to open, or no telling: the name is not known
 * (NULL) and it is sealed with a key that is here. LARDER_ECORRUPT with *why; LARDER_EKEY; LARDER_EFORMAT; LARDER_ENOMEM.
 */
LARDER_MUST_CHECK larder_err lrd_value_try(larder *cache, const char *ns, lrd_span key, const void *value,
                                           const larder_facts *facts, const char **why);
/*
 * A compressed value for a tier that other programs read, as it was put; what is sealed stays sealed (LARDER_NOT_KEPT).
 */
LARDER_MUST_CHECK larder_err lrd_unpack_for_readers(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts,
                                                    uint8_t **value_out, size_t *len_out);
/* How what a tier has is sealed. */
typedef struct lrd_sealed {
  uint64_t key_id; /* 0: not sealed */
  bool right;      /* as a put would seal it now */
} lrd_sealed;
/* LARDER_ECORRUPT, LARDER_EKEY, LARDER_EFORMAT, LARDER_ENOMEM. */
LARDER_MUST_CHECK larder_err lrd_sealed_look(larder_ns *ns, lrd_span key, const void *value, const larder_facts *facts,
                                             lrd_sealed *out);
/* Length of the value, as far as it is known without opening it. */
static inline uint64_t lrd_raw_len(const larder_facts *facts) { return facts->framed ? facts->raw_len : facts->value_len; }

/* What the configuration says of the namespace; LARDER_EKEY with a sentence when it is to be sealed and there is no key. */
LARDER_MUST_CHECK larder_err lrd_coding_init(larder_ns *ns, larder_error *err);

#endif
