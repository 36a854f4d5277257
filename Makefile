# Every target makes and uses its own virtual environment, .venv; `make PYTHON=python3.12 test` picks another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PLATFORMS := manylinux2014_x86_64 manylinux2014_aarch64 musllinux_1_2_x86_64 macosx_11_0_x86_64 macosx_11_0_arm64 win_amd64 win_arm64

MINUTES ?= 9
PART_MB ?= 64
OUT ?= runs/gpu

.PHONY: demo test check format docs bench gpu gpu-train fuzz native cross clean

demo: $(VENV)/.base $(VENV)/.native  ## fill a packaged photo: writes out/demo.png
	$(BIN)/gi-plugin demo --output out/demo.png

test: $(VENV)/.dev $(VENV)/.native  ## all tests, the slow ones too, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/.dev  ## lint, format, types (of the installed wheel)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/wheel build/typed
	GI_PLUGIN_COMPILER=none $(BIN)/python -m build --no-isolation --wheel --outdir build/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --target build/typed build/wheel/*.whl
	cd build/typed && MYPYPATH=.:../.. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p gi_plugin -p website
	$(BIN)/mypy building

format: $(VENV)/.dev  ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev $(VENV)/.native  ## the documentation as a site, with every link checked: writes build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(VENV)/.dev $(VENV)/.native  ## latency of one window on every engine that runs here
	$(BIN)/gi-plugin bench

gpu: $(VENV)/.dev $(VENV)/.native  ## check and time everything on this machine's CUDA GPU: writes docs/results/gpu-<name>.json
	$(BIN)/gi-plugin gpu --output docs/results
	$(BIN)/python -m pytest tests/engines

# DATA=… pictures; START=… network or earlier session; SET="batch=16 crop=192" settings; TRY=--cpu without a GPU
gpu-train:  ## train on a rented GPU for MINUTES, with the packages that PYTHON has: state in parts, JSON and pictures in OUT
	$(if $(DATA),,$(error give DATA=folder, shard or list of pictures))
	$(PYTHON) -m building.source_tree build/source
	PYTHONPATH=build/source $(PYTHON) -m gi_plugin gpu-train --data "$(DATA)" --minutes $(MINUTES) --part-mb $(PART_MB) --output "$(OUT)" \
		$(if $(START),--start "$(START)") $(addprefix --set ,$(SET)) $(TRY)

fuzz: $(VENV)/.fuzz $(VENV)/.native  ## well over a million inputs for everything that reads files, arrays and settings: about a quarter of an hour
	for target in picture metadata arrays settings sidecar; do $(BIN)/python tests/fuzz/fuzz.py $$target || exit 1; done

native: $(VENV)/.dev $(VENV)/.native  ## compile the C code anew if it has changed

cross: $(VENV)/.dev  ## compile the C code for every platform with zig (a download of 100 MB): writes build/cross
	$(INSTALL) ziglang
	GI_PLUGIN_COMPILER=zig $(BIN)/python -m building.compiling build/cross $(PLATFORMS)

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist out *.egg-info gi_plugin/transfer/_inner.*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	touch $@ $(VENV)/.native

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) torch
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.base $(VENV)/.native

$(VENV)/.fuzz: $(VENV)/.dev
	$(INSTALL) --editable '.[fuzz]'
	touch $@

# an editable installation compiles, too, but only once
$(VENV)/.native: $(wildcard gi_plugin/transfer/*.[ch] building/*.py) | $(VENV)/bin/python
	$(BIN)/python -m building.compiling
	touch $@
