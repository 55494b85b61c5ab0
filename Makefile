# make demo   asks a model, through a cold boot: the real service if REPLICATE_API_KEY is set
# make test   what every change must pass, in two minutes; what fails beside the others is tried once more, alone
# make test-integrations   the same against other people's programs: agents, Ray, LangChain, schemathesis; a minute
# make test-slow   what takes minutes: long fault campaigns, thousands of calls, a soak, a thousand examples of all
# make mutants [PART=...]   small changes to the code that no test notices; by hand, minutes a part
# make test-oldest   all tests with the oldest versions of everything that pyproject.toml allows
# make bench  every client side by side, into benchmarks/results/ (half an hour)
# make docs   the documentation, into site/
# make lint   formatting, lints and types alone
# make pytest [TESTS=...]   the tests alone, or some of them

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
OLDEST := $(VENV)/oldest
BENCHABLE := $(VENV)/.benchable
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Tests and benchmarks start hundreds of processes; without this each might compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test pytest test-integrations test-slow test-oldest mutants bench bench-quick docs lint format clean

demo: $(INSTALLED)
	@$(BIN)/areplicate demo

# The types are checked beside the tests: one of those is often waiting.
test: $(TESTABLE)
	$(MAKE) --no-print-directory --jobs 2 lint pytest

pytest: $(TESTABLE)
	$(BIN)/pytest --processes auto -rs $(TESTS) || $(BIN)/pytest -rs --last-failed --last-failed-no-failures none $(TESTS)

test-integrations: $(TESTABLE)
	$(MAKE) --no-print-directory pytest TESTS="-m 'integration and not slow'"

test-slow: $(TESTABLE)
	$(BIN)/pytest --processes auto -m 'slow or hypothesis' --hypothesis-profile thorough

test-oldest: $(TESTABLE)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(OLDEST)
	$(BIN)/uv pip install --quiet --resolution lowest-direct --python $(OLDEST)/bin/python -e '.[test]'
	$(OLDEST)/bin/pytest --processes auto -rs -m "not slow"

mutants: $(TESTABLE)
	$(PIP) install -e '.[mutants]'
	$(BIN)/python scripts/mutants.py $(PART)

bench: $(BENCHABLE)
	$(BIN)/python -m benchmarks

bench-quick: $(TESTABLE)
	$(BIN)/python -m benchmarks --quick

docs: $(TESTABLE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: $(TESTABLE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TESTABLE)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(BIN)/python pyproject.toml
	$(PIP) install -e '.[cli]'
	@touch $@

# Two hundred packages: uv takes a third of pip's time for them; pip steps in if uv finds no index.
# All is compiled here, the tests too, and Hypothesis makes its tables of characters for the first of its tests: else
# each of the processes that run the tests would, all at the same time. Mypy reads the packages' types, which takes most
# of its time, and keeps what it found; what it finds wrong is told by `make lint`.
$(TESTABLE): $(BIN)/python pyproject.toml
	$(PIP) install uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[test]' || $(PIP) install -e '.[test]'
	$(BIN)/pytest -k test_no_format_loses_text
	$(BIN)/mypy > /dev/null || true
	$(BIN)/python -m tests.gateway.postgres
	@touch $@ $(INSTALLED)

$(BENCHABLE): $(BIN)/python pyproject.toml
	$(PIP) install -e '.[bench]'
	@touch $@ $(INSTALLED)
