"""Cases of --enable_batching."""

from typing import Any

import grpc
from grpc import StatusCode

from tests.contract.case import Answer, Case, Fails, Grpc, Rest, found
from tests.contract.cases.life import one
from tests.contract.messages import listed, packed, predict, predicted, spec

INVALID = grpc.StatusCode.INVALID_ARGUMENT

ROWS = [float(row) for row in range(40)]
BATCHED = "batching_session.cc"
SIZES = "batching_util.h ComputeTensorBatchSize"


def _batched(name: str, call: Grpc | Rest, answer: Answer, source: str, kind: str = "echo") -> Case:
    model = name.replace(" ", "-").replace(",", "")
    if isinstance(call, Rest):
        call = Rest("POST", f"/v1/models/{model}:predict", call.body)
    else:
        call.request.model_spec.name = model
        if not isinstance(answer, Fails):
            answer.model_spec.name = model
    return Case(f"batching: {name}", call, answer, source, one(model, kind))


def _ask(signature: str = "", **inputs: Any) -> Grpc:
    return Grpc("Predict", predict(spec("", signature), **inputs))


TOO_MANY = "Task size 40 is larger than maximum input batch size 32"
CASES = [
    _batched(
        "three rows of a batch of eight",
        _ask(x=ROWS[:3]),
        predicted(spec("", "serving_default", version=1), y=ROWS[:3]),
        f"{BATCHED} SplitOutputTensors: the padding is not answered",
    ),
    _batched(
        "as many as there may be",
        _ask(x=ROWS[:32]),
        predicted(spec("", "serving_default", version=1), y=ROWS[:32]),
        f"{BATCHED} max_batch_size",
    ),
    _batched("too many rows", _ask(x=ROWS), Fails(INVALID, TOO_MANY), "seen on 2.19.1"),
    _batched(
        "too many rows over REST",
        Rest("POST", "", {"instances": ROWS}),
        Fails(400, TOO_MANY),
        "seen on 2.19.1",
    ),
    _batched(
        "a scalar",
        _ask(x=1.0),
        Fails(INVALID, "Batching Run() input tensors must have at least one dimension"),
        SIZES,
    ),
    _batched(
        "inputs of different lengths",
        _ask("pair", a=[1.0, 2.0], b=listed([1], "int32")),
        Fails(INVALID, "Batching Run() input tensors must have equal 0th-dimension size"),
        SIZES,
    ),
    _batched(
        "an output without a batch",
        _ask("total", x=[1.0, 2.0]),
        Fails(StatusCode.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions"),
        f"{BATCHED} SplitOutputTensors",
    ),
    _batched(
        "an output of another length",
        _ask("uneven", x=[1.0, 2.0]),
        Fails(
            StatusCode.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension "
            "sizes of the input tensors",
        ),
        f"{BATCHED} SplitOutputTensors",
    ),
    _batched(
        "a wrong shape",
        _ask(images=packed([[0.0]])),
        Fails(INVALID, found("the requested shape requires a multiple of 784")),
        f"{BATCHED} ProcessBatch: the kernel's error",
        "images",
    ),
    _batched(
        "a wrong dtype",
        _ask(images=packed([[0.0]], "float64")),
        Fails(INVALID, found(r"^Expects arg\[0\] to be float but double is provided")),
        f"seen on 2.19.1: the text; {BATCHED} ProcessBatch",
        "images",
    ),
    _batched(
        "no input",
        _ask("describe"),
        Fails(INVALID, "Batching Run() must have at least one input tensor"),
        SIZES,
        "images",
    ),
]
