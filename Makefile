# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
PLUGINS := $(wildcard plugins/automl-bench-*)
WORKERS ?= 2
AZURITE := $(VENV)/azurite
AZURITE_WANTED := plugins/automl-bench-azure/tests/package.json
BENCHMARKS ?= store ablations import_folder latency_error load_ceiling local_accuracy

.PHONY: help setup azurite demo test test-conformance lint bench clean

help:
	@echo "make demo   set up, run the main job on real data, print the path of a report"
	@echo "make test   set up, run all tests"
	@echo "make test-conformance   the conformance kit on every plugin: minutes"
	@echo "make lint   ruff and mypy --strict"
	@echo "make bench  the benchmarks, each beside a peer on this machine (needs a quiet machine)"

$(STAMP): $(SOURCES)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "automl-bench needs Python 3.11 or newer, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]' $(foreach plugin,$(PLUGINS),-e $(plugin))
	touch $@

setup: $(STAMP)

# Blob storage for the tests of the azure plugin. Without npm those tests are skipped, and say so.
$(AZURITE)/.installed: $(STAMP) $(AZURITE_WANTED)
	mkdir -p $(AZURITE)
	cp $(AZURITE_WANTED) $(AZURITE)/package.json
	npm install --prefix $(AZURITE) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

ifneq ($(shell command -v npm),)
azurite: $(AZURITE)/.installed
else
azurite:
	@echo "npm is missing: tests that need azurite are skipped"
endif

demo: $(STAMP)
	$(BIN)/automl-bench demo

test: $(STAMP) azurite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not conformance"

# The conformance kit on every plugin, and on plugins broken on purpose: minutes of processes killed again and again.
test-conformance: $(STAMP) azurite
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m conformance

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	for file in $(BENCHMARKS); do echo "== $$file"; $(BIN)/python benchmarks/$$file.py || exit 1; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
