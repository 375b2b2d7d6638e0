"""Words: a name means one thing, and a search for a term of the field finds the code."""

import pytest

from tests.house import tree, words

WHATS = 6.0
"""Uses of "what" in 1,000 words of docstrings, at most."""

GATEWAY = "serving/vitrine_serving/gateway"
LOAD_LAB = "client/vitrine_client/loadtest"
TERMS = {
    "load shedding": f"{GATEWAY}/shedding.py",
    "upstream": f"{GATEWAY}/upstream/pool.py",
    "middleware": f"{GATEWAY}/application.py",
    "backpressure": f"{GATEWAY}/inference/batcher.py",
    "circuit breaker": f"{GATEWAY}/upstream/breaker.py",
    "health check": f"{GATEWAY}/api/probes.py",
    "idle timeout": f"{GATEWAY}/gunicorn_conf.py",
    "confidence interval": f"{LOAD_LAB}/analysis/confidence.py",
    "coordinated omission": f"{LOAD_LAB}/generator/loop.py",
    "admission": f"{GATEWAY}/access/guard.py",
}
"""Terms of the field, and the file in which a search finds the code of each."""


def test_a_public_class_name_means_one_thing():
    several = {name: files for name, files in words.classes().items() if len(files) > 1}
    assert {name: [str(file) for file in files] for name, files in several.items()} == {}


def test_first_lines_begin_with_a_noun():
    assert [*words.riddles()] == []


def test_what_is_rare():
    assert words.rate([*words.counted("what").values()]) <= WHATS


@pytest.mark.parametrize("term", TERMS)
def test_a_search_finds_the_code(term):
    """On one line, as `git grep -i` looks for it."""
    lines = (tree.ROOT / TERMS[term]).read_text().lower().splitlines()
    assert any(term in line for line in lines)
