"""Runs of `vitrine-train`: reproducible, resumed, refused, and never half published."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

from harness.processes import after
from vitrine_training.cli import main, summary
from vitrine_training.fit.loop import Diverged, check_outputs
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish import incumbent
from vitrine_training.publish import versions as publish
from vitrine_training.publish.archive import ExportError
from vitrine_training.publish.export import check_version
from vitrine_training.publish.gate import SameModel, WorseModel, is_same
from vitrine_training.run import Run, RunListener, train_and_publish
from vitrine_training.tasks import Regression


def run(models_dir: Path, recipe: str = "softmax", *, seed: int = 0, force: bool = False, **vary):
    return Run(RECIPES[recipe].varied(vary), seed, models_dir, force, checkpoint_every_s=0)


def vitrine_train(*words: str, **options) -> "subprocess.CompletedProcess[str]":
    command = [*options.pop("before", ()), sys.executable, "-m", "vitrine_training", *words]
    if words[0] == "train":
        command += ["--hard-pictures", "0"]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, **options)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path):
    """kill -9 in the middle, the same command again in another process, this one: the weights and
    the metrics of a run that had the same seed and was not interrupted."""
    words = ["train", "mlp", "--epochs", "3", "--checkpoint-every-s", "0", "--seed", "3"]
    words += ["--hidden-units", "32", "--models-dir"]
    whole = [*words, str(tmp_path / "whole"), "--hard-pictures", "0"]
    assert CliRunner().invoke(main, whole).exit_code == 0
    killed = [sys.executable, "-u", "-m", "vitrine_training", *words, str(tmp_path / "killed")]
    with subprocess.Popen(killed, stdout=subprocess.PIPE, text=True) as victim:
        for line in victim.stdout:
            if "epoch 2/3" in line:
                victim.send_signal(signal.SIGKILL)
    assert victim.returncode == -signal.SIGKILL
    assert publish.versions(tmp_path / "killed", "mlp") == []
    done = CliRunner().invoke(main, [*words, str(tmp_path / "killed"), "--hard-pictures", "0"])
    assert done.exit_code == 0, done.stderr
    assert "goes on after epoch" in done.stdout
    assert "epoch 1/3" not in done.stdout
    versions = tmp_path / "killed/mlp/1", tmp_path / "whole/mlp/1"
    assert is_same(*versions)
    cards = [json.loads((each / "assets.extra/card.json").read_text()) for each in versions]
    assert cards[0]["metrics"] == cards[1]["metrics"]
    assert sorted(path.name for path in (tmp_path / "killed/mlp").iterdir()) == [".lock", "1"]


def test_ctrl_c_says_how_to_go_on(tmp_path):
    """An interrupted run ends with one line and no traceback; and a table of what was and was not
    done, if it was one of several."""
    words = ["train", "linear", "mlp", "softmax", "--epochs", "500", "--models-dir", str(tmp_path)]
    with subprocess.Popen(
        # A shell has its background jobs ignore Ctrl-C, and they leave that to their children.
        [
            *after("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)"),
            *(sys.executable, "-u", "-m", "vitrine_training", *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as victim:
        for line in victim.stdout:
            if "train 0." in line:  # of mlp; linear has no accuracy
                victim.send_signal(signal.SIGINT)
                break
        output, errors = victim.communicate(timeout=60)
    assert victim.returncode == 130
    assert "the same command goes on after epoch" in errors
    assert "Traceback" not in errors
    table = output.splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["linear", "mlp", "softmax"]
    assert f"published as {tmp_path / 'linear' / '1'}" in table[0]
    assert table[1].rstrip().endswith("not published: interrupted")
    assert table[2].rstrip().endswith("not published: not begun: interrupted")


def test_a_signal_after_the_last_epoch_keeps_the_run(small_task, tmp_path):
    """While the model is judged and written, too: the same command has nothing to train again."""
    started: list[int] = []

    class Interrupted(type(small_task)):
        def findings(self, *_):
            raise SystemExit(130)

    task = Interrupted(**vars(small_task))
    with pytest.raises(SystemExit):
        train_and_publish(run(tmp_path, epochs=2), task, RunListener())
    assert not publish.versions(tmp_path, "softmax")
    assert list(tmp_path.glob("softmax/.training-*"))
    listener = RunListener(
        on_start=lambda state: started.append(len(state.history) if state else 0),
        on_epoch=lambda epoch: started.append(-epoch.number),
    )
    train_and_publish(run(tmp_path, epochs=2), small_task, listener)
    assert started == [2]
    assert not list(tmp_path.glob("softmax/.training-*"))


def test_a_worse_model_is_refused(small_task, tmp_path):
    """The gate compares right answers on the validation images; --force overrules it."""
    train_and_publish(run(tmp_path, epochs=5), small_task, RunListener())
    worse = run(tmp_path, epochs=1, learning_rate=1e-4)
    with pytest.raises(WorseModel, match=r"of 500 validation images right.*--force"):
        train_and_publish(worse, small_task, RunListener())
    assert sorted(path.name for path in (tmp_path / "softmax").iterdir()) == [".lock", "1"]
    version_dir, _ = train_and_publish(
        run(tmp_path, epochs=1, learning_rate=1e-4, force=True), small_task, RunListener()
    )
    assert version_dir.name == "2"


@pytest.mark.wide  # test_gate.py has what is refused, without a training
def test_the_same_weights_are_not_published_twice(small_task, tmp_path):
    """A recipe that comes out as the newest version did publishes nothing, unless it is forced to,
    and leaves no checkpoint; names that Keras gives in the same process make no difference."""
    train_and_publish(run(tmp_path, epochs=1), small_task, RunListener())
    with pytest.raises(SameModel, match=r"the same weights as .*softmax/1: .*--force"):
        train_and_publish(run(tmp_path, epochs=1), small_task, RunListener())
    assert sorted(path.name for path in (tmp_path / "softmax").iterdir()) == [".lock", "1"]
    train_and_publish(run(tmp_path, epochs=1, force=True), small_task, RunListener())
    train_and_publish(run(tmp_path, seed=1, epochs=2), small_task, RunListener())
    assert publish.versions(tmp_path, "softmax") == [1, 2, 3]


def test_a_run_that_diverges_leaves_no_checkpoint(small_task, tmp_path):
    """It came to its end: the same command would only go on to the same one."""
    with pytest.raises(Diverged):
        train_and_publish(run(tmp_path, "mlp", learning_rate=1e8), small_task, RunListener())
    assert [path.name for path in (tmp_path / "mlp").iterdir()] == [".lock"]


def test_a_checkpoint_that_cannot_be_written_costs_nothing_else(small_task, tmp_path):
    """The run says so, and goes on to its end."""
    said: list[str] = []

    def in_the_way(epoch) -> None:
        if epoch.number == 1:
            (checkpoint,) = (tmp_path / "softmax").glob(".training-*")
            checkpoint.unlink()
            checkpoint.mkdir()
            (checkpoint / "file").touch()

    listener = RunListener(on_epoch=in_the_way, say=said.append)
    with pytest.raises(IsADirectoryError):  # nor can that be removed at the end, which is ours
        train_and_publish(run(tmp_path, epochs=3), small_task, listener)
    assert publish.versions(tmp_path, "softmax") == [1]
    assert sum("no checkpoint could be written" in line for line in said) == 2


def test_a_figure_that_is_no_number_is_null(small_task, tmp_path):
    """A network that answers one class has no precision for the others; JSON has no NaN for it, in
    the card as in the model, and the lines of the run say all the same what there is."""
    vary = {"initializer": "zeros", "epochs": 1}
    version_dir, card = train_and_publish(run(tmp_path, "mlp", **vary), small_task, RunListener())
    loaded = tf.saved_model.load(str(version_dir))
    (text,) = loaded.signatures["describe"](keys=tf.constant(["card"]))["values"].numpy()
    texts = (version_dir / "assets.extra/card.json").read_text(), text.decode()
    for text in texts:
        read = json.loads(text, parse_constant=pytest.fail)
        assert sum(entry["precision"] is None for entry in read["classes"]) == 9
        assert read == card
    assert card["metrics"]["temperature_at_bound"] is True
    summary.show(RECIPES["mlp"], card)


def test_what_answers_otherwise_is_not_published(small_task, tmp_path):
    """An export that does not give the trained model's answers is found out."""
    version_dir, _ = train_and_publish(run(tmp_path, epochs=1), small_task, RunListener())
    other = MODELS["softmax"](RECIPES["softmax"], 5)
    with pytest.raises(ExportError, match="answers otherwise"):
        check_version(version_dir, other, "logits", small_task.validation[0][:100])


