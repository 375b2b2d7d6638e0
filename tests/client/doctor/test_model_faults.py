"""Faults of published models: why one is not served, from what is on the disk."""

import os
import shutil

import pytest

from tests.unprivileged import unprivileged

CONFIG = """model_config_list {{
  config {{ name: "mlp" base_path: "{models}/mlp" model_platform: "tensorflow" {more} }}
  config {{ name: "softmax" base_path: "{models}/softmax" model_platform: "tensorflow" }}
}}
"""


def cut(path, bytes_: int) -> None:
    path.write_bytes(path.read_bytes()[:bytes_])


def rename(path, name: str) -> None:
    path.rename(path.with_name(name))


def data(version):
    return version / "variables" / "variables.data-00000-of-00001"


VERSION_FAULTS = {
    "no graph": (lambda v: (v / "saved_model.pb").unlink(), "no saved_model.pb"),
    "empty graph": (lambda v: cut(v / "saved_model.pb", 0), "saved_model.pb is empty"),
    "no variables": (lambda v: shutil.rmtree(v / "variables"), "no variables/variables.index"),
    "no index": (lambda v: (v / "variables" / "variables.index").unlink(), "no variables/var"),
    "cut index": (lambda v: cut(v / "variables" / "variables.index", 300), "index is damaged"),
    "no data": (lambda v: data(v).unlink(), "no variables/variables.data-00000-of"),
    "cut data": (lambda v: cut(data(v), 1000), "is cut off: 1,000 bytes, of 815,"),
    "dead link": (lambda v: (v / "more").symlink_to("/nowhere"), "leads nowhere"),
}


@pytest.mark.parametrize("fault", VERSION_FAULTS)
def test_versions_that_cannot_be_loaded(published, fault):
    """The other versions and models are as they were."""
    plant, seen = VERSION_FAULTS[fault]
    shutil.copytree(published.models / "mlp" / "1", published.models / "mlp" / "2")
    plant(published.models / "mlp" / "2")
    found = published.diagnose()
    found.check("problem", "model mlp", "version 2 cannot be loaded: ", "mlp/2")
    found.check("problem", "model mlp", seen, "")
    assert found.names("problem") == {"model mlp"}
    assert {"name": "model mlp", "level": "ok", "seen": "version 1", "todo": ""} in found.findings


def into_the_model(model) -> None:
    """Lays a SavedModel into the model's directory itself."""
    for each in (model / "1").iterdir():
        each.rename(model / each.name)
    (model / "1").rmdir()


PROFILE_FAULTS = {
    "member": ("profile.json", b'{"scaling": "0..2"}', "profile.json: `scaling`: '0..2' is none"),
    "JSON": ("profile.json", b"{", "profile.json: "),
    "deep JSON": ("profile.json", b"[" * 100_000, "profile.json: "),
    "encoding": ("labels.txt", b"\xff", "labels.txt is not UTF-8"),
    "long label": (
        "labels.txt",
        b"x" * 1_000_000,
        "labels.txt: `labels`: that of class 0 has 1,000,000 letters",
    ),
    "large": (
        "labels.txt",
        b"x\n" * 3_000_000,
        "labels.txt cannot be read (it has 6,000,000 bytes",
    ),
    "hostile": (
        *("profile.json", b'{"\\u001b[2J\\ud800\\u202e": 1}'),
        "profile.json: `\\u001b[2J\\ud800\\u202e` is no member",
    ),
}


@pytest.mark.parametrize("fault", PROFILE_FAULTS)
def test_files_about_pictures_that_make_no_sense(published, fault):
    """File, member and reason are told; the version is served, and takes JSON."""
    file, content, seen = PROFILE_FAULTS[fault]
    folder = published.models / "mlp" / "1" / "assets.extra"
    (folder / file).write_bytes(content)
    found = published.diagnose()
    found.check("problem", "model mlp", f"version 1 is sent no pictures: {seen}", str(folder))
    assert found.names("problem") == {"model mlp"}
    found.check("ok", "model mlp", "version 1", "")


