"""Rows of what manages a server: configuration, statistics, repository, traces, shared memory."""

from collections.abc import Callable
from typing import Any

from tests.contract.open_inference.answers import Says, anything, equal, refused
from tests.contract.open_inference.calls import Call, Rpc, get, of_model, post
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row
from vitrine_client.open_inference import wire_pb2 as wire

PROMOTED = "versions are published and promoted here (`vitrine promote`); no request loads a model"
ROWS_OF = "each model whose first dimension is free takes rows, up to the gateway's limit"
NO_SUCH = "there is no such thing to be set or read"
UNKNOWN = "a model that is not there is not found, as everywhere else"


def _config(name: str, version: str = "") -> Rpc:
    return Rpc("ModelConfig", (of_model(name, version),), answer=wire.ModelConfigResponse)


def _stats(name: str, version: str = "") -> Rpc:
    return Rpc("ModelStatistics", (of_model(name, version),), answer=wire.ModelStatisticsResponse)


def _index(ready: bool = False) -> Rpc:
    return Rpc("RepositoryIndex", (wire.RepositoryIndexRequest(ready=ready),))


def _load(verb: str, name: str) -> Rpc:
    return Rpc(f"RepositoryModel{verb}", (wire.RepositoryModelRequest(model_name=name),))


def _configured(name: str) -> Says:
    def check(value: Any) -> None:
        config = value.get("config", value)
        assert config["name"] == name, config
        (images,) = config["input"]
        assert (images["name"], images["data_type"]) == ("images", "TYPE_FP32"), images
        assert images["dims"] == [28, 28], images
        assert config["max_batch_size"] > 1, config

    return Says(check)


def _counted(*wanted: tuple[str, str]) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        found = [(each["name"], each["version"]) for each in value["model_stats"]]
        assert set(wanted) <= set(found), found
        for each in value["model_stats"]:
            assert "inference_stats" in each, each

    return check


def _listed(value: Any) -> None:
    models = value["models"] if isinstance(value, dict) else value
    found = {(each["name"], each.get("version")): each.get("state") for each in models}
    assert found["mlp", "2"] == "READY", found
    assert found["echo_fp32", "1"] == "READY", found
    assert "nope" not in {name for name, _ in found}, found


MLP = _configured("mlp")
MLPB = _configured("mlpb")
REFUSED = refused(400, "No request")
NONE = refused(501)
NO_MEMORY = Says(anything)
NO_METHOD = refused(501, "shared memory")
TRACE, LOG = Rpc("TraceSetting", (b"",)), Rpc("LogSettings", (b"",))
SHARED, CUDA = Rpc("SystemSharedMemoryStatus", (b"",)), Rpc("CudaSharedMemoryStatus", (b"",))
REPOSITORY = "/v2/repository"

