PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install repro test check format lint types test-fast lock

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

install: $(READY)  ## make .venv with everything that is needed

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "Python 3.11 or 3.12 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

repro: install  ## run the pipeline: dvc repro
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro

test: install  ## run all tests, the slow ones too
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

check: format lint types test-fast  ## what a change must pass: format, lint, types, fast tests

format: install  ## is the code formatted?
	$(BIN)/ruff format --check .

lint: install  ## is the code free of known faults?
	$(BIN)/ruff check .

types: install  ## do the types fit?
	$(BIN)/mypy

test-fast: install  ## run the tests that take seconds
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow" -q

lock:  ## renew requirements.lock (needs uv)
	uv lock --quiet
	uv export --quiet --frozen --no-emit-project --no-header --all-groups --extra openvino --no-annotate --no-emit-package opencv-python -o requirements.lock
	rm uv.lock
