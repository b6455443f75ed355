/* SPDX-License-Identifier: Apache-2.0 */
/* Building `.npy` and `.npz`. What was built is viewed once more before it is handed out, so that we never write what we
 * would not read. */
#include "base/fail.h"
#include "npy.h"
#include "zip.h"

#define ROOM "kind"

static larder_err options_check(const larder_array *arrays, size_t count, const larder_array_options *options, void **out,
                                const size_t *len_out, larder_error *err) {
  if ((!arrays && count > 0) || !out || !len_out || (options && (options->size == 0 || options->size > sizeof *options)))
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "arrays, places for the result, and the options' size are needed");
  if (options && options->deflate > 12) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "deflate is 0 to 12");
  if (count > LARDER_ARRAY_MEMBERS_MAX - 1)
    return lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "an .npz holds at most %u arrays", LARDER_ARRAY_MEMBERS_MAX - 1);
  return LARDER_OK;
}

static larder_err npy_build(larder_array *array, lrd_buf *out, larder_error *err) {
  larder_err result = lrd_npy_complete(array, err);
  if (result != LARDER_OK) return result;
  if (array->len > LARDER_VALUE_MAX) return lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "a value has at most 2 GiB");
  result = lrd_npy_head_append(out, array);
  if (result == LARDER_OK && out->len + array->len > LARDER_VALUE_MAX) result = LARDER_ETOOBIG;
  if (result == LARDER_OK) result = lrd_buf_append(out, array->data, array->len);
  return result == LARDER_OK ? LARDER_OK
                             : lrd_fail(err, result, 0, ROOM, "the array can't be built: %s", larder_err_text(result));
}

static larder_err member_add(lrd_zip_writer *writer, larder_array array, unsigned deflate, larder_error *err) {
  lrd_buf name = {0};
  lrd_buf head = {0};
  larder_err result = lrd_npy_complete(&array, err);
  if (result != LARDER_OK) return result;
  if (!array.name || !lrd_zip_name_stays(array.name, array.name_len) || array.name_len > UINT16_MAX - 4)
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM,
                    "an array in an .npz needs a name that leads nowhere: no .., no leading slash");
  result = lrd_buf_append(&name, array.name, array.name_len);
  if (result == LARDER_OK) result = lrd_buf_append_str(&name, ".npy");
  if (result == LARDER_OK) result = lrd_npy_head_append(&head, &array);
  if (result == LARDER_OK)
    result = lrd_zip_add(writer, (const char *)name.data, name.len, lrd_span_of(head.data, head.len),
                         lrd_span_of(array.data, array.len), deflate);
  if (result != LARDER_OK) lrd_fail(err, result, 0, ROOM, "the archive can't be built: %s", larder_err_text(result));
  lrd_buf_fini(&name);
  lrd_buf_fini(&head);
  return result;
}

/* Room for everything at once: growing by and by would copy large arrays again and again. */
static larder_err room_reserve(lrd_zip_writer *writer, const larder_array *arrays, size_t count) {
  size_t room = 64;
  for (size_t i = 0; i < count; i++)
    if (__builtin_add_overflow(room, arrays[i].len + 512, &room) || room > LARDER_VALUE_MAX) return LARDER_OK; /* told later */
  return lrd_buf_reserve(&writer->out, room);
}

static larder_err npz_build(const larder_array *arrays, size_t count, unsigned deflate, lrd_buf *out, larder_error *err) {
  lrd_zip_writer writer = {0};
  lrd_zip again = {0};
  larder_err result = room_reserve(&writer, arrays, count);
  for (size_t i = 0; i < count && result == LARDER_OK; i++) result = member_add(&writer, arrays[i], deflate, err);
  if (result == LARDER_OK) result = lrd_zip_finish(&writer);
  if (result == LARDER_ENOMEM || result == LARDER_ETOOBIG)
    lrd_fail(err, result, 0, ROOM, "the archive can't be built: %s", larder_err_text(result));
  if (result == LARDER_OK) {
    larder_error why = {0};
    result = lrd_zip_open(&again, writer.out.data, writer.out.len, &why);
    if (result == LARDER_EFORMAT)
      result = lrd_fail(err, LARDER_EINVAL, 0, ROOM, "names repeat: %s", why.message);
    else if (result != LARDER_OK)
      lrd_fail(err, result, 0, ROOM, "%s", why.message);
  }
  if (result == LARDER_OK) {
    *out = writer.out;
    writer.out = (lrd_buf){0};
  }
  lrd_zip_fini(&again);
  lrd_zip_writer_fini(&writer);
  return result;
}

larder_err larder_array_build(const larder_array *arrays, size_t count, const larder_array_options *options, void **out,
                              size_t *len_out, larder_error *err) {
  lrd_buf built = {0};
  larder_err result = options_check(arrays, count, options, out, len_out, err);
  if (result != LARDER_OK) return result;
  if (count == 1 && !arrays[0].name) {
    larder_array array = arrays[0];
    result = lrd_buf_reserve(&built, array.len <= LARDER_VALUE_MAX ? array.len + 256 : 0);
    if (result != LARDER_OK) return lrd_fail(err, result, 0, ROOM, "out of memory");
    result = npy_build(&array, &built, err);
  } else {
    result = npz_build(arrays, count, options ? options->deflate : 0, &built, err);
  }
  if (result != LARDER_OK) {
    lrd_buf_fini(&built);
    return result;
  }
  *out = built.data;
  *len_out = built.len;
  return LARDER_OK;
}

void larder_array_free(void *built) { lrd_dealloc(built); }
