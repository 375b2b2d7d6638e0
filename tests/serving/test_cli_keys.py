"""`vitrine-serve keys`."""

import json

import pytest
from click.testing import CliRunner

from vitrine_serving.cli import main
from vitrine_serving.gateway.access.keys import Keys


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.txt"


def run(*words: str, **environment: str):
    return CliRunner().invoke(main, ["keys", *words], env=environment)


def test_keys_are_made_listed_and_removed(path):
    """The key is alone on stdout, so that a script can take it; the file knows it by its name."""
    variable = {"VITRINE_KEYS_FILE": str(path)}
    done = run("add", "mobile-app", **variable)
    assert done.exit_code == 0, done.output
    key = done.stdout.strip()
    assert Keys(path).name_of(key) == "mobile-app"
    assert "not shown again" in done.stderr
    assert run("add", "lab", "--file", str(path)).exit_code == 0
    assert run("list", **variable).stdout.split() == ["mobile-app", "lab"]
    assert run("remove", "mobile-app", **variable).exit_code == 0
    assert run("list", **variable).stdout.split() == ["lab"]
    assert Keys(path).name_of(key) is None


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """The keys file is made, but no folder for it."""
    done = run("add", "lab", "--file", str(tmp_path / "none" / "keys.txt"))
    assert done.exit_code != 0
    assert f"there is no folder {tmp_path / 'none'}; make it first" in done.stderr
    assert "Traceback" not in done.output


def test_json(path):
    """An object for each key, in the file's order."""
    for name in ("mobile-app", "lab"):
        run("add", name, "--file", str(path))
    listed = json.loads(run("list", "--json", "--file", str(path)).stdout)
    assert listed == [{"name": "mobile-app"}, {"name": "lab"}]
    path.write_text("")
    assert json.loads(run("list", "--json", "--file", str(path)).stdout) == []


def test_errors_say_what_to_do(path):
    """Which file, which name, which option: each error names it, and no file is touched."""
    run("add", "app", "--file", str(path))
    before = path.read_bytes()
    for words, hint in [
        (("add", "app", "--file", str(path)), "choose another name"),
        (("add", "a b", "--file", str(path)), "letters, digits"),
        (("remove", "lab", "--file", str(path)), "it has app"),
        (("list", "--file", str(path.with_name("none.txt"))), "none.txt cannot be read"),
        (("add", "lab", "--file", str(path.parent / "none" / "keys.txt")), "cannot be written"),
        (("add", "lab"), "VITRINE_KEYS_FILE"),
    ]:
        done = run(*words)
        assert done.exit_code != 0, words
        assert hint in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert path.read_bytes() == before


def test_help_has_an_example():
    """`--help` shows the whole way from no key to a gateway that asks for one."""
    shown = run("--help").output
    for line in ("VITRINE_KEYS_FILE=", "keys add mobile-app", "vitrine-serve gateway"):
        assert line in shown
