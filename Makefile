# Every target installs what it needs into .venv, and again when pyproject.toml has changed.
# Needs make and Python 3.11 or newer with its venv module: `make test PYTHON=python3.12` picks another one.

PYTHON ?= python3
OUT ?= report

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet --quiet

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help report quick validate calibration test thorough lint format docs bench clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The exit status of `validate` is 0 agrees (but for known exceptions, if any), 1 disagrees, 2 bad input, 3 inconclusive. An inconclusive report is
# still a report, and more trials are the answer: it does not fail the target. A disagreement does.
report: $(VENV)/.installed-base ## Simulate the headline case, compare it with the theory, write report/report.html.
	@status=0; $(BIN)/rmt-spikes validate --out '$(OUT)' || status=$$?; \
	case $$status in 0|1|3) ;; *) exit $$status ;; esac; \
	test -f '$(OUT)/report.html' || { echo "No report was written (exit status $$status)." >&2; exit 1; }; \
	verdict=$$(sed -n 's/^ *"verdict": "\(.*\)",$$/\1/p' '$(OUT)/report.json' | head -n 1); \
	echo "Report: $(abspath $(OUT))/report.html: $$verdict (exit status $$status)"; \
	test $$status -ne 1

# A disagreement fails this target as well. Small networks and few trials mostly cannot tell.
QUICK_CASES := learnt-direction rank-one-gradient
quick: $(VENV)/.installed-base ## A few other cases with small networks, in one report: report/quick/report.html.
	@status=0; $(BIN)/rmt-spikes validate $(QUICK_CASES) --quick \
	  --out '$(OUT)/quick' || status=$$?; \
	test $$status -eq 0 || test $$status -eq 3 || exit $$status

# All cases in full, repetitions 0, 1 and 2 with other random numbers: four hours, resumed where it stopped.
CAMPAIGNS := validation/campaigns
validate: $(VENV)/.installed-base ## Run all cases in full and write the tables that are committed in validation/reports.
	@for repetition in 0 1 2; do \
	  status=0; $(BIN)/rmt-spikes validate --all --repetition $$repetition \
	    --out $(CAMPAIGNS)/repetition-$$repetition || status=$$?; \
	  test $$status -eq 0 || test $$status -eq 1 || test $$status -eq 3 || exit $$status; \
	done
	@$(BIN)/python validation/results.py $(CAMPAIGNS)/repetition-0 $(CAMPAIGNS)/repetition-1 $(CAMPAIGNS)/repetition-2

calibration: $(VENV)/.installed-base ## How often the verdicts of the cases would be wrong, on the trials of repetition 0.
	$(BIN)/python validation/calibration.py --campaign $(CAMPAIGNS)/repetition-0
	$(BIN)/python validation/results.py

test: $(VENV)/.installed-test ## Run the tests, the benchmarks once each among them.
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

thorough: $(VENV)/.installed-test ## Run all tests, the longest as well that `make test` leaves out.
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --thorough

lint: $(VENV)/.installed-test ## Check style, imports between rooms, and types.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(VENV)/.installed-test ## Put the code into the project's format.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/.installed-docs ## Build the documentation into docs/_build/html.
	$(BIN)/python -m sphinx -j auto -W --keep-going -E -q -b html docs docs/_build/html
	@echo "Documentation: $(abspath docs/_build/html/index.html)"

bench: $(VENV)/.installed-bench ## Measure the speed of predictions and simulations.
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/ratios.py
	$(BIN)/python benchmarks/simulation_ratios.py
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/simulation_ratios.py
	$(BIN)/python benchmarks/simulation_scaling.py
	$(BIN)/python benchmarks/simulation_scaling.py --tall
	$(BIN)/python benchmarks/simulation_scaling.py --large
	$(BIN)/python benchmarks/spread_cost.py
	$(BIN)/python benchmarks/precision_errors.py
	OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/random_settings.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/campaign.py
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only

clean: ## Remove what the other targets made, the installation included.
	rm -rf $(VENV) report docs/_build docs/derivations build dist .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache

# `make X` first checks that there is an interpreter to work with, and says so when there is none.
$(BIN)/python:
	@command -v '$(PYTHON)' >/dev/null || { \
	  echo "'$(PYTHON)' was not found: install Python 3.11 or newer, or name one: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, '$(PYTHON)' is $$('$(PYTHON)' -V 2>&1): name another: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Setting up $(VENV) (once)"
	@'$(PYTHON)' -m venv --clear $(VENV)

# Stamps, one for each set of extras: what is installed is as new as what pyproject.toml asks for. Modules are
# compiled when they are first imported: compiling all of them is half of the time of an installation.
$(VENV)/.installed-base: pyproject.toml | $(BIN)/python
	@echo "Installing rmt-spikes into $(VENV)"
	@$(PIP) install --no-compile --editable '.[explore]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed-base
	@echo "Installing the test and lint tools into $(VENV)"
	@$(PIP) install --no-compile --editable '.[test]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-test
	@echo "Installing the peers that are compared with into $(VENV)"
	@$(PIP) install --no-compile --editable '.[test,bench]'
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed-base
	@echo "Installing the documentation tools into $(VENV)"
	@$(PIP) install --no-compile --editable '.[docs]'
	@touch $@
