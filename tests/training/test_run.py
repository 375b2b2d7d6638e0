"""Runs of `vitrine-train`: reproducible, resumed, refused, and never half published."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from vitrine_training import publish, weights
from vitrine_training.data import Dataset, Split
from vitrine_training.export import ExportError, check_version
from vitrine_training.models import MODELS
from vitrine_training.recipes import RECIPES
from vitrine_training.run import Listener, Run, SameModel, WorseModel, train_and_publish
from vitrine_training.tasks import Classification, Regression


@pytest.fixture(scope="module")
def few(dataset) -> Classification:
    """2,000 images to train on, and 500 to validate and to test."""
    small = Dataset(
        train=Split(dataset.train.images[:2000], dataset.train.labels[:2000]),
        validation=Split(dataset.validation.images[:500], dataset.validation.labels[:500]),
        test=Split(dataset.test.images[:500], dataset.test.labels[:500]),
        checksums=dataset.checksums,
    )
    return Classification.of(small, pictures=1)


def run(models_dir: Path, recipe: str = "softmax", *, seed: int = 0, force: bool = False, **vary):
    return Run(RECIPES[recipe].varied(vary), seed, models_dir, force, checkpoint_every_s=0)


def vitrine_train(*words: str, **options) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vitrine_training", *words]
    if words[0] == "train":
        command += ["--hard-pictures", "0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, **options)


@pytest.mark.slow
def test_the_same_seed_publishes_the_same_bits(tmp_path):
    """Two processes with one seed publish equal weights and equal metrics; another seed others."""
    words = ("train", "mlp", "--epochs", "2", "--force", "--models-dir", str(tmp_path))
    for seed in ("3", "3", "4"):
        done = vitrine_train(*words, "--seed", seed)
        assert done.returncode == 0, done.stderr
    first, second, third = (tmp_path / "mlp" / str(version) for version in (1, 2, 3))
    assert weights.is_same(first, second)
    assert not weights.is_same(first, third)
    metrics = [json.loads((v / "assets.extra" / "card.json").read_text()) for v in (first, second)]
    assert metrics[0]["metrics"] == metrics[1]["metrics"]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    """kill -9 in the middle, the same command again: the weights of an uninterrupted run."""
    words = ["train", "mlp", "--epochs", "4", "--checkpoint-every-s", "0", "--models-dir"]
    assert vitrine_train(*words, str(tmp_path / "whole")).returncode == 0
    killed = [sys.executable, "-u", "-m", "vitrine_training", *words, str(tmp_path / "killed")]
    with subprocess.Popen(killed, stdout=subprocess.PIPE, text=True) as victim:
        for line in victim.stdout:
            if "epoch 2/4" in line:
                victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert publish.versions(tmp_path / "killed", "mlp") == []
    done = vitrine_train(*words, str(tmp_path / "killed"))
    assert done.returncode == 0, done.stderr
    assert "goes on after epoch" in done.stdout
    assert "epoch 1/4" not in done.stdout
    assert weights.is_same(tmp_path / "killed/mlp/1", tmp_path / "whole/mlp/1")
    assert sorted(path.name for path in (tmp_path / "killed/mlp").iterdir()) == [".lock", "1"]


def test_ctrl_c_says_how_to_go_on(tmp_path):
    """An interrupted run ends with one line and no traceback."""
    words = ["train", "mlp", "--epochs", "500", "--models-dir", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "vitrine_training", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore Ctrl-C, and they leave that to their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as victim:
        for line in victim.stdout:
            if "epoch" in line:
                victim.send_signal(signal.SIGINT)
                break
        _, errors = victim.communicate(timeout=60)
    assert victim.returncode == 130
    assert "the same command goes on after epoch" in errors
    assert "Traceback" not in errors


def test_a_worse_model_is_refused(few, tmp_path):
    """The gate compares right answers on the validation images; --force overrules it."""
    train_and_publish(run(tmp_path, epochs=5), few, Listener())
    worse = run(tmp_path, epochs=1, learning_rate=1e-4)
    with pytest.raises(WorseModel, match=r"of 500 validation images right.*--force"):
        train_and_publish(worse, few, Listener())
    assert publish.versions(tmp_path, "softmax") == [1]
    version_dir, _ = train_and_publish(
        run(tmp_path, epochs=1, learning_rate=1e-4, force=True), few, Listener()
    )
    assert version_dir.name == "2"


def test_the_same_weights_are_not_published_twice(few, tmp_path):
    """A recipe that comes out as the newest version did publishes nothing, unless it is forced to,
    and leaves no checkpoint; names that Keras gives in the same process make no difference."""
    train_and_publish(run(tmp_path, epochs=1), few, Listener())
    with pytest.raises(SameModel, match=r"the same weights as .*softmax/1: .*--force"):
        train_and_publish(run(tmp_path, epochs=1), few, Listener())
    assert sorted(path.name for path in (tmp_path / "softmax").iterdir()) == [".lock", "1"]
    train_and_publish(run(tmp_path, epochs=1, force=True), few, Listener())
    train_and_publish(run(tmp_path, seed=1, epochs=2), few, Listener())
    assert publish.versions(tmp_path, "softmax") == [1, 2, 3]


def test_a_broken_current_version_is_no_hindrance(few, tmp_path):
    """Where the newest version cannot be loaded, the candidate is published, and that is said."""
    (tmp_path / "softmax" / "4").mkdir(parents=True)
    said: list[str] = []
    version_dir, _ = train_and_publish(run(tmp_path, epochs=1), few, Listener(say=said.append))
    assert version_dir.name == "5"
    assert "cannot be evaluated" in said[0]


def test_a_truncated_current_version_is_no_hindrance(few, tmp_path):
    """TensorFlow raises an IndexError for it: the new model is published all the same."""
    version_dir, _ = train_and_publish(run(tmp_path, epochs=1), few, Listener())
    shard = next((version_dir / "variables").glob("variables.data-*"))
    os.truncate(shard, 1000)
    said: list[str] = []
    version_dir, _ = train_and_publish(run(tmp_path, epochs=1), few, Listener(say=said.append))
    assert version_dir.name == "2"
    assert "cannot be evaluated" in said[0]


def test_what_answers_otherwise_is_not_published(few, tmp_path):
    """An export that does not give the trained model's answers is found out."""
    version_dir, _ = train_and_publish(run(tmp_path, epochs=1), few, Listener())
    other = MODELS["softmax"](RECIPES["softmax"], 5)
    with pytest.raises(ExportError, match="answers otherwise"):
        check_version(version_dir, other, "logits", few.validation[0][:100])


