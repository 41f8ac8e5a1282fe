# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-for-demo
DEMO_SOURCES := pyproject.toml constraints.txt plugins/automl-bench-local/pyproject.toml
SOURCES := pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
# uv does in seconds what pip does in a minute; without it pip does.
UV := $(shell command -v uv 2>/dev/null)
NEW_VENV := $(if $(UV),$(UV) venv --quiet --seed --python $(PYTHON),$(PYTHON) -m venv)
INSTALL := $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)
PLUGINS := $(filter-out plugins/automl-bench-mlflow,$(wildcard plugins/automl-bench-*))
# Many tests wait for something, so that three keep two cores busy.
WORKERS ?= 3
AZURITE := $(VENV)/azurite
AZURITE_WANTED := plugins/automl-bench-azure/tests/package.json
PAGE_TESTS := $(VENV)/page-tests
PAGE_TESTS_WANTED := tests/report/package.json
AZURE_MODELS := $(VENV)/azure-models
AZURE_MODELS_WANTED := plugins/automl-bench-azure/tests/models.txt
TRAINING := .venv-training
TRAINING_STAMP := $(TRAINING)/.installed
TRAINING_NEEDS := plugins/automl-bench-huggingface/training-requirements.txt plugins/automl-bench-openai/training-requirements.txt
INTEGRATIONS := .venv-integrations
INTEGRATIONS_STAMP := $(INTEGRATIONS)/.installed
WITH_INTEGRATIONS := plugins/automl-bench-local plugins/automl-bench-mlflow
BENCHMARKS ?= store report ablations import_folder latency_error load_ceiling local_accuracy upload engines

.PHONY: help setup new-enough azure-tests page-tests demo test test-conformance test-simulation test-training test-integrations test-containers docs packages lint bench clean

help:
	@echo "make demo   set up what the demo needs, compare three local models on real images, end with the verdict: 4 minutes"
	@echo "make test   set up everything, run all tests: 20 minutes"
	@echo "make test-conformance   the conformance kit on every plugin: minutes"
	@echo "make test-simulation   long simulations, stress and fault runs, in their short form: minutes"
	@echo "make test-training   train for real what a plugin trains in a cloud, and ask a real model server: installs torch, minutes"
	@echo "make test-integrations   the tools that users already have (Jupyter, MLflow, DVC), for real, in an environment of their own: minutes"
	@echo "make test-containers   variants in real containers: needs podman, a minute"
	@echo "make docs   the documentation as a site in site/, with search; it loads nothing from elsewhere"
	@echo "make packages   wheels and sdists of everything in dist/, checked by twine"
	@echo "make lint   ruff and mypy --strict"
	@echo "make bench  the benchmarks, each beside a peer on this machine (needs a quiet machine)"

new-enough:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "automl-bench needs Python 3.11 or newer, this is " + sys.version)'

$(STAMP): $(SOURCES) | new-enough
	test -x $(BIN)/python || $(NEW_VENV) $(VENV)
	$(INSTALL) -c constraints.txt -e '.[test,lint]' $(foreach plugin,$(PLUGINS),-e $(plugin))
	touch $@

# The demo needs the core and its local models, nothing of any cloud and nothing of the tests. pip would compile all of
# SciPy and scikit-learn to bytecode, which takes longer than installing them; Python compiles what it imports.
$(DEMO_STAMP): $(DEMO_SOURCES) | new-enough
	@echo "Setting up .venv with automl-bench and its local models$(if $(UV), (by uv)): about a minute, once."
	@test -x $(BIN)/python || $(NEW_VENV) $(VENV)
	@$(INSTALL) $(if $(UV),,--no-compile) -c constraints.txt -e . -e plugins/automl-bench-local
	@touch $@

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

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(DEMO_STAMP))
	@echo "Running automl-bench demo: three local models, two image sets, about three minutes on two cores."
	@$(BIN)/automl-bench demo

test: $(STAMP) azure-tests page-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not conformance and not simulation and not training and not integrations and not containers"

# The conformance kit on every plugin, and on plugins broken on purpose: minutes of processes killed again and again.
test-conformance: $(STAMP) azure-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m conformance

# Long simulations, stress and fault runs, in their short form.
test-simulation: $(STAMP) azure-tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m simulation

# The script that a plugin runs in a cloud job, run here as there, and `transformers serve`: in an environment with torch.
$(TRAINING_STAMP): $(TRAINING_NEEDS)
	test -x $(TRAINING)/bin/python || $(PYTHON) -m venv $(TRAINING)
	$(TRAINING)/bin/python -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(TRAINING_NEEDS))
	touch $@

test-training: $(STAMP) $(TRAINING_STAMP)
	AUTOML_BENCH_TRAINING_PYTHON=$(TRAINING)/bin/python $(BIN)/python -m pytest -m training

# The tools that users already have, at work on what automl-bench makes for them: large, so in an environment apart.
$(INTEGRATIONS_STAMP): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(WITH_INTEGRATIONS))
	test -x $(INTEGRATIONS)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[integrations]' $(foreach plugin,$(WITH_INTEGRATIONS),-e $(plugin))
	touch $@

test-integrations: $(INTEGRATIONS_STAMP)
	$(INTEGRATIONS)/bin/python -m pytest -m integrations tests/integrations plugins/automl-bench-mlflow/tests plugins/automl-bench-local/tests/test_service_answers.py

# Variants in containers, with podman; what it needs to run on a machine stands in AUTOML_BENCH_LOCAL_CONTAINER_*.
test-containers: $(STAMP)
	$(BIN)/python -m pytest -m containers plugins/automl-bench-local/tests

# The documentation as a site in site/; a link that leads nowhere is an error. Read it with: python -m http.server -d site
docs: $(INTEGRATIONS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(INTEGRATIONS)/bin/mkdocs build --quiet

# Wheels and sdists of the core and of every plugin, ready to upload.
packages: $(INTEGRATIONS_STAMP)
	rm -rf dist
	for package in . $(wildcard plugins/automl-bench-*); do $(INTEGRATIONS)/bin/python -m build --no-isolation --outdir dist $$package || exit 1; done
	$(INTEGRATIONS)/bin/python -m twine check --strict dist/*

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP)
	for file in $(BENCHMARKS); do echo "== $$file"; $(BIN)/python benchmarks/$$file.py || exit 1; done

clean:
	rm -rf $(VENV) $(TRAINING) $(INTEGRATIONS) .mypy_cache .ruff_cache .pytest_cache
