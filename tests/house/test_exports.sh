#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shared library exports what the public headers declare, and nothing else.
set -euo pipefail
library=$LARDER_BINARY_DIR/liblarder.so
exported=$(nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^$' | sort)
# Macros give a name too many rather than one too few; what counts is that every exported name is declared.
declared=$(cat "$LARDER_SOURCE_DIR"/include/larder/*.h "$LARDER_SOURCE_DIR"/include/larder/ext/*.h |
  grep -oE '\blarder_[a-z0-9_]+' | sort -u)
[ "$(wc -l <<< "$exported")" -ge 30 ] || { echo "hardly anything is exported:"; echo "$exported"; exit 1; }
strange=$(comm -23 <(echo "$exported") <(echo "$declared"))
[ -z "$strange" ] || { echo "exported, but in no public header:"; echo "$strange"; exit 1; }
# Each function that a header declares with LARDER_API has to be there.
missing=$(cat "$LARDER_SOURCE_DIR"/include/larder/*.h "$LARDER_SOURCE_DIR"/include/larder/ext/*.h | tr '\n' ' ' |
  grep -oE 'LARDER_API [^;(]*\blarder_[a-z0-9_]+\(' | grep -oE 'larder_[a-z0-9_]+\($' | tr -d '(' | sort -u |
  comm -23 - <(echo "$exported"))
[ -z "$missing" ] || { echo "declared with LARDER_API, but not exported:"; echo "$missing"; exit 1; }
