/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   u64 length of the header, little-endian · the header, JSON, padded with blanks · the tensors' bytes
 *   {"__metadata__": {"k": "v"}, "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
 *
 * Offsets count from the end of the header. As the format asks, the tensors fill what follows it without holes, without
 * overlap and to the end, so that no byte can hide; each is as long as dtype and shape say; no name repeats.
 */
#include "base/fail.h"
#include "base/json_read.h"
#include "dtype.h"
#include "formats.h"

#include <stdlib.h>

#define ROOM           "kind"
#define HEADER_LEN_MAX ((uint64_t)16 << 20) /* the format allows 100 MB; models of a thousand layers need one */

typedef struct tensor {
  uint64_t begin, end;
  uint32_t node;  /* of its object */
  size_t name_at; /* in `names` */
  size_t name_len;
} tensor;

typedef struct safetensors {
  lrd_json_doc doc;
  lrd_buf names;
  tensor *tensors;
  size_t count;
  uint64_t data_len;
  larder_error *err;
} safetensors;

static const struct {
  const char *name;
  uint8_t size;
} dtypes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
              {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"I32", 4},
              {"F32", 4},  {"U64", 8}, {"I64", 8}, {"F64", 8},     {"C64", 8}};

bool lrd_safetensors_is(const void *data, size_t len) {
  if (len < 10 || ((const uint8_t *)data)[8] != '{') return false;
  return lrd_get_u64(data) <= len - 8;
}

static larder_err broken(const safetensors *in, const char *why) {
  return lrd_fail(in->err, LARDER_EFORMAT, 0, ROOM, "the .safetensors file is broken: %s", why);
}

static larder_err tensor_broken(const safetensors *in, const tensor *of, const char *why) {
  return lrd_fail(in->err, LARDER_EFORMAT, 0, ROOM, "the .safetensors file is broken: tensor %.*s %s",
                  (int)(of->name_len < 80 ? of->name_len : 80),
                  in->names.data ? (const char *)in->names.data + of->name_at : "", why);
}

/* The numbers of a list, at most `most`; false for anything else. */
static bool numbers_read(const lrd_json_doc *doc, uint32_t list, unsigned most, uint64_t *out, unsigned *count_out) {
  if (list == 0 || lrd_json_type_of(doc, list) != LRD_JSON_ARRAY || doc->nodes[list].count > most) return false;
  unsigned count = 0;
  for (uint32_t at = lrd_json_first(doc, list); at != 0 && at < doc->nodes[list].next; at = doc->nodes[at].next)
    if (!lrd_json_u64_of(doc, at, &out[count++])) return false;
  *count_out = count;
  return true;
}

/* Size of an element, or 0 for a type that is not known; *node_out is where its name stands. */
static uint64_t dtype_size(const lrd_json_doc *doc, uint32_t object, uint32_t *node_out) {
  *node_out = lrd_json_member(doc, object, "dtype");
  for (size_t i = 0; *node_out != 0 && i < sizeof dtypes / sizeof *dtypes; i++)
    if (lrd_json_string_is(doc, *node_out, dtypes[i].name)) return dtypes[i].size;
  return 0;
}

static larder_err tensor_read(const safetensors *in, tensor *out) {
  uint64_t shape[LARDER_ARRAY_DIMS_MAX];
  uint64_t offsets[2];
  unsigned dims = 0, ends = 0;
  uint32_t dtype = 0;
  if (lrd_json_type_of(&in->doc, out->node) != LRD_JSON_OBJECT || in->doc.nodes[out->node].count != 3)
    return tensor_broken(in, out, "is not described by dtype, shape and data_offsets");
  uint64_t bytes = dtype_size(&in->doc, out->node, &dtype);
  if (bytes == 0) return tensor_broken(in, out, "has a dtype that is not known");
  if (!numbers_read(&in->doc, lrd_json_member(&in->doc, out->node, "shape"), LARDER_ARRAY_DIMS_MAX, shape, &dims))
    return tensor_broken(in, out, "has a shape that is no list of up to 32 whole numbers");
  if (!numbers_read(&in->doc, lrd_json_member(&in->doc, out->node, "data_offsets"), 2, offsets, &ends) || ends != 2)
    return tensor_broken(in, out, "has offsets that are no two whole numbers");
  if (offsets[0] > offsets[1] || offsets[1] > in->data_len) return tensor_broken(in, out, "lies outside of the file");
  for (unsigned i = 0; i < dims; i++)
    if (!lrd_product(bytes, shape[i], &bytes)) return tensor_broken(in, out, "has a shape that no memory holds");
  if (bytes != offsets[1] - offsets[0]) return tensor_broken(in, out, "is not as long as its dtype and shape say");
  out->begin = offsets[0];
  out->end = offsets[1];
  return LARDER_OK;
}

static larder_err metadata_check(const safetensors *in, uint32_t object) {
  const lrd_json_node *nodes = in->doc.nodes;
  if (lrd_json_type_of(&in->doc, object) != LRD_JSON_OBJECT) return broken(in, "its metadata are no object");
  for (uint32_t at = lrd_json_first(&in->doc, object); at != 0 && at < nodes[object].next; at = nodes[nodes[at].next].next)
    if (lrd_json_type_of(&in->doc, nodes[at].next) != LRD_JSON_STRING) return broken(in, "its metadata hold more than texts");
  return LARDER_OK;
}