def test_files_about_pictures(published):
    """Those that make sense are passed over."""
    folder = published.models / "mlp" / "1" / "assets.extra"
    (folder / "profile.json").write_text('{"scaling": "0..255"}')
    (folder / "labels.txt").write_text("a\nb\n")
    assert published.diagnose().names("problem") == set()


PLACE_FAULTS = {
    "name": (lambda m: rename(m / "1", "v1"), "problem", "versions are integers", "mlp/1`"),
    "no version directory": (into_the_model, "problem", "outside of its versions", "mlp/1"),
    "file": (lambda m: (m / "2").write_text("x"), "problem", "is no directory", "rm "),
    "keras": (lambda m: (m / "mlp.keras").write_text("x"), "problem", "Keras file", ".export("),
    "retired": (lambda m: rename(m / "1", ".retired-1"), "note", "rolled back", "mlp --undo"),
    "unfinished": (lambda m: (m / ".unfinished-2").mkdir(), "note", "not finished", "nothing"),
    "empty": (lambda m: shutil.rmtree(m / "1"), "note", "is empty", "mlp/1"),
}


@pytest.mark.parametrize("fault", PLACE_FAULTS)
def test_versions_in_the_wrong_place(published, fault):
    plant, level, seen, todo = PLACE_FAULTS[fault]
    plant(published.models / "mlp")
    found = published.diagnose()
    found.check(level, "model mlp", seen, todo)
    assert found.names("problem") == ({"model mlp"} if level == "problem" else set())


def test_models_in_the_wrong_place(published):
    """A SavedModel, or a Keras file, where the models' directories are."""
    (published.models / "saved_model.pb").write_bytes(b"x")
    (published.models / "mine.h5").write_bytes(b"x")
    found = published.diagnose()
    found.check("problem", "models", "but no model", "NAME/1")
    found.check("problem", "models", "mine.h5 is a Keras file", "load_model")


def test_no_models(place):
    """A directory that was named and is not there is a fault; the usual one need not be there."""
    place.diagnose().check("problem", "models", "there is no", "make train")
    place.models.mkdir()
    place.diagnose().check("note", "models", "no model in", "make train")
    del place.environment["VITRINE_MODELS_DIR"]
    place.models.rmdir()
    assert place.diagnose().names("problem") == set()
    place.models.write_text("x")
    place.diagnose("--models-dir", "bin").check("note", "models", "no model in", "make train")
    place.set(VITRINE_MODELS_DIR="/etc/hostname")
    done = place.run()
    assert done.returncode == 2  # as for every command that takes it
    assert "VITRINE_MODELS_DIR" in done.stderr


def test_files_that_may_not_be_read(published):
    """A file, a directory and models.config of another user."""

    data(published.models / "mlp" / "1").chmod(0)
    (published.models / "softmax").chmod(0)
    (published.models / "models.config").write_text("")
    (published.models / "models.config").chmod(0)
    try:
        found = published.diagnose(before=unprivileged())
    finally:
        (published.models / "softmax").chmod(0o755)
    found.check("problem", "model mlp", "may not be read by this user", "chmod -R a+rX")
    found.check("problem", "model softmax", "may not be read by this user", "chmod -R a+rX")
    found.check("problem", "models.config", "Permission denied", "chmod a+r")


