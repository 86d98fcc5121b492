# `make` lists the targets. Each creates what it needs; nothing has to be set up before.

PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run emulator demo demo-team test golden faults bench bench-team screenshots quick check check-all format hooks clean

help:  ## list the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

NEED_PYTHON = @test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: https://www.python.org/downloads/"; exit 1; }

.venv/run: requirements.txt
	$(NEED_PYTHON)
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: .venv/run  ## serve on PROXY_LISTEN_ADDR, with PROXY_WORKERS processes
	$(BIN)/python -m proxy

emulator: .venv/run  ## a local Gemini on port 9000, for trying things without a key
	$(BIN)/functions-framework --source tests/emulator/main.py --target gemini --host 127.0.0.1 --port 9000

demo: .venv/run  ## a whole conversation without a key; DEMO_ONCE=1 ends after it
	@$(BIN)/python tests/demo.py $(if $(DEMO_ONCE),--once)

demo-team: .venv/run  ## a team's server to click through, without a key or an account
	@$(BIN)/python tests/demo_team.py

test: .venv/dev  ## run the tests, or some: make test ARGS=tests/test_stream.py
	$(BIN)/pytest $(ARGS)

golden: .venv/run  ## write the golden exchanges anew, and add a RECORDING=folder; review: `git diff`
	$(BIN)/python tests/golden.py $(if $(RECORDING),'$(RECORDING)')

faults: .venv/run  ## every way Gemini can fail, and what a client gets: a table
	$(BIN)/python -m tests.faults

bench-team: .venv/dev  ## what counting a team's use costs, per store; needs Linux, Java, Firestore's emulator
	@$(BIN)/python -m tests.bench_team

bench: .venv/dev  ## three minutes: beside no server, LiteLLM and claude-code-router; WRITE=1 keeps it
	@$(BIN)/python -m benchmarks $(if $(WRITE),--write)

screenshots: .venv/dev  ## take the pictures in docs/ anew; needs Chromium
	$(BIN)/python -m tests.screenshots

format: .venv/dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

quick: .venv/dev  ## up to 4 minutes: format, lint, types, and the tests of one process
	@$(BIN)/python -m tests.check quick

check: .venv/dev  ## before a commit: the same with coverage, every fault, and a real client
	@$(BIN)/python -m tests.check check

check-all: .venv/dev  ## what CI runs: the clouds' tools, the zip, load, and more clients, too
	@$(BIN)/python -m tests.check check-all

hooks: .venv/dev  ## let git check each commit: format, lint, types, layers, message
	$(BIN)/pre-commit install

clean:  ## remove what the other targets made
	rm -rf .venv .venv-clients .venv-lock .venv-sam .cache .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis .serverless build *.egg-info

# The clients that tests/e2e/ tries beside Claude Code, each at one version.

.PHONY: raise-clients

# In a venv of their own: they need other versions of what the tests need, too.
.venv-clients/done: tests/e2e/clients/requirements.txt
	$(NEED_PYTHON)
	test -x .venv-clients/bin/pip || $(PYTHON) -m venv --clear .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# pydantic-ai-slim is pydantic-ai without the packages of other providers.
PYTHON_CLIENTS = anthropic claude-agent-sdk langchain-anthropic 'pydantic-ai-slim[anthropic]'
NODE_CLIENTS = @anthropic-ai/sdk @ai-sdk/anthropic ai zod

raise-clients:  ## pin the newest Claude Code, and the newest of each other client of tests/e2e/
	$(NEED_PYTHON)
	version=$$(npm view @anthropic-ai/claude-code version) && \
		sed -i.old "s/^NEWEST = .*/NEWEST = \"$$version\"/" tests/e2e/claude_code.py
	rm tests/e2e/claude_code.py.old
	npm install --prefix tests/e2e/clients --package-lock-only --omit-lockfile-registry-resolved \
		--save-exact $(NODE_CLIENTS:%=%@latest)
	$(PYTHON) -m venv --clear .venv-clients
	.venv-clients/bin/pip install --quiet --disable-pip-version-check $(PYTHON_CLIENTS)
	.venv-clients/bin/pip freeze > tests/e2e/clients/requirements.txt

