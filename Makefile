# Every target does its own set-up: python3 (3.11 or newer) with venv and pip is all it needs.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests that are quick: the pure core and what is near it.
FAST := tests/meters tests/electrical tests/rules tests/alerts tests/drawing tests/simulator/test_feeder.py
# One process a core; a process that has finished takes tests from the others.
PARALLEL ?= -n auto --dist worksteal

.PHONY: help demo test test-fast check lint fix bench soak mutants mutants-of lock clean
.DEFAULT_GOAL := test

help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

demo: $(READY)  ## simulated meters, a broker and the daemon on this machine for about 50 seconds
	$(BIN)/phasewatch demo $(ARGS)

test: $(READY)  ## every test; ARGS goes to pytest
	$(BIN)/pytest $(PARALLEL) $(ARGS)

test-fast: $(READY)  ## the quick tests: meters, electrical, rules, alerts, drawing
	$(BIN)/pytest $(PARALLEL) $(FAST) $(ARGS)

check: lint test  ## lint and test

fix: $(READY)  ## format the code and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY)  ## formatting, ruff, types, directions of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## measurements; ARGS names them
	$(BIN)/python -m tests.bench $(ARGS)

soak: $(READY)  ## the long form of the fault tests: about an hour and a half
	$(BIN)/python -m tests.faults.frames
	$(BIN)/python -m tests.faults.storm
	$(BIN)/python -m tests.faults.kills --rounds 200
	$(BIN)/python -m tests.faults.soak --minutes 30

# Pure packages; each has its tests in the folder of the same name. MODULE is one file of them, such as decode.
PACKAGES ?= meters rules alerts
MODULE ?= *
JOBS ?= $(shell nproc)
MUTANTS := .mutants_cache

mutants: $(READY)  ## put faults into PACKAGES (MODULE: one file) and list those that no test notices; slow
	@test -x $(BIN)/mutmut || $(PIP_INSTALL) --editable '.[mutants]'
	@for package in $(PACKAGES); do $(MAKE) --no-print-directory mutants-of PACKAGE=$$package || exit 1; done

mutants-of:
	mkdir -p $(MUTANTS)/$(PACKAGE)/src
	cp -r --update --preserve=timestamps daemon/phasewatch $(MUTANTS)/$(PACKAGE)/src/
	cp -r --update --preserve=timestamps tests config $(MUTANTS)/$(PACKAGE)/
	sed 's/PACKAGE/$(PACKAGE)/' pyproject.toml >$(MUTANTS)/$(PACKAGE)/pyproject.toml
	cd $(MUTANTS)/$(PACKAGE) && HYPOTHESIS_PROFILE=mutants nice -n 10 $(abspath $(BIN))/mutmut run \
	  --max-children $(JOBS) 'phasewatch.$(PACKAGE).$(MODULE)*' >progress.log 2>&1 || { tail -c 2000 progress.log >&2; exit 1; }
	@tr '\r' '\n' <$(MUTANTS)/$(PACKAGE)/progress.log | tail -n 2
	cd $(MUTANTS)/$(PACKAGE) && $(abspath $(BIN))/mutmut results

# What an activated environment or a pip.conf says about other places must not lead the set-up astray.
unexport PYTHONHOME PYTHONPATH PIP_TARGET PIP_PREFIX PIP_ROOT VIRTUAL_ENV
export PIP_USER := 0
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

$(READY): pyproject.toml requirements.lock
	@rm -f $@
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make a virtual environment: needs Python 3.11 or newer with venv (Debian: apt-get install python3-venv; or make PYTHON=/path/to/python3)" >&2; exit 1; }
	$(PYTHON) -m venv $$(test ! -e $(VENV)/pyvenv.cfg || echo --clear) $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements.lock
	$(PIP_INSTALL) --no-deps --editable .
	@touch $@

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header

lock:  ## write both lock files (needs uv): for development, and what a running daemon needs
	$(LOCK) --extra demo --extra dev -o requirements.lock
	$(LOCK) -o requirements-run.lock
	$(subst pyproject.toml,,$(LOCK)) --group docs -o requirements-docs.lock

# The site, in a venv of its own: mkdocs need not fit the packages of the program.
DOCS_VENV := $(VENV)-docs
.PHONY: docs pictures
docs: $(DOCS_VENV)/.ready  ## build the site of docs/ into site/, in English and Chinese; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict

pictures: $(READY)  ## take the screenshots of the documents again (needs chromium, chromium-driver, fonts-wqy-microhei)
	$(BIN)/python -m tests.pictures

$(DOCS_VENV)/.ready: requirements-docs.lock
	@rm -f $@
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

clean:  ## remove the environments, the site and the caches
	rm -rf $(VENV) $(DOCS_VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
