/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libfyaml's event stream is folded into nodes by a stack of open collections, so nothing recurses and every limit is
 * checked before anything is built. Its document builder is not used: it would expand aliases and drop positions.
 *
 * A map on the stack has a `key` that waits for its value. A collection can be named by an alias only once it is complete,
 * which rules cycles out.
 */
#include "config/yaml_tree.h"

#include "base/bytes.h"
#include <libfyaml.h>
#include <stdio.h>

typedef struct anchor anchor;
struct anchor {
  anchor *next;
  const char *name;
  lrd_yaml_node *node; /* NULL while the collection is open */
};

typedef struct frame {
  lrd_yaml_node *node;
  lrd_yaml_node *key; /* of a map: read, its value to come */
  anchor *anchor;     /* to be filled when the collection is complete */
} frame;

typedef struct builder {
  lrd_config_arena *arena;
  lrd_mistakes *mistakes;
  frame stack[LRD_YAML_DEPTH_MAX];
  size_t depth;
  lrd_yaml_node *root;
  anchor *anchors;
  size_t aliases;
  size_t documents;
  bool stopped; /* a mistake after which the rest of the text is not read */
  bool out_of_memory;
} builder;

const char *lrd_yaml_kind_text(const lrd_yaml_node *node) {
  switch (node->kind) {
  case LRD_YAML_MAP:
    return "a mapping";
  case LRD_YAML_LIST:
    return "a list";
  case LRD_YAML_SCALAR:
    return "a value";
  case LRD_YAML_NULL:
    break;
  }
  return "nothing";
}

static lrd_place event_place(const builder *b, struct fy_event *event) {
  const struct fy_mark *mark = fy_event_start_mark(event);
  if (mark != NULL) return (lrd_place){mark->line + 1, mark->column + 1};
  /* An empty value has no token of its own: it is where its key is. */
  if (b->depth == 0) return (lrd_place){1, 1};
  const frame *top = &b->stack[b->depth - 1];
  return top->key != NULL ? top->key->place : top->node->place;
}

/* Chunk by chunk: fy_token_get_text of 0.7.12 leaks on single-quoted text with a quote in it. */
static bool token_append(struct fy_token *token, lrd_buf *out) {
  struct fy_token_iter *iter = fy_token_iter_create(token);
  if (iter == NULL) return false;
  int failed = 0;
  bool ok = true;
  for (const struct fy_iter_chunk *chunk = fy_token_iter_chunk_next(iter, NULL, &failed); chunk != NULL && ok;
       chunk = fy_token_iter_chunk_next(iter, chunk, &failed))
    ok = lrd_buf_append(out, chunk->str, chunk->len) == LARDER_OK;
  fy_token_iter_destroy(iter);
  return ok && failed == 0;
}

static char *token_copy(builder *b, struct fy_token *token, size_t *len_out) {
  lrd_buf text = {0};
  char *copy = NULL;
  if (token == NULL || token_append(token, &text)) copy = lrd_config_arena_copy(b->arena, (const char *)text.data, text.len);
  if (copy == NULL) b->out_of_memory = true;
  if (len_out != NULL) *len_out = text.len;
  lrd_buf_fini(&text);
  return copy;
}

static bool scalar_is_null(const char *text, size_t len) {
  static const char *const names[] = {"", "~", "null", "Null", "NULL"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) return true;
  return false;
}

static bool tag_is_foreign(builder *b, struct fy_event *event) {
  struct fy_token *token = fy_event_get_tag_token(event);
  if (token == NULL) return false;
  static const char *const own[] = {"!", "!!str", "!!int", "!!float", "!!bool", "!!map", "!!seq", "!!null"};
  size_t len = 0;
  const char *text = token_copy(b, token, &len);
  static const char core[] = "tag:yaml.org,2002:";
  for (size_t i = 0; text != NULL && i < sizeof own / sizeof *own; i++) {
    if (strlen(own[i]) == len && memcmp(own[i], text, len) == 0) return false;
    size_t tail = strlen(own[i]) - (i > 0 ? 2 : 0);
    if (i > 0 && len == sizeof core - 1 + tail && memcmp(text, core, sizeof core - 1) == 0 &&
        memcmp(text + sizeof core - 1, own[i] + 2, tail) == 0)
      return false;
  }
  return true;
}

static bool tag_says_text(builder *b, struct fy_event *event) {
  struct fy_token *token = fy_event_get_tag_token(event);
  const char *text = token == NULL ? NULL : token_copy(b, token, NULL);
  return text != NULL && (strcmp(text, "!") == 0 || strcmp(text, "!!str") == 0 || strcmp(text, "tag:yaml.org,2002:str") == 0);
}

