# Everything here works with python3 (3.11 or newer, with venv), make and git, as root or not, in any folder.
# Recipes use relative paths only, so that a folder with a space in its name is no problem.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
PY := .venv/bin/python
UV := $(PY) -m uv --quiet
BABEL := $(PY) -m babel.messages.frontend --quiet

export UV_SYSTEM_CERTS := 1
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1

# ARGS goes to pytest: make test ARGS="tests/ledger -k floor"
ARGS ?=
# ONLY limits the bench to names that begin with it: make bench ONLY=ledger
ONLY ?=
# How much of the year `make year` plays: SHARE of a million sessions, the first DAYS of 365 days.
SHARE ?= 1
DAYS ?= 365

.PHONY: help setup demo run test check e2e bench year faults messages clean

help: ## show this list
	@echo "Liên Thông: the back office of one card for buses, metro and car parks."
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## make .venv with the locked packages (the other targets do it for you)
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=python3.12"; exit 1; }
	@made="$$($(PYTHON) -V) $$PWD"; \
	key="$$(cat requirements.lock requirements-uv.lock pyproject.toml | sha256sum) $$made"; \
	if [ "$$(cat .venv/.ready 2>/dev/null || true)" != "$$key" ]; then \
		$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
			|| { echo "Python's venv is missing. On Debian: apt-get install python3-venv"; exit 1; }; \
		echo "setup: installing the locked packages into .venv (once)"; \
		[ "$$(cat .venv/.made 2>/dev/null || true)" = "$$made" ] || $(PYTHON) -m venv --clear .venv; \
		printf '%s' "$$made" > .venv/.made; \
		$(PY) -m pip install --quiet --require-hashes --requirement requirements-uv.lock; \
		$(UV) pip sync --python $(PY) --require-hashes requirements.lock; \
		$(UV) pip install --python $(PY) --no-deps --no-build-isolation --editable .; \
		printf '%s' "$$key" > .venv/.ready; \
	fi

demo: setup ## play one Hanoi day, from taps to a settlement that proves itself
	@$(PY) -m demo

run: setup ## look at the day that `make demo` played, at http://127.0.0.1:8080/ (BIND=host:port for another)
	@test -e .lienthong/demo/.lienthong-demo || { echo "There is no day to look at yet: play one with \`make demo\`."; exit 1; }
	@$(PY) -m service serve --private .lienthong/demo $(if $(BIND),--bind $(BIND))

test: setup ## run all tests (real PostgreSQL and Redis from wheels; PREFER=debian for Debian's)
	@$(PY) -m pytest -n auto --maxprocesses=4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## lint, format, types, import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet .
	@$(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command as main; main()'

e2e: setup ## drive the pages in a real browser (Debian's chromium)
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "e2e: installing Debian's chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	fi
	@if command -v chromium >/dev/null; then \
		$(PY) -m pytest tests/e2e $(ARGS); \
	else \
		echo "######## e2e was SKIPPED: there is no chromium here and only root may install it (apt-get install chromium)"; \
	fi

bench: setup ## measure; writes bench/results.json (ONLY=prefix limits it)
	@$(PY) -m bench $(ONLY)

year: setup ## play a year of stays at 405 car parks and close every day (SHARE=0.01 of them, DAYS=31 only); may be stopped and resumed
	@$(PY) -m bench.year --share $(SHARE) --days $(DAYS)

faults: setup ## kill processes and servers again and again; nothing may be lost or doubled
	@LIENTHONG_TEST_FAULTS=full $(PY) -m pytest -m faults $(ARGS)

messages: setup ## collect the pages' texts and compile their translations
	@$(BABEL) extract --mapping-file service/translations/babel.cfg --no-location --sort-output --omit-header \
		--output-file service/translations/messages.pot service
	@$(BABEL) update --no-fuzzy-matching --ignore-obsolete --input-file service/translations/messages.pot \
		--output-dir service/translations --locale vi
	@$(BABEL) compile --directory service/translations

clean: ## remove .venv, caches and what the demo left
	@rm -rf .venv .lienthong .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache bench/results.json
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
