# Training as an image; build it from the repository's root:
#   docker build -f deploy/training.Dockerfile .
# Without a network: wheels in wheelhouse/ and --build-arg PIP_NO_INDEX=1 (docs/containers.md).
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_NO_INDEX
ARG PIP_INDEX_URL
ENV PIP_NO_INDEX=$PIP_NO_INDEX PIP_INDEX_URL=$PIP_INDEX_URL \
    PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_VIRTUALENV=1
WORKDIR /src
# wheelhouse/ may be absent: what has a wildcard may match nothing.
COPY requirements/build.txt wheelhouse/build* wheels/
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --find-links wheels -r wheels/build.txt
COPY requirements/training.txt wheelhouse/training* wheels/
RUN python3 -m venv --without-pip /opt/vitrine \
    && /opt/build/bin/pip --python /opt/vitrine install --no-compile \
        --require-hashes --find-links wheels -r wheels/training.txt
COPY client client
COPY training/pyproject.toml training/pyproject.toml
COPY training/vitrine_training training/vitrine_training
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /members ./client ./training \
    && /opt/build/bin/pip --python /opt/vitrine install --no-compile --no-deps /members/*.whl \
    && HOME=/tmp /opt/vitrine/bin/python3 -c "import vitrine_training.cli.train, vitrine_training.run" \
    && mkdir --parents /writable/cache /writable/models \
    && chmod 1777 /writable/*

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/vitrine /opt/vitrine
# Whoever runs it may write there: it runs as the user whom the models are to belong to.
COPY --from=build /writable /
ENV PATH=/opt/vitrine/bin:$PATH LANG=C.UTF-8 HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VITRINE_CACHE_DIR=/cache VITRINE_MODELS_DIR=/models MPLCONFIGDIR=/tmp
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["vitrine-train"]
CMD ["train"]
