/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an archive says where its central directory lies; each of that one's entries says where a local header lies,
 * which repeats most of it. Both are read, and have to say the same, so that no two programs can see two different archives
 * in the same bytes. All numbers are taken through `reader`, which never leaves the archive.
 *
 * Bombs: members that overlap are refused; a deflated stream can't grow by more than RATIO_MAX, so a length above that is a
 * lie before anything is allocated.
 */
#include "zip.h"

#include "base/fail.h"
#include <larder/ext/tier.h>
#include <libdeflate.h>
#include <stdlib.h>

#define ROOM             "kind"
#define LOCAL_MAGIC      0x04034b50u
#define CENTRAL_MAGIC    0x02014b50u
#define END_MAGIC        0x06054b50u
#define END64_MAGIC      0x06064b50u
#define LOCATOR64_MAGIC  0x07064b50u
#define DESCRIPTOR_MAGIC 0x08074b50u
#define LOCAL_LEN        30u
#define CENTRAL_LEN      46u
#define END_LEN          22u
#define END64_LEN        56u
#define LOCATOR64_LEN    20u
#define FLAG_ENCRYPTED   0x0001u
#define FLAG_DESCRIPTOR  0x0008u
#define FLAGS_NOT_READ   0x2060u /* patches, strong encryption, a masked directory */
#define EXTRA_ZIP64      0x0001u
#define RATIO_MAX        1032u
#define SHOWN_MAX        80u

bool lrd_zip_is(const void *data, size_t len) {
  return len >= 4 && (lrd_get_u32(data) == LOCAL_MAGIC || (len >= END_LEN && lrd_get_u32(data) == END_MAGIC));
}

/* What is being opened. */
typedef struct archive {
  const uint8_t *data;
  size_t len;
  larder_error *err;
} archive;

static larder_err broken(const archive *in, const char *why) {
  return lrd_fail(in->err, LARDER_EFORMAT, 0, ROOM, "the zip archive is broken: %s", why);
}

static int shown(const lrd_zip_member *member) { return member->name_len < SHOWN_MAX ? member->name_len : (int)SHOWN_MAX; }

static larder_err member_broken(const lrd_zip_member *member, larder_error *err, const char *why) {
  return lrd_fail(err, LARDER_EFORMAT, 0, ROOM, "the zip archive is broken: member %.*s %s", shown(member), member->name, why);
}

bool lrd_zip_name_stays(const char *name, size_t len) {
  size_t part = 0;
  if (len == 0 || len > UINT16_MAX || name[0] == '/') return false;
  for (size_t i = 0; i <= len; i++) {
    if (i < len && ((unsigned char)name[i] < 32 || name[i] == 127 || name[i] == '\\')) return false;
    if (i < len && name[i] != '/') continue;
    if (i - part == 2 && name[part] == '.' && name[part + 1] == '.') return false;
    part = i + 1;
  }
  return !(len >= 2 && name[1] == ':');
}

/* --- the end of the archive --------------------------------------------------------------------------------------------- */

typedef struct directory {
  uint64_t at;
  uint64_t len;
  uint64_t entries;
} directory;

/* The last end record; others who read the archive take it too, so a comment that does not fit is not looked past. */
static const uint8_t *end_find(const archive *in) {
  if (in->len < END_LEN) return NULL;
  size_t back_max = in->len - END_LEN < UINT16_MAX ? in->len - END_LEN : UINT16_MAX;
  for (size_t back = 0; back <= back_max; back++) {
    const uint8_t *at = in->data + in->len - END_LEN - back;
    if (lrd_get_u32(at) == END_MAGIC) return lrd_get_u16(at + 20) == back ? at : NULL;
  }
  return NULL;
}

/* The zip64 end, which its locator right before the plain end leads to. */
static larder_err end64_read(const archive *in, const uint8_t *end, directory *out, uint64_t *end_at) {
  size_t at = (size_t)(end - in->data);
  uint64_t where = lrd_get_u64(end - LOCATOR64_LEN + 8);
  if (at < LOCATOR64_LEN + END64_LEN || where > at - LOCATOR64_LEN - END64_LEN || lrd_get_u32(in->data + where) != END64_MAGIC)
    return broken(in, "its zip64 end is not where it should be");
  const uint8_t *record = in->data + where;
  if (lrd_get_u32(record + 16) != 0 || lrd_get_u32(record + 20) != 0 || lrd_get_u64(record + 24) != lrd_get_u64(record + 32))
    return broken(in, "it is one of several volumes");
  directory wide = {.at = lrd_get_u64(record + 48), .len = lrd_get_u64(record + 40), .entries = lrd_get_u64(record + 32)};
  if ((out->at != UINT32_MAX && out->at != wide.at) || (out->len != UINT32_MAX && out->len != wide.len) ||
      (out->entries != UINT16_MAX && out->entries != wide.entries))
    return broken(in, "its two ends say different things");
  *out = wide;
  *end_at = where;
  return LARDER_OK;
}