# Hosting. What each line does, and what it costs: "Hosting" in README.md.
.PHONY: setup-gcp deploy-gcp rollback-gcp monitor-gcp setup-aws deploy-aws check-aws-args token rotate-gcp rotate-aws

.venv-sam/done:
	test -x .venv-sam/bin/pip || $(PYTHON) -m venv --clear .venv-sam
	.venv-sam/bin/pip install --quiet --disable-pip-version-check \
		'aws-sam-cli>=1.140,<2' 'cfn-lint>=1.20,<2' 'moto[server]>=5.1,<6'
	@touch $@

# $(call need,A B): stop, with a sentence, where A or B is not given to this target (or to another).
need = $(foreach name,$(1),$(if $($(name)),,$(error $(or $(2),$@) needs $(name)=...)))

# BACKEND=vertex uses Vertex AI with the service account's credentials: no Gemini key is needed.
BACKEND = developer
IS_VERTEX = $(filter vertex,$(BACKEND))
COMMA = ,
# What the service reads from Secret Manager. With `SECRETS=` it reads nothing, and every caller
# brings a Gemini key. The key is used for holders of PROXY_TOKEN only: the address is public.
SECRETS = $(if $(IS_VERTEX),,GEMINI_API_KEY=gemini-api-key:latest$(COMMA))PROXY_TOKEN=proxy-token:latest$(if $(TEAM),$(COMMA)PROXY_SECRET=proxy-secret:latest)
# On Vertex AI no caller can bring a key: without a token, all would be refused.
CLOSED = $(if $(IS_VERTEX),$(if $(findstring PROXY_TOKEN,$(SECRETS)),,$(error BACKEND=vertex needs PROXY_TOKEN in SECRETS)))
# TEAM=yes: access tokens for each person, by the plans in plans.toml.
TEAM =
PLANS = $(if $(TEAM),$(wildcard plans.toml))
# More settings, as in SETTINGS='GEMINI_SAFETY=OFF;GEMINI_FALLBACK_MODELS=gemini-3.8-flash,gemini-3.6-flash'
SETTINGS =
# STORE=firestore counts what a team uses in the database (default), collection COLLECTION.
STORE =
IS_FIRESTORE = $(if $(STORE),$(or $(filter firestore,$(STORE)),$(error STORE may be firestore, or nothing)))
COLLECTION = team
STORE_URL = firestore://$(PROJECT)/$(COLLECTION)
# Of the service: how large, and how many ("Sizing" in DEPLOYMENT.md).
MEMORY = 1Gi
INSTANCES = 5
ACCOUNT = gemini-messages@$(PROJECT).iam.gserviceaccount.com
APIS = iam run cloudbuild artifactregistry secretmanager $(if $(IS_VERTEX),aiplatform) $(IS_FIRESTORE)
PROJECT_NUMBER = $$(gcloud projects describe $(PROJECT) --format 'value(projectNumber)')
NEW_TOKEN = $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(32), end="")'

# $(call create-if-missing,how gcloud describes it,how it is created): what exists is left as it is.
create-if-missing = gcloud $(1) --project $(PROJECT) >/dev/null 2>&1 || { $(2) --project $(PROJECT); }

# $(call create-secret,its name,what prints its value): an empty value is an error, not a secret.
define create-secret
$(call create-if-missing,secrets describe $(1),value=$$($(2)) && test "$$value" && printf %s "$$value" | gcloud secrets create $(1) --data-file -)
gcloud secrets add-iam-policy-binding $(1) --project $(PROJECT) \
	--member serviceAccount:$(ACCOUNT) --role roles/secretmanager.secretAccessor
endef