def test_a_run_that_goes_astray_blames_no_export(small_task, tmp_path):
    """Where answers are huge, so is what rounding makes of them; where they are no numbers, that is
    told with a remedy."""
    astray = run(tmp_path, learning_rate=1e20, epochs=1)
    _, card = train_and_publish(astray, small_task, RunListener())
    assert "too high" in card["verdict"]["reason"]
    with pytest.raises(Diverged, match="answers with nan; a lower --learning-rate"):
        check_outputs(np.array([1.0, np.nan, np.inf]))


def test_regression(tmp_path):
    """`linear` is published with its signatures, gated by its loss, and needs no images."""
    version_dir, card = train_and_publish(run(tmp_path, "linear"), Regression.of(0), RunListener())
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
    described = incumbent.description(loaded)
    assert described.card == json.loads(json.dumps(card))
    assert described.labels == ()
    with pytest.raises(WorseModel, match="validation loss"):
        train_and_publish(run(tmp_path, "linear", epochs=1), Regression.of(0), RunListener())


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    """Where files cannot grow, nothing is published, nothing is left, and the reason is told.

    The kernel refuses to write beyond RLIMIT_FSIZE as it refuses to write to a full disk, and that
    needs no disk of one's own.
    """
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))"
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    words = ("train", "mlp", "--epochs", "1", "--models-dir", str(tmp_path))
    done = vitrine_train(*words, before=after(limit), env=environment)
    assert done.returncode == 1, done.stdout
    assert "mlp was not published: [Errno 27] File too large" in done.stderr
    assert "MB are needed" in done.stderr
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stdout
    assert [path.name for path in (tmp_path / "mlp").iterdir()] == [".lock"]