/* Some writers, PyTorch's among them, add the zip64 end where the plain one would do: both are read, and have to agree. */
static larder_err directory_find(const archive *in, directory *out) {
  const uint8_t *end = end_find(in);
  if (!end) return broken(in, "its end is missing; it was cut, or is none");
  uint64_t end_at = (uint64_t)(end - in->data);
  *out = (directory){.at = lrd_get_u32(end + 16), .len = lrd_get_u32(end + 12), .entries = lrd_get_u16(end + 10)};
  if (lrd_get_u16(end + 4) != 0 || lrd_get_u16(end + 6) != 0 || lrd_get_u16(end + 8) != out->entries)
    return broken(in, "it is one of several volumes");
  if (end_at >= LOCATOR64_LEN && lrd_get_u32(end - LOCATOR64_LEN) == LOCATOR64_MAGIC) {
    larder_err result = end64_read(in, end, out, &end_at);
    if (result != LARDER_OK) return result;
  } else if (out->at == UINT32_MAX || out->len == UINT32_MAX || out->entries == UINT16_MAX) {
    return broken(in, "its end speaks of a zip64 end that is not there");
  }
  if (out->at > end_at || out->len != end_at - out->at) return broken(in, "its directory is not where its end says");
  if (out->entries > out->len / CENTRAL_LEN) return broken(in, "its directory is too short for its members");
  return LARDER_OK;
}

/* --- one member --------------------------------------------------------------------------------------------------------- */

/* Lengths and place of a header, which may stand in its zip64 extra field, in this order and only where they are all ones. */
typedef struct extents {
  uint64_t len;
  uint64_t packed_len;
  uint64_t at;
} extents;

static bool extra64_take(const uint8_t **at, const uint8_t *end, uint64_t *value) {
  if (*value != UINT32_MAX) return true;
  if (end - *at < 8) return false;
  *value = lrd_get_u64(*at);
  *at += 8;
  return true;
}

/* False when the extra fields are cut, or do not hold what the header leaves to them. */
static bool extra_read(const uint8_t *at, size_t len, extents *out) {
  const uint8_t *end = at + len;
  bool wanted = out->len == UINT32_MAX || out->packed_len == UINT32_MAX || out->at == UINT32_MAX;
  while (wanted && end - at >= 4) {
    size_t field = lrd_get_u16(at + 2);
    uint16_t id = lrd_get_u16(at);
    at += 4;
    if (field > (size_t)(end - at)) return false;
    if (id == EXTRA_ZIP64) {
      const uint8_t *field_end = at + field;
      return extra64_take(&at, field_end, &out->len) && extra64_take(&at, field_end, &out->packed_len) &&
             extra64_take(&at, field_end, &out->at);
    }
    at += field;
  }
  return !wanted;
}

/* Behind the content may stand a descriptor that repeats checksum and lengths: with or without a magic number, with lengths
 * of 32 or 64 bits. Its length, or 0 when what stands there is none. */
static size_t descriptor_len(const uint8_t *at, size_t room, const lrd_zip_member *member) {
  for (size_t magic = 0; magic <= 4; magic += 4) {
    for (size_t wide = 4; wide <= 8; wide += 4) {
      const uint8_t *sums = at + magic;
      if (room < magic + 4 + 2 * wide || (magic && lrd_get_u32(at) != DESCRIPTOR_MAGIC)) continue;
      uint64_t packed = wide == 4 ? lrd_get_u32(sums + 4) : lrd_get_u64(sums + 4);
      uint64_t len = wide == 4 ? lrd_get_u32(sums + 8) : lrd_get_u64(sums + 12);
      if (lrd_get_u32(sums) == member->crc && packed == member->packed_len && len == member->len) return magic + 4 + 2 * wide;
    }
  }
  return 0;
}

