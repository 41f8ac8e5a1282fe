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
PAGE_TESTS := $(VENV)/page-tests
PAGE_TESTS_WANTED := tests/report/package.json
AZURE_MODELS := $(VENV)/azure-models
AZURE_MODELS_WANTED := plugins/automl-bench-azure/tests/models.txt
TRAINING := .venv-training
TRAINING_STAMP := $(TRAINING)/.installed
TRAINING_NEEDS := plugins/automl-bench-huggingface/training-requirements.txt
BENCHMARKS ?= store report ablations import_folder latency_error load_ceiling local_accuracy upload

.PHONY: help setup azure-tests page-tests demo test test-conformance test-simulation test-training lint bench clean

help:
	@echo "make demo   set up, run the main job on real data, print the path of a report"
	@echo "make test   set up, run all tests"
	@echo "make test-conformance   the conformance kit on every plugin: minutes"
	@echo "make test-simulation   long simulations, stress and fault runs, in their short form: minutes"
	@echo "make test-training   train for real what a plugin trains in a cloud: installs torch, minutes"
	@echo "make lint   ruff and mypy --strict"
	@echo "make bench  the benchmarks, each beside a peer on this machine (needs a quiet machine)"

$(STAMP): $(SOURCES)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "automl-bench needs Python 3.11 or newer, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]' $(foreach plugin,$(PLUGINS),-e $(plugin))
	touch $@

setup: $(STAMP)

# What the tests of the azure plugin run against: azurite, which needs npm (without it those tests are skipped, and say
# so), and the model classes of azure-ai-ml, whose sixty dependencies nobody needs here.
$(AZURITE)/.installed: $(STAMP) $(AZURITE_WANTED)
	mkdir -p $(AZURITE)
	cp $(AZURITE_WANTED) $(AZURITE)/package.json
	npm install --prefix $(AZURITE) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

$(AZURE_MODELS)/.installed: $(STAMP) $(AZURE_MODELS_WANTED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --upgrade --target $(AZURE_MODELS) -r $(AZURE_MODELS_WANTED)
	touch $@

azure-tests: $(AZURE_MODELS)/.installed $(if $(shell command -v npm),$(AZURITE)/.installed)

# axe-core, which the tests of the report's page run in a browser; without npm that test is skipped, and says so.
$(PAGE_TESTS)/.installed: $(STAMP) $(PAGE_TESTS_WANTED)
	mkdir -p $(PAGE_TESTS)
	cp $(PAGE_TESTS_WANTED) $(PAGE_TESTS)/package.json
	npm install --prefix $(PAGE_TESTS) --no-package-lock --no-audit --no-fund --loglevel=error
	touch $@

page-tests: $(if $(shell command -v npm),$(PAGE_TESTS)/.installed)

demo: $(STAMP)
	$(BIN)/automl-bench demo

test: $(STAMP) azure-tests page-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not conformance and not simulation and not training"

# The conformance kit on every plugin, and on plugins broken on purpose: minutes of processes killed again and again.
test-conformance: $(STAMP) azure-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m conformance

# Long simulations, stress and fault runs, in their short form.
test-simulation: $(STAMP) azure-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m simulation

# The script that a plugin runs in a cloud job, run here as there: in an environment of its own, with torch.
$(TRAINING_STAMP): $(TRAINING_NEEDS)
	test -x $(TRAINING)/bin/python || $(PYTHON) -m venv $(TRAINING)
	$(TRAINING)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

test-training: $(STAMP) $(TRAINING_STAMP)
	AUTOML_BENCH_TRAINING_PYTHON=$(TRAINING)/bin/python $(BIN)/python -m pytest -m training

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	for file in $(BENCHMARKS); do echo "== $$file"; $(BIN)/python benchmarks/$$file.py || exit 1; done

clean:
	rm -rf $(VENV) $(TRAINING) .mypy_cache .ruff_cache .pytest_cache
