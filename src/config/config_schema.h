/* SPDX-License-Identifier: Apache-2.0 */
/* The option table printed: as JSON Schema (2020-12) for editors and checkers, and as the reference page. Both own. */
#ifndef LRD_CONFIG_SCHEMA_H
#define LRD_CONFIG_SCHEMA_H

#include <larder/error.h>

LARDER_MUST_CHECK larder_err lrd_config_schema_text(char **out);
LARDER_MUST_CHECK larder_err lrd_config_reference_text(char **out);

#endif
