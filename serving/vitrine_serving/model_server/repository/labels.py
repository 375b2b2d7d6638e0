"""Version labels of all models: names that requests may use in place of a version."""

from collections.abc import Callable, Mapping, Sequence

import grpc

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig

_MOVE = "Move a label once the version that it goes to is AVAILABLE"
_SET = (
    "Label a version once it is AVAILABLE, or start with "
    "--allow_version_labels_for_unavailable_models=true"
)

IsAvailable = Callable[[str, int], bool]
"""Whether a version of a model is AVAILABLE, by their names."""


class VersionLabels:
    """Version labels in effect, by model; `allow_unavailable` is the flag that lets a label name a
    version that is not there. Whoever calls holds the repository's lock."""

    def __init__(self, *, allow_unavailable: bool = False) -> None:
        self._allow_unavailable = allow_unavailable
        self._numbers: dict[str, Mapping[str, int]] = {}

    def number(self, name: str, label: str) -> int:
        """Returns the version that a label of a model names. Raises `ServingError`."""
        number = self._numbers.get(name, {}).get(label)
        if number is None:
            raise ServingError.invalid(f"Unrecognized servable version label: {label}")
        return number

    def check(self, configs: Sequence[ModelConfig], is_available: IsAvailable) -> None:
        """Raises `ServingError` (FAILED_PRECONDITION) for a label that may not be given.

        As in `UpdateModelVersionLabelMap`, a version has to be AVAILABLE before the new set is
        loaded. `allow_unavailable` lifts that, yet not for a label that moves: requests that use it
        would have nothing to answer them.
        """
        for config in configs:
            current = self._numbers.get(config.name, {})
            for label, number in config.version_labels.items():
                moves = current.get(label, number) != number
                if self._allow_unavailable and not moves:
                    continue
                if not is_available(config.name, number):
                    raise ServingError(
                        grpc.StatusCode.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {config.name}, "
                        "which is not currently available for inference",
                        _MOVE if moves else _SET,
                    )

    def replace(self, configs: Sequence[ModelConfig]) -> None:
        """Makes the labels of these models the ones in effect, and no others."""
        self._numbers = {config.name: dict(config.version_labels) for config in configs}
