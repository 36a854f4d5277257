# Every target makes and uses its own virtual environment, .venv; `make PYTHON=python3.12 test` picks another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check format bench gpu fuzz clean

demo: $(VENV)/.base  ## fill a packaged photo: writes out/demo.png
	$(BIN)/gi-plugin demo --output out/demo.png

test: $(VENV)/.dev  ## all tests, the slow ones too, in two processes
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: $(VENV)/.dev  ## lint, format, types (of the installed wheel)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/wheel build/typed
	$(BIN)/python -m build --no-isolation --wheel --outdir build/wheel .
	$(BIN)/python -m pip install --quiet --no-deps --target build/typed build/wheel/*.whl
	cd build/typed && MYPYPATH=. ../../$(BIN)/mypy --config-file ../../pyproject.toml -p gi_plugin

format: $(VENV)/.dev  ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## latency of one window on every engine that runs here
	$(BIN)/gi-plugin bench

gpu: $(VENV)/.dev  ## check and time everything on this machine's CUDA GPU: writes docs/results/gpu-<name>.json
	$(BIN)/python -m pytest tests/engines
	$(BIN)/gi-plugin gpu --output docs/results

fuzz: $(VENV)/.fuzz  ## a million inputs for everything that reads files, arrays and settings: about a quarter of an hour
	for target in picture arrays settings sidecar; do $(BIN)/python tests/fuzz/fuzz.py $$target || exit 1; done

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist out *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) torch
	$(INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.base

$(VENV)/.fuzz: $(VENV)/.dev
	$(INSTALL) --editable '.[fuzz]'
	touch $@
