"""Cases of HandleReloadConfigRequest: models and labels."""

from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from tensorflow_serving.apis import model_management_pb2, status_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.contract.case import Answer, Case, Fails, Grpc
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
    reload,
    serve,
    status,
)
from tests.contract.seen import SEEN
from tests.contract.server import Server

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
CORE = "server_core.cc"


def _replaced(old: str, new: str) -> Before:
    def before(server: Server) -> None:
        one(old)(server)
        publish(server, new, 1, "half_plus_three")
        serve(server, (new, TENSORFLOW))
        await_states(server, old, {1: "END"})

    return before


def _reloading(
    name: str, configs: list[tuple[str, str]], answer: Answer, source: str, before: Before
) -> Case:
    call = Grpc("HandleReloadConfigRequest", lambda base: reload(base, *configs))
    return Case(f"reload: {name}", call, answer, source, before)


def _measured(base: Path, *metrics: str) -> model_management_pb2.ReloadConfigRequest:
    """A request that names metrics."""
    request = reload(base, ("measured", TENSORFLOW))
    request.metric_names.extend(metrics)
    return request


ONLY_LISTS = Fails(
    INVALID,
    "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is "
    "currently supported",
)
CUSTOM = model_management_pb2.ReloadConfigRequest()
CUSTOM.config.custom_model_config.SetInParent()
DONE = model_management_pb2.ReloadConfigResponse(status=status_pb2.StatusProto())
CAFFE = 'model_platform: "caffe"'
CUT_SHORT = (
    "1 model(s) did not become available: {{{{{{name: {} version: 1}} due to error: OUT_OF_RANGE: "
    "Read less bytes than requested}}, }}"
)
"""Words of a reload whose new model, by its name, has a graph that is cut."""


def label(name: str, version: int) -> str:
    """The config of a model with a label, as text."""
    return f'{TENSORFLOW} {ALL} version_labels {{ key: "{name}" value: {version} }}'


def _refused_label(name: str) -> Before:
    """A label that was to move to a version which is not there."""

    def before(server: Server) -> None:
        one(name, text=label("stable", 1))(server)
        with pytest.raises(grpc.RpcError, match="not currently available"):
            serve(server, (name, label("stable", 9)))

    return before


def _two(name: str, text: str) -> Before:
    def before(server: Server) -> None:
        publish(server, name, 2, "half_plus_three")
        one(name, text=f"{TENSORFLOW} {ALL}")(server)
        await_states(server, name, {2: "AVAILABLE"})
        serve(server, (name, text))

    return before


