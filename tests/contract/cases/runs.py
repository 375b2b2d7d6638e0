"""Cases of runs that are the same call in another shape: parts of the outputs and several
signatures in batches, and tensors of many dimensions."""

from grpc import StatusCode

from tests.contract.case import Case, Fails, Grpc
from tests.contract.cases.batching import ROWS, TOO_MANY
from tests.contract.cases.life import one
from tests.contract.messages import example, examples, infer, listed, predict, predicted, spec, task

INVALID = StatusCode.INVALID_ARGUMENT
DEFAULT_QUEUE = "not seen; batching_session.cc: what no signature declares has a queue of its own"
RANK = "not seen; tensor_shape.h MaxDimensions: 254"


def _deep(rank: int) -> Grpc:
    """A call to echo a tensor of one value."""
    return Grpc("Predict", predict(spec("echo", "float32"), x=listed([1.5], shape=[1] * rank)))


CASES = [
    *(
        Case(
            f"predict: a tensor of {rank} dimensions",
            _deep(rank),
            predicted(spec("echo", "float32", version=1), y=listed([1.5], shape=[1] * rank)),
            RANK,
        )
        for rank in (64, 65, 254)
    ),
    Case(
        "predict: a tensor of 255 dimensions",
        _deep(255),
        Fails(INVALID, "tensor parsing error: x"),
        RANK,
    ),
]

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
