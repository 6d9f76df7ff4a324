SHELL := /bin/sh
BIN := .venv/bin
WORKERS ?= 2
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help install demo tour shell test check lint types layers house bench lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make .venv with the locked dependencies, if it is not up to date
	@{ sha256sum --check --status .venv/installed && [ "$$(cat .venv/place)" = "$$(pwd -P)" ]; } 2>/dev/null || deploy/install.sh

demo: install ## Start everything on this machine: service, worker, two portals, invented people (PORT=9000 takes other ports)
	@$(BIN)/kabao demo --port $(PORT)

tour: install ## Walk the whole journey over HTTP against the running demo
	@$(BIN)/kabao tour --url http://localhost:$(PORT)

shell: install ## Open a shell in which `kabao` commands work on the demo
	@$(BIN)/kabao demo --shell --port $(PORT)

test: install ## Run every test, on a real PostgreSQL, and say at the end which were left out for want of what (WORKERS=4 takes more cores)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -r s

check: types lint layers house ## Lint, types, layers, and the rules about the tree itself (-j2 takes two cores)

lint: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: install
	@$(BIN)/mypy

layers: install
	@$(BIN)/lint-imports

house: install
	@$(BIN)/python -m pytest tests/test_house.py

bench: install ## Measure the hot paths beside their budgets
	@$(BIN)/python -m bench

lock: ## Lock the dependencies again, with hashes (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra checks --extra build pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--constraint requirements.lock pyproject.toml --output-file deploy/requirements.lock

clean: ## Forget the demo's data and every made file but .venv
	@if [ -x $(BIN)/kabao ]; then $(BIN)/kabao demo --forget; fi
	@rm -rf var build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
