/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's section `agent`: what is more than a value for each key. */
#ifndef LRD_CONFIG_AGENT_READ_H
#define LRD_CONFIG_AGENT_READ_H

#include "config/settings_read.h"

/* When all keys have been read: no more by chance in the end than at first. */
void lrd_agent_check(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_agent *agent, const lrd_trail *trail);
/* When a namespace has been read: an agent of its own that has nothing to decide about is noticed. */
void lrd_agent_idle_notice(lrd_reader *reader, const lrd_yaml_node *map, const lrd_settings_policy *policy,
                           const lrd_trail *trail);
/* When all of the section `cache` has been read: a file is kept by one agent. */
void lrd_agent_files_check(lrd_reader *reader, const lrd_yaml_node *cache);

#endif