static larder_err tensors_read(safetensors *in) {
  const lrd_json_node *nodes = in->doc.nodes;
  larder_err result = LARDER_OK;
  bool metadata = false;
  if (lrd_json_type_of(&in->doc, 0) != LRD_JSON_OBJECT) return broken(in, "its header is no object");
  in->tensors = lrd_alloc_zero(nodes[0].count ? nodes[0].count : 1, sizeof *in->tensors);
  if (!in->tensors) return lrd_fail(in->err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  for (uint32_t key = lrd_json_first(&in->doc, 0); key != 0 && key < nodes[0].next && result == LARDER_OK;
       key = nodes[nodes[key].next].next) {
    if (lrd_json_string_is(&in->doc, key, "__metadata__")) {
      result = metadata ? broken(in, "it has metadata twice") : metadata_check(in, nodes[key].next);
      metadata = true;
      continue;
    }
    tensor *next = &in->tensors[in->count++];
    next->name_at = in->names.len;
    result = lrd_json_string_append(&in->doc, key, &in->names);
    if (result != LARDER_OK) return lrd_fail(in->err, result, 0, ROOM, "out of memory");
    next->name_len = in->names.len - next->name_at;
    next->node = nodes[key].next;
    result = tensor_read(in, next);
  }
  return result;
}

static int by_place(const void *a, const void *b) {
  const tensor *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

typedef struct named {
  const uint8_t *name;
  size_t len;
} named;

static int by_name(const void *a, const void *b) {
  const named *x = a, *y = b;
  int order = memcmp(x->name, y->name, x->len < y->len ? x->len : y->len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

static larder_err names_check(const safetensors *in) {
  larder_err result = LARDER_OK;
  if (in->count < 2 || in->names.len == 0) return in->count < 2 ? LARDER_OK : broken(in, "a name is there twice");
  named *all = lrd_alloc_zero(in->count, sizeof *all);
  if (!all) return lrd_fail(in->err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  for (size_t i = 0; i < in->count; i++) all[i] = (named){in->names.data + in->tensors[i].name_at, in->tensors[i].name_len};
  qsort(all, in->count, sizeof *all, by_name);
  for (size_t i = 1; i < in->count && result == LARDER_OK; i++)
    if (by_name(&all[i - 1], &all[i]) == 0) result = broken(in, "a name is there twice");
  lrd_dealloc(all);
  return result;
}

/* No hole, no overlap, nothing behind. */
static larder_err places_check(const safetensors *in) {
  uint64_t at = 0;
  qsort(in->tensors, in->count, sizeof *in->tensors, by_place);
  for (size_t i = 0; i < in->count; i++) {
    if (in->tensors[i].begin < at) return tensor_broken(in, &in->tensors[i], "lies on another one");
    if (in->tensors[i].begin > at) return tensor_broken(in, &in->tensors[i], "has a hole before it");
    at = in->tensors[i].end;
  }
  return at == in->data_len ? LARDER_OK : broken(in, "bytes follow its last tensor");
}

static void tensors_visit(const safetensors *in, lrd_part_visit visit, void *context) {
  for (size_t i = 0; i < in->count; i++) {
    const tensor *of = &in->tensors[i];
    uint32_t dtype = 0;
    larder_part part = {.name = in->names.data ? (const char *)in->names.data + of->name_at : "",
                        .name_len = of->name_len,
                        .bytes = of->end - of->begin,
                        .figures = LARDER_FIGURES_NOT_ASKED};
    (void)dtype_size(&in->doc, of->node, &dtype);
    (void)numbers_read(&in->doc, lrd_json_member(&in->doc, of->node, "shape"), LARDER_ARRAY_DIMS_MAX, part.shape, &part.dims);
    part.dtype = in->doc.text + in->doc.nodes[dtype].at;
    part.dtype_len = in->doc.nodes[dtype].len;
    if (!visit(context, &part)) return;
  }
}

larder_err lrd_safetensors_read(const void *data, size_t len, lrd_part_visit visit, void *context, larder_error *err) {
  safetensors in = {.err = err};
  if (!lrd_safetensors_is(data, len)) return broken(&in, "its header is longer than the file, or does not begin with {");
  uint64_t header_len = lrd_get_u64(data);
  if (header_len > HEADER_LEN_MAX) return broken(&in, "its header is larger than 16 MiB");
  const char *text = (const char *)data + 8;
  in.data_len = len - 8 - header_len;
  larder_err result = lrd_json_parse(&in.doc, text, header_len);
  if (result == LARDER_EFORMAT) {
    result = lrd_fail(err, result, 0, ROOM, "the .safetensors file is broken: at byte %zu of its header: %s", in.doc.mistake_at,
                      in.doc.mistake);
  } else if (result != LARDER_OK) {
    result = lrd_fail(err, result, 0, ROOM, "%s", larder_err_text(result));
  }
  if (result == LARDER_OK) result = tensors_read(&in);
  if (result == LARDER_OK) result = names_check(&in);
  if (result == LARDER_OK) result = places_check(&in);
  if (result == LARDER_OK && visit) tensors_visit(&in, visit, context);
  lrd_json_doc_fini(&in.doc);
  lrd_buf_fini(&in.names);
  lrd_dealloc(in.tensors);
  return result;
}
