"""Planted mistakes: each is refused by `make k8s`, and most of them by its own checks alone."""

import pytest

from tests.cluster.manifests import rendering
from tests.cluster.manifests.checks import findings
from tests.cluster.manifests.custom import BUILT_IN
from tests.cluster.mistakes import MISTAKES, Mistake
from tests.cluster.tools import program

CHECKED = [one for one in MISTAKES if one.said]
SEEN = [one for one in MISTAKES if not one.said]


@pytest.mark.parametrize("mistake", CHECKED, ids=lambda one: one.what)
def test_a_planted_mistake_is_refused(mistake: Mistake):
    found = findings(mistake.planted())
    assert any(mistake.said in each for each in found), found


def test_kubernetes_schemas_pass_them():
    """Which is why there are checks of our own."""
    planted = [one for mistake in CHECKED for one in mistake.planted() if one["kind"] in BUILT_IN]
    assert rendering.validate(program("python"), planted) == []


@pytest.mark.parametrize("mistake", SEEN, ids=lambda one: one.what)
def test_kubernetes_schemas_refuse_the_rest(mistake: Mistake):
    found = rendering.validate(program("python"), list(mistake.planted()))
    assert len(found) == len(rendering.VERSIONS), found
