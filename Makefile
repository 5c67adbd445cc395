# Every target does its own set-up: `make serve` and `make test` work on a fresh machine that has Python 3.11 or later,
# a C compiler and stable Rust. What they make lies in .venv, .build and the Cargo target folder (CARGO_TARGET_DIR).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
CARGO ?= cargo
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
export CARGO_TARGET_DIR ?= $(CURDIR)/native/target
LOCK := requirements.lock
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# Options for every pytest run: make test PYTEST_FLAGS="-x -k routing"
PYTEST_FLAGS ?=
# The configuration that `make serve` reads; without one the built-in configuration serves on 127.0.0.1:5060.
FILE ?=
FUZZ_SECONDS ?= 60
# auto or classic: how the server of the interop tests spreads datagrams over its workers
STEERING ?= auto
# Where `make capi` puts header, libraries and pkg-config file.
PREFIX ?= $(CURDIR)/.build/capi
# A CPython without a lock, and what of the tests needs nothing but dialplane_native.
FREE_THREADED ?= python3.14t
UNLOCKED := $(CURDIR)/.build/free-threaded
PARSER_TESTS := $(addprefix tests/native/test_,$(addsuffix .py,alone build capture corpora editor errors framer message properties values))
# Under test in `make interop` and `make hostile`: dialplane or kamailio (the control).
SUBJECT ?= dialplane
export DIALPLANE_SUBJECT ?= $(SUBJECT)
export DIALPLANE_SHARED ?= $(abspath $(CURDIR)/../shared)

NATIVE_SOURCES := $(shell find native -path native/target -prune -o -path native/fuzz -prune -o -type f \
	\( -name '*.rs' -o -name 'Cargo.*' -o -name '*.toml' -o -name '*.pyi' -o -name '*.py' -o -name '*.pxd' -o -name '*.h' -o -name '*.c' \) -print 2>/dev/null)
