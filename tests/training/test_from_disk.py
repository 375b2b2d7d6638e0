"""Training from disk: the same as from memory, and never all pictures at once."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.data.own import splitting
from vitrine_training.data.own.checks import checked
from vitrine_training.data.own.examples import Examples, OwnData
from vitrine_training.data.own.splitting import split
from vitrine_training.data.pieces import MOST_ROWS
from vitrine_training.data.rows_on_disk import RowsOnDisk
from vitrine_training.evaluation.metrics import outputs_of
from vitrine_training.fit import from_disk
from vitrine_training.fit.loop import fit
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES
from vitrine_training.own_task import OwnClassification

SIDE, CLASSES = 9, 3


class Watched:
    """Source that counts the rows of each reading."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim
        self.nbytes = pixels.nbytes
        self.counts: list[int] = []
        self._pixels = pixels

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: object) -> np.ndarray:
        found = self._pixels[rows]
        self.counts.append(len(found) if found.ndim == self.ndim else 1)
        return found

    def __array__(self, *_: object, **__: object) -> np.ndarray:
        raise AssertionError("all of it was read")


def lines(count, *channels, seed=16, side=SIDE):
    random = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    images = random.integers(0, 120, (count, side, side, *channels), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label] = random.integers(180, 256, (side, *channels))
    order = np.argsort(labels, kind="stable")
    return images[order], labels[order]


def own(parts):
    return OwnData(("a", "b", "c"), parts, (), {}, "made")


def weights(task, name, settings):
    recipe = RECIPES[name].varied({"epochs": 3, "batch_size": 32, **settings})
    model = MODELS[recipe.architecture](recipe, 0, task.images)
    history = fit(model, recipe, task.train, task.validation, 0)
    return model, history


def as_map(folder, images):
    np.save(folder / "pixels.npy", images)
    return np.load(folder / "pixels.npy", mmap_mode="r")


RUNS = {
    "softmax": ("softmax", {}, ()),
    "mlp, mirrored and moved": (
        *("mlp", {"flip": True, "shift": 1, "hidden_units": (8,), "class_weights": True}),
        (3,),
    ),
    "dropout, adamw, moving average": (
        *("mlp", {"dropout": 0.2, "optimizer": "adamw", "ema": 0.9, "batch_norm": True}),
        (),
    ),
    "cnn": ("cnn", {"filters": (4,), "hidden_units": (8,)}, (3,)),
}
WIDE = "softmax", "dropout, adamw, moving average"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "channels"),
    [
        pytest.param(*run, id=name, marks=[pytest.mark.wide] if name in WIDE else [])
        for name, run in RUNS.items()
    ],
)
def test_weights_are_those_of_memory(name, settings, channels, tmp_path):
    """The same parts, statistics, order, draws and updates."""
    images, labels = lines(230, *channels)
    data = checked(own({"all": Examples(as_map(tmp_path, images), labels)}))
    held, read = split(data, 0), split(data, 0, most_bytes=0)
    assert isinstance(read.parts["train"].images, RowsOnDisk)
    assert not isinstance(held.parts["train"].images, RowsOnDisk)
    assert read.checksums == held.checksums
    assert read.notes == held.notes
    tasks = [OwnClassification.of_own(each, "pad") for each in (held, read)]
    assert tasks[0].images == tasks[1].images
    (one, history), (other, history_read) = (weights(task, name, settings) for task in tasks)
    for weight, weight_read in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(weight, weight_read, atol=1e-5)
    for epoch, epoch_read in zip(history, history_read, strict=True):
        assert epoch.validation_loss == pytest.approx(epoch_read.validation_loss, rel=1e-3)
    outputs = [outputs_of(one, task.validation[0]) for task in tasks]
    np.testing.assert_array_equal(*outputs)


