# `make book` and `make test` set up .venv from requirements.lock and do the rest.
#   PROFILE=embedded|open|paper   the data that the notebooks use (default: embedded)
#   JOBS=2                        notebooks that run at a time
#   PYTEST="-n 2 ..."             how the tests are spread
PYTHON ?= python3
VENV := .venv
PROFILE ?= embedded
JOBS ?= 2
PYTEST ?= -n 2
BIN := $(VENV)/bin
# compiled once and kept in .venv: where this is set, each of some thirty processes would compile torch anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: book test bench results lock clean

book: $(VENV)/.ready
	$(BIN)/gam book --profile $(PROFILE) --jobs $(JOBS)

test: $(VENV)/.ready
	$(BIN)/python -m pytest -q $(PYTEST)

# all measures of the performance page; BENCH=--publish makes them the page's own
bench: $(VENV)/.ready
	$(BIN)/python tests/benchmarks/run.py $(BENCH)

# the committed numbers in book/results: four networks, both profiles that need no data of your own
results: $(VENV)/.ready
	for profile in embedded open; do $(BIN)/gam results --profile $$profile --jobs $(JOBS) || exit 1; done

# exact versions for Linux and macOS and for every extra, without the address of any machine
lock: $(VENV)/.ready
	$(BIN)/uv pip compile --quiet --universal --all-extras --python-version 3.11 --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --generate-hashes --output-file requirements.lock pyproject.toml

clean:
	rm -rf _build

$(VENV)/.ready: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	awk '/^uv==/, !/\\$$/' requirements.lock > $(VENV)/uv.txt
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@
