"""SavedModels of others, in memory: by Keras' export, `tf_keras`, `tf.Module` or TensorFlow 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from vitrine_client.results.profiles.completion import ProfileLayer, Signatures
from vitrine_client.results.profiles.profile import DESCRIBE, LABELS_MEMBER, ProfileError
from vitrine_client.store import profile_files
from vitrine_training.imports import ImportRefused, tensor_json
from vitrine_training.publish.incumbent import description

REPAIR = "export it again with `training=False`"


class SavedModel:
    """A SavedModel that was loaded. `layers` are what it says of itself, and what files say that
    lie in its `assets.extra` or beside its graph; `held` is what its functions are parts of."""

    format = "SavedModel"
    repair = REPAIR

    def __init__(self, loaded: Any, directory: Path) -> None:
        """Raises `ImportRefused` where it has no signatures, or one of those files is broken."""
        self.held = loaded
        self._functions = dict(getattr(loaded, "signatures", {}))
        if not self._functions:
            raise ImportRefused(
                f"{directory} has no signatures, so nothing tells how to ask it: export it with "
                "`model.export(DIRECTORY)` of Keras"
            )
        self.signatures: Signatures = {
            name: tensor_json.signature(
                function.structured_input_signature[1], function.structured_outputs
            )
            for name, function in self._functions.items()
        }
        try:
            files = profile_files.texts(directory, ".") | profile_files.texts(directory)
            self.layers = [*self._own(), *profile_files.layers(files)]
        except ProfileError as error:
            raise ImportRefused(f"{directory}: {error}") from error

    def function(self, signature: str, name: str, output: str) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the function from an input of a signature to one of its outputs."""
        own = self._functions[signature]
        return lambda images: own(**{name: images})[output]

    def logits(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Returns None: what comes before the last layer is not told apart."""
        return None

    def _own(self) -> list[ProfileLayer]:
        """Returns what the signature `describe` says, of versions that Vitrine has published."""
        try:
            described = description(self.held)
        except Exception:  # one of somebody else's, or none
            return []
        labels = {LABELS_MEMBER: described.labels} if described.labels else {}
        return [ProfileLayer(DESCRIBE, {**(described.members or {}), **labels})]