def test_one_data_set_reads_for_all_epochs(monkeypatch):
    """TensorFlow never lets go of a generator's, nor of the order that it held."""
    images, labels = lines(230)
    task = OwnClassification.of_own(
        split(own({"all": Examples(images, labels)}), most_bytes=0), "pad"
    )
    made, orders, from_generator = [], [], tf.data.Dataset.from_generator

    def counted(*words, **options):
        made.append(words)
        return from_generator(*words, **options)

    def noted(order, kind):
        found = np.array(order, kind)
        orders.append(weakref.ref(found))
        return found

    monkeypatch.setattr(tf.data.Dataset, "from_generator", counted)
    monkeypatch.setattr(from_disk, "np", SimpleNamespace(**vars(np) | {"asarray": noted}))
    recipe = RECIPES["softmax"].varied({"epochs": 4, "batch_size": 32})
    model = MODELS["softmax"](recipe, 0, task.images)
    assert len(fit(model, recipe, task.train, task.validation, 0)) == 4
    gc.collect()
    assert (len(made), len(orders)) == (1, 4)
    assert [order() for order in orders[:-1]] == [None] * 3


@pytest.mark.slow
def test_turned_pictures_are_other_draws(tmp_path):
    """They are drawn for a batch and not for an epoch, by the same seed always."""
    images, labels = lines(230)
    data = checked(own({"all": Examples(as_map(tmp_path, images), labels)}))
    task = OwnClassification.of_own(split(data, 0, most_bytes=0), "pad")
    settings = {"turn": 20.0, "scale": 0.1, "epochs": 2, "hidden_units": (8,)}
    found = [weights(task, "mlp", settings) for _ in range(2)]
    for weight, again in zip(*(model.get_weights() for model, _ in found), strict=True):
        np.testing.assert_array_equal(weight, again)
    assert found[0][1][-1].train_loss < found[0][1][0].train_loss


@pytest.mark.slow
@pytest.mark.parametrize(
    "parts",
    [
        ("all",),
        pytest.param(("train", "validation", "test"), marks=pytest.mark.wide),
        pytest.param(("train", "test"), marks=pytest.mark.wide),
    ],
)
def test_pictures_are_never_all_read_at_once(parts):
    """Splitting, statistics, training, figures and the baseline read them in pieces."""
    count = 3 * MOST_ROWS + 10
    sources = {}
    for number, part in enumerate(parts):
        # So large that what looks for near-duplicates takes hundreds at a time.
        images, labels = lines(count, seed=number, side=60)
        sources[part] = Examples(Watched(images), labels)
    task = OwnClassification.of_own(split(own(sources), 0, most_bytes=0), "pad")
    model, (kept,) = weights(task, "softmax", {"epochs": 1})
    outputs = outputs_of(model, task.validation[0])
    task.score(outputs)
    recipe = RECIPES["softmax"]
    assert "baseline" in task.findings(task.served(model, recipe), outputs, kept)
    for examples in sources.values():
        assert examples.images.counts
        assert max(examples.images.counts) <= MOST_ROWS


def test_rows_are_those_of_all_sources(tmp_path):
    images, _ = lines(20)
    rows = RowsOnDisk([images[:7], images[7:8], images[8:]])
    picked = np.array([19, 0, 7, 7, 6])
    assert (len(rows), rows.shape, rows.ndim, rows.dtype) == (20, (20, 9, 9), 3, np.uint8)
    np.testing.assert_array_equal(rows[picked], images[picked])
    np.testing.assert_array_equal(rows[5:12], images[5:12])
    np.testing.assert_array_equal(rows.taken(picked)[1:3], images[picked[1:3]])
    np.testing.assert_array_equal(list(rows.taken(picked)), images[picked])
    for row in (0, 8, np.int64(19), -1):
        np.testing.assert_array_equal(rows[row], images[row])
    with pytest.raises(IndexError):
        rows[20]
    with pytest.raises(TypeError, match="too many to be read at once"):
        np.asarray(rows)


def test_a_fifth_of_the_memory_is_the_bound(tmp_path, monkeypatch):
    """What is smaller is held, as it was."""
    images, labels = lines(90)
    data = own({"all": Examples(as_map(tmp_path, images), labels)})
    for most_bytes, on_disk in ((images.nbytes, False), (images.nbytes - 1, True), (None, False)):
        parts = split(data, 0, most_bytes=most_bytes).parts
        assert {isinstance(part.images, RowsOnDisk) for part in parts.values()} == {on_disk}
    for memory, on_disk in ((5 * images.nbytes, False), (5 * images.nbytes - 1, True)):
        monkeypatch.setattr(splitting, "memory_bytes", lambda memory=memory: memory)
        parts = split(data, 0).parts
        assert {isinstance(part.images, RowsOnDisk) for part in parts.values()} == {on_disk}
