"""The page about a version: whole, by itself, and with the numbers that the evaluation gives."""

import base64
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from tests.training.made_versions import TEMPERATURE, built, make_card, write_card, write_page
from vitrine_training.cli import main
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.evaluation.metrics import Evaluation, answers
from vitrine_training.evaluation.robustness import EXAMPLE_KINDS, VIEWS
from vitrine_training.report import page as report
from vitrine_training.report.plots import binomial_interval, weight_pictures

SECTIONS = [
    *("curves", "confusion", "classes", "reliability", "weights"),
    *("mistakes", "recipe", "provenance"),
]


@pytest.fixture(scope="module")
def mlp_dir(tmp_path_factory):
    """A version with a hidden layer and random weights."""
    directory = tmp_path_factory.mktemp("mlp") / "7"
    initializer = keras.initializers.GlorotUniform(seed=0)
    layers = [
        keras.layers.Dense(70, activation="relu", kernel_initializer=initializer),
        keras.layers.Dense(10, kernel_initializer=initializer),
    ]
    _, archive = built(layers)
    archive.write_out(str(directory), verbose=False)
    write_card(directory, make_card(model="mlp"))
    return directory


@pytest.fixture(scope="module")
def page(softmax_dir, test_images, tmp_path_factory):
    return write_page(softmax_dir, test_images, tmp_path_factory.mktemp("page") / "page.html")


def png(address):
    kind, _, packed = address.partition(",")
    assert kind == "data:image/png;base64"
    return tf.io.decode_png(base64.b64decode(packed, validate=True)).numpy()


def test_the_page_is_well_formed_and_in_order(page):
    """It parses as strictly as XML, and the sections come in the order that a reader expects."""
    ids = [one.get("id") for one in page.tree.iter("section")]
    assert ids == SECTIONS
    assert page.text.index('id="figures"') < page.text.index('id="verdict"')
    assert page.text.index('id="verdict"') < page.text.index('id="curves"')


