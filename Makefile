# Every target uses .venv in this folder, made once and made again when pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint format typecheck bench docs load broken-cifs chaos million image-check

demo: $(STAMP)
	$(BIN)/braggle demo

test: $(STAMP)
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/braggle bench speed

# Minutes under load, over the bundled library; writes benchmarks/load.json.
load: $(STAMP)
	$(BIN)/python -m pip install --quiet --editable '.[load]'
	test -d demo/library || $(BIN)/braggle demo
	$(BIN)/python -m benchmarks.load demo/library

# Half an hour of broken CIFs; writes benchmarks/broken-cifs.json.
broken-cifs: $(STAMP)
	$(BIN)/python -m benchmarks.broken_cifs

# Hours: a library of ENTRIES made-up crystals, built, added to, maintained and searched; writes
# benchmarks/million.json. Cut off, it goes on when it is asked for again.
ENTRIES ?= 1000000
million: $(STAMP)
	$(BIN)/python -m benchmarks.million --entries $(ENTRIES)

# Rounds in which a writer is killed while others read; writes benchmarks/chaos.json.
ROUNDS ?= 200
SEED ?= 1
chaos: $(STAMP)
	$(BIN)/python -m benchmarks.chaos --rounds $(ROUNDS) --seed $(SEED)

# What the image does, in a new environment: installs, and looks whether all is there. Of torch the
# release that everyone tests with, whatever is the newest.
image-check:
	rm -rf build/image
	PIP_CONSTRAINT=$(CURDIR)/.ci/tested.txt .ci/install $(CURDIR)/build/image
	cd build && image/bin/braggle doctor

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Braggle needs Python 3.11 or later; name one with PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
