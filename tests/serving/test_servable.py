"""One loaded version: its answers are the SavedModel's, its refusals TensorFlow Serving's."""

import itertools
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tests.contract.models import DTYPES, export
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.batching import BatchingParameters, BatchScheduler
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.tensors import to_array
from vitrine_serving.rest_json.deep import DeepArray

CODE = grpc.StatusCode
TWO = np.array([1.0, 2.0], np.float32)


@pytest.fixture(scope="module")
def versions(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("versions")
    export(folder)
    return folder


@pytest.fixture(scope="module")
def echo(versions):
    made = Servable("echo", 1, versions / "echo")
    yield made
    made.close()


@pytest.mark.parametrize("rows", [0, 1, 2, 33])
@pytest.mark.parametrize("batched", [False, True])
def test_answers_are_those_of_the_saved_model(training_run, dataset, rows, batched):
    """A trained model gives, number for number, what its SavedModel gives when called."""
    path = training_run.models_dir / "mlp" / "1"
    images = dataset.test.images[:rows] / np.float32(255)
    scheduler = BatchScheduler(BatchingParameters()) if batched else None
    servable = Servable("mlp", 1, path, scheduler=scheduler)
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"]
    expected = loaded(images=tf.constant(images))
    found = servable.run("serving_default", {"images": images})
    assert set(found) == set(expected) == {"probabilities", "logits", "class_ids"}
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values.numpy())
    servable.close()


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 3)])
def test_every_dtype_and_shape_comes_back(echo, name, shape):
    """An identity gives back what it got, dtype and shape included."""
    count = int(np.prod(shape))
    if name == "string":
        sent = np.array([b"\xff\x00", b"", b"text"] * count, object)[:count].reshape(shape)
    else:
        numpy_dtype = tf.as_dtype(name).as_numpy_dtype
        sent = np.arange(count).astype(numpy_dtype).reshape(shape)
    found = echo.run(name, {"x": sent})["y"]
    assert found.dtype == sent.dtype
    np.testing.assert_array_equal(found, sent)


def test_signatures_without_inputs(versions):
    """An older version's `describe` needs nothing; with batching it is refused, as TensorFlow
    Serving does."""
    servable = Servable("images", 1, versions / "images")
    found = servable.run("describe", {})
    assert found["labels"].tolist() == [b"a", b"b", b"c"]
    assert found["card"].tolist() == b'{"model": "images"}'
    scheduler = BatchScheduler(BatchingParameters())
    batched = Servable("images", 1, versions / "images", scheduler=scheduler)
    with pytest.raises(ServingError, match="at least one input tensor"):
        batched.run("describe", {})


@pytest.mark.parametrize(
    ("signature", "inputs", "outputs", "code", "message"),
    [
        ("nope", {}, (), CODE.FAILED_PRECONDITION, 'Serving signature key "nope" not found.'),
        (
            "pair",
            {"a": TWO},
            (),
            CODE.INVALID_ARGUMENT,
            "input size does not match signature: 1!=2",
        ),
        ("log", {"z": TWO}, (), CODE.INVALID_ARGUMENT, "Signature input alias: x(feed name: x:0)"),
        ("defaulted", {}, (), CODE.INVALID_ARGUMENT, "default input alias set: b"),
        (
            "defaulted",
            {"a": TWO, "z": TWO},
            (),
            CODE.INVALID_ARGUMENT,
            "Inputs contains invalid name. Used request inputs: a, request input: a,z",
        ),
        (
            "pair",
            {"a": TWO, "b": TWO},
            (),
            CODE.INVALID_ARGUMENT,
            "Expects arg[1] to be int32 but float is provided",
        ),
        ("log", {"x": TWO}, ("z",), CODE.INVALID_ARGUMENT, "output tensor alias not found"),
        ("log", {"x": TWO}, ("y", "y"), CODE.INVALID_ARGUMENT, "duplicate output tensor alias: y"),
        ("matrix", {"x": np.ones((2, 3), np.float32)}, (), CODE.INVALID_ARGUMENT, "Matrix size"),
        ("log", {"x": np.array(["2026"], "datetime64[D]")}, (), CODE.INVALID_ARGUMENT, "no dtype"),
    ],
)
def test_refusals(echo, signature, inputs, outputs, code, message):
    """What fits no signature is refused in TensorFlow Serving's words, or the kernel's."""
    with pytest.raises(ServingError) as caught:
        echo.run(signature, inputs, outputs)
    assert caught.value.code is code
    assert message in str(caught.value)


def test_defaults_of_a_signature(echo):
    """An input that the signature has a value for may be left out."""
    assert echo.run("defaulted", {"a": TWO})["sum"].tolist() == [11, 12]


def test_output_filters(echo):
    """Any choice of outputs can be had, in any order."""
    pair = {"a": TWO, "b": np.array([3, 4], np.int32)}
    for names in itertools.permutations(("sum", "product")):
        assert list(echo.run("pair", pair, names)) == list(names)
    assert echo.run("pair", pair, ["product"])["product"].tolist() == [3, 8]


