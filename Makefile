# Three commands do all the set-up: `make quickstart`, `make stack` and `make test`. On a machine with Python 3.11 to 3.13, make and git.
#
#   PYTHON=…       the interpreter .venv is made with (default: the first of python3, python3.13, … that fits)
#   TORCH_INDEX=…  address of the package index that torch alone comes from, such as one of CPU-only wheels
#   DOMAIN=…       what `make quickstart` runs (default: networkx)
#   STACK=…        processes or containers: what `make stack` runs in (default: containers where an engine with compose answers)
#   TESTS=…        what the tests are narrowed to, as pytest takes it (default: everything in tests/)

DOMAIN ?= networkx
PYTHON ?=
TORCH_INDEX ?=
TESTS ?=
FAST_LIMIT ?= 600
export PYTHON TORCH_INDEX
export OMP_WAIT_POLICY ?= PASSIVE

BIN := .venv/bin
PINS := pyproject.toml constraints.txt scripts/setup.sh
PACKAGES := registry scrapers synth validators finetune flows

.DEFAULT_GOAL := help
.PHONY: help setup quickstart stack stack-down test test-slow test-all lint clean

help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/	/' | expand -t 14

$(BIN)/.run: $(PINS)
	@scripts/setup.sh run
	@touch $@

$(BIN)/.dev: $(PINS)
	@scripts/setup.sh dev
	@touch $(BIN)/.run $@

setup: $(BIN)/.run  ## Make .venv, install, and install bubblewrap where it is missing
	@scripts/setup.sh wall

quickstart: setup  ## Set up, and take a real library from its docs to a published adapter
	$(BIN)/driftune run $(DOMAIN)

stack:  ## Set up, and start what a schedule needs: Prefect's server on PostgreSQL, a worker, the registry's server
	@scripts/stack.sh up

stack-down:  ## End that
	@scripts/stack.sh down

test: $(BIN)/.dev  ## Set up, and run the fast tests
	@scripts/setup.sh beside
	$(BIN)/python -m pytest --session-timeout=$(FAST_LIMIT) $(TESTS)

test-slow: $(BIN)/.dev  ## Set up, and run the long tests
	@scripts/setup.sh beside
	$(BIN)/python -m pytest -m slow $(TESTS)

test-all: $(BIN)/.dev  ## Set up, and run all tests
	@scripts/setup.sh beside
	$(BIN)/python -m pytest -m 'slow or not slow' $(TESTS)

lint: $(BIN)/.dev  ## Style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

clean:  ## Remove .venv and caches; what driftune made (.driftune) stays
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -prune -exec rm -rf {} +