ROWS = [
    Row("A-config", get("/v2/models/mlp/config", grpc=_config("mlp")), MLP, ROWS_OF),
    Row("A-config-b", get("/v2/models/mlpb/config", grpc=_config("mlpb")), MLPB),
    Row(
        "A-config-v",
        get("/v2/models/mlp/versions/1/config", grpc=_config("mlp", "1")),
        MLP,
        ROWS_OF,
    ),
    Row("A-config-nope", get("/v2/models/nope/config", grpc=_config("nope")), refused(404, "nope")),
    Row(
        "A-stats",
        get("/v2/models/mlpb/stats", grpc=_stats("mlpb")),
        Says(_counted(("mlpb", "1"))),
    ),
    Row(
        "A-stats-v",
        get("/v2/models/mlp/versions/1/stats", grpc=_stats("mlp", "1")),
        Says(_counted(("mlp", "1"))),
    ),
    Row(
        "A-stats-nope",
        get("/v2/models/nope/stats", grpc=_stats("nope")),
        refused(404, "nope"),
        UNKNOWN,
    ),
    Row(
        "A-stats-all",
        get("/v2/models/stats", grpc=_stats("")),
        Says(_counted(("mlp", "2"), ("mlpb", "1"), ("echo_fp32", "1"))),
    ),
    Row("A-trace", get("/v2/trace/setting", grpc=TRACE), NONE, NO_SUCH),
    Row("A-trace-m", get("/v2/models/mlp/trace/setting", grpc=TRACE), NONE, NO_SUCH),
    Row("A-trace-post", post("/v2/trace/setting", {"trace_rate": "1"}), NONE, NO_SUCH),
    Row("A-trace-bad", post("/v2/trace/setting", {"foo": "1"}), NONE, NO_SUCH),
    Row("A-logging", get("/v2/logging", grpc=LOG), NONE, NO_SUCH),
    Row("A-logging-post", post("/v2/logging", {"log_info": True}), NONE, NO_SUCH),
    Row("A-logging-bad", post("/v2/logging", {"foo": 1}), NONE, NO_SUCH),
    Row(
        *("A-sshm", get("/v2/systemsharedmemory/status", grpc=SHARED), equal([])),
        grpc=NO_MEMORY,
        embedded=NO_METHOD,
    ),
    Row(
        *("A-cshm", get("/v2/cudasharedmemory/status", grpc=CUDA), equal([])),
        grpc=NO_MEMORY,
        embedded=NO_METHOD,
    ),
    Row("A-index", post(f"{REPOSITORY}/index", {}, grpc=_index()), Says(_listed)),
    Row("A-index-empty", post(f"{REPOSITORY}/index", grpc=_index()), Says(_listed)),
    Row(
        "A-index-ready",
        post(f"{REPOSITORY}/index", {"ready": True}, grpc=_index(True)),
        Says(_listed),
    ),
    Row(
        "A-index-bad",
        post(f"{REPOSITORY}/index", b"{"),
        refused(400),
        FAULT,
    ),
    Row("A-index-get", get(f"{REPOSITORY}/index"), refused(405)),
    *(
        Row(
            row,
            post(f"{REPOSITORY}/models/{name}/{verb}", body, grpc=_load(verb.title(), name)),
            REFUSED,
            PROMOTED,
        )
        for row, verb, name, body in (
            ("A-load", "load", "unloaded", None),
            ("A-load-2", "load", "unloaded", None),
            ("A-load-nope", "load", "nope", None),
            ("A-load-body", "load", "unloaded", {}),
            ("A-unload", "unload", "unloaded", None),
            ("A-unload-2", "unload", "unloaded", None),
            ("A-unload-nope", "unload", "nope", None),
            ("A-unload-body", "unload", "unloaded", {"parameters": {"unload_dependents": False}}),
        )
    ),
    Row("A-load-get", get(f"{REPOSITORY}/models/mlp/load"), refused(405)),
    Row("C-config", Call(grpc=_config("mlp")), MLP, ROWS_OF),
    Row("C-config-nope", Call(grpc=_config("nope")), refused(404, "nope")),
    Row("C-stats", Call(grpc=_stats("mlpb")), Says(_counted(("mlpb", "1")))),
    Row("C-stats-nope", Call(grpc=_stats("nope")), refused(404, "nope"), UNKNOWN),
    Row("C-index", Call(grpc=_index()), Says(_listed)),
    Row("C-load", Call(grpc=_load("Load", "unloaded")), REFUSED, PROMOTED),
    Row("C-unload", Call(grpc=_load("Unload", "unloaded")), REFUSED, PROMOTED),
    Row("C-load-nope", Call(grpc=_load("Load", "nope")), REFUSED, PROMOTED),
    Row("C-unload-nope", Call(grpc=_load("Unload", "nope")), REFUSED, PROMOTED),
    Row("C-trace", Call(grpc=TRACE), NONE, NO_SUCH),
    Row("C-log", Call(grpc=LOG), NONE, NO_SUCH),
    Row("C-shm", Call(grpc=SHARED), NO_MEMORY, embedded=NO_METHOD),
]
