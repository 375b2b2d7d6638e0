"""Table of the Open Inference Protocol, held against the gateway and the embedded model server."""

from collections.abc import Iterator, Mapping

import pytest

from tests.contract.open_inference import models, servers
from tests.contract.open_inference.asking import Target
from tests.contract.open_inference.cases import ROWS
from tests.contract.open_inference.row import Row, observed

ASKED = [
    pytest.param(row, server, transport, id=f"{row.id}-{server}-{transport}")
    for row in ROWS
    for transport in row.transports
    for server in (("gateway",) if transport == "http" else ("gateway", "embedded"))
]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Target]]:
    folder = tmp_path_factory.mktemp("open-inference")
    names = models.export(folder / "models")
    with servers.running(folder / "models", names, folder) as running:
        yield running


@pytest.mark.parametrize(("row", "server", "transport"), ASKED)
def test_row(row: Row, server: str, transport: str, targets: Mapping[str, Target]) -> None:
    row.check(targets[server].ask(row, transport), server)


def test_rows_are_those_that_real_servers_were_asked() -> None:
    assert sorted(row.id for row in ROWS) == sorted(observed())


def test_enough_rows_run_on_both_transports() -> None:
    assert sum(bool(row.transports) for row in ROWS) >= 300
    assert sum(len(row.transports) == 2 for row in ROWS) >= 150


def test_a_row_that_differs_from_triton_says_why() -> None:
    assert not [
        row.id
        for row in ROWS
        if not (row.why or row.skipped) and observed()[row.id].status != row.answer.status
    ]
