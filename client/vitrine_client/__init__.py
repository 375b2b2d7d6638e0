"""Send pictures to a Vitrine gateway, or to any TensorFlow Serving, and get predictions.

`Client` speaks HTTP to a gateway, and so does `vitrine_client.aio.AsyncClient`, which needs the
extra `vitrine-client[async]`. `vitrine_client.model_server.ModelServerClient` speaks gRPC to a
model server and needs `vitrine-client[grpc]`, as do `promote` and `rollback`, which move a version
label. `vitrine_client.errors` has what they raise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vitrine_client.errors import EmptyPicture, InvalidImage, VitrineError

if TYPE_CHECKING:
    from vitrine_client.client import Client
    from vitrine_client.results.drift import DriftReport
    from vitrine_client.results.explanations import Explanation
    from vitrine_client.results.feedback import Feedback
    from vitrine_client.results.predictions import Prediction, VersionStatus
    from vitrine_client.results.profiles.report import ProfileReport
    from vitrine_client.store.version_labels import Promotion, promote, rollback

__all__ = [
    "Client",
    "DriftReport",
    "EmptyPicture",
    "Explanation",
    "Feedback",
    "InvalidImage",
    "Prediction",
    "ProfileReport",
    "Promotion",
    "VersionStatus",
    "VitrineError",
    "__version__",
    "promote",
    "rollback",
]

__version__: str

_LATER = {
    "Client": "client",
    "DriftReport": "results.drift",
    "Explanation": "results.explanations",
    "Feedback": "results.feedback",
    "Prediction": "results.predictions",
    "ProfileReport": "results.profiles.report",
    "Promotion": "store.version_labels",
    "VersionStatus": "results.predictions",
    "promote": "store.version_labels",
    "rollback": "store.version_labels",
}
"""Names and their modules, which take a fifth of a second to import: the commands see to it first
that Ctrl-C ends them without a traceback."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # 30 ms

        return version("vitrine-client")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
