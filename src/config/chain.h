/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of tiers, their limits, and the instances that chains share by type and path. */
#ifndef LRD_CONFIG_CHAIN_H
#define LRD_CONFIG_CHAIN_H

#include "config/settings_read.h"

/* `tiers:` of a policy, which keeps the limits of its links that it had in the chain before. */
void lrd_chain_read(lrd_reader *reader, const lrd_yaml_node *node, lrd_settings_policy *policy, const lrd_trail *trail);
/* `limits:` of a policy. */
void lrd_chain_limits_read(lrd_reader *reader, const lrd_yaml_node *node, lrd_settings_policy *policy, const lrd_trail *trail);
/* The chain of those who name none: memory and sqlite, as far as they are enabled. */
void lrd_chain_default(lrd_reader *reader, lrd_settings_policy *policy, lrd_place place);
/* Lexically, so that `a/../b` and `b` are seen as one. NULL: out of memory, which is noted. */
const char *lrd_path_folded(lrd_reader *reader, const char *path);

#endif
