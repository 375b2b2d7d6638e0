"""Serve your own model: the page's members and values are those that a profile may have."""

import json
import re

import pytest

from tests.docs.pages import PAGES, fences, tables
from vitrine_client.results.profiles import profile
from vitrine_client.store.profile_files import NAMES

PAGE = PAGES["docs/your-own-model.md"]

EXAMPLES = [json.loads(content) for language, content in fences(PAGE) if language == "json"]

VALUES = {
    "scaling": profile.SCALINGS,
    "fit": profile.FITS,
    "resize": profile.RESIZES,
    "polarity": profile.POLARITIES,
    "kind": profile.KINDS,
    "dtype": tuple(profile.DTYPES.values()),
}


def rows() -> dict[str, str]:
    """What the table says of each member."""
    (table,) = [each for each in tables(PAGE) if "member" in each[0]]
    return {name: row["is"] for row in table for name in re.findall(r"`(\w+)`", row["member"])}


def test_the_table_has_each_member():
    assert rows().keys() == set(profile.MEMBERS)


@pytest.mark.parametrize("member", VALUES)
def test_the_table_has_each_value(member):
    """And no other."""
    assert set(re.findall(r'`"([^"`]+)"`', rows()[member])) == set(VALUES[member])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: "-".join(example))
def test_examples_are_profiles(example):
    assert profile.read_members(example).keys() == example.keys()


def test_what_is_not_told_is_said():
    """For each member; the files are named."""
    (table,) = [each for each in tables(PAGE) if "member" in each[0]]
    assert [row["member"] for row in table if not row["if it is not told"]] == ["`mean`, `std`"]
    assert all(f"`assets.extra/{name}`" in PAGE for name in NAMES)
    assert EXAMPLES