def test_a_run_that_takes_too_long_is_given_up(training_run):
    """`timeout_s` ends the wait, and the version answers afterwards."""
    servable = Servable("mlp", 1, training_run.models_dir / "mlp" / "1")
    with pytest.raises(ServingError) as caught:
        images = np.zeros((30_000, 28, 28), np.float32)
        servable.run("serving_default", {"images": images}, timeout_s=0.001)
    assert caught.value.code is CODE.DEADLINE_EXCEEDED
    few = servable.run("serving_default", {"images": images[:2]}, timeout_s=60)
    assert few["class_ids"].shape == (2,)
    servable.close()


def test_runs_are_observed(versions):
    """Each run that succeeds is told of, with the call that asked for it."""
    seen = []
    servable = Servable("m", 1, versions / "half_plus_two", observe=lambda *told: seen.append(told))
    servable.run("serving_default", {"x": TWO}, call="Classify")
    with pytest.raises(ServingError):
        servable.run("nope", {})
    assert [(model, call) for model, call, _ in seen] == [("m", "Classify")]
    assert 0 < seen[0][2] < 60


def test_what_is_no_saved_model(versions, tmp_path):
    """Missing and broken files, and other tags, are told in TensorFlow Serving's words."""
    malformed = tmp_path / "malformed"
    malformed.mkdir()
    (malformed / "saved_model.pb").write_bytes(b"hello, I am no graph")
    nowhere = tmp_path / "nowhere"  # a field of no number, and of more bytes than there are
    nowhere.mkdir()
    (nowhere / "saved_model.pb").write_bytes(b"\x02\x7f")
    text = tmp_path / "text"
    text.mkdir()
    (text / "saved_model.pbtxt").write_text("no graph, either")
    for path, tags, code, message in (
        (tmp_path, "serve", CODE.NOT_FOUND, "does not appear to contain a SavedModel bundle"),
        (versions / "broken", "serve", CODE.OUT_OF_RANGE, "Read less bytes than requested"),
        (malformed, "serve", CODE.DATA_LOSS, f"Can't parse {malformed}/saved_model.pb as binary"),
        (nowhere, "serve", CODE.DATA_LOSS, "as binary proto"),
        (text, "serve", CODE.DATA_LOSS, "as text proto"),
        (versions / "echo", "gpu", CODE.NOT_FOUND, "matching supplied tags: { gpu }"),
    ):
        with pytest.raises(ServingError) as caught:
            Servable("x", 1, path, tags=[tags])
        assert caught.value.code is code
        assert message in str(caught.value)


def test_a_graph_as_text_is_read(versions, tmp_path):
    """As TensorFlow Serving reads `saved_model.pbtxt` where there is no `saved_model.pb`."""
    path = shutil.copytree(versions / "half_plus_two", tmp_path / "1")
    binary = path / "saved_model.pb"
    graph = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    binary.with_suffix(".pbtxt").write_text(text_format.MessageToString(graph))
    binary.unlink()
    servable = Servable("half_plus_two", 1, path)
    assert servable.run("serving_default", {"x": TWO})["y"].tolist() == [2.5, 3.0]
    servable.close()


def _code_and_words(call, *args, **kwargs) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(ServingError) as caught:
        call(*args, **kwargs)
    return caught.value.code, str(caught.value)


NO_OUTPUT = (
    "Tried to fetch data for 'NoOp', which produces no output.  To run to a node but not fetch any "
    "data, pass 'NoOp' as an argument to the 'target_node_names' argument of the Session::Run API."
)


def test_an_output_that_is_no_tensor(versions):
    """The signature that initialises a model is one like any other, and has nothing to answer."""
    images = Servable("images", 1, versions / "images")
    assert _code_and_words(images.run, "__saved_model_init_op", {}) == (
        CODE.INVALID_ARGUMENT,
        NO_OUTPUT,
    )
    images.close()


def test_methods_of_signatures(versions):
    """With the flag a signature predicts only if its method is one of the three; what classifies
    is checked elsewhere."""
    echo = Servable("echo", 1, versions / "echo", checks_methods=True)
    inputs = {"x": TWO}
    echo.run("serving_default", inputs)
    echo.signature_defs["serving_default"].method_name = "tensorflow/serving/classify"
    echo.run("serving_default", inputs)
    echo.signature_defs["serving_default"].method_name = "other"
    words = (
        "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
        "tensorflow/serving/classify, tensorflow/serving/regress}. Was: other"
    )
    assert _code_and_words(echo.run, "serving_default", {}) == (CODE.INTERNAL, words)
    echo.run("serving_default", inputs, call="Classify")
    echo.close()


