# `make demo` and `make test` need python3 (3.10 to 3.13) with pip and nothing else; everything they install goes into
# .venv-demo and .venv-test. What is tested is the wheel, installed there, never the checkout.
.DELETE_ON_ERROR:
# pip compiles every module of every library, most of which nobody imports, and takes a third of its time for it. Python
# compiles those that are imported, and keeps what it compiled, unless it is told not to.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo test lint types unit coverage bench wheel format upstream clean

PYTHON ?= python3
WORKERS ?= 2
DEMO_ENV := .venv-demo
TEST_ENV := .venv-test
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' pyiqa_pixelperfect/__init__.py)
WHEEL := dist/pyiqa_pixelperfect-$(VERSION)-py3-none-any.whl
SOURCES := $(shell find pyiqa_pixelperfect configs -type f -not -path '*/__pycache__/*') pyproject.toml README.md LICENSE
IN_TEST_ENV := $(CURDIR)/$(TEST_ENV)/bin

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(DEMO_ENV)/package.stamp  ## install the package and compare two versions of a photograph
	$(DEMO_ENV)/bin/python -I -m pyiqa_pixelperfect.demo --out $(CURDIR)/demo-output

test: lint types unit  ## build, install and check everything: what continuous integration runs

lint: $(TEST_ENV)/package.stamp  ## style, and who may import whom
	$(TEST_ENV)/bin/ruff check .
	$(TEST_ENV)/bin/ruff format --check .
	cd tests && $(IN_TEST_ENV)/lint-imports --no-cache --config ../pyproject.toml

types: $(TEST_ENV)/package.stamp  ## mypy --strict
	$(TEST_ENV)/bin/mypy

# From tests/, so that `import pyiqa_pixelperfect` cannot mean the checkout. One thread per process: torch would
# otherwise start as many as there are cores in each of the workers.
PYTEST = cd tests && OMP_NUM_THREADS=1 PIXELPERFECT_TEST_INSTALLED=1 PIXELPERFECT_TEST_WHEEL=$(CURDIR)/$(WHEEL) \
	$(IN_TEST_ENV)/pytest -p no:cacheprovider -n $(WORKERS) --dist loadfile

unit: $(TEST_ENV)/package.stamp
	$(PYTEST) .

coverage: $(TEST_ENV)/package.stamp  ## the tests again, with line and branch coverage
	$(PYTEST) --cov --cov-config=../pyproject.toml --cov-report=term --cov-report=html:../htmlcov .

bench: $(TEST_ENV)/package.stamp  ## the measurements of the README: make bench PHOTOS=folder of clean photos
	$(TEST_ENV)/bin/python -m benchmark antisymmetry
	$(TEST_ENV)/bin/python -m benchmark speed
ifdef PHOTOS
	$(TEST_ENV)/bin/python -m benchmark localization --photos $(PHOTOS)
	$(TEST_ENV)/bin/python -m benchmark ladders --photos $(PHOTOS)
endif

upstream: $(TEST_ENV)/package.stamp  ## pyiqa's own tests of our metrics: make upstream PYIQA=path/to/IQA-PyTorch
	$(TEST_ENV)/bin/python tests/upstream/run_pyiqa_tests.py $(PYIQA)

wheel: $(WHEEL)  ## build dist/*.whl

format:  ## rewrite the sources the way `make lint` wants them
	$(TEST_ENV)/bin/ruff check --fix .
	$(TEST_ENV)/bin/ruff format .

clean:  ## remove environments, builds and what the programs wrote
	rm -rf $(DEMO_ENV) $(TEST_ENV) dist build htmlcov demo-output

$(WHEEL): $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 10) <= sys.version_info < (3, 14) else "Python 3.10 to 3.13 is needed; say which with make PYTHON=...")'
	rm -rf dist
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

# Without python3-venv Debian's `python3 -m venv` stops at its last step; the host's pip can take that step.
define new_environment
	test -x $(1)/bin/pip || $(PYTHON) -m venv $(1) || $(PYTHON) -m pip --python $(1)/bin/python install pip
endef

$(DEMO_ENV)/package.stamp: $(WHEEL)
	$(call new_environment,$(DEMO_ENV))
	$(DEMO_ENV)/bin/python -m pip install --quiet --no-compile $(WHEEL)
	$(DEMO_ENV)/bin/python -m pip install --quiet --no-compile --no-deps --force-reinstall $(WHEEL)
	touch $@

# The dependencies are looked up again only when pyproject.toml changes; a changed source costs a second.
$(TEST_ENV)/dependencies.stamp: pyproject.toml | $(WHEEL)
	$(call new_environment,$(TEST_ENV))
	$(TEST_ENV)/bin/python -m pip install --quiet --no-compile "$(WHEEL)[dev,train,benchmark]"
	touch $@

$(TEST_ENV)/package.stamp: $(WHEEL) $(TEST_ENV)/dependencies.stamp
	$(TEST_ENV)/bin/python -m pip install --quiet --no-compile --no-deps --force-reinstall $(WHEEL)
	touch $@
