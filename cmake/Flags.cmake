# SPDX-License-Identifier: Apache-2.0
# Compiler flags, sanitizers and what we stand on.
option(LARDER_WERROR "Warnings are errors" ON)
option(LARDER_FUZZ "Build the fuzzers with libFuzzer (needs clang)" OFF)
set(LARDER_SANITIZE "" CACHE STRING "Comma-separated list for -fsanitize, such as address,undefined")

set(LARDER_TEST_TIMEOUT 1500 CACHE STRING "Seconds after which a test counts as failed")

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
# GCC 12 would read two words that were just stored back as one vector, which the processor can't forward: a memory hit then
# waits for its own stores (docs/performance.md).
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG -fno-tree-slp-vectorize")

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LARDER_NEEDS REQUIRED IMPORTED_TARGET sqlite3>=3.40 libxxhash>=0.8 libfyaml>=0.7 libcrypto>=3.0
  libdeflate>=1.14 libzstd>=1.5 liblz4>=1.9 libcurl>=7.88 zlib>=1.2.11)

# FFTW keeps its wisdom with us. Its threads come as libraries of their own, which pkg-config does not name.
option(LARDER_FFTW "Build with FFTW: larder wisdom, larder/wisdom.h, the recipe wisdom" ON)
set(LARDER_FFTW_LIBRARIES "")
set(LARDER_FFTW_LINK "")
if(LARDER_FFTW)
  find_path(LARDER_FFTW_INCLUDE fftw3.h)
  foreach(name fftw3_threads fftw3f_threads fftw3 fftw3f)
    find_library(LARDER_${name} ${name})
    if(NOT LARDER_${name} OR NOT LARDER_FFTW_INCLUDE)
      message(FATAL_ERROR "lib${name} is missing: install libfftw3-dev, or configure with -DLARDER_FFTW=OFF")
    endif()
    list(APPEND LARDER_FFTW_LIBRARIES ${name})
    string(APPEND LARDER_FFTW_LINK " -l${name}")
  endforeach()
endif()

# Everything that every target of ours is compiled with.
add_library(larder_flags INTERFACE)
target_compile_definitions(larder_flags INTERFACE _GNU_SOURCE)
target_compile_options(larder_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wold-style-definition -Wvla -Wpointer-arith -Wwrite-strings -Wformat=2)
if(LARDER_WERROR)
  target_compile_options(larder_flags INTERFACE -Werror)
endif()
if(LARDER_SANITIZE)
  target_compile_options(larder_flags INTERFACE -fsanitize=${LARDER_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(larder_flags INTERFACE -fsanitize=${LARDER_SANITIZE})
  if(CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_compile_options(larder_flags INTERFACE -Wno-format-truncation) # instrumented code hides ranges from GCC
  endif()
  if(LARDER_SANITIZE MATCHES thread AND CMAKE_C_COMPILER_ID STREQUAL GNU)
    target_compile_options(larder_flags INTERFACE -Wno-tsan) # GCC says that it does not model fences
  endif()
endif()
if(LARDER_FUZZ)
  target_compile_options(larder_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