# What is never searched for is not indexed: an account has one field for each of its counters.
# Rights on Firestore end at the database: no role is narrower that reads and writes documents.
define setup-firestore
$(call create-if-missing,firestore databases describe --database '(default)',gcloud firestore databases create --database '(default)' --type firestore-native --location $(REGION))
gcloud firestore fields ttls update expires --collection-group $(COLLECTION) --database '(default)' \
	--enable-ttl --async --project $(PROJECT)
gcloud firestore indexes fields update counters --collection-group $(COLLECTION) --database '(default)' \
	--disable-indexes --async --project $(PROJECT)
gcloud projects add-iam-policy-binding $(PROJECT) --condition None \
	--role roles/datastore.user --member serviceAccount:$(ACCOUNT)
endef

setup-gcp:  ## once per PROJECT: APIs, accounts and, from GEMINI_API_KEY, the secrets
	$(call need,PROJECT $(if $(findstring GEMINI_API_KEY,$(SECRETS)),GEMINI_API_KEY) $(if $(IS_FIRESTORE),REGION))$(CLOSED)
	$(NEED_PYTHON)
	gcloud services enable $(APIS:%=%.googleapis.com) --project $(PROJECT)
	gcloud projects add-iam-policy-binding $(PROJECT) --role roles/run.builder --condition None \
		--member serviceAccount:$(PROJECT_NUMBER)-compute@developer.gserviceaccount.com
	$(call create-if-missing,iam service-accounts describe $(ACCOUNT),gcloud iam service-accounts create gemini-messages)
	$(if $(IS_VERTEX),gcloud projects add-iam-policy-binding $(PROJECT) --condition None \
		--role roles/aiplatform.user --member serviceAccount:$(ACCOUNT))
	$(if $(findstring GEMINI_API_KEY,$(SECRETS)),$(call create-secret,gemini-api-key,printf %s "$$GEMINI_API_KEY"))
	$(if $(findstring PROXY_TOKEN,$(SECRETS)),$(call create-secret,proxy-token,$(NEW_TOKEN)))
	$(if $(findstring PROXY_SECRET,$(SECRETS)),$(call create-secret,proxy-secret,$(NEW_TOKEN)))
	$(if $(IS_FIRESTORE),$(setup-firestore))

deploy-gcp:  ## to Cloud Run: PROJECT=... REGION=..., after setup-gcp
	$(call need,PROJECT REGION)$(CLOSED)
	gcloud run deploy messages --source . --function messages --base-image python313 \
		--project $(PROJECT) --region $(REGION) --service-account $(ACCOUNT) \
		$(if $(SECRETS),--set-secrets $(SECRETS),--clear-secrets) \
		--set-env-vars '^;^THREADS=256$(if $(IS_VERTEX),;GEMINI_BACKEND=vertex)$(if $(IS_FIRESTORE),;PROXY_STORE=$(STORE_URL))$(if $(PLANS),;PROXY_PLANS=$(PLANS))$(if $(SETTINGS),;$(SETTINGS))' \
		--concurrency 250 --timeout 3600 --cpu 1 --memory $(MEMORY) --cpu-boost --execution-environment gen2 \
		--min-instances 0 --max-instances $(INSTANCES) --no-invoker-iam-check