def test_regression(tmp_path):
    """`linear` is published with its signatures, gated by its loss, and needs no images."""
    version_dir, card = train_and_publish(run(tmp_path, "linear"), Regression.of(0), Listener())
    assert card["weights"]["learned"] == pytest.approx([2, -3.4], abs=0.01)
    loaded = tf.saved_model.load(str(version_dir))
    features = np.array([[1, 1], [0, 2]], np.float32)
    values = loaded.signatures["serving_default"](features=tf.constant(features))["values"]
    np.testing.assert_allclose(values, [[2.8], [-2.6]], atol=0.02)
    examples = [
        tf.train.Example(
            features=tf.train.Features(
                feature={"features": tf.train.Feature(float_list=tf.train.FloatList(value=row))}
            )
        ).SerializeToString()
        for row in features
    ]
    outputs = loaded.signatures["regress"](inputs=tf.constant(examples))["outputs"]
    np.testing.assert_allclose(outputs, values, atol=1e-6)
    described = json.loads(loaded.signatures["describe"]()["card"].numpy())
    assert described == json.loads(json.dumps(card))
    with pytest.raises(WorseModel, match="validation loss"):
        train_and_publish(run(tmp_path, "linear", epochs=1), Regression.of(0), Listener())


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """Where files cannot grow, nothing is published, nothing is left, and the reason is told.

    The kernel refuses to write beyond RLIMIT_FSIZE as it refuses to write to a full disk, and that
    needs no disk of one's own.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    words = ("train", "mlp", "--epochs", "1", "--models-dir", str(tmp_path))
    done = vitrine_train(*words, preexec_fn=limit, env=environment)
    assert done.returncode == 1, done.stdout
    assert "mlp was not published" in done.stderr
    assert "Traceback" not in done.stderr
    # Where an epoch takes long, the first that does not fit is a checkpoint, before any lock.
    assert {path.name for path in (tmp_path / "mlp").iterdir()} <= {".lock"}


def test_a_really_full_disk(tmp_path):
    """The same on a file system with no space left, where this machine lets us mount one."""
    script = (
        f"mount -t tmpfs -o size=600k none {tmp_path} && "
        f"{sys.executable} -m vitrine_training train mlp --epochs 1 --models-dir {tmp_path}; "
        f"echo left: $(find {tmp_path} -type f) >&2"
    )
    probe = ["unshare", "--map-root-user", "--mount", "true"]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    done = subprocess.run(
        [*probe[:-1], "sh", "-c", script], capture_output=True, text=True, timeout=250
    )
    assert "mlp was not published" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].strip() in ("left:", f"left: {tmp_path}/mlp/.lock")


@pytest.mark.slow
def test_kill_in_the_middle_of_a_real_publish(few, tmp_path):
    """kill -9 while TensorFlow writes leaves no version, or a whole one that loads."""
    script = (
        "import os, sys, threading\n"
        "from pathlib import Path\n"
        "from vitrine_training import data, export, publish\n"
        "from vitrine_training.models import MODELS\n"
        "from vitrine_training.recipes import RECIPES\n"
        "import numpy as np\n"
        "card = {'model': 'mlp', 'labels': list(data.LABELS), 'input_shape': [28, 28]}\n"
        "model = MODELS['mlp'](RECIPES['mlp'], 0)\n"
        "examples = np.zeros((32, 28, 28), np.uint8)\n"
        "write = lambda directory, _: export.write_version(directory, model, card, examples)\n"
        "for _ in range(100):\n"
        "    print('publishing', flush=True)\n"
        "    publish.publish(Path(sys.argv[1]), 'mlp', write)\n"
    )
    rng = np.random.default_rng(0)
    for attempt in range(3):
        models_dir = tmp_path / str(attempt)
        with subprocess.Popen(
            [sys.executable, "-c", script, str(models_dir)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as victim:
            assert victim.stdout.readline() == "publishing\n"
            try:
                victim.wait(rng.uniform(0.1, 2.5))
            except subprocess.TimeoutExpired:
                victim.kill()
        assert victim.returncode == -signal.SIGKILL
        for version in publish.versions(models_dir, "mlp"):
            loaded = tf.saved_model.load(str(models_dir / "mlp" / str(version)))
            answer = loaded.signatures["serving_default"](images=tf.zeros([1, 28, 28]))
            assert answer["logits"].shape == (1, 10)
