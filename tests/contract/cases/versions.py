"""Cases of versions that come, go and fail, and of the policies that choose them."""

import shutil
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from tests.contract.case import Case, Check, Fails, Rest
from tests.contract.cases.life import (
    ALL,
    TENSORFLOW,
    Before,
    answered,
    await_states,
    fine,
    half,
    one,
    publish,
    serve,
    status,
)
from tests.contract.messages import states
from tests.contract.seen import SEEN
from tests.contract.server import Server

NOT_FOUND = grpc.StatusCode.NOT_FOUND


def _then(name: str, kind: str, wanted: Mapping[int, str], text: str = TENSORFLOW) -> Before:
    """Version 2, published while 1 serves."""

    def before(server: Server) -> None:
        one(name, text=text)(server)
        publish(server, name, 2, kind)
        await_states(server, name, wanted)

    return before


def _broken(name: str) -> Before:
    return _then(name, "broken", {1: "AVAILABLE", 2: "END"})


def _newer(name: str, text: str = TENSORFLOW) -> Before:
    return _then(name, "half_plus_three", {1: "END", 2: "AVAILABLE"}, text)


def _rolled_back(name: str) -> Before:
    def before(server: Server) -> None:
        _newer(name)(server)
        shutil.rmtree(server.models / name / "2")
        await_states(server, name, {1: "AVAILABLE", 2: "END"})

    return before


def _policy(name: str, text: str, wanted: Mapping[int, str]) -> Before:
    def before(server: Server) -> None:
        for version in (1, 2, 3):
            publish(server, name, version)
        (server.models / name / "not-a-version").mkdir()
        serve(server, (name, f"{TENSORFLOW} {text}"))
        await_states(server, name, wanted)

    return before


def are(**wanted: str) -> Check:
    """A check of all versions and states, in their order: `v2="END"`."""

    def check(response: Any) -> None:
        assert list(states(response).items()) == [
            (int(name[1:]), state) for name, state in wanted.items()
        ]

    return check


CUT = (grpc.StatusCode.OUT_OF_RANGE, "Read less bytes than requested")
EMPTY = (
    grpc.StatusCode.NOT_FOUND,
    "Specified file path does not appear to contain a SavedModel bundle (should have a file "
    "called `saved_model.pb`)",
)


def failed(number: int, code: grpc.StatusCode, words: str) -> Check:
    """A check of a version that has failed, and of the beginning of its words."""

    def check(response: Any) -> None:
        [version] = response.model_version_status
        assert states(response) == {number: "END"}
        assert version.status.error_code == code.value[0]
        assert version.status.error_message.startswith(words)

    return check


def _failed_json(value: Any) -> None:
    newest, older = value["model_version_status"]
    assert (newest["version"], newest["state"]) == ("2", "END")
    assert newest["status"] == {"error_code": CUT[0].name, "error_message": CUT[1]}
    assert (older["version"], older["state"]) == ("1", "AVAILABLE")
    assert older["status"] == {"error_code": "OK", "error_message": ""}


def _put(name: str, content: bytes | None) -> Before:
    """Version 2, with these bytes as its graph or without one, while 1 serves."""

    def before(server: Server) -> None:
        one(name, text=f"{TENSORFLOW} {ALL}")(server)
        made = server.models / name / ".2"
        made.mkdir()
        if content is not None:
            (made / "saved_model.pb").write_bytes(content)
        made.rename(server.models / name / "2")
        await_states(server, name, {1: "AVAILABLE", 2: "END"})

    return before


def _empty(name: str) -> Before:
    return _put(name, None)


def _garbled(name: str) -> Before:
    return _put(name, b"This is no graph, and the end of it is far from where one sees that.")


def _removed(server: Server, name: str) -> None:
    shutil.rmtree(server.models / name / "2")


def _replaced(server: Server, name: str) -> None:
    """Good files in the place of those that there are; the directory is never gone."""
    good = server.kinds / "half_plus_three"
    shutil.copytree(good, server.models / name / "2", dirs_exist_ok=True)


def _looked_again(
    failed: Callable[[str], Before], name: str, change: Callable[[Server, str], None]
) -> Before:
    """A change of a version 2 that has failed, at which the server has looked: it has found a
    version that was published afterwards."""

    def before(server: Server) -> None:
        failed(name)(server)
        serve(server, (name, f"{TENSORFLOW} {ALL}"))
        change(server, name)
        publish(server, name, 4)
        await_states(server, name, {4: "AVAILABLE"})

    return before


def _taken_away(name: str, *versions: int, comes: int | None = None) -> Before:
    """Versions that go while two are served, and perhaps another one that comes then."""

    def before(server: Server) -> None:
        publish(server, name, 2, "half_plus_three")
        one(name, text=f"{TENSORFLOW} {ALL}")(server)
        await_states(server, name, {2: "AVAILABLE"})
        for version in versions:
            shutil.rmtree(server.models / name / str(version))
        await_states(server, name, dict.fromkeys(versions, "END"))
        if comes:
            publish(server, name, comes)
            await_states(server, name, {comes: "AVAILABLE"})

    return before


def _back(name: str) -> Before:
    def before(server: Server) -> None:
        _looked_again(_broken, name, _removed)(server)
        publish(server, name, 2, "half_plus_three")
        await_states(server, name, {2: "AVAILABLE"})

    return before


