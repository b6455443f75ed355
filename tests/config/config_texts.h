/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations that several tests read, and looking at one. */
#ifndef LRD_TESTS_CONFIG_TEXTS_H
#define LRD_TESTS_CONFIG_TEXTS_H

#include "config/config_load.h"

/* The full example of the design. */
extern const char config_text_design[];
/* What users of a data platform have, written before Larder was: no root, YAML 1.1 words, bare numbers. */
extern const char config_text_data[];
/* Every key that this build carries out, away from its default, and all forms of chains. */
extern const char config_text_everything[];

/* All mistakes and notices of a text, one a line: `2:3: found …` and `notice 2:3: …`. Own, release with free. The root is
 * /srv/larder unless the text has one. */
char *config_complaints(const char *text);

#endif
