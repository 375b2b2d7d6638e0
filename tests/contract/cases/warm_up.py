"""Cases of warm-up: files of records that a version brings along, and what becomes of it."""

import contextlib
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.contract.case import Case, Check, Text, found
from tests.contract.cases.life import TENSORFLOW, Before, await_states, fine, serve, status
from tests.contract.messages import classify, infer, listed, predict, regress, spec, states, task
from tests.contract.seen import SEEN
from tests.contract.server import Server

UTIL = "saved_model_warmup_util.cc"
CODE = grpc.StatusCode
BATCHED = (
    "not seen; saved_model_bundle_source_adapter.cc GetServableCreator: the session is one that "
    "batches already"
)
RECORDS = "assets.extra/tf_serving_warmup_requests"
HALF = predict(spec("half"), x=[2.0])


def _log(**requests: Any) -> bytes:
    """A record of one request: `predict_log`, `classify_log` and so on."""
    log = prediction_log_pb2.PredictionLog()
    for kind, request in requests.items():
        getattr(log, kind).request.CopyFrom(request)
    return log.SerializeToString()


Content = Callable[[Path], bytes]
"""Makes the content of a file; it may write there."""


def _cut(path: Path) -> bytes:
    return _records(path, [_log(predict_log=HALF)])[:-9]


def _spoilt(path: Path) -> bytes:
    return _records(path, [_log(predict_log=HALF)])[:-4] + b"\0\0\0\0"


def _session_run() -> bytes:
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    return log.SerializeToString()


def _records(path: Path, records: Sequence[bytes]) -> bytes:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path.read_bytes()


def before(name: str, file_content: Content, state: str) -> Before:
    """A version with that content of its file of warm-up, which ends in a state."""

    def prepare(server: Server) -> None:
        base = server.models / name
        made = base / ".1"
        shutil.copytree(server.kinds / "half_plus_two", made)
        file = made / RECORDS
        file.parent.mkdir()
        file.write_bytes(file_content(file))
        made.rename(base / "1")
        with contextlib.suppress(grpc.RpcError):  # says that it did not become available
            serve(server, (name, TENSORFLOW))
        await_states(server, name, {1: state})

    return prepare


def _ended(code: grpc.StatusCode, words: Text) -> Check:
    def check(response: Any) -> None:
        [version] = response.model_version_status
        assert states(response) == {1: "END"}
        assert version.status.error_code == code.value[0]
        if isinstance(words, str):
            assert version.status.error_message == words
        else:
            assert words.search(version.status.error_message), version.status.error_message

    return check


def _case(
    name: str,
    content: Sequence[bytes] | Content,
    error: tuple[grpc.StatusCode, Text] | None = None,
    source: str = SEEN,
) -> Case:
    """Of a version with a file of these records, or of what a function writes."""
    file_content = content if callable(content) else partial(_records, records=content)
    model = f"warm-up-{'-'.join(name.split())}"
    return Case(
        f"warm-up: {name}",
        status(model),
        _ended(*error) if error else fine,
        source,
        before(model, file_content, "END" if error else "AVAILABLE"),
    )


VERIFY = r"\. Please verify your warmup data is in TFRecord format\.$"
CASES = [
    _case("good", [_log(predict_log=HALF)]),
    _case(
        "classify, regress and multi",
        [
            _log(classify_log=classify(spec("half", "classify_x_to_y"))),
            _log(regress_log=regress(spec("half", "regress_x_to_y"))),
            _log(multi_inference_log=infer(task("regress_x_to_y"), task("classify_both"))),
        ],
    ),
    _case("another model's name", [_log(predict_log=predict(spec("other"), x=[2.0]))]),
    _case("a version that is not there", [_log(predict_log=predict(spec(version=9), x=[2.0]))]),
    _case("another shape", [_log(predict_log=predict(spec("half"), x=listed([[2.0]])))]),
    _case(
        "as many rows as a batch may have",
        [_log(predict_log=predict(spec("half"), x=[2.0] * 32))],
        source=BATCHED,
    ),
    _case(
        "more rows than a batch may have",
        [_log(predict_log=predict(spec("half"), x=[2.0] * 33))],
        (CODE.INVALID_ARGUMENT, "Task size 33 is larger than maximum input batch size 32"),
        BATCHED,
    ),
    _case("an empty record", [b""]),
    _case("no records", []),
    _case("a text of five letters", lambda _: b"hello"),
    _case("1000 records", [_log(predict_log=HALF)] * 1000),
    _case(
        "1001 records",
        [_log(predict_log=HALF)] * 1001,
        (
            CODE.INVALID_ARGUMENT,
            found(r"^Number of warmup records exceeds the maximum"),
        ),
    ),
    _case(
        "an input of another name",
        [_log(predict_log=predict(spec("half"), zz=[2.0]))],
        (CODE.INVALID_ARGUMENT, found(r"^Signature input alias: x\(feed name: x:0\) not found in")),
    ),
    _case(
        "an unknown signature",
        [_log(predict_log=predict(spec("half", "nope"), x=[2.0]))],
        (CODE.FAILED_PRECONDITION, 'Serving signature key "nope" not found.'),
    ),
    _case(
        "the last record cut",
        _cut,
        (
            CODE.DATA_LOSS,
            found(r"^truncated record at \d+' failed with Read less.*" + VERIFY),
        ),
    ),
    _case(
        "a checksum that is wrong",
        _spoilt,
        (CODE.DATA_LOSS, found(r"^corrupted record at \d+" + VERIFY)),
    ),
    _case(
        "a record that is no message",
        [b"\xff\xff rubbish"],
        (CODE.INVALID_ARGUMENT, found("^Failed to parse warmup record: .* rubbish from /")),
        f"{SEEN}: the version is not loaded; {UTIL}: the words",
    ),
    _case(
        "a run of a session",
        [_session_run()],
        (CODE.UNIMPLEMENTED, "Unsupported log_type for warmup: 5"),
        "saved_model_warmup.cc RunWarmupRequest",
    ),
]
