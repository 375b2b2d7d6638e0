# Two images; build them from the repository's root:
#   docker build -f deploy/serving.Dockerfile --target gateway .        no TensorFlow in it
#   docker build -f deploy/serving.Dockerfile --target model-server .   the embedded model server
# Without a network: wheels in wheelhouse/ and --build-arg PIP_NO_INDEX=1 (docs/containers.md).
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# What builds, and stays behind: pip, the build backend, the wheels.
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

FROM build AS members
COPY client client
COPY serving/pyproject.toml serving/pyproject.toml
COPY serving/vitrine_serving serving/vitrine_serving
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /members ./client ./serving

# The environments have no pip, and no bytecode but of what is imported in them.
FROM build AS gateway-environment
COPY requirements/gateway.txt wheelhouse/gateway* wheels/
RUN python3 -m venv --without-pip /opt/vitrine \
    && /opt/build/bin/pip --python /opt/vitrine install --no-compile \
        --require-hashes --find-links wheels -r wheels/gateway.txt
COPY --from=members /members /members
RUN /opt/build/bin/pip --python /opt/vitrine install --no-compile --no-deps /members/*.whl
COPY deploy/runtime_root.py .
RUN python3 runtime_root.py /opt/vitrine /image

FROM scratch AS gateway
COPY --from=gateway-environment /image /
# Shows that nothing is missing, and leaves the bytecode of what is used.
RUN ["/opt/vitrine/bin/python3", "-c", \
    "import vitrine_serving.gateway.server.master, vitrine_serving.gateway.server.worker, vitrine_serving.gateway_process, vitrine_serving.cli; from vitrine_serving.gateway.application import create_app; create_app()"]
ENV PATH=/opt/vitrine/bin LANG=C.UTF-8 HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VITRINE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["python3", "-c", \
    "import urllib.request as http; from vitrine_client.process.addresses import gateway_url; http.build_opener(http.ProxyHandler({})).open(f'{gateway_url()}/healthz', timeout=2)"]
ENTRYPOINT ["vitrine-serve", "gateway"]

FROM build AS model-server-environment
COPY requirements/model-server.txt wheelhouse/model-server* wheels/
RUN python3 -m venv --without-pip /opt/vitrine \
    && /opt/build/bin/pip --python /opt/vitrine install --no-compile \
        --require-hashes --find-links wheels -r wheels/model-server.txt
COPY --from=members /members /members
RUN /opt/build/bin/pip --python /opt/vitrine install --no-compile --no-deps /members/*.whl \
    && HOME=/tmp /opt/vitrine/bin/python3 -c \
        "import vitrine_serving.model_server.__main__, vitrine_serving.model_server.server"

FROM ${PYTHON_IMAGE} AS model-server
COPY --from=model-server-environment /opt/vitrine /opt/vitrine
ENV PATH=/opt/vitrine/bin:$PATH LANG=C.UTF-8 HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8500 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s CMD ["python3", "-c", \
    "import socket; [socket.create_connection(('127.0.0.1', port), 2).close() for port in (8500, 8501)]"]
ENTRYPOINT ["vitrine-model-server", "--bind_address=0.0.0.0"]
CMD ["--model_config_file=/config/models.config"]
