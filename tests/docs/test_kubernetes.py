"""docs/kubernetes.md: its commands, its files, its figures, and the tests that it names."""

import re
import shlex
import subprocess
from itertools import pairwise

import pytest
import yaml

from tests.cluster.tools import program
from tests.docs import capacity
from tests.docs.pages import PAGES, ROOT, command_lines, tables

PAGE = "docs/kubernetes.md"
TEXT = PAGES[PAGE]
TYPED = [
    command.strip()
    for line in command_lines(TEXT)
    for command in re.split(r"&&|&", line)
    if command.strip().startswith("kubectl ")
]
COMPLAINTS = [row for table in tables(TEXT) for row in table if "complaint" in row]
NAMED = [test for row in COMPLAINTS for test in re.findall(r"`([^`]+)`", row["test"])]
SERVED = ROOT / "deploy" / "kubernetes" / "base"


def test_a_newcomer_types_little():
    """From a cluster to a prediction: six lines, the last of which asks."""
    block = TEXT.partition("## From a cluster to a prediction")[2].partition("```sh\n")[2]
    lines = block.partition("```")[0].splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("vitrine predict ")


@pytest.mark.parametrize("command", TYPED)
def test_kubectl_knows_the_commands(command):
    """A flag or a command that there is not is an error, before any cluster is asked."""
    words = shlex.split(command)[1:]
    end = words.index("--") if "--" in words else len(words)
    done = subprocess.run(
        [program("kubectl"), *words[:end], "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"kubectl {words[0]}" in done.stdout  # and it is that command's own help
    wrong = [program("kubectl"), words[0], "--no-such", "--help"]
    assert subprocess.run(wrong, capture_output=True, timeout=60).returncode != 0


@pytest.mark.parametrize("command", TYPED)
def test_what_kubectl_is_told_of_is_there(command):
    """Folders exist, and objects and containers are those of the base."""
    words = shlex.split(command)
    for flag, value in pairwise(words):
        if flag in ("-k", "-f"):
            assert (ROOT / value).exists()
        if flag == "-c":
            assert value in {each["name"] for each in _containers()}
    kinds = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in _objects()}
    for word in words:
        if re.fullmatch(r"(deployment|service)/\S+", word):
            assert word in kinds


def _objects():
    for file in sorted(SERVED.glob("*.yaml")):
        found = yaml.safe_load_all(file.read_text())
        yield from (each for each in found if each.get("metadata"))


def _containers():
    for each in _objects():
        if each["kind"] == "Deployment":
            yield from each["spec"]["template"]["spec"]["containers"]


def test_the_image_of_models_is_that_of_the_base():
    """What is built is what the base mounts, and what kind is given what it runs."""
    (built,) = re.findall(r"docker build -t (\S+)", TEXT)
    base = (SERVED / "deployment.yaml").read_text()
    assert f'reference: "{built}"' in base
    (given,) = re.findall(r"kind load docker-image (.*?)  ", TEXT)
    assert set(given.split()) == {built, "vitrine-gateway"}
    assert "image: vitrine-gateway\n" in base


def test_every_overlay_and_component_that_is_named_is_there():
    """Links are those of test_links; here none of the ways to models is left out."""
    for kind in ("models-pvc", "fetch-http", "fetch-s3", "fetch-gcs", "split", "production"):
        assert kind in TEXT
        assert list((ROOT / "deploy" / "kubernetes").glob(f"*/{kind}/kustomization.yaml"))


def test_ten_complaints():
    assert len(COMPLAINTS) == 10
    assert all(row["answer"] and "`tests/" in row["test"] for row in COMPLAINTS)


@pytest.mark.parametrize("name", NAMED)
def test_each_answer_has_its_test(name):
    """A file, and a function in it."""
    file, _, function = name.partition("::")
    assert re.search(rf"^(async )?def {function}\(", (ROOT / file).read_text(), re.MULTILINE)


def test_processor_time_by_the_rate():
    """The two rates of the page are of the table, and what they take follows from it."""
    said = re.search(
        r"([\d,]+) requests/s took ([\d.]+) processors, and ([\d,]+) took ([\d.]+)", TEXT
    )
    assert said
    rows = {row["rate"]: capacity.processors(row) for row in capacity.by_rate()}
    for rate, taken in (said.groups()[:2], said.groups()[2:]):
        assert f"{rows[float(rate.replace(',', ''))]:.2f}" == taken


def test_an_epoch_and_its_gradients():
    """The epoch is that of the training page, and the rest follows from it."""
    (epoch,) = re.findall(r"An epoch of the mlp takes ([\d.]+) s", TEXT)
    rows = [row for table in tables(PAGES["docs/training.md"]) for row in table]
    (ours,) = [row["mlp"] for row in rows if row.get("an epoch") == "**`vitrine-train`**"]
    assert ours.strip("*") == f"{epoch} s"
    numbers = 784 * 256 + 256 + 256 * 10 + 10
    assert f"{numbers:,} numbers, {4 * numbers / 1e6:.1f} MB" in TEXT
    assert f"{1000 * float(epoch) / -(-60_000 // 256):.1f} ms a step" in TEXT
    assert f"{4 * numbers * 8 / 1e10 * 1000:.2f} ms each way" in TEXT


def test_capacity_grows_with_the_rate():
    """Twice the rate never takes fewer pods, and a pod is not asked for more than its share."""
    for share in capacity.SHARES:
        found = [capacity.pods(rate, share) for rate in capacity.RATES]
        assert found == sorted(found)
        for rate, number in zip(capacity.RATES, found, strict=True):
            most = share * capacity.closed_loop()
            assert rate / number <= most
            assert number == capacity.FEWEST or rate / (number - 1) > most
