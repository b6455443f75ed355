/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building a `larder_error`, and assertions that stay on in release. `lrd_fail` fills the error when there is one and
 * returns the code, so that a failing line reads `return lrd_fail(err, LARDER_EIO, errno, "sqlite", "…", …);`.
 */
#ifndef LRD_BASE_FAIL_H
#define LRD_BASE_FAIL_H

#include <larder/error.h>

LARDER_PRINTF(5, 6)
larder_err lrd_fail(larder_error *err, larder_err code, int os_errno, const char *room, const char *format, ...);

/* The larder_err that an errno of a file operation means: ENOSPC and EDQUOT, EACCES and EROFS, ENOMEM, else LARDER_EIO. */
larder_err lrd_err_from_errno(int os_errno);

/* For a result that says nothing new: the comment beside it says why. */
static inline void lrd_ignore(larder_err err) { (void)err; }

_Noreturn void lrd_assert_failed(const char *expression, const char *file, int line);

/* Our own mistakes only; out of memory, peers and disks are errors. LRD_DASSERT is for hot loops and goes in release. */
#define LRD_ASSERT(expression) ((expression) ? (void)0 : lrd_assert_failed(#expression, __FILE__, __LINE__))
#ifdef NDEBUG
#define LRD_DASSERT(expression) ((void)0)
#else
#define LRD_DASSERT(expression) LRD_ASSERT(expression)
#endif

#endif
