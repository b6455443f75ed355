/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays in numpy's own formats: `.npy` (one array) and `.npz` (a zip of several), so that what is put here opens with
 * np.load, and what np.save, np.savez or scipy.sparse.save_npz wrote is read here, to the last bit.
 *
 * A *view* describes an array where it lies: dtype, shape, order, and a pointer to its elements. Nothing is copied but a
 * deflated member of an `.npz`, which is inflated into a buffer of the view's own. No header is believed: what its text
 * says has to agree with the bytes that are there. Arrays of Python objects are refused, since reading them would mean
 * running code.
 *
 * All calls may be made from any thread. A view may be read by any number of threads; it is released by one.
 */
#ifndef LARDER_ARRAY_H
#define LARDER_ARRAY_H

#include <larder/larder.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_ARRAY_DIMS_MAX    32u    /* as numpy's */
#define LARDER_ARRAY_MEMBERS_MAX 65535u /* of an archive that is built here */
#define LARDER_ARRAY_ALIGNMENT   64u    /* of the elements within a value that is built here, also inside a stored `.npz` */

typedef struct larder_array {
  /* Name of the member without its `.npy`; NULL for an array of its own. Not NUL-terminated. When building, name_len or
   * dtype_len 0 stands for the length of a NUL-terminated text. */
  const char *name;
  size_t name_len;
  /* The element's type as numpy writes it: `<f8`, `|b1`, `>c16`, `<U7`, `<M8[ns]`, or a list of fields as it stands in the
   * header. Not NUL-terminated. */
  const char *dtype;
  size_t dtype_len;
  bool dtype_latin1;                     /* field names above ASCII are Latin-1 (format versions 1 and 2), not UTF-8 */
  bool fortran;                          /* the first index varies fastest */
  char kind;                             /* b bool, i u f c numbers, S U strings, m M times, V fields or raw bytes */
  char order;                            /* `<`, `>`, or `|` where it does not matter */
  unsigned dims;                         /* 0: a single element */
  uint64_t shape[LARDER_ARRAY_DIMS_MAX]; /* dims numbers */
  uint64_t itemsize;                     /* bytes of an element */
  uint64_t count;                        /* of elements: the product of the shape */
  const void *data;                      /* count * itemsize bytes */
  size_t len;
  void *own; /* private */
} larder_array;

/*
 * The array in a value, as a view that borrows the value until larder_array_release. name NULL: the value is an `.npy`, or
 * an `.npz` of one member; else the member of that name. verify: the checksum of a stored member is computed too (that of
 * a deflated one always is; an `.npy` has none). LARDER_MISS: no member of that name. LARDER_EFORMAT with a sentence: no
 * array, or a broken one. LARDER_EINVAL: name NULL and several members. LARDER_ETOOBIG, LARDER_ENOMEM. err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_array_view(const void *value, size_t len, const char *name, bool verify,
                                                          larder_array *out, larder_error *err);
/* Frees what an inflated view owns, and clears it. Fine for a zeroed one. */
LARDER_API void larder_array_release(larder_array *array);

/* Visits the members of an `.npz` in their order, by name without `.npy`; nothing is inflated. An `.npy` has one, with
 * name NULL. bytes is the member's length with its header. False stops. Errors as larder_array_view. */
LARDER_API LARDER_MUST_CHECK larder_err larder_array_names(const void *value, size_t len,
                                                           bool (*visit)(void *context, const char *name, size_t name_len,
                                                                         uint64_t bytes),
                                                           void *context, larder_error *err);

typedef struct larder_array_options {
  size_t size;
  unsigned deflate;              /* 0: members of an `.npz` are stored; 1 (fast) to 12 (small): deflated */
  const larder_put_options *put; /* larder_array_put: lifetime, tags and so on; its kind is always LARDER_KIND_ARRAY */
} larder_array_options;

/*
 * Builds a value: an `.npy` of one array without a name, else an `.npz`. Each array gives dtype, fortran, dims, shape, data
 * and len, and in an `.npz` a name; kind, order, itemsize and count are not read. Own; release with larder_array_free.
 * LARDER_EINVAL with a sentence: a dtype that is none, len that is not shape times itemsize, names that repeat or could
 * leave a folder. LARDER_ETOOBIG above LARDER_VALUE_MAX. options and err may be NULL.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_array_build(const larder_array *arrays, size_t count,
                                                           const larder_array_options *options, void **out, size_t *len_out,
                                                           larder_error *err);
/* NULL is fine. */
LARDER_API void larder_array_free(void *built);

/* --- in a namespace --------------------------------------------------------------------------------------------------- */

/* Builds and puts. Results of larder_array_build and larder_put. */
LARDER_API LARDER_MUST_CHECK larder_err larder_array_put(larder_ns *ns, const void *key, size_t key_len,
                                                         const larder_array *arrays, size_t count,
                                                         const larder_array_options *options, larder_error *err);

/* An array of an entry, pinned: it stays as it is until larder_array_unpin, whatever happens to the entry. */
typedef struct larder_array_pin {
  larder_array array;
  larder_value value; /* what larder_get handed out; also its facts, by larder_value_facts */
} larder_array_pin;

/*
 * Gets an entry and views an array in it where it lies: in the memory tier, or in what a lower tier has read or mapped.
 * Elements that would lie at an address their type can't be read from (a small value behind an odd key) are copied. name
 * and results as larder_array_view, and LARDER_MISS where there is no entry; *out is for larder_array_unpin after LARDER_OK.
 */
LARDER_API LARDER_MUST_CHECK larder_err larder_array_get(larder_ns *ns, const void *key, size_t key_len, const char *name,
                                                         larder_array_pin *out, larder_error *err);
LARDER_API void larder_array_unpin(larder_array_pin *pin);

#ifdef __cplusplus
}
#endif
#endif
