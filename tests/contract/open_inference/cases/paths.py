"""Rows of addresses and methods of HTTP that are none, or none of the protocol's."""

from tests.contract.open_inference.answers import Answer, Says, anything, refused
from tests.contract.open_inference.calls import Call, body, get, images, post
from tests.contract.open_inference.row import Row

NOT_FOUND = refused(404)
NOT_ALLOWED = refused(405)
OURS = "the gateway has a page of its own there"
GENERATES = "models here have tensors for inputs and outputs; none generates text"
HEAD = "HEAD goes wherever GET does"


class _Status(Says):
    """Any body at all: these addresses are not the protocol's."""

    def __init__(self, status: int) -> None:
        super().__init__(anything)
        object.__setattr__(self, "status", status)


def _below(path: str, answer: Answer = NOT_FOUND) -> tuple[Call, Answer]:
    return get(path), answer


ELSEWHERE = _Status(404)

ROWS = [
    Row("A-meta-slash", *_below("/v2/")),
    Row("A-models", *_below("/v2/models")),
    Row("A-versions", *_below("/v2/models/mlp/versions")),
    Row("A-live-slash", *_below("/v2/health/live/")),
    Row("A-ready-slash", *_below("/v2/models/mlp/ready/")),
    Row("A-mmeta-slash", *_below("/v2/models/mlp/")),
    Row("A-dslash", *_below("//v2/models/mlp", ELSEWHERE)),
    Row("A-dslash2", *_below("/v2//models/mlp")),
    Row("A-root", *_below("/", _Status(200)), why=OURS),
    Row("A-nopath", *_below("/nope", ELSEWHERE)),
    Row("A-v3", *_below("/v3/models/mlp", ELSEWHERE)),
    Row("A-v2x", *_below("/v2/nope")),
    Row("A-mx", *_below("/v2/models/mlp/nope")),
    Row("A-cap", *_below("/V2/health/live", ELSEWHERE)),
    Row("A-metrics", *_below("/metrics", _Status(200)), why=OURS),
    Row("A-docs", *_below("/docs", _Status(200)), why=OURS),
    Row("A-v2docs", *_below("/v2/docs")),
    Row("A-openapi", *_below("/openapi.json", _Status(200)), why=OURS),
    Row("A-head-meta", get("/v2", "HEAD"), Says(anything), HEAD),
    Row("A-head-mmeta", get("/v2/models/mlp", "HEAD"), Says(anything), HEAD),
    Row("A-get-infer", get("/v2/models/mlp/infer"), NOT_ALLOWED),
    Row("A-put-infer", get("/v2/models/mlp/infer", "PUT"), NOT_ALLOWED),
    Row("A-del", get("/v2/models/mlp", "DELETE"), NOT_ALLOWED),
    Row(
        "A-options",
        get("/v2/models/mlp/infer", "OPTIONS", origin="https://example.com"),
        NOT_ALLOWED,
    ),
    Row("B-slash", body({"inputs": [images()]}, "mlp", "../infer/"), NOT_FOUND),
    Row("B-gen", post("/v2/models/echo_bytes/generate", {"in": "hi"}), NOT_FOUND, GENERATES),
    Row(
        "B-gens", post("/v2/models/echo_bytes/generate_stream", {"in": "hi"}), NOT_FOUND, GENERATES
    ),
    Row("B-infs", get("/v2/models/mlp/infer_stream", "POST"), NOT_FOUND),
]
