"""Cases of versions that come, go and fail, and of the policies that choose them."""

import shutil
from collections.abc import Mapping
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


def _are(**wanted: str) -> Check:
    """A check of all versions and states, in their order: `v2="END"`."""

    def check(response: Any) -> None:
        assert list(states(response).items()) == [
            (int(name[1:]), state) for name, state in wanted.items()
        ]

    return check


def _failed(response: Any) -> None:
    [version] = response.model_version_status
    assert states(response) == {2: "END"}
    assert version.status.error_code != 0
    assert "saved_model.pb" in version.status.error_message


def _failed_json(value: Any) -> None:
    newest, older = value["model_version_status"]
    assert (newest["version"], newest["state"]) == ("2", "END")
    assert newest["status"]["error_code"] != "OK"
    assert "saved_model.pb" in newest["status"]["error_message"]
    assert (older["version"], older["state"]) == ("1", "AVAILABLE")
    assert older["status"] == {"error_code": "OK", "error_message": ""}


CASES = [
    Case(
        "life: a version that fails to load is END with its error",
        status("fails", 2),
        _failed,
        "seen on 2.19.1: END with the load error; the loader's own text may change, but names "
        "the file (Can't parse …/saved_model.pb as binary proto)",
        _broken("fails"),
    ),
    Case(
        "life: a version that fails to load is listed over REST, with status 200",
        Rest("GET", "/v1/models/fails-rest"),
        _failed_json,
        "seen on 2.19.1: status answers 200 whatever the state, and it stays listed",
        _broken("fails-rest"),
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
        _are(v2="END", v1="AVAILABLE"),
        "seen on 2.19.1: END versions stay listed",
        _rolled_back("back-listed"),
    ),
    Case(
        "policy: all",
        status("policy-all"),
        _are(v3="AVAILABLE", v2="AVAILABLE", v1="AVAILABLE"),
        "file_system_storage_path_source.proto ServableVersionPolicy.All",
        _policy("policy-all", ALL, dict.fromkeys((1, 2, 3), "AVAILABLE")),
    ),
    Case(
        "policy: latest, of two",
        status("policy-latest"),
        _are(v3="AVAILABLE", v2="AVAILABLE"),
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
        _are(v2="AVAILABLE"),
        "file_system_storage_path_source.proto ServableVersionPolicy.Specific",
        _policy(
            "policy-specific",
            "model_version_policy { specific { versions: 2 } }",
            {2: "AVAILABLE"},
        ),
    ),
]
