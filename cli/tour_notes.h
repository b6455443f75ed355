/* SPDX-License-Identifier: Apache-2.0 */
/* The numbered notes that the tour's writer keeps, and by which the tour knows afterwards whether one is whole. */
#ifndef CLI_TOUR_NOTES_H
#define CLI_TOUR_NOTES_H

#include "cli_text.h"

#define TOUR_NOTE_BYTES 1000u

/* The key and the value of note `number`. */
size_t tour_note_key(uint32_t number, char *out, size_t room);
void tour_note_value(uint32_t number, char out[TOUR_NOTE_BYTES]);

#endif