def test_the_page_needs_no_other_host_and_no_script(page):
    """Pictures are `data:`, links lead into the page or to the index, the policy forbids more."""
    for element in page.tree.iter():
        assert not element.tag.endswith("script")
        for name, value in element.attrib.items():
            if re.search(r"(src|href)$", name):
                assert value == "index.html" or value.startswith(("data:image/png;base64,", "#"))
    assert not re.search(r"url\((?!#)|@import", page.text)
    policy = next(one.get("content") for one in page.tree.iter("meta") if one.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_ids_are_unique_and_references_lead_somewhere(page):
    """Several plots share a page without taking each other's parts."""
    ids = re.findall(r'\bid="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page.text)) <= set(ids)


def test_plots_follow_the_colours_of_the_page(page):
    """No colour that was put in for a variable is left, so that plots read in dark mode too."""
    assert "#00000" not in page.text
    drawn = (one for one in page.tree.iter() if one.tag.endswith("}svg"))
    svgs = [one for one in drawn if not one.get("aria-hidden")]
    assert len(svgs) == 4
    assert all(one.get("aria-label") for one in svgs)
    assert "color-scheme: light dark" in page.text


def test_the_same_input_gives_the_same_bytes(page, softmax_dir, test_images, tmp_path):
    """Nothing in a page depends on when and where it was made."""
    again = report.write(softmax_dir, test_images, tmp_path / "new" / "other.html")
    assert again.read_text() == page.text


def test_key_figures_are_the_evaluations(page):
    """Accuracy with its interval, loss, calibration and size are what was measured."""
    found, figures = page.evaluation, page.words("figures")
    uncalibrated = Evaluation(found.logits * np.float32(TEMPERATURE), found.labels)
    low, high = binomial_interval(found.accuracy, 600)
    assert 0.5 < found.accuracy < 0.9
    assert f"Test accuracy {found.accuracy:.4f} 95 % interval {low:.3f} to {high:.3f}" in figures
    assert "Validation accuracy 0.7123 as published, epoch 2 of 3" in figures
    assert f"Cross-entropy {found.cross_entropy:.4f}" in figures
    assert f"Calibration error {found.calibration_error:.4f}" in figures
    assert f"{uncalibrated.calibration_error:.4f} before temperature 1.500" in figures
    assert "Training 1 min 23 s 3 epochs Parameters 7,850" in figures
    assert page.words("verdict") == "The model fits : both curves have levelled off."


@pytest.mark.parametrize("temperature", [0.0504, 19.9])
def test_a_temperature_at_a_bound_is_told(copied, test_images, tmp_path, temperature):
    """The probabilities are not calibrated then, whatever the error before and after says."""
    card = make_card()
    write_card(copied, make_card(metrics={**card["metrics"], "temperature": temperature}))
    page = write_page(copied, test_images, tmp_path / "page.html")
    assert f"before temperature {temperature:.3f}, an end of the range that is searched" in (
        page.words("figures")
    )


def test_figures_of_each_class_are_the_evaluations(page):
    """Every row of the table has the class's images, precision, recall and F1."""
    rows = [list(row.itertext()) for row in page.section("classes").iter("tr")][1:]
    shown = [[text for text in row if text.strip()] for row in rows]
    found = page.evaluation
    assert shown == [
        [
            label,
            str(found.confusion[class_id].sum()),
            *(f"{one[class_id]:.3f}" for one in (found.precision, found.recall, found.f1)),
        ]
        for class_id, label in enumerate(LABELS)
    ]


def test_the_confusion_matrix_has_every_count(page):
    """A row for each true class, with its counts in the order of the columns; what is right and
    wrong is marked; the most frequent mistake is named."""
    counts = page.evaluation.confusion
    head, *rows = page.section("confusion").iter("tr")
    assert [one for one in head.itertext() if one.strip()] == list(LABELS)
    for label, row, expected in zip(LABELS, rows, counts, strict=True):
        assert row.find("th").text == label
        assert [int(cell.text) for cell in row.iter("td")] == expected.tolist()
        kinds = {(cell.get("class"), float(cell.get("style").split(":")[1])) for cell in row[1:]}
        assert {kind for kind, strength in kinds if not strength} <= {"none"}
        (right,) = (cell for cell in row[1:] if cell.get("class") == "right")
        assert right is row[1 + LABELS.index(label)]
    mistakes = counts - np.diag(np.diag(counts))
    true, answered = np.unravel_index(mistakes.argmax(), mistakes.shape)
    expected = f"{LABELS[true]} taken for {LABELS[answered]} , {mistakes.max()} times"
    assert expected in page.words("confusion")


def test_reliability_counts_every_image(page):
    """Before and after scaling, the count of each bin stands above it."""
    found = page.evaluation
    uncalibrated = Evaluation(found.logits * np.float32(TEMPERATURE), found.labels)
    plots = [one for one in page.section("reliability").iter() if one.tag.endswith("}svg")]
    for svg, measured in zip(plots, (uncalibrated, found), strict=True):
        texts = [one.text for one in svg.iter() if one.tag.endswith("}text")]
        counts = [one.count for one in measured.reliability]
        assert sum(counts) == 600
        assert " ".join(map(str, counts)) in " ".join(texts)


def test_the_most_confident_mistakes_are_shown(page, test_images):
    """Each picture is a test image that was answered wrongly, and the surest comes first."""
    found = page.evaluation
    wrong = np.flatnonzero(found.class_ids != found.labels)
    confidence = found.probabilities.max(axis=1)
    figures = list(page.section("mistakes").iter("figure"))
    assert len(figures) == report.MISTAKES
    expected = sorted(wrong, key=lambda row: -confidence[row])[: report.MISTAKES]
    for figure, row in zip(figures, expected, strict=True):
        np.testing.assert_array_equal(
            png(figure.find("img").get("src"))[..., 0], test_images.images[row]
        )
        true, answered, sure = (text for text in figure.itertext() if text.strip())
        assert true == LABELS[test_images.labels[row]]
        assert answered == LABELS[found.class_ids[row]]
        assert sure.strip() == f"{confidence[row]:.3f}"


def test_softmax_shows_the_weights_of_each_class(page):
    """Ten pictures of 28x28, each with its label."""
    figures = list(page.section("weights").iter("figure"))
    assert [figure.find("figcaption").text for figure in figures] == list(LABELS)
    assert all(png(figure.find("img").get("src")).shape == (28, 28, 4) for figure in figures)


def test_an_mlp_shows_its_largest_filters(mlp_dir, test_images, tmp_path):
    """64 of the 70 filters, the one of the largest norm first."""
    page = write_page(mlp_dir, test_images, tmp_path / "page.html")
    assert "The 64 of 70 hidden units" in page.words("weights")
    (image,) = page.section("weights").iter("img")
    shown = png(image.get("src"))
    kernel = tf.saved_model.load(str(mlp_dir)).trainable_variables[0].numpy()
    largest = kernel[:, np.argmax(np.linalg.norm(kernel, axis=0))].reshape(1, 28, 28)
    assert shown.shape == (8 * 30, 8 * 30, 4)
    np.testing.assert_array_equal(shown[1:29, 1:29], weight_pictures(largest, alike=False)[0])


ROBUSTNESS = {
    "plain": 0.71,
    "mirrored": 0.4321,
    "moved": 0.5,
    "turned": 0.6,
    "hard": 0.55,
    "by_kind": {"stray marks": 0.375, "frames": 0.625},
    "images": 600,
    "pictures": 16,
    "limits": ["knows shoes that face left only"],
}


def test_robustness_is_told_with_examples(copied, test_images, tmp_path):
    """Every figure of the card is in the table, and each example has the model's own answer."""
    write_card(copied, make_card(robustness=ROBUSTNESS))
    page = write_page(copied, test_images, tmp_path / "page.html")
    told = page.words("robustness")
    assert "on 600 test images as they are, mirrored, moved by 2 pixels" in told
    assert "on 16 pictures as people send them" in told
    assert "The model knows shoes that face left only ." in told
    rows = ["".join(row.itertext()).strip() for row in page.section("robustness").iter("tr")]
    assert rows == [
        *("plain0.710", "mirrored0.432", "moved0.500", "turned0.600", "hard pictures0.550"),
        *("hard pictures: stray marks0.375", "hard pictures: frames0.625"),
    ]
    figures = list(page.section("robustness").iter("figure"))
    shown = np.stack([png(one.find("img").get("src"))[..., 0] for one in figures])
    logits = answers(copied, shown)["logits"]
    for figure, answer in zip(figures, logits.argmax(axis=1), strict=True):
        _, told, *sure = (text.strip() for text in figure.itertext() if text.strip())
        assert told.split(" 0.")[0] == LABELS[answer], (told, sure)
    assert len(figures) == report.EXAMPLES * (len(VIEWS) + len(EXAMPLE_KINDS))
    np.testing.assert_array_equal(shown[1], shown[0][:, ::-1])


def test_without_robustness_the_page_is_as_before(page):
    """Cards that were published before have none."""
    assert "robustness" not in page.text


def test_recipe_and_provenance_are_told(page):
    """Settings, seed, checksums, packages and date are there, and what is unknown is said to be."""
    assert "learning rate 0.1" in page.words("recipe")
    assert "flip no" in page.words("recipe")
    told = page.words("provenance")
    assert "Trained 2026-11-24 08:06 UTC Seed 41 Git revision not recorded" in told
    assert "tensorflow 2.20.0" in told
    assert "MD5 f4a8712d7a061bf5bd6d2ca38dc4d50a" in told


def test_the_command_writes_an_index(softmax_dir, tmp_path):
    """It prints where that is; an index.html of somebody else stays, and that is said."""
    shutil.copytree(softmax_dir, tmp_path / "models" / "softmax" / "7")
    words = ("report", "softmax", f"--models-dir={tmp_path / 'models'}")
    folder = tmp_path / "reports"
    done = CliRunner().invoke(main, [*words, f"--reports-dir={folder}"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines == [f"{folder / 'softmax-7.html'}", f"{folder / 'index.html'} lists all reports"]
    index = (folder / "index.html").read_text()
    assert 'href="softmax-7.html"' in index
    assert re.search(r"0\.\d{4} of the test set right, fits</span>", index)
    (folder / "index.html").write_text("mine")
    done = CliRunner().invoke(main, [*words, f"--reports-dir={folder}"])
    assert done.exit_code == 0
    assert "index.html is no index of reports, and stays as it is" in done.stderr
    assert (folder / "index.html").read_text() == "mine"
