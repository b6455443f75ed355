/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A power cut on a file system with a journal, simulated below one folder. Names (making, renaming, unlinking) reach the disk
 * in their order: a cut leaves any moment since the last sync of a folder. What files hold reaches it when they are synced;
 * of what was written since, any 512 bytes may be there or not, and the length may be any on the way.
 *
 * One simulation at a time: begin installs a gate on the file seam, end removes it.
 */
#ifndef LRD_TESTS_JOURNAL_DISK_H
#define LRD_TESTS_JOURNAL_DISK_H

#include "support/support.h"

void journal_disk_begin(const char *folder);
void journal_disk_end(void);
/* Makes in the folder `to` what the machine might find when the power is back, with times from before its boot. */
void journal_disk_image(const char *to, support_random *random);
/* What is done between the two is not noted: it happens on another disk. */
void journal_disk_rest(void);
void journal_disk_go_on(void);
/* Moments between which a cut could choose now. */
size_t journal_disk_moments(void);

#endif