/* Compares the local header with the directory's entry, and finds the content. `limit` is where the directory begins. */
static larder_err local_read(const archive *in, uint64_t limit, uint16_t flags, lrd_zip_member *member) {
  if (member->begin > limit || limit - member->begin < LOCAL_LEN || lrd_get_u32(in->data + member->begin) != LOCAL_MAGIC)
    return member_broken(member, in->err, "is not where the directory says");
  const uint8_t *local = in->data + member->begin;
  size_t name_len = lrd_get_u16(local + 26);
  size_t extra_len = lrd_get_u16(local + 28);
  uint64_t room = limit - member->begin - LOCAL_LEN;
  if (name_len + extra_len > room) return member_broken(member, in->err, "has a header that is cut");
  if (name_len != member->name_len || memcmp(local + LOCAL_LEN, member->name, name_len) != 0 ||
      lrd_get_u16(local + 8) != member->method || ((lrd_get_u16(local + 6) ^ flags) & (FLAG_DESCRIPTOR | FLAG_ENCRYPTED)) != 0)
    return member_broken(member, in->err, "is another one in the directory than in its own header");
  extents found = {.len = lrd_get_u32(local + 22), .packed_len = lrd_get_u32(local + 18)};
  if (!extra_read(local + LOCAL_LEN + name_len, extra_len, &found))
    return member_broken(member, in->err, "has broken extra fields");
  bool told = found.len == member->len && found.packed_len == member->packed_len && lrd_get_u32(local + 14) == member->crc;
  bool left_out = (flags & FLAG_DESCRIPTOR) != 0 && found.len == 0 && found.packed_len == 0 && lrd_get_u32(local + 14) == 0;
  if (!told && !left_out) return member_broken(member, in->err, "has other lengths in the directory than in its own header");
  room -= name_len + extra_len;
  if (member->packed_len > room) return member_broken(member, in->err, "is longer than the archive");
  member->packed = local + LOCAL_LEN + name_len + extra_len;
  member->end = limit - room + member->packed_len;
  if (flags & FLAG_DESCRIPTOR) {
    size_t len = descriptor_len(member->packed + member->packed_len, (size_t)(room - member->packed_len), member);
    if (len == 0) return member_broken(member, in->err, "has no data descriptor, or one that says something else");
    member->end += len;
  }
  return LARDER_OK;
}

/* The directory's entry at *at, which moves on. */
static larder_err central_read(const archive *in, const directory *central, uint64_t *at, lrd_zip_member *member) {
  uint64_t left = central->at + central->len - *at;
  const uint8_t *entry = in->data + *at;
  if (left < CENTRAL_LEN || lrd_get_u32(entry) != CENTRAL_MAGIC) return broken(in, "its directory is cut");
  size_t name_len = lrd_get_u16(entry + 28);
  size_t extra_len = lrd_get_u16(entry + 30);
  size_t whole = CENTRAL_LEN + name_len + extra_len + lrd_get_u16(entry + 32);
  uint16_t flags = lrd_get_u16(entry + 8);
  if (whole > left) return broken(in, "its directory is cut");
  extents found = {.len = lrd_get_u32(entry + 24), .packed_len = lrd_get_u32(entry + 20), .at = lrd_get_u32(entry + 42)};
  *member = (lrd_zip_member){.name = (const char *)entry + CENTRAL_LEN,
                             .name_len = (uint16_t)name_len,
                             .method = lrd_get_u16(entry + 10),
                             .crc = lrd_get_u32(entry + 16)};
  if (!lrd_zip_name_stays(member->name, name_len)) return broken(in, "a member's name leads out of its folder, or is no name");
  if (!extra_read(entry + CENTRAL_LEN + name_len, extra_len, &found))
    return member_broken(member, in->err, "has broken extra fields");
  member->len = found.len;
  member->packed_len = found.packed_len;
  member->begin = found.at;
  if (lrd_get_u16(entry + 34) != 0) return broken(in, "it is one of several volumes");
  if (flags & FLAG_ENCRYPTED) return member_broken(member, in->err, "is encrypted");
  if (flags & FLAGS_NOT_READ) return member_broken(member, in->err, "has features that are not read");
  if (member->method != LRD_ZIP_STORED && member->method != LRD_ZIP_DEFLATED)
    return member_broken(member, in->err, "is packed by another method than deflate");
  if (member->method == LRD_ZIP_STORED && member->len != member->packed_len)
    return member_broken(member, in->err, "is stored and has two lengths");
  *at += whole;
  return local_read(in, central->at, flags, member);
}

