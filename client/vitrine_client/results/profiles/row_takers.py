"""Row takers: versions that take rows of Fashion-MNIST as they are, and why others do not.

Whoever asks a model server past the gateway has no pictures made by a model's profile, so what
another model would answer to such rows is wrong, and looks right.
"""

from vitrine_client.results.profiles.completion import ProfileLayer, Signatures, drafted
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import (
    DESCRIBE,
    FASHION_MNIST,
    ModelProfile,
    ProfileError,
)


def is_open(described: Description) -> bool:
    """Says whether a description leaves open what pictures a version takes, so that its signatures
    have to tell."""
    return described.profile is None and not described.reason


def why_not(described: Description, known: Signatures | None = None) -> str:
    """Returns the reason for which a version does not take rows of Fashion-MNIST, empty where it
    does, by its description, and by its signatures where that `is_open`."""
    if described.reason:
        return described.reason
    try:
        return _differences(described.profile or _drafted(described, known or {}))
    except ProfileError as error:
        return str(error)


def _drafted(described: Description, known: Signatures) -> ModelProfile:
    """Returns the profile as far as it is told, and where only answers tell, ours."""
    draft = drafted(known, [ProfileLayer(DESCRIBE, described.members or {})])
    ours = {"kind": FASHION_MNIST.kind, "batchable": FASHION_MNIST.batchable}
    return ModelProfile(**{**ours, **draft.members})


def _differences(profile: ModelProfile) -> str:
    if profile.takes_the_same(FASHION_MNIST):
        return ""
    told, ours = profile.to_dict(), FASHION_MNIST.to_dict()
    return ", ".join(
        f"{name} {value}"
        for name, value in told.items()
        if name != "sources" and value != ours[name]
    )