@pytest.mark.wide
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
    assert "mlp was not published: [Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "epoch" not in done.stdout
    assert done.stderr.splitlines()[-1].strip() in ("left:", f"left: {tmp_path}/mlp/.lock")


@pytest.mark.slow
@pytest.mark.parametrize(
    "wait_s",
    [1.5, *(pytest.param(wait_s, marks=pytest.mark.wide) for wait_s in (0.2, 0.7, 1, 2.4))],
)
def test_kill_in_the_middle_of_a_real_publish(wait_s, tmp_path):
    """kill -9 while TensorFlow writes leaves no version, or a whole one that loads."""
    script = (
        "import os, sys, threading\n"
        "from pathlib import Path\n"
        "from vitrine_training.data import fashion_mnist as data\n"
        "from vitrine_training.publish import export\n"
        "from vitrine_training.publish import versions as publish\n"
        "from vitrine_training.models.networks import MODELS\n"
        "from vitrine_training.models.recipes import RECIPES\n"
        "import numpy as np\n"
        "card = {'model': 'mlp', 'labels': list(data.LABELS), 'input_shape': [28, 28]}\n"
        "model = MODELS['mlp'](RECIPES['mlp'], 0)\n"
        "examples = np.zeros((32, 28, 28), np.uint8)\n"
        "write = lambda directory, _: export.write_version(directory, model, card, examples)\n"
        "for _ in range(100):\n"
        "    print('publishing', flush=True)\n"
        "    publish.publish(Path(sys.argv[1]), 'mlp', write)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as victim:
        assert victim.stdout.readline() == "publishing\n"
        try:
            victim.wait(wait_s)
        except subprocess.TimeoutExpired:
            victim.kill()
    assert victim.returncode == -signal.SIGKILL
    for version in publish.versions(tmp_path, "mlp"):
        loaded = tf.saved_model.load(str(tmp_path / "mlp" / str(version)))
        answer = loaded.signatures["serving_default"](images=tf.zeros([1, 28, 28]))
        assert answer["logits"].shape == (1, 10)
