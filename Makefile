# SPDX-License-Identifier: Apache-2.0
# A thin front for CMake and the tools. `make run` and `make test` need nothing but Debian 12: they install what is
# missing (tools/setup). SETUP=no leaves the system alone.
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
ONLY ?=
SETUP ?= yes
export FUZZ_SECONDS ONLY

ifeq ($(SETUP),no)
setup = :
else
setup = bash tools/setup $(1)
endif
release = cmake --preset release $(1) > build/release.log 2>&1 || { cat build/release.log; exit 1; }; \
  cmake --build build/release $(2)

.PHONY: help run release test bench install fuzz model docs clean race kill faults soak

help:
	@echo 'make run      builds Larder and shows in a minute what it does'
	@echo 'make test     builds and checks everything; the last line is "N passed, N failed"'
	@echo 'make bench    measures against peers (ONLY=memory runs a part)'
	@echo 'make install  PREFIX=$(PREFIX) DESTDIR='
	@echo 'make fuzz     runs each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make model    checks the full models of the coherence protocol'
	@echo 'make race, make kill, make faults: the long forms of what make test runs briefly'
	@echo 'make soak     keeps a cache busy for SOAK_MINUTES (10) and says whether anything grew'
	@echo 'make docs     writes the generated pages of docs/ again'
	@echo 'make clean    removes build/'

run: release
	@build/release/larder tour

release:
	@$(call setup,run)
	@mkdir -p build
	@$(call release,,)

test:
	@$(call setup,test) || { echo '0 passed, 1 failed'; exit 1; }
	@/usr/bin/python3 tools/run-tests

bench:
	@$(call setup,bench)
	@mkdir -p build
	@$(call release,,--target all --target bench_all)
	@bench/run $(ONLY)

install:
	@$(call setup,run)
	@mkdir -p build
	@$(call release,-DCMAKE_INSTALL_PREFIX='$(PREFIX)',)
	@DESTDIR='$(DESTDIR)' cmake --install build/release

fuzz:
	@$(call setup,fuzz)
	@bash tools/run-fuzzers

model:
	@$(call setup,model)
	@model/check full

race kill faults soak:
	@$(call setup,test)
	@bash tools/run-long $@

docs: release
	@$(call setup,docs)
	@bash tools/write-docs

clean:
	rm -rf build
