# Every target does its own set-up: python3 (3.11 or newer) with venv and pip is all it needs.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check lint bench soak lock clean
.DEFAULT_GOAL := test

demo: $(READY)
	$(BIN)/phasewatch demo $(ARGS)

test: $(READY)
	$(BIN)/pytest $(ARGS)

check: lint test

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m tests.bench $(ARGS)

# The long form of the fault tests: about an hour and a half.
soak: $(READY)
	$(BIN)/python -m tests.faults.frames
	$(BIN)/python -m tests.faults.storm
	$(BIN)/python -m tests.faults.kills --rounds 200
	$(BIN)/python -m tests.faults.soak --minutes 30

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

lock:  ## writes both lock files anew (needs uv): for development, and what a running daemon needs
	$(LOCK) --extra demo --extra dev -o requirements.lock
	$(LOCK) -o requirements-run.lock
	$(subst pyproject.toml,,$(LOCK)) --group docs -o requirements-docs.lock

# The site, in a venv of its own: mkdocs need not fit the packages of the program.
DOCS_VENV := $(VENV)-docs
.PHONY: docs pictures
docs: $(DOCS_VENV)/.ready  ## builds the site of docs/ into site/, in English and Chinese; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict

pictures: $(READY)  ## takes the screenshots of the documents again (needs chromium, chromium-driver, fonts-wqy-microhei)
	$(BIN)/python -m tests.pictures

$(DOCS_VENV)/.ready: requirements-docs.lock
	@rm -f $@
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

clean:
	rm -rf $(VENV) $(DOCS_VENV) site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
