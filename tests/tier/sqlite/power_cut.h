/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A power cut, simulated. The VFS "power-cut" lies over SQLite's own, lets everything through and remembers for each file
 * what it held at its last sync and every write since. power_cut_image then makes the folder that a machine might find
 * when the power is back: of the unsynced writes any may be missing, torn in the middle of their sectors, or there although
 * earlier ones are not. Files of large values, which do not pass the VFS, are torn unless the file seam saw their sync.
 *
 * One simulation at a time; `power_cut_begin` installs a gate on the file seam, `power_cut_end` removes it.
 */
#ifndef LRD_TESTS_POWER_CUT_H
#define LRD_TESTS_POWER_CUT_H

#include "support/support.h"

void power_cut_begin(void);
void power_cut_end(void);
/* Copies `from` as the cut leaves it to the new folder `to`: the database, its log, and the files under blobs/. */
void power_cut_image(const char *from, const char *to, support_random *random);
/* Unsynced writes known now, so that a test can see that there was something to lose. */
uint64_t power_cut_unsynced(void);

#endif