CONFIG_FAULTS = {
    "syntax": ("model_config_list {\n  confg { }\n}", "2:3", "mend that line"),
    "no model": ("model_config_list { }", "names no model", "remove the file"),
    "label": (
        CONFIG.replace("{more}", 'version_labels {{ key: "stable" value: 7 }}'),
        "stable of mlp names version 7; there is 1",
        "vitrine promote mlp VERSION --label stable",
    ),
    "label of an old one": (
        CONFIG.replace("{more}", 'version_labels {{ key: "old" value: 1 }}'),
        "names version 1, and its policy serves 2",
        "all {} }",
    ),
    "policy": (
        CONFIG.replace("{more}", "model_version_policy {{ specific {{ versions: 9 }} }}"),
        "names version 9; there is 1",
        "one that is there",
    ),
    "relative": (CONFIG.replace("{models}/mlp", "models/mlp"), "begin with /", "base_path:"),
    "gone": (CONFIG.replace("{models}/mlp", "{models}/mpl"), "no version in", "mend base_path"),
    "platform": (CONFIG.replace("tensorflow", "torch", 1), "'torch'", "model_platform: "),
    "twice": (CONFIG.replace('"softmax"', '"mlp"'), "has mlp twice", "remove one"),
    "bytes": ("\udcff\udcfe", "is no ModelServerConfig", "mend that line"),
}


@pytest.mark.parametrize("fault", CONFIG_FAULTS)
def test_models_config(published, fault):
    text, seen, todo = CONFIG_FAULTS[fault]
    if fault == "label of an old one":
        shutil.copytree(published.models / "mlp" / "1", published.models / "mlp" / "2")
    if "{models}" in text:
        text = text.replace("{more}", "").format(models=published.models)
    path = published.models / "models.config"
    path.write_bytes(text.encode(errors="surrogateescape"))
    found = published.diagnose()
    found.check("problem", "models.config", seen, todo)
    assert found.names("problem") == {"models.config"}


def test_models_that_are_left_out(published):
    """One that is published and not in the file is not served; the line to add is told, and with
    it all is well."""
    path = published.models / "models.config"
    text = CONFIG.replace("{more}", "").format(models=published.models)
    path.write_text("\n".join(line for line in text.splitlines() if "softmax" not in line))
    found = published.diagnose()
    found.check("note", "models.config", "softmax is published", 'config { name: "softmax"')
    (line,) = [each for each in found.of("models.config") if each["level"] == "note"]
    entry = line["todo"].partition("model_config_list: ")[2]
    path.write_text(path.read_text().rstrip().removesuffix("}") + entry + "\n}\n")
    assert {each["level"] for each in published.diagnose().of("models.config")} == {"ok"}


def test_pipes_among_the_models_are_named(published):
    """Each is a line of its own, at once; what comes after it is examined all the same."""
    for name, part in (("graph", "saved_model.pb"), ("index", "variables/variables.index")):
        version = published.models / name / "1"
        (version / "variables").mkdir(parents=True)
        (version / "saved_model.pb").write_bytes(b"x")
        (version / part).unlink(missing_ok=True)
        os.mkfifo(version / part)
    found = published.diagnose()
    found.check("problem", "model graph", "saved_model.pb is no regular file", "publish another")
    found.check("problem", "model index", "it is no regular file", "publish another")
    assert found.of("model softmax")


def test_a_pipe_for_a_file_is_not_waited_for(published):
    """models.config, a keys file and a file of CAs."""
    os.mkfifo(published.models / "models.config")
    pipe = published.folder / "pipe"
    os.mkfifo(pipe)
    published.set(VITRINE_KEYS_FILE=str(pipe), SSL_CERT_FILE=str(pipe))
    found = published.diagnose()
    found.check("problem", "models.config", "it is no regular file", "put a file there")
    found.check("problem", "keys file", "it is no regular file", "keys add")
    assert not [each for each in found.findings if "not done" in each["seen"]]


def test_names_of_which_a_path_means_something_else(published):
    """A note, as all else of the model is served; other words of that grammar are names."""
    for name, count in (("stats", 1), ("ready", 0)):
        rename(published.models / "mlp", name)
        notes = [each for each in published.diagnose().of(f"model {name}") if each["todo"]]
        assert len([each for each in notes if "/v2/models/stats" in each["seen"]]) == count
        rename(published.models / name, "mlp")
