# `make` lists the targets. Each creates what it needs; nothing has to be set up before.

PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
TRANSLATE := request cut contents blocks tools openapi repair partial calls grounding events schema unions shapes models catalog signatures stream response errors

.DEFAULT_GOAL := help
.PHONY: help run emulator demo test golden check format coverage clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/run: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: https://www.python.org/downloads/"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: .venv/run  ## serve on PROXY_LISTEN_ADDR, with PROXY_WORKERS processes
	$(BIN)/python -m proxy

emulator: .venv/run  ## a local Gemini on port 9000, for trying things without a key
	$(BIN)/functions-framework --source tests/emulator/main.py --target gemini --host 127.0.0.1 --port 9000

demo: .venv/run  ## a whole conversation without a key; DEMO_ONCE=1 ends after it
	$(BIN)/python tests/demo.py $(if $(DEMO_ONCE),--once)

test: .venv/dev  ## run the tests
	$(BIN)/pytest

golden: .venv/run  ## write the golden exchanges anew; `git diff` is the review
	$(BIN)/python tests/golden.py

format: .venv/dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: .venv/dev .venv-sam/done  ## everything that CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd tests/emulator && ../../$(BIN)/mypy --config-file ../../pyproject.toml .
	@$(MAKE) --no-print-directory coverage
	$(BIN)/pytest --cov --cov-report=term --cov-fail-under=100

coverage: .venv/dev  ## each module of translate/ is covered completely by its own test file
	@for module in $(TRANSLATE); do \
		$(BIN)/pytest -q --no-header -p no:cacheprovider tests/test_$$module.py \
			--cov=translate.$$module --cov-branch --cov-report=term-missing --cov-fail-under=100 \
			> .venv/coverage.log 2>&1 \
		|| { cat .venv/coverage.log; echo "translate/$$module.py: not covered by tests/test_$$module.py alone"; exit 1; }; \
	done; echo "translate/: every module is covered completely by its own test file"

clean:  ## remove what the other targets made
	rm -rf .venv .venv-sam .cache .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis build

# AWS Lambda

.PHONY: build lock emulate-lambda bench-cold

build: .venv/run  ## build/lambda.zip for AWS Lambda, the same file for arm64 and x86_64
	@$(BIN)/python deploy/build_lambda.py

lock: .venv/run  ## choose anew, from requirements.txt, the versions that the zip holds
	@$(BIN)/python deploy/lock_lambda.py

emulate-lambda: build  ## serve build/lambda.zip on port 9100 as AWS Lambda would
	$(BIN)/python -m tests.lambda_emulator

bench-cold: build .venv/dev  ## cold start and size of the zip beside those of a bare Flask app
	@$(BIN)/python -m tests.bench_cold

.venv-sam/done:
	$(PYTHON) -m venv --clear .venv-sam
	.venv-sam/bin/pip install --quiet --disable-pip-version-check 'aws-sam-cli>=1.140' cfn-lint
	@touch $@
