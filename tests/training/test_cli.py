"""What `vitrine-train` says before TensorFlow is started, and about what is published."""

import json

import pytest
from click.testing import CliRunner

from vitrine_training.cli import main
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish import versions as publish


def vitrine_train(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_recipes_are_listed():
    """Every recipe has its line, with what to expect of it."""
    done = vitrine_train("recipes")
    assert done.exit_code == 0
    for name in RECIPES:
        assert f"\n{name} " in done.output


WRONG = {
    "unknown recipe": (["resnet"], "Invalid value"),
    "unknown activation": (["mlp", "--activation", "gelu"], "'gelu' is not one of"),
    "out of range": (["mlp", "--dropout", "1"], "dropout must be at least 0 and below 1"),
    "no widths": (["mlp", "--hidden-units", "wide"], "write widths as in 512,256"),
    "no filters": (["photo", "--filters", "0"], "filters must be at least 1"),
    "too far": (["photo", "--turn", "180"], "turn must be at least 0 and below 180"),
    "more than all": (["photo", "--dirt", "1"], "dirt must be at least 0 and below 1"),
    "no width at all": (["mlp", "--hidden-units", "0"], "hidden_units must be at least 1"),
    "a name for two": (["softmax", "mlp", "--as", "one"], "--as goes with one recipe"),
    "a name with a slash": (["mlp", "--as", "a/b"], "a model's name has"),
    "widths of no layers": (["softmax", "--hidden-units", "9"], "--hidden-units: without effect"),
    "turned points": (["linear", "--flip", "--shift", "2"], "--flip and --shift: without effect"),
    "filters of none": (["mlp", "--filters", "8"], "without effect on mlp"),
    "of one of two": (["softmax", "mlp", "--dropout", "0.5"], "without effect on softmax"),
    "of layers that were taken away": (
        ["mlp", "--hidden-units", "", "--dropout", "0.5", "--activation", "tanh"],
        "--activation and --dropout: without effect on mlp (multilayer perceptron, 784-256-10, "
        "without hidden layers)",
    ),
    "a seed that NumPy has not": (["softmax", "--seed", "4294967296"], "is not in the range"),
    "no number": (["softmax", "--checkpoint-every-s", "nan"], "no finite number"),
    "no end": (["softmax", "--checkpoint-every-s", "inf"], "no finite number"),
    "pictures of points": (["linear", "--hard-pictures", "2"], "leave out --hard-pictures"),
    "data of its own": (["linear", "--data-dir", "."], "leave out --data-dir"),
    "a hidden name": (["mlp", "--as", ".retired-1"], "a model's name has"),
    "a name that no folder can have": (["mlp", "--as", "m" * 300], "200 at most"),
    "the name of a file": (["mlp", "--as", "models.config"], "it is not models.config"),
    "a seed below all": (["softmax", "--seed", "-1"], "is not in the range"),
    "no rate": (["mlp", "--learning-rate", "nan"], "finite"),
    "a rate beyond all": (["mlp", "--weight-decay", "inf"], "finite"),
    "a rate below 0": (["mlp", "--learning-rate", "-0.1"], "learning_rate must be finite, and at"),
    "no epochs": (["mlp", "--epochs", "0"], "epochs must be at least 1 and below 1,000,000"),
    "epochs without end": (["mlp", "--epochs", "1000000000000"], "and below 1,000,000"),
    "wider than memory": (["mlp", "--hidden-units", "9999999999"], "and below 100,000"),
    "more pictures than there are": (["mlp", "--hard-pictures", "99999"], "0<=x<=10000"),
    "a step of more than all": (
        ["softmax", "--batch-size", "100000000"],
        "batch_size 100,000,000 is more than the 55,000 rows that softmax trains on",
    ),
    "a step of more points than all": (
        ["linear", "--batch-size", "1001"],
        "batch_size 1,001 is more than the 1,000 rows that linear trains on",
    ),
}


@pytest.mark.parametrize(("words", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_words_are_told_at_once(tmp_path, words, hint):
    """A setting that makes no sense is named before anything is loaded."""
    done = vitrine_train("train", *words, "--models-dir", tmp_path)
    assert done.exit_code == 2
    assert hint in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["train", "evaluate", "report"])
def test_a_data_directory_is_used_or_refused(tmp_path, command):
    """By every command that takes one, as an option and as a variable, whatever is in the cache."""
    publish.publish(tmp_path / "models", "md", write)
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    words = [command, *(["softmax"] if command == "train" else ["md"])]
    words += ["--models-dir", str(tmp_path / "models")]
    for done in (
        vitrine_train(*words, "--data-dir", data_dir),
        CliRunner().invoke(main, words, env={"VITRINE_DATA_DIR": str(data_dir)}),
    ):
        assert done.exit_code == 1
        assert f"{data_dir} lacks train-images-idx3-ubyte.gz" in done.output
    for wrong in (tmp_path / "none", tmp_path / "models/md/1/assets.extra/card.json"):
        done = vitrine_train(*words, "--data-dir", wrong)
        assert done.exit_code == 2
        assert f"'{wrong}'" in done.output


def test_recipes_are_not_wrapped_for_a_pipe():
    """A line each, however long."""
    lines = vitrine_train("recipes").output.splitlines()
    assert len(lines) == 1 + len(RECIPES)
    assert lines[-1].rstrip().endswith(list(RECIPES.values())[-1].summary)


def test_unknown_variables_are_told():
    """Also by the commands that train."""
    done = CliRunner().invoke(main, ["recipes"], env={"VITRINE_DATADIR": "/data"})
    assert "did you mean VITRINE_DATA_DIR?" in done.stderr


def write(directory, version):
    (directory / "assets.extra").mkdir(parents=True)
    card = {
        "labels": ["a", "b"],
        "trained_at": f"2026-01-0{version}T00:00:00+00:00",
        "metrics": {"test_accuracy": 0.8 + version / 100, "validation_accuracy": 0.85},
    }
    (directory / "assets.extra" / "card.json").write_text(json.dumps(card))


def test_versions_and_rollback(tmp_path):
    """Each version has its state, date and accuracy, before and after a rollback."""
    for _ in range(2):
        publish.publish(tmp_path, "mlp", write)
    done = vitrine_train("versions", "--models-dir", tmp_path)
    assert "mlp/1    published  2026-01-01T00:00:00+00:00  0.8100" in done.output
    done = vitrine_train("rollback", "mlp", "--models-dir", tmp_path)
    assert done.exit_code == 0
    assert "mlp/1 is the newest now" in done.output
    assert "mlp/2    rolled back" in vitrine_train("versions", "--models-dir", tmp_path).output
    assert vitrine_train("rollback", "mlp", "--models-dir", tmp_path).exit_code == 1
    assert vitrine_train("rollback", "mlp", "--undo", "--models-dir", tmp_path).exit_code == 0
    assert publish.versions(tmp_path, "mlp") == [1, 2]
    done = vitrine_train("versions", "nope", "--models-dir", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "nope has no version" in done.stderr


def test_no_version_at_all(tmp_path):
    """It is said, with what to do; --json is an empty list all the same."""
    done = vitrine_train("versions", "--models-dir", tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert f"{tmp_path} has no version; `make train` publishes some" in done.stderr
    done = vitrine_train("versions", "--json", "--models-dir", tmp_path)
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_json(tmp_path):
    """Recipes by name with all their settings; versions with what their cards say, None where one
    says nothing; and which is the newest after a rollback."""
    told = json.loads(vitrine_train("recipes", "--json").stdout)
    assert list(told) == list(RECIPES)
    assert told["mlp"]["hidden_units"] == list(RECIPES["mlp"].hidden_units)
    for _ in range(2):
        publish.publish(tmp_path, "mlp", write)
    (tmp_path / "mlp" / "1" / "assets.extra" / "card.json").write_text("{}")
    done = vitrine_train("rollback", "mlp", "--json", "--models-dir", tmp_path)
    newest = {"model": "mlp", "version": 1, "path": str(tmp_path / "mlp" / "1")}
    assert json.loads(done.stdout) == newest
    first, second = json.loads(vitrine_train("versions", "--json", "--models-dir", tmp_path).stdout)
    nothing = {"trained_at": None, "test_accuracy": None, "validation_accuracy": None}
    assert first == newest | {"state": "published"} | nothing
    assert (second["version"], second["state"]) == (2, "rolled back")
    assert second["test_accuracy"] == pytest.approx(0.82)


def test_models_are_completed(tmp_path):
    """Those that have a version."""
    publish.publish(tmp_path, "mlp", write)
    publish.publish(tmp_path, "softmax", write)
    for words in (f"vitrine-train rollback --models-dir {tmp_path} ", "vitrine-train versions m"):
        asking = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
        asking |= {"_VITRINE_TRAIN_COMPLETE": "bash_complete", "VITRINE_MODELS_DIR": str(tmp_path)}
        done = CliRunner().invoke(main, env=asking, prog_name="vitrine-train")
        names = [line.partition(",")[2] for line in done.stdout.splitlines()]
        assert names == (["mlp"] if words.endswith("m") else ["mlp", "softmax"])


def test_a_version_with_a_label_is_not_retired(tmp_path):
    """Its clients would get 404: who did not mean that is told which labels name it, and how they
    are moved. `--force` means it."""
    for _ in range(2):
        publish.publish(tmp_path, "mlp", write)
    config = tmp_path / "models.config"
    labels = "".join(
        f'version_labels {{ key: "{label}" value: {version} }} '
        for label, version in {"stable": 2, "canary": 2, "old": 1}.items()
    )
    config.write_text(
        f'model_config_list {{ config {{ name: "mlp" base_path: "{tmp_path / "mlp"}" '
        f'model_platform: "tensorflow" model_version_policy {{ all {{}} }} {labels} }} }}'
    )
    done = vitrine_train("rollback", "mlp", "--models-dir", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "canary and stable of mlp name version 2" in done.stderr
    assert "`vitrine rollback mlp --label stable`" in done.stderr
    assert publish.versions(tmp_path, "mlp") == [1, 2]
    config.write_text("model_config_list { config {")
    done = vitrine_train("rollback", "mlp", "--models-dir", tmp_path)
    assert (done.exit_code, "is no ModelServerConfig" in done.stderr) == (1, True)
    assert vitrine_train("rollback", "mlp", "--force", "--models-dir", tmp_path).exit_code == 0
    assert publish.versions(tmp_path, "mlp") == [1]


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_nothing_to_judge(tmp_path, command):
    """Without a classifier the commands say how to get one."""
    done = vitrine_train(command, "--models-dir", tmp_path)
    assert (done.exit_code, "make train" in done.output) == (1, True)
    done = vitrine_train(command, "mlp", "--models-dir", tmp_path)
    assert (done.exit_code, "mlp has no version" in done.output) == (1, True)
    assert "make train" in done.output


def test_what_is_there_is_left_alone(tmp_path):
    """`--if-missing` starts nothing where every model has a version."""
    publish.publish(tmp_path, "mlp", write)
    done = vitrine_train("train", "mlp", "--if-missing", "--models-dir", tmp_path)
    assert done.exit_code == 0
    assert "is there already" in done.output
    assert "TensorFlow" not in done.output
    done = vitrine_train("train", "mlp", "--if-missing", "--json", "--models-dir", tmp_path)
    (told,) = json.loads(done.stdout)
    assert (told["model"], told["published"]) == ("mlp", False)
    assert "is there already" in told["reason"]
    assert "is there already" in done.stderr
