/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of a foreign record are the key, the value and the lifetime of an entry. */
#ifndef LRD_WARM_FIELD_MAP_H
#define LRD_WARM_FIELD_MAP_H

#include "config/configuration.h"
#include "config/field_template.h"
#include "entry_file.h"

typedef struct lrd_field_map {
  lrd_picks picks; /* for lrd_reader_pick; its context is the map, which must not move */
  lrd_field_template *key;
  bool key_templated;
  size_t key_picks[LRD_FIELD_TEMPLATE_NAMES];
  size_t value; /* with !picks.row_wanted */
  size_t ttl;   /* with ttl_given */
  bool ttl_given;
  size_t version, tags; /* with *_given */
  bool version_given, tags_given;
  bool read; /* some record could be read */
  lrd_buf key_text;
  lrd_buf shown; /* names as messages have them */
} lrd_field_map;

/* What the options leave open as the configuration of the namespace says (NULL: nothing). LARDER_EINVAL: they say that there
 * are no fields, and name some. Names are borrowed. */
LARDER_MUST_CHECK larder_err lrd_field_map_complete(larder_import_options *options, const lrd_config_import *configured,
                                                    larder_error *err);
/* Whether these options name any field. */
bool lrd_field_map_wanted(const larder_import_options *options);
/* A number for all that they say about fields; 0: nothing. */
uint64_t lrd_field_map_sum(const larder_import_options *options);
/* Of options as they are completed. LARDER_EINVAL with a sentence: they contradict each other, or a template is none. No
 * sentence shows what a variable of the configuration holds, which is `configured` (NULL: there is none). Names are borrowed.
 */
LARDER_MUST_CHECK larder_err lrd_field_map_init(lrd_field_map *map, const larder_import_options *options,
                                                const lrd_config_import *configured, larder_error *err);
/* A field beside key and value that no record had, as messages have it: number 0, 1, …; NULL: there are no more, or no record
 * could be read. */
const char *lrd_field_map_missing(const lrd_field_map *map, size_t number);
void lrd_field_map_fini(lrd_field_map *map);

#endif
