"""Model describer: the description of any version, by what it says of itself, by files beside it,
by its signatures, and where those leave something open by a trial.

TensorFlow Serving serves no files of a model. They are read from the models' directory where that
is mounted here, else an embedded model server is asked for them.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitrine_client.errors import InvalidRequest, ModelFault, NotFound, ServerError, Unimplemented
from vitrine_client.images.preprocessing import model_input
from vitrine_client.results import signatures
from vitrine_client.results.predictions import distinct
from vitrine_client.results.profiles import trial
from vitrine_client.results.profiles.completion import Draft, Layer, drafted
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import DESCRIBE, LABELLED, ProfileError
from vitrine_client.store import profile_files
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving.tensors import Array

Call = Callable[[str, bytes], Awaitable[bytes]]
"""Calls a method of a server that has the version, serialised messages in and out."""

NUMBERS = "it answers numbers and not classes"
"""Reason for which no picture can be sent to a regression."""

_MOST_TRIALS = 256
_MOST_LETTERS = 300  # of a model server's words
_NAME = re.compile(r"(?!\.\.?$)[^/\0]+")
"""Names that are one part of a path."""


class ModelDescriber:
    """Describer of versions; `models_dir` is where their directories are, if that is here. Lives in
    one event loop."""

    def __init__(self, models_dir: str = "") -> None:
        self._models_dir = models_dir
        self._trials: dict[tuple[str, int], tuple[Draft, dict[str, Any], int]] = {}

    async def describe(self, model: str, version: int, call: Call) -> Description:
        """Returns the description of a version; where no picture can be sent to it, that has a
        reason. Raises what `call` raises, and `ModelFault` where it answers nonsense."""
        said = await _said(model, version, call)
        if said and not said.labels and said.members is None:
            return replace(said, reason=said.reason or NUMBERS)
        if said and (said.profile or said.reason):
            return said
        try:
            return await self._found(model, version, call, said)
        except ProfileError as error:
            found = said or Description((), {})
            return replace(found, profile=None, reason=str(error))

    async def _found(
        self, model: str, version: int, call: Call, said: Description | None
    ) -> Description:
        response = await call(
            management.METADATA, management.metadata_request(model, version=version)
        )
        try:
            known = signatures.of(signatures.checked(management.read_metadata(response)))
        except (ServerError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFault(
                f"Version {version} of {model} does not say what it takes: {error}"
            ) from error
        layers = [] if said is None else [_layer(said)]
        files = profile_files.layers(await self._files(model, version, call))
        draft = drafted(known, [*layers, *files])
        members, classes = await self._tried(model, version, call, draft)
        profile, labels = draft.completed(members, classes)
        card = said.card if said else {}
        return Description(distinct(labels), card, profile)

    async def _files(self, model: str, version: int, call: Call) -> Mapping[str, str]:
        """Returns the contents of the files beside a version. Raises `ProfileError`."""
        if self._models_dir and _NAME.fullmatch(model):
            place = Path(self._models_dir) / model / str(version)
            if await asyncio.to_thread(place.is_dir):
                return await asyncio.to_thread(profile_files.texts, place)
        try:
            response = await call(management.METADATA, management.profile_request(model, version))
        except (InvalidRequest, NotFound, Unimplemented):  # as of TensorFlow Serving
            return {}
        try:
            return management.read_profile_files(response)
        except ServerError as error:
            raise ProfileError(str(error)) from error

    async def _tried(
        self, model: str, version: int, call: Call, draft: Draft
    ) -> tuple[dict[str, Any], int]:
        """Returns what a trial tells, if anything is left open; one that has the same signatures
        and files as before is not tried again."""
        if draft.is_whole:
            return {}, draft.classes or len(draft.labels or ())
        known = self._trials.get((model, version))
        if known and known[0] == draft:
            return known[1:]
        found = await _try(model, version, call, draft)
        if len(self._trials) >= _MOST_TRIALS:
            del self._trials[next(iter(self._trials))]  # the oldest
        self._trials[model, version] = (draft, *found)
        return found


async def _said(model: str, version: int, call: Call) -> Description | None:
    """Returns what the signature `describe` says, None where a version has none."""
    by_keys, without = messages.describe_requests(model, version)
    try:
        response = await call(messages.PREDICT, by_keys)
    except InvalidRequest as error:
        if _NO_DESCRIBE in str(error):
            return None
        if not messages.wants_no_keys(error):
            raise
        response = await call(messages.PREDICT, without)
    try:
        return messages.read_description(response)
    except (ValueError, ServerError) as error:
        raise ModelFault(
            f"Version {version} of {model} answers its signature `describe` with {error}; "
            "publish it again with labels and card"
        ) from error


_NO_DESCRIBE = f'"{DESCRIBE}" not found'
"""Words of TensorFlow Serving 2.20.0 for a version without that signature (tests/contract)."""


def _layer(said: Description) -> Layer:
    labels = {LABELLED: said.labels} if said.labels else {}
    return Layer(DESCRIBE, {**(said.members or {}), **labels})


async def _try(model: str, version: int, call: Call, draft: Draft) -> tuple[dict[str, Any], int]:
    profile = draft.preliminary()
    pictures = model_input(trial.levels(profile), profile)

    async def answer(rows: Array) -> Array:
        request = messages.predict_request(
            model,
            {profile.input: rows},
            version=version,
            signature_name=profile.signature,
            output_filter=[profile.output],
        )
        response = await call(messages.PREDICT, request)
        outputs = messages.read_answer(response, (profile.output,)).outputs
        if profile.output not in outputs:
            raise ProfileError(f"it does not answer its output `{profile.output}`")
        return outputs[profile.output]

    async def answer_several(rows: Array) -> Array:
        try:
            return await answer(rows)
        except InvalidRequest:
            return rows[:0]

    asked = trial.calls(draft, pictures)
    try:
        answers = trial.TrialCalls(
            alone=await answer(asked.alone),
            copies=await answer_several(asked.copies),
            other=await answer(asked.other),
            again=await answer(asked.again),
        )
        return trial.judged(asked, answers)
    except (InvalidRequest, ModelFault) as error:
        said = " ".join(str(error).split())[:_MOST_LETTERS]
        raise ProfileError(f"it refuses a picture that was made for it: {said}") from error
