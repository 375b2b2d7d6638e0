"""The contract: the table of cases, against every model server that is there."""

from collections import Counter

import pytest

from tests.contract.case import Case
from tests.contract.cases import CASES, CHANGING, STEADY
from tests.contract.conftest import REASONS
from tests.contract.local import over_its_socket
from tests.contract.server import Server

OVER_THE_SOCKET = [each for each in CHANGING if each.is_local]
"""Cases of change that the embedded server answers there as well. What changes is the same
repository, so that one of eight is in `make test`."""


def _name(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("kind", REASONS)
def test_server_is_there(kind: str):
    """Says once, and not with every case, which servers the table is not held against."""
    if REASONS[kind]:
        pytest.skip(f"no server by {kind}: {REASONS[kind]}")


def test_the_table_is_whole():
    """There are many cases on either transport, each with a name of its own and a source."""
    names = Counter(case.name for case in CASES)
    assert names.most_common(1)[0][1] == 1, names.most_common(3)
    assert all(case.source for case in CASES)
    transports = Counter(case.transport for case in CASES)
    assert transports["grpc"] >= 80
    assert transports["rest"] >= 80
    assert not any(case.before for case in STEADY)
    assert all(case.before for case in CHANGING)


@pytest.mark.parametrize("case", STEADY, ids=_name)
def test_case(case: Case, target: Server):
    """The server answers as TensorFlow Serving does."""
    case.run(target)


@pytest.mark.parametrize("case", CHANGING, ids=_name)
def test_case_of_change(case: Case, changing: Server):
    """The server changes, and answers as TensorFlow Serving does."""
    case.run(changing)


@pytest.mark.parametrize("case", [each for each in STEADY if each.is_local], ids=_name)
def test_case_over_the_local_socket(case: Case, embedded: Server):
    """The embedded server answers there as over gRPC."""
    case.run(over_its_socket(embedded))


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.wide] if number % 8 else [])
        for number, each in enumerate(OVER_THE_SOCKET)
    ],
)
def test_case_of_change_over_the_local_socket(case: Case, changing_embedded: Server):
    """The embedded server changes, and answers there as over gRPC."""
    case.run(over_its_socket(changing_embedded))
