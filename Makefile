# `make demo` and `make test` set up what they need. Python >= 3.11, git and make have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 60
WORLDS ?= 10000
PACKAGES := layer listener builder notifier s3deployer s3cleaner stack_cleaner deploy local cli
.DEFAULT_GOAL := help
.PHONY: help setup image deps build build-func config-cli deploy deploy-dev shell
.PHONY: demo test simulate bench look names fuzz lint clean

help: ## What can be done
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/:/' | awk -F: '{printf "make %-10s %s\n", $$1, $$2}'

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

image: ## What was a Docker image once; says why there is none
	@echo "No image is needed: the functions are plain Python in zips. What the layer takes from others are wheels that"
	@echo "uv fetches for Lambda's own platform, whatever machine this is; nothing is compiled, and nothing runs in Docker."

deps: $(VENV)/ready ## Fetch the layer's third-party packages, as Lambda needs them
	@$(BIN)/python -m deployer_deploy.build --deps

build: $(VENV)/ready ## Build the zips of all functions and of the layer; `make deploy` does it by itself
	@$(BIN)/python -m deployer_deploy.build

build-func: $(VENV)/ready ## Build the zip of one function, which FUNC names
	@test -n "$(FUNC)" || { echo "Which one? make build-func FUNC=builder"; exit 1; }
	@$(BIN)/python -m deployer_deploy.build $(FUNC)

config-cli: $(VENV)/ready ## Put opolis-deployer-config into the folder INTO, or say where it is
	@test -x $(BIN)/opolis-deployer-config || { echo "There is no $(BIN)/opolis-deployer-config; make clean setup"; exit 1; }
ifdef INTO
	@ln -sf "$(abspath $(BIN))/opolis-deployer-config" "$(INTO)/opolis-deployer-config"
	@echo "It is $(INTO)/opolis-deployer-config now"
else
	@echo "It is $(abspath $(BIN))/opolis-deployer-config"
	@echo "Put it where you like with: make config-cli INTO=\$$HOME/.local/bin"
	@echo "\`make shell\` has it on its PATH; \`deployer config\` is the same and more"
endif

deploy: $(VENV)/ready ## Install or update the deployer in AWS, stage prod; ARGS are options of `deployer deploy`
	@$(BIN)/deployer deploy --stage prod $(ARGS)

deploy-dev: $(VENV)/ready ## The same beside it, stage dev
	@$(BIN)/deployer deploy --stage dev $(ARGS)

shell: $(VENV)/ready ## A shell that has the commands on its PATH
	@PATH="$(abspath $(BIN)):$$PATH" "$${SHELL:-/bin/sh}"

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
