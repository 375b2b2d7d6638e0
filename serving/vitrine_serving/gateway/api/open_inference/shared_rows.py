"""Shared rows: which requests may be answered in one call with those of other callers.

As for pictures: the rows of a model whose profile says that each is answered by itself. Its
description is asked in the background; until it is known, requests go alone.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from vitrine_client.open_inference.messages import V2Tensor
from vitrine_client.results.profiles.profile import ModelProfile, Shape
from vitrine_serving.gateway.api.open_inference.tensor_specs import SignatureSpec
from vitrine_serving.gateway.inference.background_descriptions import BackgroundDescriptions
from vitrine_serving.gateway.inference.requests import SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef


class SharedRows:
    """Chooser of requests that share calls, of `most_rows` each at most."""

    def __init__(self, descriptions: BackgroundDescriptions, most_rows: int) -> None:
        self._descriptions = descriptions
        self._most_rows = most_rows

    def call(
        self,
        model: ModelRef,
        version: int,
        name: str,
        signature: SignatureSpec,
        inputs: Sequence[V2Tensor],
        outputs: Sequence[str],
    ) -> SignatureCall | None:
        """Returns the call that inputs may share, for the outputs of a signature and to a model
        that `version` answers; None where they go alone."""
        if len(inputs) != 1 or not signature.may_share:
            return None
        rows = inputs[0].array
        if not 0 < len(rows) <= self._most_rows:
            return None
        found = self._descriptions.recall(model.model, version)
        profile = found and found.profile
        if not profile or not (taken := _taken(profile)):
            return None
        if (name, inputs[0].name, rows.shape[1:], rows.dtype) != taken:
            return None
        return _call(model, name, tuple(outputs or signature.outputs), profile)


@lru_cache(256)
def _taken(profile: ModelProfile) -> tuple[str, str, Shape, np.dtype[Any]] | None:
    """Returns the signature, input, shape and dtype of rows that may share calls, None where no
    rows may."""
    if not profile.shares_calls or profile.dtype == "string":
        return None
    return profile.signature, profile.input, profile.shape, np.dtype(profile.dtype)


@lru_cache(1024)
def _call(
    model: ModelRef, name: str, outputs: tuple[str, ...], profile: ModelProfile
) -> SignatureCall:
    return SignatureCall(model, name, outputs, profile=profile, as_given=True)
