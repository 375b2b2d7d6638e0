"""Table of the Open Inference Protocol: rows by topic, in the order in which it was asked."""

from tests.contract.open_inference.cases import (
    binary,
    bodies,
    grpc_requests,
    grpc_values,
    headers,
    health,
    inputs,
    management,
    metadata,
    models,
    numbers,
    outputs,
    parameters,
    paths,
    requests,
    streams,
    strings,
)
from tests.contract.open_inference.row import Row

TOPICS: dict[str, list[Row]] = {
    "health": health.ROWS,
    "metadata": metadata.ROWS,
    "addresses": paths.ROWS,
    "requests": requests.ROWS,
    "inputs": inputs.ROWS,
    "outputs": outputs.ROWS,
    "parameters": parameters.ROWS,
    "numbers": numbers.ROWS,
    "strings": strings.ROWS,
    "models": models.ROWS,
    "headers": headers.ROWS,
    "binary data": binary.ROWS,
    "bodies": bodies.ROWS,
    "gRPC: requests": grpc_requests.ROWS,
    "gRPC: values": grpc_values.ROWS,
    "gRPC: streams": streams.ROWS,
    "management": management.ROWS,
}
"""The rows by what they are about."""

ROWS = [row for rows in TOPICS.values() for row in rows]
