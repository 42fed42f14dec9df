# What a person types. A machine needs Python 3.11 to 3.13 and make; everything else goes into .venv.
#
#   make demo                     the first thing to do
#   make test PYTHON=python3.12   with another interpreter
#   make acceptance COUNT=10000 SEED=1    hours of attacks in place of minutes

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
TOOL := $(VENV)/release/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
COUNT ?= 300
SEED ?= 0
BENCHMARKS := losses agreement retrieval step inputs features embed archive mixed canonical
LOCK := $(VENV)/bin/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --constraint $(VENV)/installed.txt \
	--custom-compile-command "make lock"
# One thread for each of two workers: small tensors gain nothing from more, and two workers would fight over cores.
# Whoever is done takes over tests from the end of the other's half: neighbours share what a module sets up.
PYTEST := OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist worksteal

.PHONY: help demo test check bench docs release-check acceptance browser orthanc hub lock clean
.NOTPARALLEL:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed  ## train three arms on generated studies, compare them, write runs/demo/report.html
	$(RUN) -m closegap demo --out runs/demo
	@echo "Open runs/demo/report.html in a browser."

test: $(VENV)/.installed-dev  ## run the tests, but for attacks
	$(PYTEST) --ignore=tests/acceptance

check: $(VENV)/.installed-dev  ## format, lint, types, import rules, all tests: what a change must pass
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(PYTEST)

bench: $(VENV)/.installed-dev  ## run the benchmarks, one after the other; tables and JSON go to runs/bench
	@$(PIP) --editable '.[bench]'
	@set -e; for name in $(BENCHMARKS); do echo "benchmarks/$$name.py"; $(RUN) benchmarks/$$name.py; done

acceptance: $(VENV)/.installed-dev  ## attack the command line: COUNT malformed inputs, kills, full disks, drawn from SEED
	@status=0; export OMP_NUM_THREADS=1 CLOSEGAP_STATE_EXAMPLES=$$(($(COUNT) / 30)); \
	$(RUN) -m acceptance --count $(COUNT) --seed $(SEED) || status=1; \
	$(RUN) -m pytest tests/acceptance || status=1; exit $$status

docs: $(VENV)/.installed-dev  ## build the documentation as a site, in site/, and look at it; needs no network
	@$(PIP) --editable '.[docs]'
	OMP_NUM_THREADS=1 NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet
	OMP_NUM_THREADS=1 $(RUN) -m pytest tests/site
	@echo "Open site/index.html in a browser."

release-check: $(VENV)/.installed-dev  ## build what would be released, in dist/, and try it in environments of its own
	@$(RUN) -m venv $(VENV)/release
	@$(TOOL) -m pip install --quiet --disable-pip-version-check --requirement release/tools.txt
	$(TOOL) release/built.py dist
	$(TOOL) -m twine check --strict dist/*
	$(TOOL) release/resolved.py
	$(TOOL) release/alone.py dist $(VENV)/alone
	$(VENV)/release/bin/cyclonedx-py environment --output-reproducible --output-file dist/bom.json $(VENV)/alone/bin/python
	$(TOOL) release/licences.py dist/bom.json dist/licences.md
	$(TOOL) release/oldest.py $(VENV)/oldest

browser:  ## say whether the search page can be tested here, and how to install what is missing
	@command -v chromium >/dev/null && chromium --version 2>/dev/null || { \
		echo "no chromium: on Debian, apt-get install chromium; then make test looks at the page, too" >&2; exit 1; }

orthanc:  ## say whether archives from a PACS can be tested here, and how to install what is missing
	@PATH="$$PATH:/usr/sbin" command -v Orthanc >/dev/null && ls /usr/share/orthanc/plugins/libOrthancDicomWeb.so || { \
		echo "no Orthanc with DICOMweb: on Debian, apt-get install orthanc orthanc-dicomweb; then make test asks it, too" >&2; \
		exit 1; }

hub: $(VENV)/.installed-dev  ## set up a server of the Hugging Face hub's protocol, which make test then asks for models, too
	$(RUN) -m venv $(VENV)/hub
	$(VENV)/hub/bin/python -m pip install --quiet --disable-pip-version-check 'olah>=0.5.4'

lock: $(VENV)/.installed-dev  ## pin by digest, in requirements/, the versions that are installed and tested here
	@$(PIP) uv
	$(RUN) -m pip freeze --exclude-editable | grep -v ' @ ' >$(VENV)/installed.txt
	$(LOCK) --extra train --extra image --extra text --extra plots --extra caption --output-file requirements/run.txt
	$(LOCK) --extra dev --extra offline --output-file requirements/dev.txt

clean:  ## remove .venv and caches; runs stay
	rm -rf $(VENV) dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find src tests benchmarks acceptance -name __pycache__ -type d -prune -exec rm -rf {} +

# torch, torchvision and timm must be of one release: a single call to pip resolves them together. The stamps are the
# last thing written, so that an installation which was interrupted is done again.
$(VENV)/.installed: pyproject.toml
	@$(venv)
	@echo "Installing into $(VENV); the first time takes a few minutes."
	@$(PIP) --editable '.[train,image,text,plots]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml
	@$(venv)
	@echo "Installing into $(VENV); the first time takes a few minutes."
	@$(PIP) --editable '.[dev,offline]'
	@touch $@ $(VENV)/.installed

# A working .venv is kept; a half-made one is made anew.
define venv
$(RUN) -m pip --version >/dev/null 2>&1 || { \
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "closegap needs Python 3.11 to 3.13, $(PYTHON) is $$($(PYTHON) --version 2>&1); name one: make PYTHON=python3.12" >&2; \
		exit 1; }; \
	$(PYTHON) -m venv --clear $(VENV); }
endef