# Metrics from the log are created or replaced; what reads them is left as it is once it is there.
MONITORING = deploy/monitoring
METRICS = $(notdir $(basename $(wildcard $(MONITORING)/metrics/*.yaml)))
ALERTS = $(wildcard $(MONITORING)/alerts/*.yaml)
# Who is told, as in CHANNEL=projects/my-project/notificationChannels/1234 (README: how it is made).
CHANNEL =

# $(call put-metric,its name)
define put-metric
gcloud logging metrics describe $(1) --project $(PROJECT) >/dev/null 2>&1 && verb=update || verb=create; \
	gcloud logging metrics $$verb $(1) --config-from-file $(MONITORING)/metrics/$(1).yaml --project $(PROJECT)

endef

# $(call create-alert,its file)
define create-alert
	gcloud alpha monitoring policies create --policy-from-file $(1) $(if $(CHANNEL),--notification-channels $(CHANNEL)) --project $(PROJECT) &&
endef

monitor-gcp:  ## metrics from the log, alerts and a dashboard: PROJECT=... (CHANNEL=...)
	$(call need,PROJECT)
	$(foreach metric,$(METRICS),$(call put-metric,$(metric)))
	found=$$(gcloud alpha monitoring policies list --filter 'userLabels.app=gemini-messages' \
		--format 'value(name)' --project $(PROJECT)) && { test "$$found" || { \
		$(foreach alert,$(ALERTS),$(call create-alert,$(alert))) true; }; }
	found=$$(gcloud monitoring dashboards list --filter 'displayName=gemini-messages' \
		--format 'value(name)' --project $(PROJECT)) && { test "$$found" || \
		gcloud monitoring dashboards create --config-from-file $(MONITORING)/dashboard.yaml --project $(PROJECT); }

# The one before the newest; a --limit would cut before it sorts. Later deployments get no traffic
# until REVISION=LATEST.
PREVIOUS = names=$$(gcloud run revisions list --service messages --sort-by '~metadata.creationTimestamp' \
	--format 'value(metadata.name)' --project $(PROJECT) --region $(REGION)) && printf '%s\n' "$$names" | sed -n 2p
REVISION =

rollback-gcp:  ## back to the revision before, or to REVISION=...: PROJECT=... REGION=...
	$(call need,PROJECT REGION)
	@revision=$(or $(REVISION),$$($(PREVIOUS))) && \
	{ test "$$revision" || { echo 'There is no revision before.'; exit 1; }; } && \
	gcloud run services update-traffic messages --to-revisions "$$revision=100" \
		--project $(PROJECT) --region $(REGION)

# One secret holds all of them, so that there is one to rotate.
NEW_SECRET = $(PYTHON) -c 'import json, os, secrets; new = lambda: secrets.token_urlsafe(32); \
	print(json.dumps({"GEMINI_API_KEY": os.environ["GEMINI_API_KEY"], "PROXY_TOKEN": new()$(if $(TEAM),$(COMMA) "PROXY_SECRET": new())}))'
# More parameters of template.yaml, as in PARAMETERS='GeminiSafety=OFF OpusModel=""'
PARAMETERS =
# A new one with each deployment, so that no instance goes on with an old secret.
NOW = $(shell date -u +%Y-%m-%dT%H:%M:%SZ)

setup-aws:  ## once per REGION: the secret, from GEMINI_API_KEY; prints its SECRET_ARN
	$(call need,REGION GEMINI_API_KEY)
	$(NEED_PYTHON)
	secret=$$($(NEW_SECRET)) && printf %s "$$secret" | aws secretsmanager create-secret --region $(REGION) --name gemini-messages \
		--secret-string file:///dev/stdin --query ARN --output text

check-aws-args:
	$(call need,REGION,deploy-aws)
	$(if $(filter undefined,$(origin SECRET_ARN)),$(error deploy-aws needs SECRET_ARN=...))

deploy-aws: check-aws-args build .venv-sam/done  ## to Lambda: REGION=... SECRET_ARN=... (or SECRET_ARN= for no secret)
	.venv-sam/bin/sam deploy --template-file template.yaml --stack-name gemini-messages \
		--region $(REGION) --resolve-s3 --capabilities CAPABILITY_IAM \
		--no-confirm-changeset --on-failure DELETE \
		--parameter-overrides 'SecretArn="$(SECRET_ARN)" Deployed=$(NOW) $(PLANS:%=Plans=%) $(PARAMETERS)'

# What signs a team's access tokens: on Google Cloud a secret of its own, on AWS a field of the one that
# there is. It goes from the cloud's tool through the shell into the environment of one command.
SECRET_FIELD = import json, sys; held = sys.stdin.read(); \
	print(json.loads(held).get("PROXY_SECRET", "") if held[:1] == "{" else "")
GCP_SECRET = gcloud secrets versions access latest --secret proxy-secret --project $(PROJECT)
AWS_SECRET = aws secretsmanager get-secret-value --region $(REGION) --secret-id gemini-messages \
	--query SecretString --output text
PLAN = standard

token: .venv/run  ## print an access token, once: PROJECT=... or REGION=... (AWS), NAME=alice
	$(call need,NAME)$(if $(PROJECT)$(REGION),,$(error token needs PROJECT=... or REGION=...))
	@$(if $(PROJECT),secret=$$($(GCP_SECRET)),held=$$($(AWS_SECRET)) && \
		secret=$$(printf %s "$$held" | $(BIN)/python -c '$(SECRET_FIELD)')) && \
	PROXY_SECRET="$$secret" $(BIN)/python -m proxy token create --person '$(NAME)' --plan '$(PLAN)' \
		$(if $(GROUP),--group '$(GROUP)') $(if $(DAYS),--days '$(DAYS)')

# SECRET=GEMINI_API_KEY puts the one of the environment before the old one, PROXY_SECRET a new one;
# with DROP=yes the newest stays alone. PROXY_TOKEN is replaced. See "Secrets" in DEPLOYMENT.md.
SECRET =
DROP =
NEXT = $(PYTHON) deploy/rotate.py $(SECRET) $(DROP:%=--drop)
GCP_NAME = $(shell echo $(SECRET) | tr A-Z_ a-z-)

rotate-gcp:  ## a new value of SECRET=...: PROJECT=..., DROP=yes leaves it alone; then deploy
	$(call need,PROJECT SECRET)
	$(NEED_PYTHON)
	@held=$$(gcloud secrets versions access latest --secret $(GCP_NAME) --project $(PROJECT)) && \
	next=$$(printf %s "$$held" | $(NEXT)) && \
	printf %s "$$next" | gcloud secrets versions add $(GCP_NAME) --data-file - --project $(PROJECT)

rotate-aws:  ## the same on AWS: REGION=... SECRET=..., DROP=yes
	$(call need,REGION SECRET)
	$(NEED_PYTHON)
	@held=$$($(AWS_SECRET)) && next=$$(printf %s "$$held" | $(NEXT) --field) && \
	printf %s "$$next" | aws secretsmanager put-secret-value --region $(REGION) --secret-id gemini-messages \
		--secret-string file:///dev/stdin --query VersionId --output text

# AWS Lambda

.PHONY: build lock audit emulate-lambda bench-cold

build: .venv/run  ## build/lambda.zip for AWS Lambda, the same file for arm64 and x86_64, and its SBOM
	@$(BIN)/python deploy/build_lambda.py

# Every file that a version has on the index, so that the lock fits each platform and Python.
UV_COMPILE = .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make lock'

lock: .venv-lock/done .venv/run  ## choose anew, from requirements.in, the versions that are installed
	$(UV_COMPILE) requirements.in --output-file requirements.txt
	$(UV_COMPILE) --constraint requirements.txt requirements-otlp.in --output-file requirements-otlp.txt
	@$(BIN)/python deploy/lock_lambda.py

audit: .venv-lock/done  ## look for known vulnerabilities of the locked versions; needs the network
	@.venv-lock/bin/python deploy/audit.py .venv-lock/bin/pip-audit

.venv-lock/done:
	$(NEED_PYTHON)
	test -x .venv-lock/bin/pip || $(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1' 'pip-audit>=2.9,<3'
	@touch $@

emulate-lambda: build  ## serve build/lambda.zip on port 9100 as AWS Lambda would
	$(BIN)/python -m tests.lambda_emulator

bench-cold: build .venv/dev  ## cold start and size of the zip beside those of a bare Flask app
	@$(BIN)/python -m tests.bench_cold
