"""Cases of runs in batches: parts of the outputs, and several signatures."""

from grpc import StatusCode

from tests.contract.case import Case, Fails, Grpc
from tests.contract.cases.batching import ROWS, TOO_MANY
from tests.contract.cases.life import one
from tests.contract.messages import example, examples, infer, listed, predict, spec, task

INVALID = StatusCode.INVALID_ARGUMENT
DEFAULT_QUEUE = "not seen; batching_session.cc: what no signature declares has a queue of its own"

CHANGING = [
    Case(
        "batching: too many rows for a part of the outputs",
        Grpc(
            "Predict",
            predict(
                spec("pairs", "pair"),
                outputs=["product"],
                a=ROWS,
                b=listed([1] * len(ROWS), "int32"),
            ),
        ),
        Fails(INVALID, TOO_MANY),
        DEFAULT_QUEUE,
        one("pairs", "echo"),
    ),
    Case(
        "batching: too many examples for two signatures",
        Grpc(
            "MultiInference",
            infer(
                task("regress_x_to_y", name="twofold"),
                task("classify_both", name="twofold"),
                given=examples(*(example(x=row) for row in ROWS)),
            ),
        ),
        Fails(INVALID, TOO_MANY),
        DEFAULT_QUEUE,
        one("twofold"),
    ),
]
