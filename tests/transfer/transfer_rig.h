/* SPDX-License-Identifier: Apache-2.0 */
/* A cache with a clock that the test moves, entries of every awkward kind, exports and imports whose errors have sentences. */
#ifndef LRD_TESTS_TRANSFER_RIG_H
#define LRD_TESTS_TRANSFER_RIG_H

#include "support/support.h"

#include "base/clock.h"
#include "larder_testing.h"
#include <larder/transfer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define START_MS INT64_C(1700000000000)

typedef struct transfer_rig {
  char *dir, *root;
  lrd_clock_moved clock;
  larder *cache;
  larder_ns *ns;
} transfer_rig;

#define CASE(name) cmocka_unit_test_setup_teardown(name, transfer_setup, transfer_teardown)

extern const char *const transfer_endings[3]; /* of the formats */

/* Another cache with the rig's clock; own. */
larder *transfer_open_at(transfer_rig *f, const char *root);
/* cmocka fixtures: *state is a rig. */
int transfer_setup(void **state);
int transfer_teardown(void **state);

void transfer_put(larder_ns *ns, const void *key, size_t key_len, const void *value, size_t len, const larder_put_options *how);
void transfer_put_text(larder_ns *ns, const char *key, const char *value);
/* The entry's value; NULL: there is none. */
void transfer_expect(larder_ns *ns, const char *key, const char *value);
/* Keys, values and facts of every awkward kind: 12 entries. */
void transfer_fill(larder_ns *ns);
/* Everything of a namespace but the stamps, sorted, as text; own. */
char *transfer_content(larder_ns *ns);

larder_err transfer_export(transfer_rig *f, const char *path, bool secrets, larder_transfer_counts *counts);
/* given: NULL: the defaults. */
larder_err transfer_import(larder *cache, const char *path, const larder_import_options *given, larder_transfer_counts *counts);
/* A larder_import_options.failed whose context is a text with room for 2000 bytes: a line for each. */
void transfer_note(void *context, uint64_t line, const void *key, size_t key_len, const char *reason);
/* A larder_import_options.progress whose context this is: stops once so many entries have been met. */
typedef struct transfer_stop {
  uint64_t entries;
  uint64_t calls;
} transfer_stop;
bool transfer_progress_stop(void *context, const larder_transfer_counts *counts);
/* Away with all notes of rejects on the rig's root: each import looks at them, so that a sweep over its operations would not
 * end. */
void transfer_notes_unlink(const transfer_rig *f);
/* So many entries k0, k1, … as JSON Lines, of which the eighth is none. */
void transfer_lines_write(const char *path, unsigned count);

#endif
