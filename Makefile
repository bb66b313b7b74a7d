# Everything runs in a virtual environment of its own, made from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help install demo test ui check format bench lock clean
.PHONY: check-python check-types check-sql check-definitions

help: ## list what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(READY) ## make the virtual environment from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@echo "Installing from requirements.lock (about a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## make a supply, refresh two editions, build their releases
	@$(BIN)/datafirst demo

test: $(READY) ## pass every test, shared between two processes but for what is timed
	@$(BIN)/python -m pytest -m "not alone" --numprocesses 2 --dist worksteal
	@$(BIN)/python -m pytest -m alone

ui: $(READY) ## open the Dagster UI on 127.0.0.1
	@$(BIN)/datafirst ui

check: $(READY) ## lint, type-check and validate the definitions, two at a time
	@$(MAKE) --no-print-directory --jobs 2 check-sql check-definitions check-types check-python

check-python:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

check-types:
	@$(BIN)/mypy

check-sql:
	@$(BIN)/sqlfluff lint dbt_project/models --processes 2 --disable-progress-bar

check-definitions:
	@$(BIN)/dagster definitions validate -w workspace.yaml

format: $(READY) ## format Python and SQL
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix dbt_project/models --processes 2

bench: $(READY) ## measure the hot paths (a quarter of an hour)
	@$(BIN)/python -m tests.benchmarks

lock: $(READY) ## resolve requirements.lock anew from pyproject.toml (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --extra dev --no-header --no-emit-index-url --quiet pyproject.toml -o requirements.lock

clean: ## remove the demo's data and the virtual environment
	@rm -rf $(VENV) .datafirst .datafirst-keys dbt_project/target
