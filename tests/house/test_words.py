"""Words: a name means one thing, and a search for a term of the field finds the code."""

import pytest

from tests.house import tree, words

WHATS = 6.0
"""Uses of "what" in 1,000 words of docstrings, at most."""

TERMS = {
    "load shedding": [],
    "upstream": [],
    "middleware": [],
    "backpressure": [],
    "circuit breaker": [],
    "health check": [],
    "idle timeout": [],
    "confidence interval": [],
    "coordinated omission": [],
    "admission": [],
}
"""Files in which a search for each term of the field finds its code."""


def test_a_public_class_name_means_one_thing():
    several = {name: files for name, files in words.classes().items() if len(files) > 1}
    assert {name: [str(file) for file in files] for name, files in several.items()} == {}


def test_first_lines_begin_with_a_noun():
    assert [*words.riddles()] == []


def test_what_is_rare():
    assert words.rate([*words.counted("what").values()]) <= WHATS


@pytest.mark.parametrize("term", TERMS)
def test_a_search_finds_the_code(term):
    assert TERMS[term]
    for file in TERMS[term]:
        found = [
            line for line in (tree.ROOT / file).read_text().splitlines() if term in line.lower()
        ]
        assert found, file
