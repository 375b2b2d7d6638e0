"""Cases of HandleReloadConfigRequest: the order of its checks, and new models whose newest version
is broken. From the source: none was seen on a running server."""

from grpc import StatusCode

from tests.contract.case import Case, Fails, Grpc
from tests.contract.cases.life import ALL, TENSORFLOW, Before, one, publish, reload
from tests.contract.server import Server

INVALID = StatusCode.INVALID_ARGUMENT
ORDER = "not seen; server_core.cc ReloadConfig"
NEWEST = (
    "not seen; server_core.cc WaitUntilModelsAvailable, servable_state_monitor.cc: the newest "
    "version that is AVAILABLE or END, and versions load from the newest on"
)
BROKEN_WORDS = "OUT_OF_RANGE: Read less bytes than requested"
CAFFE = 'model_platform: "caffe"'
RELATIVE = f'{TENSORFLOW} base_path: "some/where"'
LABEL = f'{TENSORFLOW} version_labels {{ key: "stable" value: 9 }}'


def _labelled(name: str) -> Before:
    """A label that serves, which no reload may move to a version that is not there."""
    return one(name, text=f'{TENSORFLOW} version_labels {{ key: "stable" value: 1 }}')


def _broken_newest(name: str) -> Before:
    def before(server: Server) -> None:
        publish(server, name, 1)
        publish(server, name, 2, "broken")

    return before


def _case(
    name: str, configs: list[tuple[str, str]], answer: Fails, source: str, before: Before
) -> Case:
    call = Grpc("HandleReloadConfigRequest", lambda base: reload(base, *configs))
    return Case(f"reload: {name}", call, answer, source, before)


def _not_available(name: str) -> Fails:
    return Fails(
        StatusCode.UNKNOWN,
        f"1 model(s) did not become available: {{{{{{name: {name} version: 2}} due to error: "
        f"{BROKEN_WORDS}}}, }}",
    )


CASES = [
    _case(
        "a path is looked at before any platform",
        [("first-platform", CAFFE), ("then-path", RELATIVE)],
        Fails(
            INVALID,
            "Expected model then-path to have an absolute path or URI; got base_path()=some/where",
        ),
        f"{ORDER}: ValidateModelConfigList",
        one("first-platform"),
    ),
    _case(
        "a name before any path",
        [("once", RELATIVE), ("named-twice", TENSORFLOW), ("named-twice", TENSORFLOW)],
        Fails(INVALID, "Illegal to list model named-twice multiple times in config list"),
        f"{ORDER}: ValidateModelConfigList",
        one("named-twice"),
    ),
    _case(
        "the platform of a model that is served before any label",
        [("label-9", LABEL), ("same-platform", CAFFE)],
        Fails(
            INVALID,
            "Illegal to change a model's platform. For model same-platform platform was "
            "tensorflow and new platform requested is caffe",
        ),
        f"{ORDER}: ValidateNoModelsChangePlatforms",
        one("same-platform"),
    ),
    _case(
        "a label before the platform of a new model",
        [("new-caffe", CAFFE), ("label-moves", LABEL)],
        Fails(
            StatusCode.FAILED_PRECONDITION,
            "Request to assign label to version 9 of model label-moves, which is not currently "
            "available for inference",
        ),
        f"{ORDER}: UpdateModelVersionLabelMap, and then CreateStoragePathRoutes",
        _labelled("label-moves"),
    ),
    _case(
        "a new model whose newest version is broken",
        [("newest-broken", TENSORFLOW)],
        _not_available("newest-broken"),
        NEWEST,
        _broken_newest("newest-broken"),
    ),
    _case(
        "a new model of which all versions are to be served, and the newest is broken",
        [("all-but-one", f"{TENSORFLOW} {ALL}")],
        _not_available("all-but-one"),
        NEWEST,
        _broken_newest("all-but-one"),
    ),
]
