#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/setup with a package manager that only writes down what it is told: installs what is missing and no more, says so,
# and asks for rights in so many words where it has none.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; cat "$work/said" "$work/log" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/larder-setup.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for tool in bash env sort printf cat; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done
command_write() { printf '#!%s\n%s\n' "$(command -v bash)" "$2" > "$work/bin/$1" && chmod +x "$work/bin/$1"; }
# shellcheck disable=SC2016 # they are for the written commands
{
  command_write dpkg-query 'for name; do :; done
    while read -r missing; do [ "$missing" != "$name" ] || exit 1; done < "$WORK/missing"; echo installed'
  command_write apt-get 'echo "apt-get DEBIAN_FRONTEND=$DEBIAN_FRONTEND $*" >> "$WORK/log"'
  command_write id 'echo "$WORK_UID"'
}
setup() { # UID GROUP...
  local uid=$1
  shift
  : > "$work/log"
  env -i PATH="$work/bin" WORK="$work" WORK_UID="$uid" bash "$LARDER_SOURCE_DIR/tools/setup" "$@" > "$work/said" 2>&1 < /dev/null
}

: > "$work/missing"
setup 1000 run test bench fuzz model docs || fail "everything is there and it refuses"
[ ! -s "$work/said" ] && [ ! -s "$work/log" ] || fail "everything is there and it does something"

printf 'spin\nlibfyaml-dev\n' > "$work/missing"
setup 0 run || fail "as root"
[ "$(grep -c ' update$' "$work/log")" = 1 ] || fail "not exactly one update"
grep -q '^apt-get DEBIAN_FRONTEND=noninteractive .* install -y .* libfyaml-dev$' "$work/log" || fail "the install"
grep -q 'installing libfyaml-dev$' "$work/said" || fail "it does not say what it installs"
if grep -q spin "$work/log"; then fail "it installs what the group does not need"; fi
setup 0 test run || fail "two groups"
grep -q 'install -y .* libfyaml-dev spin$' "$work/log" || fail "two groups: the install"

if setup 1000 run; then fail "no rights, and it says nothing"; fi
grep -q 'needs root or sudo: libfyaml-dev$' "$work/said" || fail "no rights: the message"
[ ! -s "$work/log" ] || fail "no rights: it tried"

# shellcheck disable=SC2016
command_write sudo '[ "$1" = -n ] && shift; echo "sudo" >> "$WORK/log"; exec "$@"'
setup 1000 run || fail "by sudo"
[ "$(grep -c '^sudo$' "$work/log")" = 2 ] || fail "not by sudo"

if setup 0 kitchen; then fail "an unknown group is accepted"; fi
grep -q 'no such group: kitchen' "$work/said" || fail "unknown group: the message"
rm "$work/bin/apt-get"
if setup 0 run; then fail "no Debian, and it says nothing"; fi
grep -q 'not a Debian system' "$work/said" || fail "no Debian: the message"
