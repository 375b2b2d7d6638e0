"""The page's files, without a browser."""

import json
import re
from pathlib import Path

import pytest

from harness.paths import SAMPLES
from vitrine_client.images import NOTHING
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_serving import gateway

FOLDER = Path(gateway.__file__).parent / "console"
PAGE = (FOLDER / "templates" / "index.html").read_text()


def test_samples_are_the_originals():
    """Bit for bit those in `samples/`, and all of them are on the page."""
    copies = sorted((FOLDER / "static" / "samples").iterdir())
    assert [each.name for each in copies] == [each.name for each in SAMPLES]
    for copy, original in zip(copies, SAMPLES, strict=True):
        assert copy.read_bytes() == original.read_bytes()
        assert f'("{copy.stem}", ' in PAGE


def test_the_warning_of_nothing_is_known():
    """By its text, as the client has it: the page says it where the answers would be."""
    assert f'"{NOTHING}"' in (FOLDER / "static" / "words.js").read_text()
    assert f"{NOTHING[0].upper()}{NOTHING[1:]}." in PAGE


def test_every_module_is_loaded_at_once():
    """The page names all its modules, so that none waits for another to be read."""
    static = FOLDER / "static"
    files = [each.relative_to(static) for each in static.rglob("*.js")]
    modules = {each.with_suffix("").as_posix() for each in files}
    listed = re.search(r"for name in \(([^)]*)\) %\}\n<link rel=\"modulepreload\"", PAGE)
    assert listed
    assert set(re.findall(r'"([\w/]+)"', listed[1])) == modules - {"page", "docs"}


def test_the_profile_of_our_models_is_known():
    """To the page, which shows all models of it one instance."""
    text = (FOLDER / "static" / "answers" / "profiles.js").read_text()
    found = re.search(r"const FASHION_MNIST = {\n(.*?)};", text, re.DOTALL)
    assert found
    told = dict(re.findall(r"  (\w+): (.*),\n", found[1]))
    untold = {"mean", "std", "batchable", "sources"}
    for name, value in FASHION_MNIST.to_dict().items():
        assert name in untold or json.loads(told.pop(name)) == value
    assert not told


@pytest.mark.parametrize("kind", ["js", "css", "html", "svg"])
def test_nothing_is_elsewhere(kind):
    """No file names an address of another host; a namespace is none."""
    namespace = "http://www.w3.org/2000/svg"
    cited = re.compile(r"(?:^|// |: )https://(?:www\.w3\.org|w3c\.github\.io|numpy\.org)/\S+", re.M)
    for file in FOLDER.rglob(f"*.{kind}"):
        text = file.read_text().replace(namespace, "")
        assert not re.search(r"https?://|//\w+\.\w+/", cited.sub("", text)), file.name
