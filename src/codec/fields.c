/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk for both ways: the document's nodes in the order of the text, and what lies between the members of interest is
 * copied as it stands. A frame in a member is bound to namespace, key and the member's name; namespace and name are one
 * text with a NUL between, which neither has.
 */
#include "fields.h"

#include "base/fail.h"
#include "base/json_read.h"
#include "base64url.h"
#include "codec_inner.h"

#define MARK     "larder-sealed:"
#define MARK_LEN (sizeof MARK - 1)
#define TOKEN    "gAAAAA" /* how a Fernet token begins until the year 2106 */

typedef struct walk {
  lrd_codec *codec;
  const lrd_codec_place *place;
  const char *names;
  lrd_json_doc doc;
  lrd_buf *out;
  size_t copied; /* of the text, into out */
  lrd_seal seal; /* NONE: opening */
  lrd_fields_found found;
  const char *why;
} walk;

/* The name of the list that a key is, or NULL; *len without its line break. */
static const char *name_of(const walk *w, uint32_t key, size_t *len) {
  char name[LRD_FIELD_NAME_MAX + 1];
  for (const char *at = w->names; *at != 0; at += *len + 1) {
    *len = strcspn(at, "\n");
    LRD_ASSERT(*len <= LRD_FIELD_NAME_MAX);
    memcpy(name, at, *len);
    name[*len] = 0;
    if (lrd_json_string_is(&w->doc, key, name)) return at;
  }
  return NULL;
}

static larder_err copy_upto(walk *w, size_t end) {
  larder_err const err = lrd_buf_append(w->out, w->doc.text + w->copied, end - w->copied);
  w->copied = end;
  return err;
}

/* Where a value's text lies in the document, a string's with its quotes. */
static lrd_span text_of(const walk *w, uint32_t value, size_t *at) {
  const lrd_json_node *node = &w->doc.nodes[value];
  size_t const quote = node->type == LRD_JSON_STRING;
  *at = node->at - quote;
  return lrd_span_of(w->doc.text + *at, node->len + 2 * quote);
}

static lrd_codec_place place_of(const walk *w, const char *name, size_t name_len, char room[256]) {
  LRD_ASSERT(w->place->ns.len + 1 + name_len <= 256);
  memcpy(room, w->place->ns.data, w->place->ns.len);
  room[w->place->ns.len] = 0;
  memcpy(room + w->place->ns.len + 1, name, name_len);
  return (lrd_codec_place){lrd_span_of(room, w->place->ns.len + 1 + name_len), w->place->key};
}

static larder_err token_append(walk *w, lrd_span text) {
  size_t const len = lrd_fernet_token_len(text.len);
  uint64_t id = 0;
  larder_err err = lrd_buf_reserve(w->out, len);
  if (err == LARDER_OK) err = lrd_token_seal(w->codec->keyring, text.data, text.len, (char *)w->out->data + w->out->len, &id);
  if (err == LARDER_OK) w->out->len += len;
  return err;
}

static larder_err marked_append(walk *w, const char *name, size_t name_len, lrd_span text) {
  lrd_codec_policy const policy = {.seal = LRD_SEAL_AES_256_GCM};
  char room[256];
  lrd_codec_place const place = place_of(w, name, name_len, room);
  lrd_buf frame = {0};
  bool framed = false;
  larder_err err = lrd_frame_encode(w->codec, &policy, &place, text, 0, &frame, &framed, NULL);
  if (err == LARDER_OK) err = lrd_buf_append_str(w->out, MARK);
  if (err == LARDER_OK) err = lrd_buf_reserve(w->out, lrd_base64url_len(frame.len));
  if (err == LARDER_OK) {
    lrd_base64url_encode(frame.data, frame.len, (char *)w->out->data + w->out->len);
    w->out->len += lrd_base64url_len(frame.len);
  }
  lrd_buf_fini(&frame);
  return err;
}

static larder_err member_seal(walk *w, const char *name, size_t name_len, uint32_t value) {
  size_t at = 0;
  lrd_span const text = text_of(w, value, &at);
  larder_err err = copy_upto(w, at);
  if (err == LARDER_OK) err = lrd_buf_append_byte(w->out, '"');
  if (err == LARDER_OK) err = w->seal == LRD_SEAL_FERNET ? token_append(w, text) : marked_append(w, name, name_len, text);
  if (err == LARDER_OK) err = lrd_buf_append_byte(w->out, '"');
  w->copied = at + text.len;
  w->found.sealed = true;
  return err;
}

/* Notes the key of a member that was opened: one that is not the present one is not forgotten. */
static void key_note(walk *w, uint64_t id) {
  uint64_t const present = lrd_keyring_len(w->codec->keyring) > 0 ? lrd_keyring_at(w->codec->keyring, 0).id : 0;
  if (w->found.key_id == 0 || w->found.key_id == present) w->found.key_id = id;
}

/* The JSON text in a token; LARDER_EFORMAT when it is none. */
static larder_err token_open(walk *w, lrd_span token, uint8_t **text, size_t *len) {
  uint64_t id = 0;
  uint8_t *room = lrd_alloc(lrd_fernet_room(token.len) + 1);
  if (room == NULL) return LARDER_ENOMEM;
  larder_err const err = lrd_token_open(w->codec->keyring, 0, token.data, token.len, room, len, &id, &w->why);
  if (err != LARDER_OK) {
    lrd_dealloc(room);
    return err;
  }
  key_note(w, id);
  w->found.tokens = true;
  *text = room;
  return LARDER_OK;
}