ROOT_SOURCES := $(wildcard pyproject.toml setup.py) $(shell find src -name '*.pyx' -o -name '*.pxd' 2>/dev/null)
KERNELS := $(subst /,.,$(patsubst src/%.pyx,%,$(wildcard src/dialplane/media/*.pyx)))
CRATES := native benchmarks/load benchmarks/parser/rust
PYTHON_SOURCES := src tests benchmarks $(wildcard setup.py)

.PHONY: help serve test test-rust test-python test-free-threaded lint format types build interop hostile bench bench-quick fuzz capi miri \
	coverage bench-parser instructions check browser figures deps-debian environment steering docs clean tools

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: build  ## Build what changed and run the server (FILE=dialplane.toml to give it a configuration)
	exec $(BIN)/dialplane serve $(FILE)

test: test-rust test-python  ## Run the tests of the Rust crates and of the Python package

test-rust: tools
	cd native && $(CARGO) test --workspace --exclude dialplane-native --locked
	cd benchmarks/load && $(CARGO) test --locked
	cd benchmarks/parser/rust && $(CARGO) test --locked
	cd native/fuzz && $(CARGO) test --locked --no-default-features

test-python: build
	$(PYTEST) tests --ignore=tests/interop --ignore=tests/hostile $(PYTEST_FLAGS)

test-free-threaded: tools  ## Run the parser's tests on a CPython without a lock (FREE_THREADED=python3.14t)
	test -x $(UNLOCKED)/bin/python || $(FREE_THREADED) -m venv $(UNLOCKED)
	$(UNLOCKED)/bin/python -m pip install --quiet --disable-pip-version-check "maturin>=1.9,<2" pytest pytest-asyncio pytest-timeout hypothesis
	PATH="$(UNLOCKED)/bin:$$PATH" MATURIN_PEP517_ARGS="--locked" $(UNLOCKED)/bin/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --force-reinstall ./native
	$(UNLOCKED)/bin/python -m pytest $(PARSER_TESTS) $(PYTEST_FLAGS)

lint: $(VENV)/.lock tools  ## Check format and lints: rustfmt, clippy, ruff
	for folder in $(CRATES); do (cd $$folder && $(CARGO) fmt --all --check && \
		$(CARGO) clippy --workspace --all-targets --locked -- -D warnings); done
	cd native/fuzz && $(CARGO) fmt --check && \
		$(CARGO) clippy --locked --no-default-features --lib --test seeds -- -D warnings
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/ruff check $(PYTHON_SOURCES)

format: $(VENV)/.lock tools  ## Format the sources and apply the safe fixes
	for folder in $(CRATES); do (cd $$folder && $(CARGO) fmt --all); done
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)

types: build  ## Check types: mypy strict, and the stubs of dialplane_native and of the kernels against the built modules
	$(BIN)/mypy --strict src tests/interop tests/hostile
	$(BIN)/python -m mypy.stubtest dialplane_native
	$(BIN)/python -m mypy.stubtest --ignore-missing-stub $(KERNELS)

build: $(VENV)/.native $(VENV)/.root  ## Build dialplane-native and dialplane into .venv

interop: build browser  ## Run the server against SIPp, softphones, a browser and Kamailio (needs root or user namespaces)
	DIALPLANE_STEERING=$(STEERING) $(PYTEST) tests/interop $(PYTEST_FLAGS)

hostile: build  ## Run the server against torture, malformed and fuzzed messages, in a network namespace of its own
	$(PYTEST) tests/hostile $(PYTEST_FLAGS)

figures: build  ## Run what needs a quiet machine at full size: 100,000 bindings and SIGKILL, slow connections, amplification
	DIALPLANE_FULL=1 $(PYTEST) -s tests/interop/test_many_bindings.py tests/hostile/test_slow_connections.py \
		tests/hostile/test_amplification.py $(PYTEST_FLAGS)

bench: build  ## Compare dialplane, Kamailio and a plain relay over all workloads
	$(BIN)/python -m benchmarks

bench-quick: build  ## The same comparison, short
	$(BIN)/python -m benchmarks --quick

fuzz: tools  ## Fuzz each target for FUZZ_SECONDS (60), with the address sanitizer
	@command -v cargo-fuzz >/dev/null || $(CARGO) install cargo-fuzz --locked
	cd native/fuzz && sh seeds.sh && for target in $$($(CARGO) fuzz list); do \
		echo "== fuzz $$target"; \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run "$$target" -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 -verbosity=0; \
	done

coverage: tools  ## Tell which lines of the parser no test runs; fewer than 95 % covered is an error
	@command -v cargo-llvm-cov >/dev/null || $(CARGO) install cargo-llvm-cov --locked
	cd native && $(CARGO) llvm-cov --package dialplane-syntax --locked --show-missing-lines --fail-under-lines 95

capi: tools  ## Build the C library and install it into PREFIX (.build/capi)
	native/capi/install.sh "$(PREFIX)"

steering:  ## Make the kernel's program of its C source (needs clang)
	python3 native/net/bpf/make.py > native/net/bpf/steer.hex.new && mv native/net/bpf/steer.hex.new native/net/bpf/steer.hex

miri: tools  ## Run the tests of the parser's scanner under Miri (needs nightly Rust with the component miri)
	cd native && MIRIFLAGS="-Zmiri-disable-isolation" PROPTEST_CASES=4 RUSTFLAGS="-C target-feature=+avx2,+bmi1,+bmi2,+lzcnt,+popcnt" \
		$(CARGO) +nightly miri test -p dialplane-syntax --lib

bench-parser: build  ## Measure the parser beside other parsers in Rust, C and Cython, and render docs/parser.md
	$(BIN)/python -m benchmarks.parser.run

instructions: tools  ## Count the instructions of the parser in Rust and C; more than 3 % above the committed ones is an error
	@command -v valgrind >/dev/null || { echo "valgrind is needed (make deps-debian)" >&2; exit 1; }
	cd native && $(CARGO) bench --quiet --locked --package dialplane-syntax --bench instructions
	$(PYTHON) -m benchmarks.parser.run --check --language C

docs: tools  ## Build the Rust documentation; every warning is an error
	cd native && RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked

check: lint types test  ## What to run before a commit: lint, types, test

browser: .build/browser/node_modules/.package-lock.json  ## Fetch JsSIP, as tests/interop/browser/package-lock.json has it, into .build

deps-debian:  ## Install the Debian packages that interop, hostile and bench use (only those that are missing)
	@.ci/deps-debian

clean:  ## Remove what the targets made
	rm -rf .venv .build build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	cd native && $(CARGO) clean

# A missing tool is one line, not a stack of errors from somewhere below.
tools:
	@command -v $(CARGO) >/dev/null || { echo "dialplane needs stable Rust: https://rustup.rs (cargo was not found)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "dialplane needs a C compiler: apt-get install build-essential (cc was not found)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "dialplane needs Python 3.11 or later with venv: apt-get install python3-venv ($(PYTHON) will not do; see PYTHON=)" >&2; exit 1; }

environment: $(VENV)/.lock

.build/browser/node_modules/.package-lock.json: tests/interop/browser/package-lock.json tests/interop/browser/package.json
	@command -v npm >/dev/null || { echo "the browser tests need npm: make deps-debian (npm was not found)" >&2; exit 1; }
	mkdir -p .build/browser && cp $^ .build/browser/
	cd .build/browser && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

$(VENV)/.lock: $(LOCK) | tools
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement $(LOCK)
	touch $@

$(VENV)/.native: $(VENV)/.lock $(NATIVE_SOURCES)
	PATH="$(BIN):$$PATH" MATURIN_PEP517_ARGS="--locked" $(PIP) --no-deps --no-build-isolation --force-reinstall ./native
	touch $@

$(VENV)/.root: $(VENV)/.lock $(ROOT_SOURCES)
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@
