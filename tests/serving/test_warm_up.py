"""Warm-up records are replayed, and a version that fails its own is not served."""

import os

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.contract.models import export
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.batching import BatchingParameters, BatchScheduler
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.warm_up import RECORDS, warm_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("versions")
    export(made)
    return made / "half_plus_two"


@pytest.fixture
def runs(folder):
    seen: list[str] = []
    servable = Servable("m", 1, folder, observe=lambda _, call, __: seen.append(call))
    return servable, seen


def predict_log(values: list[float], alias: str = "x") -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.name = "m"
    tensor = tf.make_tensor_proto(np.array(values, np.float32))
    log.predict_log.request.inputs[alias].CopyFrom(tensor)
    return log


def session_run_log() -> bytes:
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    return log.SerializeToString()


def examples_log(kind: str, signature: str) -> prediction_log_pb2.PredictionLog:
    log = prediction_log_pb2.PredictionLog()
    request = getattr(log, kind).request
    request.model_spec.name, request.model_spec.signature_name = "m", signature
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2)
    return log


def infer_log(name: str, *signatures: str) -> prediction_log_pb2.PredictionLog:
    """A MultiInference of two examples."""
    log = prediction_log_pb2.PredictionLog()
    request = log.multi_inference_log.request
    for signature in signatures:
        task = request.tasks.add(method_name="tensorflow/serving/regress")
        task.model_spec.name, task.model_spec.signature_name = name, signature
    for _ in range(2):
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(2)
    return log


def write(path, *records: bytes):
    (path / RECORDS).parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path / RECORDS)) as writer:
        for record in records:
            writer.write(record)


def test_records_without_an_end(runs, tmp_path):
    """A pipe would hold the thread that loads versions for good."""
    (tmp_path / RECORDS).parent.mkdir()
    os.mkfifo(tmp_path / RECORDS)
    with pytest.raises(ServingError, match="is no regular file") as caught:
        warm_up(runs[0], tmp_path)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_records_of_every_kind_are_replayed(runs, tmp_path):
    """Predict, classify and regress, in their order."""
    servable, seen = runs
    logs = (
        predict_log([1.0]),
        examples_log("classify_log", "classify_x_to_y"),
        examples_log("regress_log", "regress_x_to_y"),
    )
    write(tmp_path, *(log.SerializeToString() for log in logs))
    assert warm_up(servable, tmp_path) == 3
    assert seen == ["Predict", "Classify", "Regress"]


def test_no_records_is_fine(runs, tmp_path):
    """A version needs no warm-up."""
    assert warm_up(runs[0], tmp_path) == 0


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([predict_log([1.0], "wrong").SerializeToString()], "Signature input alias: x"),
        ([b"\xff\xff\xff garbage"], "^Failed to parse warmup record: .* garbage from /"),
        ([session_run_log()], "^Unsupported log_type for warmup: 5$"),
        ([predict_log([1.0]).SerializeToString()] * 1001, "exceeds the maximum"),
    ],
)
def test_records_that_fail(runs, tmp_path, records, message):
    """A request that fails, or is none, fails the load and says why."""
    write(tmp_path, *records)
    with pytest.raises(ServingError, match=message):
        warm_up(runs[0], tmp_path)


def test_a_truncated_file(runs, tmp_path):
    """Half a record is an error, not a shorter warm-up; so is a changed one."""
    write(tmp_path, predict_log([1.0, 2.0]).SerializeToString())
    data = (tmp_path / RECORDS).read_bytes()
    for broken, words in (
        (data[: len(data) // 2], r"^truncated record at \d+' failed with Read less bytes than req"),
        (data[:-8] + b"\0" * 8, r"^corrupted record at \d+\. Please verify your warmup data is in"),
    ):
        (tmp_path / RECORDS).write_bytes(broken)
        with pytest.raises(ServingError, match=words) as caught:
            warm_up(runs[0], tmp_path)
        assert caught.value.code is grpc.StatusCode.DATA_LOSS


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_a_file_too_short_for_a_record_has_none(runs, tmp_path, content):
    """As with TensorFlow Serving's reader; an empty record, too, is passed over."""
    write(tmp_path, b"")
    assert warm_up(runs[0], tmp_path) == 1
    (tmp_path / RECORDS).write_bytes(content)
    assert warm_up(runs[0], tmp_path) == 0
    assert not runs[1]


def test_examples_of_a_multi_inference_are_counted(folder, tmp_path):
    """Each time they are replayed, by the name in the record; the run itself is one, also of two
    signatures, in a batch of its own."""
    counted, batches = [], []

    class Counting(BatchScheduler):
        def run(self, function, inputs):
            batches.append(len(inputs))
            return super().run(function, inputs)

    servable = Servable(
        "m",
        1,
        folder,
        scheduler=Counting(BatchingParameters(num_batch_threads=1)),
        is_own_scheduler=True,
        observe_examples=lambda *told: counted.append(told),
    )
    one = infer_log("m", "regress_x_to_y")
    two = infer_log("other", "regress_x_to_y", "regress_elsewhere")
    write(tmp_path, one.SerializeToString(), two.SerializeToString())
    warm_up(servable, tmp_path, 2)
    assert counted == [("m", 2)] * 2 + [("other", 2)] * 2
    assert batches == [1, 1, 2, 2]
    servable.close()