static larder_err marked_open(walk *w, const char *name, size_t name_len, lrd_span token, uint8_t **text, size_t *len) {
  char room[256];
  lrd_codec_place const place = place_of(w, name, name_len, room);
  lrd_frame_head head;
  size_t frame_len = 0;
  uint8_t *frame = lrd_alloc(token.len + 1);
  if (frame == NULL) return LARDER_ENOMEM;
  larder_err err = LARDER_EFORMAT;
  if (lrd_base64url_decode((const char *)token.data + MARK_LEN, token.len - MARK_LEN, frame, &frame_len)) {
    lrd_span const span = lrd_span_of(frame, frame_len);
    err = lrd_frame_look(span, &head, &w->why);
    if (err == LARDER_OK && head.seal == LRD_SEAL_NONE) err = LARDER_ECORRUPT;
    if (err == LARDER_OK) key_note(w, head.key_id);
    w->found.frames = true;
    if (err == LARDER_OK) err = lrd_frame_decode(w->codec, &place, span, head.raw_len, text, len, &w->why);
  }
  lrd_dealloc(frame);
  return err;
}

static larder_err member_open(walk *w, const char *name, size_t name_len, uint32_t value) {
  const lrd_json_node *node = &w->doc.nodes[value];
  lrd_span const token = lrd_span_of(w->doc.text + node->at, node->len);
  uint8_t *text = NULL;
  size_t len = 0;
  larder_err err = LARDER_EFORMAT;
  bool const may_be = node->type == LRD_JSON_STRING && !node->escaped;
  if (may_be && token.len > MARK_LEN && memcmp(token.data, MARK, MARK_LEN) == 0)
    err = marked_open(w, name, name_len, token, &text, &len);
  else if (may_be && token.len > sizeof TOKEN && memcmp(token.data, TOKEN, sizeof TOKEN - 1) == 0)
    err = token_open(w, token, &text, &len);
  if (err == LARDER_EFORMAT) {
    w->found.bare = true; /* was there before anything was sealed */
    return LARDER_OK;
  }
  if (err != LARDER_OK) return err;
  err = copy_upto(w, node->at - 1);
  if (err == LARDER_OK) err = lrd_buf_append(w->out, text, len);
  w->copied = (size_t)node->at + node->len + 1;
  w->found.sealed = true;
  lrd_key_wipe(text, len);
  lrd_dealloc(text);
  return err;
}

/* The parser bounds the depth. */
static larder_err container_walk(walk *w, uint32_t container) {
  const lrd_json_node *nodes = w->doc.nodes;
  bool const object = nodes[container].type == LRD_JSON_OBJECT;
  larder_err err = LARDER_OK;
  for (uint32_t at = lrd_json_first(&w->doc, container); at != 0 && at < nodes[container].next && err == LARDER_OK;) {
    uint32_t const value = object ? nodes[at].next : at;
    size_t name_len = 0;
    const char *name = object ? name_of(w, at, &name_len) : NULL;
    if (name != NULL)
      err = w->seal != LRD_SEAL_NONE ? member_seal(w, name, name_len, value) : member_open(w, name, name_len, value);
    else if (nodes[value].type == LRD_JSON_OBJECT || nodes[value].type == LRD_JSON_ARRAY)
      err = container_walk(w, value);
    at = nodes[value].next;
  }
  return err;
}

static larder_err document_walk(walk *w, lrd_span json) {
  size_t const from = w->out->len;
  larder_err err = json.len == 0 ? LARDER_EFORMAT : lrd_json_parse(&w->doc, json.data, json.len);
  if (err == LARDER_ETOOBIG) err = LARDER_EFORMAT;
  if (err == LARDER_OK) err = container_walk(w, 0);
  if (err == LARDER_OK) err = copy_upto(w, json.len);
  if (err != LARDER_OK) w->out->len = from;
  lrd_json_doc_fini(&w->doc);
  return err;
}

larder_err lrd_fields_seal(lrd_codec *codec, lrd_seal seal, const lrd_codec_place *place, const char *names, lrd_span json,
                           lrd_buf *out) {
  walk w = {.codec = codec, .place = place, .names = names, .out = out, .seal = seal};
  LRD_ASSERT(seal == LRD_SEAL_AES_256_GCM || seal == LRD_SEAL_FERNET);
  if (lrd_keyring_len(codec->keyring) == 0) return LARDER_EKEY;
  return document_walk(&w, json);
}

larder_err lrd_fields_open(lrd_codec *codec, const lrd_codec_place *place, const char *names, lrd_span json, lrd_buf *out,
                           lrd_fields_found *found, const char **why) {
  walk w = {.codec = codec, .place = place, .names = names, .out = out};
  size_t const from = out->len;
  larder_err const err = document_walk(&w, json);
  *found = (lrd_fields_found){0};
  if (err == LARDER_EFORMAT) return LARDER_OK;
  *found = w.found;
  if (err != LARDER_OK) {
    *why = w.why != NULL ? w.why : "a sealed member does not open";
    return err;
  }
  if (!w.found.sealed) out->len = from;
  return LARDER_OK;
}
