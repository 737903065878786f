# The course's commands. `make` alone lists them.
# Another Python: make setup PYTHON=python3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Newer than the files below: everything they ask for is installed.
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup lab test check build clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the environment in .venv

lab: $(STAMP) ## open the course in JupyterLab
	@$(BIN)/course lab $(ARGS)

test: $(STAMP) ## set up, then every check and every test
	@.ci/need chromium nodejs bubblewrap
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(STAMP) ## format, lint, types, and that what is generated is up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/course build --check

build: $(STAMP) ## make the notebooks from solutions/*/*.py
	$(BIN)/course build

clean: ## delete the environment and every cache
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt
	@[ "$(PYTHON)" != python3 ] || .ci/need python3
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "The course needs Python 3.11 or newer, and $(PYTHON) is not: make setup PYTHON=python3.13" >&2; exit 1; }
	@[ -x $(BIN)/python ] || { .ci/need $(notdir $(PYTHON))-venv && $(PYTHON) -m venv $(VENV); }
	@echo "Installing the course into $(VENV) (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@
