# The commands of this project; `make` alone lists them. Each sets up what it needs (scripts/setup.sh).
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types imports unit bench bench-layout clean
BIN := .venv/bin
WORKERS ?= 2

help:  ## this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.ready: pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh

# Also when the environment is there but a server is not.
setup: .venv/.ready  ## the virtual environment, redis-server and PostgreSQL
	@bash scripts/setup.sh --servers || bash scripts/setup.sh

demo: setup  ## the story of a spend cap, on the embedded engine
	@$(BIN)/ducto-redis demo

test: setup lint types imports unit  ## everything that must hold; under five minutes

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports

unit: setup
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -q

# QUICK=1: under two minutes; ARGS="--accounts 1000000 --periods 10000000": the full counts.
bench: setup  ## the goals of speed and memory, measured; QUICK=1 for less
	$(BIN)/python bench/run.py $(if $(QUICK),--quick) $(ARGS)

bench-layout: setup  ## the measurements behind the layout of the data
	$(BIN)/python bench/layout.py

chaos-%: setup  ## one row of docs/guarantees.md until its total is N: make chaos-executions N=100000; chaos-report
	@$(BIN)/python scripts/chaos.py $* $(if $(N),--n $(N))

clean:  ## removes the virtual environment and caches
	rm -rf .venv dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
