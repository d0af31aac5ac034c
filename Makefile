# The first of these that can make an environment is taken; `make PYTHON=python3.12 ...` names another.
SUPPORTED = import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for one in .venv/bin/python python3 python3.13 python3.12 python3.11; do \
	"$$one" -c '$(SUPPORTED)' 2>/dev/null && echo "$$one" && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
RUN := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python
PARALLEL := --numprocesses logical --maxprocesses 4 --dist worksteal  # as many tests at once as cores
PYTEST := $(RUN) -m pytest $(PARALLEL)
LOCKED := $(VENV)/.locked-$(shell $(PYTHON) -c 'import sys; print(*sys.version_info[:2], sep=".")' 2>/dev/null)
READY := $(VENV)/.ready
TESTED := $(VENV)/.tested

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-demo gpu gpu-tensorflow repro test test-long test-all check format lint types test-fast test-avx2 test-busy test-demo test-lowest lock

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

install: $(READY)  ## make .venv with what the pipeline needs

install-dev: $(TESTED)  ## add what the tests need

$(LOCKED): requirements.lock
	@command -v git >/dev/null || { echo "git is missing: sudo apt-get install git" >&2; exit 1; }
	@"$(PYTHON)" -c '$(SUPPORTED)' 2>/dev/null || { echo "Python 3.11, 3.12 or 3.13 with venv is needed: \
	sudo apt-get install python3-venv, or make PYTHON=python3.12 ..." >&2; exit 1; }
	test "$(PYTHON)" = "$(BIN)/python" || "$(PYTHON)" -m venv --clear $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	touch $@

$(READY): $(LOCKED) pyproject.toml
	$(PIP) --no-build-isolation --editable .
	$(RUN) -m pipeline plots-page  # so that `dvc plots` works before the first `dvc repro`
	touch $@

$(TESTED): $(READY) requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	touch $@

install-demo: install  ## add what `bottleneck demo` needs, and leave Pillow as it is
	$(PIP) --require-hashes -r requirements-demo.lock

gpu: install  ## add JAX with CUDA 13, which needs NVIDIA's driver alone
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[jax]' 'jax[cuda13]'

gpu-tensorflow: install  ## replace TensorFlow by the one with CUDA 12
	$(BIN)/python -m pip uninstall --quiet --yes tensorflow-cpu
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[gpu]'

repro: install  ## run the pipeline: dvc repro
	$(RUN) -m dvc repro

test: install-dev  ## run the tests, the slow ones too
	$(PYTEST)

test-long: install-dev  ## run the tests that take half a minute each
	$(PYTEST) -m long

test-all: install-dev  ## run both: each network of the catalogue is built and run
	$(PYTEST) -m ""

check: format lint types test-fast  ## what a change must pass: format, lint, types, fast tests

format: install-dev  ## is the code formatted?
	$(BIN)/ruff format --check .

lint: install-dev  ## is the code free of known faults?
	$(BIN)/ruff check .

types: install-dev  ## do the types fit?
	$(BIN)/mypy

test-fast: install-dev  ## run the tests that take seconds
	$(PYTEST) -m "not slow" -q

# The same tests elsewhere: as an older processor would compute, beside a program that takes all cores,
# and with the oldest versions that pyproject.toml admits.
NUMERIC := tests/backbones tests/engines tests/extraction tests/heads tests/sources/test_drawn.py \
	tests/splitting/test_duplicates.py tests/store tests/test_augmentation.py tests/test_images.py \
	tests/test_metrics.py tests/tools/test_predict.py
AVX512 = $(shell $(BIN)/python -c 'import numpy._core._multiarray_umath as n; \
	print(*(f for f in n.__cpu_dispatch__ if n.__cpu_features__[f] and ("AVX512" in f or f == "X86_V4")))')

test-avx2: install-dev  ## run the numeric tests as a processor without AVX-512 would
	ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell NPY_DISABLE_CPU_FEATURES="$(AVX512)" \
	$(PYTEST) -q $(NUMERIC)

test-busy: install-dev  ## run the fast tests while all cores are busy
	busy=; for core in $$(seq $$(nproc)); do (while :; do :; done) & busy="$$busy $$!"; done; \
	$(PYTEST) -m "not slow" -q; status=$$?; kill $$busy; exit $$status

test-demo: install-dev install-demo  ## run the tests of the demo, which needs gradio
	$(PYTEST) -q tests/tools/test_demo.py

LOWEST := .venv-lowest
test-lowest: install-dev  ## run the fast tests with the lowest versions that pyproject.toml admits
	"$(PYTHON)" -m venv --clear $(LOWEST)
	$(BIN)/uv lock --quiet --resolution lowest-direct
	$(EXPORT) --group cpu --group build --extra openvino -o $(LOWEST)/requirements.txt
	rm uv.lock
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	-r $(LOWEST)/requirements.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	--no-build-isolation --editable .
	PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" python -m pytest $(PARALLEL) -m "not slow" -q -W default  # old versions warn

EXPORT := $(BIN)/uv export --quiet --frozen --no-emit-project --no-header --no-annotate \
	--no-emit-package opencv-python
lock: install-dev  ## renew the locks
	$(BIN)/uv lock --quiet --upgrade
	$(EXPORT) --no-default-groups --group cpu --group build --extra openvino -o requirements.lock
	$(EXPORT) --no-default-groups --group cpu --group build --group dev --extra openvino --extra export --extra s3 --extra jax --extra ray \
	-o requirements-dev.lock
	$(EXPORT) --only-group demo -o requirements-demo.lock
	rm uv.lock
