#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into a fresh prefix, moves that prefix, and builds a user's program there by find_package (shared and static)
# and by pkg-config. Nothing installed may speak of the tree it came from.
set -euo pipefail
fail() { echo "FAILED: $*" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/larder-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
DESTDIR= cmake --install "$LARDER_BINARY_DIR" --prefix "$work/first" > "$work/install.log" || { cat "$work/install.log"; fail install; }
mv "$work/first" "$work/prefix"
prefix=$work/prefix
libdir=$(dirname "$(find "$prefix" -name 'liblarder.so')")

for file in bin/larder include/larder/larder.h include/larder/ext/tier.h share/man/man1/larder.1 share/man/man1/larder-get.1 \
  share/bash-completion/completions/larder share/zsh/site-functions/_larder share/fish/vendor_completions.d/larder.fish; do
  [ -s "$prefix/$file" ] || fail "$file is not installed"
done
[ ! -e "$prefix/include/larder/base" ] || fail "private headers are installed"
if grep -rIlF "$LARDER_SOURCE_DIR" "$prefix"; then fail "these files name the source tree"; fi
bash -n "$prefix/share/bash-completion/completions/larder"
[ "$(readlink "$libdir/liblarder.so")" = liblarder.so.0 ] || fail "liblarder.so is no link to liblarder.so.0"

# The program finds the library beside it, wherever the prefix lies.
"$prefix/bin/larder" version | grep -q '0\.1\.0' || fail "the installed program does not run"

mkdir "$work/roots"
cmake -G Ninja -S "$LARDER_SOURCE_DIR/tests/house/consumer" -B "$work/consumer" -DCMAKE_PREFIX_PATH="$prefix" > "$work/cmake.log" ||
  { cat "$work/cmake.log"; fail "find_package"; }
cmake --build "$work/consumer" > "$work/build.log" || { cat "$work/build.log"; fail "the build by find_package"; }
"$work/consumer/consumer_shared" "$work/roots/shared" || fail "the program with the shared library"
"$work/consumer/consumer_static" "$work/roots/static" || fail "the program with the static library"
# A version that is not there must be refused.
sed 's/find_package(Larder 0.1/find_package(Larder 9.0/' "$LARDER_SOURCE_DIR/tests/house/consumer/CMakeLists.txt" > "$work/CMakeLists.txt"
cp "$LARDER_SOURCE_DIR/tests/house/consumer/consumer.c" "$work/"
if cmake -G Ninja -S "$work" -B "$work/refused" -DCMAKE_PREFIX_PATH="$prefix" > /dev/null 2>&1; then
  fail "find_package(Larder 9.0) was satisfied"
fi

export PKG_CONFIG_PATH=$libdir/pkgconfig
[ "$(pkg-config --modversion larder)" = 0.1.0 ] || fail "pkg-config does not know the version"
# shellcheck disable=SC2046 # flags are words
gcc -std=c11 -o "$work/by_pkg_config" "$LARDER_SOURCE_DIR/tests/house/consumer/consumer.c" \
  $(pkg-config --cflags --libs larder) -Wl,-rpath,"$libdir"
"$work/by_pkg_config" "$work/roots/pkg" || fail "the program by pkg-config"