static lrd_yaml_node *node_new(builder *b, lrd_yaml_kind kind, struct fy_event *event) {
  lrd_yaml_node *node = lrd_config_arena_alloc(b->arena, sizeof *node);
  if (node == NULL) {
    b->out_of_memory = true;
    return NULL;
  }
  node->kind = kind;
  node->place = event_place(b, event);
  node->tagged = tag_is_foreign(b, event);
  node->weight = 1;
  return node;
}

static lrd_yaml_node *scalar_new(builder *b, struct fy_event *event) {
  lrd_yaml_node *node = node_new(b, LRD_YAML_SCALAR, event);
  if (node == NULL) return NULL;
  struct fy_token *token = event->scalar.value;
  node->text = token_copy(b, token, &node->len);
  if (node->text == NULL) return NULL;
  if (memchr(node->text, '\0', node->len) != NULL) {
    lrd_mistake_add(b->mistakes, node->place, "found a NUL character in a value; expected text without it");
    node->len = strlen(node->text);
  }
  enum fy_scalar_style style = token == NULL ? FYSS_PLAIN : fy_token_scalar_style(token);
  node->plain = style == FYSS_PLAIN && !tag_says_text(b, event);
  if (style == FYSS_PLAIN && scalar_is_null(node->text, node->len)) node->kind = LRD_YAML_NULL;
  const struct fy_mark *from = token == NULL ? NULL : fy_token_start_mark(token);
  const struct fy_mark *to = token == NULL ? NULL : fy_token_end_mark(token);
  if (from == NULL || to == NULL || from->line != to->line) return node;
  /* The marks lie within the quotes. */
  if (to->input_pos - from->input_pos == node->len) node->text_column = from->column + 1;
  if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) && node->place.column > 1) node->place.column--;
  return node;
}

static anchor *anchor_new(builder *b, struct fy_event *event) {
  struct fy_token *token = fy_event_get_anchor_token(event);
  if (token == NULL) return NULL;
  anchor *one = lrd_config_arena_alloc(b->arena, sizeof *one);
  if (one == NULL) {
    b->out_of_memory = true;
    return NULL;
  }
  one->name = token_copy(b, token, NULL);
  if (one->name == NULL) return NULL;
  one->next = b->anchors; /* a later anchor of the same name hides an earlier one */
  b->anchors = one;
  return one;
}

static void weight_add(builder *b, frame *top, const lrd_yaml_node *node) {
  top->node->weight += node->weight;
  if (top->node->weight <= LRD_YAML_WEIGHT_MAX || b->stopped) return;
  b->stopped = true;
  lrd_mistake_add(b->mistakes, node->place,
                  "the file comes to more than %zu values once its aliases are followed; expected fewer", LRD_YAML_WEIGHT_MAX);
}

static void item_append(builder *b, frame *top, lrd_yaml_node *key, lrd_yaml_node *value, bool merged) {
  if (top->node->kind == LRD_YAML_MAP && top->node->items == LRD_YAML_KEYS_MAX) {
    if (!b->stopped)
      lrd_mistake_add(b->mistakes, key->place, "found more than %d keys in a mapping; expected at most %d", LRD_YAML_KEYS_MAX,
                      LRD_YAML_KEYS_MAX);
    b->stopped = true;
    return;
  }
  lrd_yaml_item *item = lrd_config_arena_alloc(b->arena, sizeof *item);
  if (item == NULL) {
    b->out_of_memory = true;
    return;
  }
  item->key = key;
  item->value = value;
  item->merged = merged;
  if (top->node->last != NULL)
    top->node->last->next = item;
  else
    top->node->first = item;
  top->node->last = item;
  top->node->items++;
}

/* A complete node goes to where it belongs: the document, a list, or as key or value into a map. */
static void node_place(builder *b, lrd_yaml_node *node) {
  if (b->depth == 0) {
    b->root = node;
    return;
  }
  frame *top = &b->stack[b->depth - 1];
  weight_add(b, top, node);
  if (top->node->kind == LRD_YAML_LIST) {
    item_append(b, top, NULL, node, false);
  } else if (top->key == NULL) {
    top->key = node;
  } else {
    lrd_yaml_node *key = top->key;
    top->key = NULL;
    item_append(b, top, key, node, false);
  }
}