/* --- the whole ---------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b) {
  const lrd_zip_member *x = *(const lrd_zip_member *const *)a;
  const lrd_zip_member *y = *(const lrd_zip_member *const *)b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

static int by_name(const void *a, const void *b) {
  const lrd_zip_member *x = *(const lrd_zip_member *const *)a;
  const lrd_zip_member *y = *(const lrd_zip_member *const *)b;
  int order = memcmp(x->name, y->name, x->name_len < y->name_len ? x->name_len : y->name_len);
  return order ? order : (int)x->name_len - (int)y->name_len;
}

static larder_err members_check(const archive *in, const lrd_zip *zip) {
  larder_err result = LARDER_OK;
  if (zip->members_len < 2) return LARDER_OK;
  const lrd_zip_member **sorted = lrd_alloc_zero(zip->members_len, sizeof *sorted);
  if (!sorted) return lrd_fail(in->err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  for (size_t i = 0; i < zip->members_len; i++) sorted[i] = &zip->members[i];
  qsort(sorted, zip->members_len, sizeof *sorted, by_place);
  for (size_t i = 1; i < zip->members_len && result == LARDER_OK; i++)
    if (sorted[i]->begin < sorted[i - 1]->end) result = member_broken(sorted[i], in->err, "lies on another one");
  qsort(sorted, zip->members_len, sizeof *sorted, by_name);
  for (size_t i = 1; i < zip->members_len && result == LARDER_OK; i++)
    if (by_name(&sorted[i], &sorted[i - 1]) == 0) result = member_broken(sorted[i], in->err, "is there twice");
  lrd_dealloc(sorted);
  return result;
}

larder_err lrd_zip_open(lrd_zip *zip, const void *data, size_t len, larder_error *err) {
  archive in = {data, len, err};
  directory central = {0};
  larder_err result = directory_find(&in, &central);
  if (result != LARDER_OK || central.entries == 0) {
    return result == LARDER_OK && central.len != 0 ? broken(&in, "its directory goes on behind its members") : result;
  }
  zip->members = lrd_alloc_zero(central.entries, sizeof *zip->members);
  if (!zip->members) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
  uint64_t at = central.at;
  for (uint64_t i = 0; i < central.entries && result == LARDER_OK; i++)
    result = central_read(&in, &central, &at, &zip->members[i]);
  zip->members_len = central.entries;
  if (result == LARDER_OK && at != central.at + central.len) result = broken(&in, "its directory goes on behind its members");
  if (result == LARDER_OK) result = members_check(&in, zip);
  if (result != LARDER_OK) lrd_zip_fini(zip);
  return result;
}

void lrd_zip_fini(lrd_zip *zip) {
  lrd_dealloc(zip->members);
  *zip = (lrd_zip){0};
}

const lrd_zip_member *lrd_zip_find(const lrd_zip *zip, const char *name, size_t name_len) {
  for (size_t i = 0; i < zip->members_len; i++)
    if (zip->members[i].name_len == name_len && memcmp(zip->members[i].name, name, name_len) == 0) return &zip->members[i];
  return NULL;
}

larder_err lrd_zip_len_check(const lrd_zip_member *member, larder_error *err) {
  if (member->method == LRD_ZIP_DEFLATED && member->len / RATIO_MAX > member->packed_len)
    return member_broken(member, err, "claims to unpack to more than its bytes can hold");
  if (member->len > LARDER_VALUE_MAX)
    return lrd_fail(err, LARDER_ETOOBIG, 0, ROOM, "member %.*s unpacks to more than a value may have", shown(member),
                    member->name);
  return LARDER_OK;
}

larder_err lrd_zip_extract(const lrd_zip_member *member, uint8_t *out, larder_error *err) {
  larder_err result = lrd_zip_len_check(member, err);
  if (result != LARDER_OK) return result;
  if (member->method == LRD_ZIP_STORED) {
    if (member->len > 0) memcpy(out, member->packed, member->len);
  } else {
    size_t used = 0;
    struct libdeflate_decompressor *inflate = libdeflate_alloc_decompressor();
    if (!inflate) return lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    enum libdeflate_result told =
        libdeflate_deflate_decompress_ex(inflate, member->packed, member->packed_len, out, member->len, &used, NULL);
    libdeflate_free_decompressor(inflate);
    if (told != LIBDEFLATE_SUCCESS || used != member->packed_len)
      return member_broken(member, err, "does not unpack to what it claims");
  }
  if (libdeflate_crc32(0, out, member->len) != member->crc)
    return member_broken(member, err, "has another checksum than it claims");
  return LARDER_OK;
}

larder_err lrd_zip_verify(const lrd_zip *zip, larder_error *err) {
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < zip->members_len && result == LARDER_OK; i++) {
    const lrd_zip_member *member = &zip->members[i];
    if (member->method == LRD_ZIP_STORED) {
      if (libdeflate_crc32(0, member->packed, member->len) != member->crc)
        result = member_broken(member, err, "has another checksum than it claims");
      continue;
    }
    result = lrd_zip_len_check(member, err);
    uint8_t *unpacked = result == LARDER_OK ? lrd_alloc(member->len) : NULL;
    if (result == LARDER_OK && !unpacked) result = lrd_fail(err, LARDER_ENOMEM, 0, ROOM, "out of memory");
    if (result == LARDER_OK) result = lrd_zip_extract(member, unpacked, err);
    lrd_dealloc(unpacked);
  }
  return result;
}