CASES = [
    Case(
        "life: a version that fails to load is END with its error",
        status("fails", 2),
        failed(2, *CUT),
        SEEN,
        _broken("fails"),
    ),
    Case(
        "life: a version that fails to load is listed over REST, with status 200",
        Rest("GET", "/v1/models/fails-rest"),
        _failed_json,
        f"{SEEN}: status answers 200 whatever the state, and it stays listed",
        _broken("fails-rest"),
    ),
    Case(
        "life: a failed version whose files are replaced by good ones stays as it is",
        status("replaced", 2),
        failed(2, *CUT),
        SEEN,
        _looked_again(_broken, "replaced", _replaced),
    ),
    Case(
        "life: a failed version keeps its error when it is gone",
        status("gone", 2),
        failed(2, *CUT),
        SEEN,
        _looked_again(_broken, "gone", _removed),
    ),
    Case(
        "life: a failed version that was gone and comes back is loaded",
        half("came-back", version=2),
        answered("came-back", 2, 4.0),
        SEEN,
        _back("came-back"),
    ),
    Case(
        "life: a version without files",
        status("empty", 2),
        failed(2, *EMPTY),
        SEEN,
        _empty("empty"),
    ),
    Case(
        "life: a version that is filled once it has failed",
        status("filled", 2),
        failed(2, *EMPTY),
        SEEN,
        _looked_again(_empty, "filled", _replaced),
    ),
    Case(
        "life: a graph that is no message",
        status("garbled", 2),
        failed(2, grpc.StatusCode.DATA_LOSS, "Can't parse /"),
        "platform/env.cc ReadBinaryProto: bytes that are wrong before their end",
        _garbled("garbled"),
    ),
    Case(
        "life: the version before a failed one serves on",
        half("fails-serves"),
        answered("fails-serves", 1, 3.0),
        "aspired_version_policy.h AvailabilityPreservingPolicy",
        _broken("fails-serves"),
    ),
    Case(
        "life: a failed version does not answer",
        half("fails-asked", version=2),
        Fails(NOT_FOUND, "Servable not found for request: Specific(fails-asked, 2)"),
        "manager: only what is available is in its map",
        _broken("fails-asked"),
    ),
    Case(
        "life: a new version takes over",
        half("newer"),
        answered("newer", 2, 4.0),
        "file_system_storage_path_source.cc: polling; latest, of one version, by default",
        _newer("newer"),
    ),
    Case(
        "life: the version that was replaced is END without an error",
        status("newer-old", 1),
        fine,
        "seen on 2.19.1: a normal unload is END and OK",
        _newer("newer-old"),
    ),
    Case(
        "life: the version that was replaced does not answer",
        Rest("POST", "/v1/models/newer-rest/versions/1:predict", {"instances": [2.0]}),
        Fails(404, "Servable not found for request: Specific(newer-rest, 1)"),
        "seen on 2.19.1: the text",
        _newer("newer-rest"),
    ),
    Case(
        "life: a label whose version was removed",
        Rest("POST", "/v1/models/labelled/labels/stable:predict", {"instances": [2.0]}),
        Fails(404, "Servable not found for request: Specific(labelled, 1)"),
        "seen on 2.19.1",
        _newer("labelled", f'{TENSORFLOW} version_labels {{ key: "stable" value: 1 }}'),
    ),
    Case(
        "life: the newest version is removed, and the one before is loaded again",
        half("back"),
        answered("back", 1, 3.0),
        "file_system_storage_path_source.cc: what is not there is not aspired",
        _rolled_back("back"),
    ),
    Case(
        "life: after a rollback both versions are listed",
        status("back-listed"),
        are(v2="END", v1="AVAILABLE"),
        "seen on 2.19.1: END versions stay listed",
        _rolled_back("back-listed"),
    ),
    Case(
        "life: the older of two versions is removed",
        half("older-away", version=1),
        Fails(NOT_FOUND, "Servable not found for request: Specific(older-away, 1)"),
        SEEN,
        _taken_away("older-away", 1),
    ),
    Case(
        "life: all versions are removed",
        half("all-away"),
        Fails(NOT_FOUND, "Servable not found for request: Latest(all-away)"),
        SEEN,
        _taken_away("all-away", 1, 2),
    ),
    Case(
        "life: a version comes where all were removed",
        half("after-all"),
        answered("after-all", 6, 3.0),
        SEEN,
        _taken_away("after-all", 1, 2, comes=6),
    ),
    Case(
        "policy: all",
        status("policy-all"),
        are(v3="AVAILABLE", v2="AVAILABLE", v1="AVAILABLE"),
        "file_system_storage_path_source.proto ServableVersionPolicy.All",
        _policy("policy-all", ALL, dict.fromkeys((1, 2, 3), "AVAILABLE")),
    ),
    Case(
        "policy: latest, of two",
        status("policy-latest"),
        are(v3="AVAILABLE", v2="AVAILABLE"),
        "file_system_storage_path_source.proto ServableVersionPolicy.Latest",
        _policy(
            "policy-latest",
            "model_version_policy { latest { num_versions: 2 } }",
            dict.fromkeys((2, 3), "AVAILABLE"),
        ),
    ),
    Case(
        "policy: specific",
        status("policy-specific"),
        are(v2="AVAILABLE"),
        "file_system_storage_path_source.proto ServableVersionPolicy.Specific",
        _policy(
            "policy-specific",
            "model_version_policy { specific { versions: 2 } }",
            {2: "AVAILABLE"},
        ),
    ),
]