static bool key_equal(const lrd_yaml_node *a, const lrd_yaml_node *b) {
  return a->text != NULL && b->text != NULL && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void merge_one(builder *b, frame *top, const lrd_yaml_node *from, lrd_place place) {
  if (from->kind != LRD_YAML_MAP) {
    lrd_mistake_add(b->mistakes, place, "found %s after <<; expected a mapping or a list of mappings",
                    lrd_yaml_kind_text(from));
    return;
  }
  for (const lrd_yaml_item *item = from->first; item != NULL && !b->stopped; item = item->next) {
    bool there = false;
    for (const lrd_yaml_item *own = top->node->first; own != NULL && !there; own = own->next)
      there = key_equal(own->key, item->key);
    if (there) continue;
    item_append(b, top, item->key, item->value, true);
    if (b->out_of_memory) return;
    weight_add(b, top, item->value);
  }
}

/* `<<: *base`: the pairs of the base that the map does not have itself. */
static void map_merge(builder *b, frame *top) {
  lrd_yaml_item **at = &top->node->first, *last = NULL;
  const lrd_yaml_node *sources[LRD_YAML_ALIASES_MAX];
  size_t sources_len = 0;
  for (lrd_yaml_item *item = *at; item != NULL; item = item->next) {
    bool is_merge = item->key->kind == LRD_YAML_SCALAR && item->key->len == 2 && memcmp(item->key->text, "<<", 2) == 0;
    if (!is_merge || sources_len == LRD_YAML_ALIASES_MAX) {
      at = &item->next;
      last = item;
      continue;
    }
    sources[sources_len++] = item->value;
    *at = item->next;
    top->node->items--;
  }
  top->node->last = last;
  for (size_t i = 0; i < sources_len; i++) {
    if (sources[i]->kind != LRD_YAML_LIST) {
      merge_one(b, top, sources[i], sources[i]->place);
      continue;
    }
    for (const lrd_yaml_item *item = sources[i]->first; item != NULL; item = item->next)
      merge_one(b, top, item->value, item->value->place);
  }
}

static void collection_open(builder *b, lrd_yaml_kind kind, struct fy_event *event) {
  lrd_yaml_node *node = node_new(b, kind, event);
  if (node == NULL) return;
  if (b->depth == LRD_YAML_DEPTH_MAX) {
    b->stopped = true;
    lrd_mistake_add(b->mistakes, node->place, "found more than %d levels of nesting; expected at most %d", LRD_YAML_DEPTH_MAX,
                    LRD_YAML_DEPTH_MAX);
    return;
  }
  b->stack[b->depth++] = (frame){.node = node, .anchor = anchor_new(b, event)};
}

static void collection_close(builder *b) {
  if (b->depth == 0) return;
  frame *top = &b->stack[b->depth - 1];
  if (top->node->kind == LRD_YAML_MAP) map_merge(b, top);
  if (top->anchor != NULL) top->anchor->node = top->node;
  lrd_yaml_node *node = top->node;
  b->depth--;
  node_place(b, node);
}

static void alias_take(builder *b, struct fy_event *event) {
  lrd_place place = event_place(b, event);
  if (++b->aliases > LRD_YAML_ALIASES_MAX) {
    b->stopped = true;
    lrd_mistake_add(b->mistakes, place, "found more than %d aliases; expected at most %d", LRD_YAML_ALIASES_MAX,
                    LRD_YAML_ALIASES_MAX);
    return;
  }
  size_t len = 0;
  const char *name = token_copy(b, event->alias.anchor, &len);
  if (name == NULL) return;
  const anchor *one = b->anchors;
  while (one != NULL && (one->name == NULL || strcmp(one->name, name) != 0)) one = one->next;
  if (one != NULL && one->node != NULL) {
    node_place(b, one->node);
    return;
  }
  char quoted[LRD_QUOTED_MAX];
  b->stopped = true;
  lrd_mistake_add(b->mistakes, place, "found the alias %s %s; expected one of an anchor that stands complete before it",
                  lrd_quote(name, len, quoted), one == NULL ? "of no anchor" : "within its own anchor");
}

static void event_take(builder *b, struct fy_event *event) {
  switch (event->type) {
  case FYET_DOCUMENT_START:
    if (b->documents++ == 0) break;
    b->stopped = true;
    lrd_mistake_add(b->mistakes, event_place(b, event), "found a second document; expected one per file");
    break;
  case FYET_SCALAR: {
    lrd_yaml_node *node = scalar_new(b, event);
    anchor *name = node == NULL ? NULL : anchor_new(b, event);
    if (name != NULL) name->node = node;
    if (node != NULL) node_place(b, node);
    break;
  }
  case FYET_MAPPING_START:
    collection_open(b, LRD_YAML_MAP, event);
    break;
  case FYET_SEQUENCE_START:
    collection_open(b, LRD_YAML_LIST, event);
    break;
  case FYET_MAPPING_END:
  case FYET_SEQUENCE_END:
    collection_close(b);
    break;
  case FYET_ALIAS:
    alias_take(b, event);
    break;
  default:
    break;
  }
}

static void syntax_mistake(builder *b, struct fy_diag *diag) {
  void *at = NULL;
  const struct fy_diag_error *error = fy_diag_errors_iterate(diag, &at);
  while (error != NULL && error->type != FYET_ERROR) error = fy_diag_errors_iterate(diag, &at);
  if (error == NULL || error->msg == NULL) {
    lrd_mistake_add(b->mistakes, (lrd_place){1, 1}, "found text that is not YAML; expected a mapping with the section cache");
    return;
  }
  size_t len = strcspn(error->msg, "\r\n");
  lrd_mistake_add(b->mistakes, (lrd_place){error->line > 0 ? error->line : 1, error->column > 0 ? error->column : 1},
                  "found text that is not YAML (%.*s); expected valid YAML 1.2", len > 200 ? 200 : (int)len, error->msg);
}

static void events_read(builder *b, struct fy_parser *parser, struct fy_diag *diag) {
  while (!b->stopped && !b->out_of_memory) {
    struct fy_event *event = fy_parser_parse(parser);
    if (event == NULL) break;
    event_take(b, event);
    fy_parser_event_free(parser, event);
  }
  if (!b->stopped && !b->out_of_memory && fy_parser_get_stream_error(parser)) {
    b->stopped = true;
    syntax_mistake(b, diag);
  }
}

size_t lrd_utf8_length(const unsigned char *at, size_t left) {
  if (at[0] < 0x80) return 1;
  size_t len = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
  if (at[0] < 0xC2 || at[0] > 0xF4 || len > left) return 0;
  for (size_t i = 1; i < len; i++)
    if ((at[i] & 0xC0) != 0x80) return 0;
  if (at[0] == 0xE0 && at[1] < 0xA0) return 0; /* longer than needed */
  if (at[0] == 0xED && at[1] > 0x9F) return 0; /* half a surrogate pair */
  if (at[0] == 0xF0 && at[1] < 0x90) return 0;
  if (at[0] == 0xF4 && at[1] > 0x8F) return 0; /* above U+10FFFF */
  return len;
}

/* libfyaml ends quietly at bytes that are no UTF-8, so that the rest of a file would be ignored: they are found before. */
static bool text_check(builder *b, const char *text, size_t len) {
  const unsigned char *bytes = (const unsigned char *)text;
  lrd_place place = {1, 1};
  for (size_t at = 0; at < len;) {
    size_t step = lrd_utf8_length(bytes + at, len - at);
    if (step == 0 || bytes[at] == 0) {
      lrd_mistake_add(b->mistakes, place, "found the byte 0x%02x; expected text in UTF-8", bytes[at]);
      return false;
    }
    if (bytes[at] == '\n')
      place = (lrd_place){place.line + 1, 1};
    else
      place.column++;
    at += step;
  }
  return true;
}

larder_err lrd_yaml_parse(const char *text, size_t len, lrd_mistakes *mistakes, lrd_yaml_node **root_out) {
  builder b = {.arena = mistakes->arena, .mistakes = mistakes};
  *root_out = NULL;
  if (len > LRD_YAML_BYTES_MAX) {
    lrd_mistake_add(mistakes, (lrd_place){1, 1}, "found %zu bytes; expected at most 1 MiB", len);
    return LARDER_OK;
  }
  if (!text_check(&b, text, len)) return mistakes->out_of_memory ? LARDER_ENOMEM : LARDER_OK;
  struct fy_diag_cfg diag_cfg;
  fy_diag_cfg_default(&diag_cfg);
  diag_cfg.fp = NULL;
  diag_cfg.colorize = false;
  struct fy_diag *diag = fy_diag_create(&diag_cfg);
  if (diag == NULL) return LARDER_ENOMEM;
  fy_diag_set_collect_errors(diag, true);
  const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE | FYPCF_COLLECT_DIAG, .diag = diag};
  struct fy_parser *parser = fy_parser_create(&cfg);
  if (parser != NULL && fy_parser_set_string(parser, text, len) == 0)
    events_read(&b, parser, diag);
  else
    b.out_of_memory = true;
  if (parser != NULL) fy_parser_destroy(parser);
  fy_diag_destroy(diag);
  if (b.out_of_memory || mistakes->out_of_memory) return LARDER_ENOMEM;
  if (!b.stopped) *root_out = b.root;
  return LARDER_OK;
}
