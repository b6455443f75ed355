/* SPDX-License-Identifier: Apache-2.0 */
/* Views of arrays: an `.npy` as it lies, a stored member of an `.npz` as it lies, a deflated one unpacked for the view. */
#include "array_member.h"
#include "base/fail.h"
#include "npy.h"

#include <libdeflate.h>

#define ROOM "kind"

static const char SUFFIX[] = ".npy";
#define SUFFIX_LEN (sizeof SUFFIX - 1)

bool lrd_array_member_name(const lrd_zip_member *member, lrd_span *out) {
  if (member->name_len < SUFFIX_LEN || memcmp(member->name + member->name_len - SUFFIX_LEN, SUFFIX, SUFFIX_LEN) != 0)
    return false;
  *out = lrd_span_of(member->name, member->name_len - SUFFIX_LEN);
  return true;
}

/* Unpacked behind a multiple of 64, so that the elements lie at one too when whoever wrote them kept to it. */
static larder_err member_unpack(const lrd_zip_member *member, void **own, const uint8_t **at, larder_error *err) {
  larder_err result = lrd_zip_len_check(member, err);
  if (result != LARDER_OK) return result;
  uint8_t *room = lrd_alloc(member->len + LARDER_ARRAY_ALIGNMENT);
  if (!room) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  uint8_t *aligned = room + (-(uintptr_t)room & (LARDER_ARRAY_ALIGNMENT - 1));
  result = lrd_zip_extract(member, aligned, err);
  if (result != LARDER_OK) {
    lrd_dealloc(room);
    return result;
  }
  *own = room;
  *at = aligned;
  return LARDER_OK;
}

larder_err lrd_array_member_view(const lrd_zip_member *member, bool verify, larder_array *out, larder_error *err) {
  larder_array read = {0};
  lrd_span name;
  const uint8_t *at = member->packed;
  lrd_span label = {member->name, member->name_len};
  if (!lrd_array_member_name(member, &name))
    return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "member %.*s is no .npy", (int)(member->name_len % 100), member->name);
  larder_err result = LARDER_OK;
  if (member->method == LRD_ZIP_DEFLATED) {
    result = member_unpack(member, &read.own, &at, err);
  } else if (verify && libdeflate_crc32(0, at, member->len) != member->crc) {
    result = lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "member %.*s has another checksum than it claims",
                      (int)(member->name_len % 100), member->name);
  }
  if (result == LARDER_OK) {
    read.name = name.data;
    read.name_len = name.len;
    result = lrd_npy_read(at, member->len, true, label, &read, err);
  }
  if (result != LARDER_OK) {
    lrd_dealloc(read.own);
    return result;
  }
  *out = read;
  return LARDER_OK;
}

/* The member of that name, or the only one. */
static larder_err member_pick(const lrd_zip *zip, const char *name, const lrd_zip_member **out, larder_error *err) {
  if (!name) {
    if (zip->members_len == 1) {
      *out = &zip->members[0];
      return LARDER_OK;
    }
    return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "the archive holds %zu arrays; name the one that is meant", zip->members_len);
  }
  size_t len = strlen(name);
  for (size_t i = 0; i < zip->members_len; i++) {
    lrd_span has;
    if (lrd_array_member_name(&zip->members[i], &has) && has.len == len && memcmp(has.data, name, len) == 0) {
      *out = &zip->members[i];
      return LARDER_OK;
    }
  }
  return LARDER_MISS;
}

larder_err larder_array_view(const void *value, size_t len, const char *name, bool verify, larder_array *out,
                             larder_error *err) {
  lrd_zip zip = {0};
  const lrd_zip_member *member = NULL;
  if (!out || (!value && len > 0)) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a value and a place for the view are needed");
  if (!lrd_zip_is(value, len)) {
    larder_array read = {0};
    larder_err result = lrd_npy_read(value, len, true, lrd_span_str("the value"), &read, err);
    if (result == LARDER_OK && name) return LARDER_MISS;
    if (result == LARDER_OK) *out = read;
    return result;
  }
  larder_err result = lrd_zip_open(&zip, value, len, err);
  if (result == LARDER_OK) result = member_pick(&zip, name, &member, err);
  if (result == LARDER_OK && member) result = lrd_array_member_view(member, verify, out, err);
  lrd_zip_fini(&zip);
  return result;
}

void larder_array_release(larder_array *array) {
  if (!array) return;
  lrd_dealloc(array->own);
  *array = (larder_array){0};
}

larder_err larder_array_names(const void *value, size_t len,
                              bool (*visit)(void *context, const char *name, size_t name_len, uint64_t bytes), void *context,
                              larder_error *err) {
  lrd_zip zip = {0};
  if (!visit || (!value && len > 0)) return lrd_fail(err, LARDER_EINVAL, 0, ROOM, "a value and a visit are needed");
  if (!lrd_zip_is(value, len)) {
    larder_array read = {0};
    larder_err result = lrd_npy_read(value, len, true, lrd_span_str("the value"), &read, err);
    if (result == LARDER_OK) (void)visit(context, NULL, 0, len);
    return result;
  }
  larder_err result = lrd_zip_open(&zip, value, len, err);
  for (size_t i = 0; i < zip.members_len && result == LARDER_OK; i++) {
    lrd_span name;
    if (!lrd_array_member_name(&zip.members[i], &name))
      result = lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "the archive holds what is no .npy");
    else if (!visit(context, name.data, name.len, zip.members[i].len))
      break;
  }
  lrd_zip_fini(&zip);
  return result;
}
