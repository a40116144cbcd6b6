# Every command does its own set-up; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := 1

.PHONY: help setup check test test-fast study bench calibrate ui docs audit sbom fuzz clean lock

help: ## what can be typed
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.done ## virtual environment with every pinned version

$(VENV)/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "datayield needs Python 3.11 or newer; name it: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

check: setup ## format, lint, types, import contracts
	ruff format --check .
	ruff check .
	mypy
	lint-imports

test: setup ## every test
	python -m pytest -n 2 --dist loadfile

test-fast: setup ## every test but the slow ones
	python -m pytest -n 2 --dist loadfile -m "not slow"

study: setup ## data, training and report: reports/<study name>/index.html
	datayield study

bench: setup ## timings against the loops a user would write otherwise
	python benchmarks/engine.py
	python benchmarks/augment.py

calibrate: setup ## how often the intervals cover the truth (2,000 studies, minutes)
	python -m tests.calibration.measure --studies 2000

ui: setup ## pages on this machine: MLflow's runs, Prefect's flows, Optuna's trials
	datayield ui

docs: setup ## these pages as a site: build/site/index.html
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	@echo build/site/index.html

# In an environment of their own, so that they change no pin. Both need the network; CI runs neither.
audit: ## known weaknesses of the pinned versions (asks PyPI's database)
	rm -rf $(VENV).audit && $(PYTHON) -m venv $(VENV).audit
	$(VENV).audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'
	$(VENV).audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --strict
	rm -rf $(VENV).audit

sbom: setup ## build/sbom.json: every installed package with version and licence (CycloneDX)
	rm -rf $(VENV).audit && $(PYTHON) -m venv $(VENV).audit
	$(VENV).audit/bin/python -m pip install --quiet 'cyclonedx-bom>=7,<8'
	mkdir -p build
	$(VENV).audit/bin/cyclonedx-py environment --output-reproducible --of JSON -o build/sbom.json $(BIN)/python
	rm -rf $(VENV).audit

fuzz: setup ## every reader under a fuzzer led by coverage, 15 minutes (installs atheris beside the pins)
	$(BIN)/python -m pip install --quiet --no-deps --target build/atheris 'atheris>=3.0'
	PYTHONPATH=build/atheris $(BIN)/python -m tests.fuzz.run --minutes 15

lock: ## renew requirements.lock from pyproject.toml (then run every test)
	rm -rf $(VENV).lock && $(PYTHON) -m venv $(VENV).lock
	$(VENV).lock/bin/python -m pip install --quiet torch==2.13.0
	$(VENV).lock/bin/python -m pip install --quiet -e '.[dev]'
	$(VENV).lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -viE '^(nvidia|triton|cuda)' > requirements.lock
	rm -rf $(VENV).lock

clean: ## remove what was computed (cells and downloads too); keeps the environment
	rm -rf state results data dvc.lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find reports -mindepth 1 -maxdepth 1 ! -name showcase -exec rm -rf {} +
