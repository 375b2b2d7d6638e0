#!/bin/sh
# Pins every requirement with its hashes, for all Pythons and systems that we support, and without
# naming an index: pip uses the one that it is configured with. `make lock` runs this; it needs uv.
# dev.txt has everything; the others are parts of it, for an image or an environment of its own.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || {
    echo 'No uv here: `pipx install uv` gets it, or https://docs.astral.sh/uv says how' >&2
    exit 1
}

lock() {
    output=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-package vitrine-client \
        "$@" --output-file "requirements/$output"
}

lock dev.txt client/pyproject.toml --extra async --extra loadtest --extra otel \
    serving/pyproject.toml --extra model-server --extra otel --extra uvloop \
    training/pyproject.toml --group pyproject.toml:dev
lock client.txt -c requirements/dev.txt client/pyproject.toml
lock gateway.txt -c requirements/dev.txt serving/pyproject.toml --extra otel --extra uvloop
lock model-server.txt -c requirements/dev.txt serving/pyproject.toml --extra model-server
lock training.txt -c requirements/dev.txt training/pyproject.toml
lock build.txt -c requirements/dev.txt --group pyproject.toml:build
lock samples.txt --group pyproject.toml:samples
lock clients.txt --group pyproject.toml:clients
lock perf-analyzer.txt --no-deps --group pyproject.toml:perf-analyzer
lock triton.txt --group pyproject.toml:triton
lock cluster.txt --group pyproject.toml:cluster

# newest.txt is dev.txt with the newest TensorFlow, which the members do not pin yet: `make
# test-newest`. grpcio-tools is left out, for which protobuf 7 is too new.
constraints=$(mktemp)
overrides=$(mktemp)
trap 'rm -f "$constraints" "$overrides"' EXIT
grep '^[a-z0-9]' requirements/dev.txt | sed 's/ \\$//' |
    grep -vE '^(tensorflow|tensorboard|h5py|protobuf|grpcio-)' >"$constraints"
cat >"$overrides" <<END
tensorflow==2.21.0
tensorflow-serving-api==2.21.0
grpcio-tools ; python_version < '3'
END
lock newest.txt -c "$constraints" --override "$overrides" \
    client/pyproject.toml --extra async --extra loadtest --extra otel \
    serving/pyproject.toml --extra model-server --extra otel --extra uvloop \
    training/pyproject.toml --group pyproject.toml:dev