def test_deep_tensors(versions):
    """They are run, checked and told of as others are, and given up after the time-out."""
    seen = []
    echo = Servable("echo", 1, versions / "echo", observe=lambda *told: seen.append(told[:2]))
    deep, wrong = (DeepArray(np.ones(1, dtype), (1,) * 100) for dtype in (np.float32, np.float64))
    found = echo.run("float32", {"x": deep}, timeout_s=60)["y"]
    assert (found.shape, found.values.tolist()) == (deep.shape, [1.0])
    assert seen == [("echo", "Predict")]
    large = DeepArray(np.ones(10**7, np.float32), (1,) * 99 + (10**7,))
    code, _ = _code_and_words(echo.run, "float32", {"x": large}, timeout_s=0.001)
    assert code is CODE.DEADLINE_EXCEEDED
    assert _code_and_words(echo.run, "float32", {"x": wrong}) == (
        CODE.INVALID_ARGUMENT,
        "Expects arg[0] to be float but double is provided",
    )
    assert _code_and_words(echo.run, "nope", {"x": deep}) == (
        CODE.FAILED_PRECONDITION,
        'Serving signature key "nope" not found.',
    )
    echo.close()


def test_outputs_of_more_dimensions_than_numpy_has(tmp_path):
    """A model may make them of fewer: they are found out once, and answered."""

    class Deepening(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def deepen(self, x):
            return {"y": tf.reshape(x, [-1, *[1] * 69]), "same": x}

    module = Deepening()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": module.deepen})
    deep = Servable("deep", 1, tmp_path / "1")
    for _ in range(2):
        found = deep.run("serving_default", {"x": np.ones(2, np.float32)})
        assert found["y"].shape == (2, *[1] * 69)
        assert found["same"].tolist() == [1, 1]
    deep.close()


def test_requests_are_checked_in_order(versions):
    """As TensorFlow Serving does: names, values, the wanted outputs, what batching needs, and only
    then dtypes, of which a session knows."""
    scheduler = BatchScheduler(BatchingParameters())
    echo = Servable("echo", 1, versions / "echo", scheduler=scheduler)
    wrong = np.ones(1, np.int32)
    unread = tensor_pb2.TensorProto(dtype=99)
    resource = tensor_pb2.TensorProto(dtype=types_pb2.DT_RESOURCE)
    resource.tensor_shape.dim.add(size=1)
    resource.resource_handle_val.add(name="n", hash_code=7, maybe_type_name="t")
    variant = tensor_pb2.TensorProto(dtype=types_pb2.DT_VARIANT)
    variant.tensor_shape.dim.add(size=1)
    for inputs, outputs, words in (
        ({"z": unread, "x": unread}, ["nope"], "input size does not match signature: 2!=1"),
        ({"x": unread}, ["nope"], "tensor parsing error: x"),
        ({"x": wrong}, ["nope"], "output tensor alias not found in signature: nope"),
        ({"x": wrong[0]}, [], "must have at least one dimension"),
        ({"x": wrong}, [], "Expects arg[0] to be float but int32 is provided"),
        ({"x": resource}, [], "Invalid resource type hash code: 7(name: n type: t). Perhaps"),
        ({"x": variant}, [], "Expects arg[0] to be float but variant is provided"),
    ):
        sent = {
            name: tf.make_tensor_proto(each) if isinstance(each, np.generic | np.ndarray) else each
            for name, each in inputs.items()
        }
        with pytest.raises(ServingError) as caught:
            echo.run("serving_default", sent, outputs, read=to_array)
        assert caught.value.code is CODE.INVALID_ARGUMENT
        assert words in str(caught.value)
    scheduler.close()
    echo.close()


def test_any_part_of_the_outputs_is_batched(versions):
    """As in batching_session.cc, which has a default scheduler for what no signature declares."""
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=2))
    echo = Servable("echo", 1, versions / "echo", scheduler=scheduler)
    pair = {"a": np.ones(3, np.float32), "b": np.ones(3, np.int32)}
    for wanted in ([], ["product"], ["product", "sum"]):
        with pytest.raises(ServingError, match="Task size 3 is larger"):
            echo.run("pair", pair, wanted)
        two = {name: array[:2] for name, array in pair.items()}
        assert echo.run("pair", two, wanted)["product"].tolist() == [1, 1]
    scheduler.close()
    echo.close()


def test_first_calls_that_come_together_make_one_callable(versions):
    """Each takes longer than hundreds of calls, and all cores: one for each call of a crowd kept
    the model from answering for seconds."""
    made, crowd = [], threading.Barrier(8)

    class Counting(Servable):
        def _make_callable(self, *what):
            made.append(what)
            return super()._make_callable(*what)

    servable = Counting("half_plus_two", 1, versions / "half_plus_two")

    def ask(_: int) -> list[float]:
        crowd.wait(30)
        return servable.run("serving_default", {"x": TWO})["y"].tolist()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [[2.5, 3.0]] * 8
    assert len(made) == 1
    servable.close()