CASES = [
    _reloading(
        "the same configuration again",
        [("again", TENSORFLOW)],
        DONE,
        "model_service_impl.cc HandleReloadConfigRequest: a status, and OK in it",
        one("again"),
    ),
    Case(
        "reload: a model that is new",
        half("swap-in"),
        answered("swap-in", 1, 4.0),
        f"{CORE} AddModelsViaModelConfigList waits until it is available",
        _replaced("swap-out", "swap-in"),
    ),
    Case(
        "reload: a model that is not listed does not answer",
        half("unlisted"),
        Fails(NOT_FOUND, "Servable not found for request: Latest(unlisted)"),
        f"{CORE} AddModelsViaModelConfigList: tear-downs of models that aren't in the new config",
        _replaced("unlisted", "unlisted-for"),
    ),
    Case(
        "reload: a model that is not listed is END without an error",
        status("unlisted-status"),
        fine,
        "seen on 2.19.1: a normal unload is END and OK, and stays listed",
        _replaced("unlisted-status", "unlisted-status-for"),
    ),
    _reloading(
        "a model twice",
        [("twice", TENSORFLOW), ("twice", TENSORFLOW)],
        Fails(INVALID, "Illegal to list model twice multiple times in config list"),
        f"{CORE} ValidateModelConfigList",
        one("twice"),
    ),
    _reloading(
        "requests that are to be logged",
        [("logged", f"{TENSORFLOW} logging_config {{ }}")],
        Fails(INVALID, "No request-logger-creator provided."),
        f"not seen; {CORE} MaybeUpdateServerRequestLogger, after the models",
        one("logged"),
    ),
    _reloading(
        "a relative path",
        [("relative", f'{TENSORFLOW} base_path: "some/where"')],
        Fails(
            INVALID,
            "Expected model relative to have an absolute path or URI; got base_path()=some/where",
        ),
        f"{CORE} ValidateModelConfigList",
        one("relative"),
    ),
    _reloading(
        "no platform",
        [("unplatformed", "")],
        Fails(
            INVALID,
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
            "ModelServerConfig::model_platform, model name is unplatformed",
        ),
        f"{CORE} GetPlatform; {SEEN}",
        one("unplatformed"),
    ),
    _reloading(
        "a type and a platform",
        [("both-of-them", f"{TENSORFLOW} model_type: TENSORFLOW")],
        Fails(
            INVALID,
            "Illegal setting both ModelServerConfig::model_type (deprecated) and "
            "ModelServerConfig::model_platform, model name is both-of-them",
        ),
        f"{CORE} GetPlatform; {SEEN}",
        one("both-of-them"),
    ),
    _reloading(
        "a type instead of a platform",
        [("typed", "model_type: TENSORFLOW")],
        DONE,
        SEEN,
        one("typed"),
    ),
    _reloading(
        "no path",
        [("pathless", f'{TENSORFLOW} base_path: ""')],
        Fails(
            INVALID,
            "Expected model pathless to have an absolute path or URI; got base_path()=",
        ),
        SEEN,
        one("pathless"),
    ),
    Case(
        "reload: metrics that are named",
        Grpc("HandleReloadConfigRequest", lambda base: _measured(base, "x")),
        model_management_pb2.ReloadConfigResponse(
            status=status_pb2.StatusProto(),
            metric=[model_management_pb2.Metric(name="x", int64_value_increase=0)],
        ),
        f"{SEEN}; model_service_impl.cc RecordMetricsIncrease",
        one("measured"),
    ),
    Case(
        "reload: a metric that is named twice",
        Grpc("HandleReloadConfigRequest", lambda base: _measured(base, "x", "x")),
        model_management_pb2.ReloadConfigResponse(
            status=status_pb2.StatusProto(),
            metric=[model_management_pb2.Metric(name="x", int64_value_increase=0)],
        ),
        "model_service_impl.cc GetMetrics: a map",
        one("measured-twice"),
    ),
    _reloading(
        "another platform",
        [("caffeine", CAFFE)],
        Fails(
            INVALID,
            "Illegal to change a model's platform. For model caffeine platform was tensorflow and "
            "new platform requested is caffe",
        ),
        f"{CORE} ValidateNoModelsChangePlatforms",
        one("caffeine"),
    ),
    _reloading(
        "a platform that is unknown",
        [("decaf", TENSORFLOW), ("espresso", CAFFE)],
        Fails(INVALID, "Model espresso requests unsupported platform caffe"),
        f"{CORE} CreateStoragePathRoutes",
        one("decaf"),
    ),
    Case(
        "reload: no list of models",
        Grpc("HandleReloadConfigRequest", model_management_pb2.ReloadConfigRequest()),
        ONLY_LISTS,
        "model_service_impl.cc HandleReloadConfigRequest",
        one("listless"),
    ),
    Case(
        "reload: a list of no models",
        Grpc(
            "HandleReloadConfigRequest",
            model_management_pb2.ReloadConfigRequest(
                config=model_server_config_pb2.ModelServerConfig(
                    model_config_list=model_server_config_pb2.ModelConfigList()
                )
            ),
        ),
        DONE,
        f"{CORE} ReloadConfig: everything is torn down",
        one("nobody"),
    ),
    Case(
        "reload: a config of a kind of its own",
        Grpc("HandleReloadConfigRequest", CUSTOM),
        ONLY_LISTS,
        SEEN,
        one("custom"),
    ),
    Case(
        "reload: a label moves to another version",
        half("moved", label="stable"),
        answered("moved", 2, 4.0),
        f"{CORE} UpdateModelVersionLabelMap",
        _two("moved", label("stable", 2)),
    ),
    Case(
        "reload: a new label for a version that is not there, which the flag allows",
        half("promised", label="next"),
        Fails(NOT_FOUND, "Servable not found for request: Specific(promised, 9)"),
        f"{CORE} UpdateModelVersionLabelMap: --allow_version_labels_for_unavailable_models",
        one("promised", text=label("next", 9)),
    ),
    _reloading(
        "a label that serves, for a version that is not there",
        [("unmoved", label("stable", 9))],
        Fails(
            StatusCode.FAILED_PRECONDITION,
            "Request to assign label to version 9 of model unmoved, which is not currently "
            "available for inference",
        ),
        f"{CORE} UpdateModelVersionLabelMap: the flag allows new labels only",
        one("unmoved", text=label("stable", 1)),
    ),
    Case(
        "reload: a label that was refused stays where it was",
        half("stays", label="stable"),
        answered("stays", 1, 3.0),
        f"{CORE} UpdateModelVersionLabelMap: the map is swapped when all is well",
        _refused_label("stays"),
    ),
    _reloading(
        "a new model that fails to load",
        [("half-there", TENSORFLOW)],
        Fails(StatusCode.UNKNOWN, CUT_SHORT.format("half-there")),
        f"{CORE} WaitUntilModelsAvailable; {SEEN}",
        lambda server: publish(server, "half-there", 1, "broken"),
    ),
]
