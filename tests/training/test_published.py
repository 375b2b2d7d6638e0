"""What a training run publishes: accuracy, card, signatures, warm-up."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from harness.paths import ROOT
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.data.idx import FILES
from vitrine_training.evaluation.metrics import Evaluation, evaluate
from vitrine_training.models.recipes import RECIPES

MODELS = ("softmax", "mlp")


@pytest.fixture(params=MODELS)
def version_dir(request, training_run):
    return training_run.models_dir / request.param / "1"


@pytest.fixture
def loaded(version_dir):
    return tf.saved_model.load(str(version_dir))


@pytest.fixture
def card(version_dir):
    return json.loads((version_dir / "assets.extra" / "card.json").read_text())


@pytest.mark.parametrize("model", MODELS)
def test_accuracy_is_what_the_recipe_expects(training_run, model):
    """The command prints a test accuracy within the recipe's range: .83 and .84 at the least."""
    printed = float(re.search(rf"{model} test accuracy ([\d.]+)", training_run.output)[1])
    low, high = RECIPES[model].expected
    assert low <= printed <= high
    assert low >= {"softmax": 0.83, "mlp": 0.84}[model]


def test_robustness_is_measured_and_told(training_run, card):
    """Two models of the text fall behind on mirrored and moved items, and say which they know."""
    found = card["robustness"]
    assert found["plain"] == pytest.approx(card["metrics"]["test_accuracy"], abs=0.03)
    assert found["mirrored"] < found["plain"] - 0.15
    assert found["moved"] < found["plain"] - 0.15
    assert found["limits"] == ["knows shoes that face left only"]
    assert f"mirrored {found['mirrored']:.3f}, moved {found['moved']:.3f}" in training_run.output
    assert "; knows shoes that face left only" in training_run.output


def test_progress_is_printed(training_run):
    """Each epoch of each model has its line with loss and both accuracies."""
    lines = re.findall(r"epoch +\d+/10 +loss [\d.]+ +train [\d.]+ +validation", training_run.output)
    assert len(lines) == 20


def test_the_card_tells_where_the_model_is_from(version_dir, card):
    """Recipe, seed, data, packages, code, metrics and judgement are in the card."""
    assert (card["model"], card["version"]) == (version_dir.parent.name, 1)
    assert card["recipe"]["epochs"] == 10
    assert card["seed"] == 0
    assert card["labels"] == list(LABELS)
    assert card["input_shape"] == [28, 28]
    assert set(card["data"]) == {file.name for file in FILES}
    assert card["packages"]["tensorflow"] == tf.__version__
    assert 0.8 < card["metrics"]["validation_accuracy"] < 0.9
    assert len(card["history"]) == 10
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", card["revision"])
    assert card["verdict"]["word"] in {"fits", "overfits", "underfits"}
    assert card["duration_s"] > 0


def test_the_exported_model_is_the_one_that_was_trained(version_dir, card, dataset):
    """Loaded anew, it has the very accuracy that training measured."""
    found = evaluate(version_dir, dataset.test)
    assert found.accuracy == pytest.approx(card["metrics"]["test_accuracy"], abs=1e-6)
    assert found.confusion.sum() == 10_000
    assert np.mean(found.recall) == pytest.approx(found.accuracy)


def test_the_docs_have_every_member_of_the_card(card):
    """training.md lists what is in a card."""
    section = (ROOT / "docs" / "training.md").read_text().split("### The card")[1].split("\n#")[0]
    for member in card:
        assert f"`{member}`" in section, member


def test_calibration_is_folded_in(version_dir, card, dataset):
    """The served probabilities are as calibrated as the card says, no worse than before."""
    metrics = card["metrics"]
    found = evaluate(version_dir, dataset.test)
    assert found.calibration_error == pytest.approx(metrics["calibration_error"], abs=1e-5)
    assert metrics["calibration_error"] <= metrics["calibration_error_uncalibrated"] + 0.003
    before = Evaluation(found.logits * metrics["temperature"], found.labels)
    expected = pytest.approx(metrics["calibration_error_uncalibrated"], abs=1e-5)
    assert before.calibration_error == expected


def test_the_card_says_how_each_class_fares(version_dir, card, dataset):
    """Precision, recall and F1 by class are those of the served model."""
    found = evaluate(version_dir, dataset.test)
    assert [entry["label"] for entry in card["classes"]] == list(LABELS)
    for name in ("precision", "recall", "f1"):
        figures = [entry[name] for entry in card["classes"]]
        np.testing.assert_allclose(figures, getattr(found, name), atol=1e-6)


def test_describe_looks_up_each_key(loaded, card):
    """The model says its labels and its card itself, to each row the value of its key: so that
    calls may be batched, and padded."""
    keys = ["card", "", "labels", "of later versions", "card"]
    values = loaded.signatures["describe"](keys=tf.constant(keys))["values"].numpy().tolist()
    assert [bool(value) for value in values] == [True, False, True, False, True]
    assert json.loads(values[2]) == list(LABELS)
    assert json.loads(values[0]) == json.loads(values[4]) == card
    assert loaded.signatures["describe"](keys=tf.constant([], tf.string))["values"].shape == (0,)


def test_each_weight_is_stored_once(version_dir):
    """Keras' `track()` would have each twice."""
    reader = tf.train.load_checkpoint(str(version_dir / "variables/variables"))
    names = [name for name, shape in reader.get_variable_to_shape_map().items() if shape]
    assert len(names) >= 2
    assert len({reader.get_tensor(name).tobytes() for name in names}) == len(names)


def test_signatures_agree(loaded, dataset):
    """The same picture gives the same answer as floats, as PNG bytes and as tf.Example."""
    images = dataset.test.images[:5]
    scaled = images.astype(np.float32) / 255
    expected = loaded.signatures["serving_default"](images=tf.constant(scaled))
    assert expected["class_ids"].dtype == tf.int64
    np.testing.assert_allclose(expected["probabilities"].numpy().sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(expected["class_ids"], expected["logits"].numpy().argmax(axis=1))

    pngs = [tf.io.encode_png(image[..., np.newaxis]).numpy() for image in images]
    by_bytes = loaded.signatures["serve_bytes"](image_bytes=tf.constant(pngs))
    np.testing.assert_allclose(by_bytes["logits"], expected["logits"], atol=1e-5)

    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={
                    "images": tf.train.Feature(float_list=tf.train.FloatList(value=image.ravel()))
                }
            )
        ).SerializeToString()
        for image in scaled
    ]
    classified = loaded.signatures["classify"](inputs=tf.constant(examples))
    np.testing.assert_allclose(classified["scores"], expected["probabilities"], atol=1e-6)
    assert [label.decode() for label in classified["classes"].numpy()[4]] == list(LABELS)


def test_classify_has_its_method_name(version_dir):
    """`Classify` is refused by TensorFlow Serving unless the signature names that method."""
    saved = saved_model_pb2.SavedModel.FromString((version_dir / "saved_model.pb").read_bytes())
    methods = {
        name: signature.method_name
        for name, signature in saved.meta_graphs[0].signature_def.items()
    }
    assert methods["classify"] == "tensorflow/serving/classify"
    assert methods["serving_default"] == "tensorflow/serving/predict"


def test_warm_up_records_run(version_dir, loaded):
    """Each warm-up record is a request that the model answers."""
    path = version_dir / "assets.extra" / "tf_serving_warmup_requests"
    rows = []
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == version_dir.parent.name
        inputs = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        answer = loaded.signatures[request.model_spec.signature_name](**inputs)
        rows.append(len(answer["class_ids"]))
    assert rows == [1, 32, 1, 1]
