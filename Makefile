# `make demo` and `make test` set up what they need. Python >= 3.11, git and make have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 60
WORLDS ?= 10000
PACKAGES := layer listener builder notifier s3deployer s3cleaner stack_cleaner deploy local cli
.DEFAULT_GOAL := help
.PHONY: help setup demo test simulate bench look names fuzz lint types clean

help: ## What can be done
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/:/' | awk -F: '{printf "make %-8s %s\n", $$1, $$2}'

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python >= 3.11 is needed, $(PYTHON) is older; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up: a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'

$(VENV)/ready: $(BIN)/uv constraints.txt $(PACKAGES:%=%/pyproject.toml)
	@echo "Setting up: the packages"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt $(PACKAGES:%=--editable ./%)
	@touch $@

$(VENV)/tox: $(BIN)/uv constraints.txt
	@echo "Setting up: tox"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python 'tox>=4.30' 'tox-uv>=1.28'
	@touch $@

setup: $(VENV)/ready ## Set up the development environment

demo: $(VENV)/ready ## Push, break, mend, release and delete, on this machine
	@$(BIN)/deployer local demo

test: $(VENV)/tox ## Every test, each package's, then those that span packages
	@$(BIN)/tox run --quiet

simulate: $(VENV)/tox ## Let 10,000 worlds go wrong, or WORLDS, and say what became of them
	@$(BIN)/tox run --quiet -e simulate -- --worlds $(WORLDS)

fuzz: $(VENV)/tox ## Fuzz the listener for a minute, or for FUZZ_SECONDS
	@$(BIN)/tox run --quiet -e fuzz -- --seconds $(FUZZ_SECONDS)

bench: $(VENV)/tox ## What a push, a sweep, publishing and emptying cost, beside others; or PARTS of it
	@$(BIN)/tox run --quiet -e bench -- $(PARTS)

look: $(VENV)/ready ## Photograph the pages of the laptop engine into docs/images; Chromium has to be there
	@$(BIN)/python -m tests.look

names: $(VENV)/tox ## Name a million environments, and see that no two names are the same
	@$(BIN)/tox run --quiet -e names

lint: $(VENV)/tox ## Style and types only
	@$(BIN)/tox run --quiet -e lint,types

clean: ## Remove what was set up and built
	@rm -rf $(VENV) .tox build .mypy_cache .ruff_cache .pytest_cache
