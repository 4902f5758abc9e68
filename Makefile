# `make help` lists what there is.
SHELL := /bin/bash
ifeq ($(origin PYTHON), undefined)
PYTHON := $(shell for p in python3.12 python3.11 python3.13 python3; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
else # one environment a version: make test PYTHON=python3.13
VENV := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
endif
BIN := $(VENV)/bin
export DEMO_STARTED := $(shell date +%s.%N)
export DATA LABEL BUDGET

.PHONY: docs-figures vendor bench-ui infra attack chaos soak fuzz-intake bench-intake help setup setup-dev demo up down status watch test test-slow check bench bench-automl bench-serving bench-scale coverage mutants known-bugs browser docs wheel site lock audit conformance schemathesis clean
help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

setup: $(VENV)/.local ## Virtual environment, packages, Azurite
setup-dev: $(VENV)/.dev

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

$(VENV)/.local: requirements/local.lock dropml/azurite/package-lock.json | $(VENV)/bin/python
	$(PIP) -r $<
	$(BIN)/python -c "from dropml.azurite import process; process.install()"
	@touch $@

$(VENV)/.dev: requirements/dev.lock $(VENV)/.local
	$(PIP) -r $<
	@touch $@

$(VENV)/.tools: requirements/tools.lock $(VENV)/.dev
	$(PIP) -r $<
	@touch $@

demo: setup ## A CSV becomes a scored endpoint (DATA=file.csv LABEL=column BUDGET=seconds)
	@$(BIN)/python -m dropml demo

up: setup ## Start everything here and print URLs and keys
	@$(BIN)/python -m dropml up
down: ## Stop everything
	@test ! -x $(BIN)/python || $(BIN)/python -m dropml down
status: ## Where things are
	@$(BIN)/python -m dropml status
watch: ## Follow runs through their states
	@$(BIN)/python -m dropml watch

test: setup-dev ## Checks and tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -m "not slow" -n 3 --dist loadfile --no-loadscope-reorder
test-slow: setup-dev ## What takes minutes: a million rows, the bank data, chaos, 50 swaps, 1 GB files
	@$(BIN)/python -m pytest -m slow --ignore tests/browser
	@WHOLE_SWEEPS=1 $(BIN)/python -m pytest -m "not slow" -n 2 $$(grep -rlE "^from tests.support import (.*, )?sweeps" tests --include=test_*.py)
check: setup-dev ## ruff, mypy, the walls between the rooms, the house in figures
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/python -m tests.house

conformance: setup-dev ## Hold the emulator against the service's specification and recordings
	@$(BIN)/python -m tests.conformance
schemathesis: setup-dev ## 10,000 generated requests against the served OpenAPI
	@$(BIN)/python -m tests.functions.contract
bench: setup-dev ## Benchmark the live endpoint (ApacheBench, wrk or oha)
	@$(BIN)/python -m benchmarks.bench
bench-automl: setup-dev ## The engine beside FLAML and AutoGluon, the power of the gate, a threshold
	@$(BIN)/python -m benchmarks.automl && $(BIN)/python -m benchmarks.emulator && $(BIN)/python -m benchmarks.threshold
bench-serving: setup-dev ## The endpoint beside mlflow and azureml-inference-server-http
	@$(BIN)/python -m benchmarks.serving
bench-ui: setup-dev ## What the dashboard's pages weigh and how long they take with 10,000 runs in state
	@$(BIN)/python -m benchmarks.ui
bench-scale: setup-dev ## What lists, ticks and an idle stack cost with years of history
	@$(BIN)/python -m benchmarks.scale
attack: setup-dev ## Try to break a stack of its own: files, HTTP, bombs, outages (MINUTES=30, SEED=1)
	@$(BIN)/python -m tests.attack --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1) --publish
fuzz-intake: setup-dev ## 20,000 damaged files, one verdict each (FILES=20000, SEED=1)
	@$(BIN)/python -m tests.fuzz --files $(or $(FILES),20000) --seed $(or $(SEED),1)
bench-intake: setup-dev $(VENV)/.tools ## The pass over a file beside polars, its memory, a drop into a whole stack (MB=1000)
	@$(BIN)/python -m benchmarks.intake --megabytes $(or $(MB),1000)
soak: setup-dev ## An hour of kills, outages, clock jumps and promotions under scoring (MINUTES=60, SEED=1); writes docs/reliability.md
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1) --publish
chaos: setup-dev ## Rounds of kills, outages, a bad cloud, crowds and planted challengers (MINUTES=60, SEED=1, RESUME=FILE)
	@$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1) $(if $(RESUME),--resume $(RESUME)) --publish
coverage: setup-dev ## Branches of shared, functions and scorer that the fast tests take
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --cov --cov-report=term $(addprefix tests/,domain services functions adapters contracts scorer)
mutants: setup-dev ## Plant faults in what decides; how many do the tests notice?
	@$(BIN)/python -m tests.mutants
known-bugs: setup-dev ## Plant the bugs that gates like this one have had; do the tests notice each?
	@$(BIN)/python -m tests.mutants.known_bugs
browser: setup-dev ## Try the pages in a real browser (needs Chromium and npm)
	@$(PIP) -r requirements/browser.lock
	@npm ci --silent --no-audit --no-fund --prefix web
	@$(BIN)/python -m pytest -m slow tests/browser
lock: $(VENV)/.tools ## Write requirements/*.lock anew from requirements*.txt
	@for set in deployed:requirements.txt $(foreach s,local dev browser tools docs,$(s):requirements-$(s).txt); do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --output-file requirements/$${set%%:*}.lock $${set##*:}; done
infra: setup-dev ## Check the Azure templates: syntax, types, meaning, and planted slips
	@$(BIN)/python -m tests.infra
audit: $(VENV)/.tools ## Known vulnerabilities, licences, the bill of materials
	@$(BIN)/python -m tests.audit
vendor: setup-dev ## Copy what the dashboard's pages load out of web/package-lock.json
	@npm ci --silent --no-audit --no-fund --prefix web
	@$(BIN)/python -m tests.support.vendored
docs-figures: setup-dev ## What of the product stands in the documents, and whether their snippets run (PAGE=docs/azure.md: those alone)
	@$(BIN)/python -m tests.site_figures $(PAGE)
docs: setup ## Write the generated pages
	@$(BIN)/python -m shared.settings_page > docs/settings.md
	@$(BIN)/python -m dropml.cli.page > docs/cli.md
	@$(BIN)/python -m tests.support.logged_lines
	@$(BIN)/python -m tests.support.map_page

SITE = .venv-docs
$(SITE)/.ready: requirements/docs.lock
	@test -x $(SITE)/bin/python || "$(PYTHON)" -m venv $(SITE)
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
site: $(SITE)/.ready ## The documents as a site, dist/site/index.html; a warning fails
	@$(SITE)/bin/sphinx-build -nWq --keep-going -b html docs dist/site

wheel: setup-dev ## Build dist/dropml-*.whl: the commands, and with [local] everything
	@$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: down ## Remove everything that was made here
	rm -rf .venv .venv-* .dropml
