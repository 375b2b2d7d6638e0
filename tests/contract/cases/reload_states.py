"""Cases of what is served after a reload: by another path, another policy, other labels."""

import contextlib

import grpc
from grpc import StatusCode

from tests.contract.case import Answer, Case, Fails, Grpc, Rest
from tests.contract.cases.life import (
    ALL,
    TENSORFLOW,
    Before,
    await_states,
    publish,
    reload,
    serve,
    status,
)
from tests.contract.cases.reload import CUT_SHORT, label
from tests.contract.cases.versions import CUT, are, failed
from tests.contract.seen import SEEN
from tests.contract.server import Server

NAME = "half-again"
"""The model of nearly all of these cases: each begins with both of its versions."""

BOTH = {2: "AVAILABLE", 1: "AVAILABLE"}
ONLY_1, ONLY_2, NEITHER = BOTH | {2: "END"}, BOTH | {1: "END"}, dict.fromkeys((2, 1), "END")
KEEPS_ALL, LATEST = f"{TENSORFLOW} {ALL}", TENSORFLOW


def _policy(*versions: int) -> str:
    named = " ".join(f"versions: {version}" for version in versions)
    return f"{TENSORFLOW} model_version_policy {{ specific {{ {named} }} }}"


def _elsewhere(path: str) -> str:
    return f'{TENSORFLOW} base_path: "BASE/{path}"'


def _serve(server: Server, configs: list[tuple[str, str]]) -> None:
    serve(server, *((name, text.replace("BASE", str(server.models))) for name, text in configs))


def _publish(server: Server, name: str, version: int, kind: str) -> None:
    if not (server.models / name / str(version)).exists():
        publish(server, name, version, kind)


def _begin(server: Server) -> None:
    """Both versions of the model are served, and no other model."""
    _publish(server, NAME, 1, "half_plus_two")
    _publish(server, NAME, 2, "half_plus_three")
    serve(server, (NAME, KEEPS_ALL))
    await_states(server, NAME, BOTH)


def _after(*steps: tuple[list[tuple[str, str]], dict[int, str]]) -> Before:
    """Reloads, and the states that the model's versions reach by each."""

    def before(server: Server) -> None:
        _begin(server)
        _publish(server, f"{NAME}-elsewhere", 1, "half_plus_two")
        for configs, wanted in steps:
            _serve(server, configs)
            await_states(server, NAME, wanted)

    return before


def _to(text: str, wanted: dict[int, str]) -> tuple[list[tuple[str, str]], dict[int, str]]:
    return [(NAME, text)], wanted


def _predicted(address: str = NAME) -> Rest:
    return Rest("POST", f"/v1/models/{address}:predict", {"instances": [2.0]})


def _case(name: str, call: Grpc | Rest, answer: Answer, before: Before) -> Case:
    return Case(f"reload: {name}", call, answer, SEEN, before)


def _states(name: str, wanted: dict[int, str], *steps: tuple) -> Case:
    named = {f"v{version}": state for version, state in wanted.items()}
    return _case(name, status(NAME), are(**named), _after(*steps))


THREE, FOUR = ({"predictions": [y]} for y in (3.0, 4.0))
ELSEWHERE = _to(_elsewhere(f"{NAME}-elsewhere"), ONLY_1)
LABELS = {
    name: f"{KEEPS_ALL} {labels}"
    for name, labels in {
        "empty": 'version_labels { key: "" value: 1 }',
        "odd": 'version_labels { key: "a/b c" value: 1 }',
        "two": 'version_labels { key: "x" value: 1 } version_labels { key: "y" value: 1 }',
    }.items()
}
LEFT_BEHIND = f'{LATEST} version_labels {{ key: "x" value: 1 }}'

PATHS = [
    _case("another path, which has version 1 alone", _predicted(), THREE, _after(ELSEWHERE)),
    _case("and back", _predicted(), FOUR, _after(ELSEWHERE, _to(KEEPS_ALL, BOTH))),
    _states(
        "the path under no name",
        NEITHER,
        ([("", _elsewhere(NAME))], NEITHER),
    ),
    _case(
        "the path under a second name",
        _predicted(f"{NAME}-twin"),
        FOUR,
        _after(([(NAME, KEEPS_ALL), (f"{NAME}-twin", _elsewhere(NAME))], BOTH)),
    ),
]

POLICIES = [
    _states("the policy latest", ONLY_2, _to(LATEST, ONLY_2)),
    _states("the policy specific", ONLY_1, _to(LATEST, ONLY_2), _to(_policy(1), ONLY_1)),
    _states("a specific version that is not there", ONLY_1, _to(_policy(1, 5), ONLY_1)),
    _states("the policy all", BOTH, _to(_policy(1), ONLY_1), _to(KEEPS_ALL, BOTH)),
]

OF_LABELS = [
    _case(
        "a label without a name, and another one",
        _predicted(f"{NAME}/labels/x"),
        Fails(400, "Unrecognized servable version label: x"),
        _after(_to(LABELS["empty"], BOTH)),
    ),
    _case(
        "a label with a slash and a space",
        _predicted(f"{NAME}/labels/a%2Fb%20c"),
        THREE,
        _after(_to(LABELS["odd"], BOTH)),
    ),
    *(
        _case(
            f"two labels of a version, by {each}",
            _predicted(f"{NAME}/labels/{each}"),
            THREE,
            _after(_to(LABELS["two"], BOTH)),
        )
        for each in ("x", "y")
    ),
    _case(
        "a label, of whose version the policy takes leave",
        _predicted(f"{NAME}/labels/x"),
        Fails(404, f"Servable not found for request: Specific({NAME}, 1)"),
        _after(_to(label("x", 1), BOTH), _to(LEFT_BEHIND, ONLY_2)),
    ),
]


def _beside_broken(name: str, *, back: bool = False) -> Before:
    """A model that fails to load is taken up beside the other one, and perhaps left out again."""

    def before(server: Server) -> None:
        _begin(server)
        _publish(server, name, 1, "broken")
        with contextlib.suppress(grpc.RpcError):  # says that it did not become available
            serve(server, (NAME, KEEPS_ALL), (name, TENSORFLOW))
        await_states(server, name, {1: "END"})
        if back:
            serve(server, (NAME, KEEPS_ALL))
            await_states(server, NAME, BOTH)

    return before


def _broken_comes(server: Server) -> None:
    _begin(server)
    _publish(server, "broken-comes", 1, "broken")


OTHERS = [
    _case(
        "a model that fails to load beside one that serves",
        Grpc(
            "HandleReloadConfigRequest",
            lambda base: reload(base, (NAME, KEEPS_ALL), ("broken-comes", TENSORFLOW)),
        ),
        Fails(StatusCode.UNKNOWN, CUT_SHORT.format("broken-comes")),
        _broken_comes,
    ),
    _case(
        "one that serves, beside a model that fails to load",
        status(NAME),
        are(v2="AVAILABLE", v1="AVAILABLE"),
        _beside_broken("broken-beside"),
    ),
    _case(
        "a model that failed to load keeps its error where it is left out",
        status("broken-left"),
        failed(1, *CUT),
        _beside_broken("broken-left", back=True),
    ),
    _case(
        "no models, which ends those that there were",
        _predicted(),
        Fails(404, f"Servable not found for request: Latest({NAME})"),
        _after(([], NEITHER)),
    ),
    _case(
        "models again, where there were none",
        _predicted(),
        FOUR,
        _after(([], NEITHER), _to(KEEPS_ALL, BOTH)),
    ),
]

CASES = [*PATHS, *POLICIES, *OF_LABELS, *OTHERS]
