"""Model describer: the description of any version, by what it says of itself, by files beside it,
by its signatures, and where those leave something open by a trial.

TensorFlow Serving serves no files of a model. They are read from the models' directory where that
is mounted here, else an embedded model server is asked for them.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from vitrine_client.errors import (
    InvalidRequest,
    ModelFault,
    NotFound,
    ServerError,
    Unimplemented,
    VitrineError,
)
from vitrine_client.images.preprocessing import model_input
from vitrine_client.results import signatures
from vitrine_client.results.predictions import distinct
from vitrine_client.results.profiles import trial
from vitrine_client.results.profiles.completion import Draft, ProfileLayer, drafted
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import (
    DESCRIBE,
    FASHION_MNIST,
    LABELS_MEMBER,
    ProfileError,
)
from vitrine_client.store import profile_files
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving.tensors import Array

log = logging.getLogger(__name__)

Call = Callable[[str, bytes], Awaitable[bytes]]
"""Calls a method of a server that has the version, serialised messages in and out."""

NUMBERS = "it answers numbers and not classes"
"""Reason for which no picture can be sent to a regression."""

TRIAL_AGE_S = 600.0
"""A version may be published again under its number, and answer otherwise."""

TRIAL_REST_S = 5.0
"""A model whose answers never fit is not tried more often."""

_MOST_TRIALS = 256
_MOST_LETTERS = 300  # of a model server's words
_NAME = re.compile(r"(?!\.\.?$)[^/\0]+")
"""Names that are one part of a path."""


class _Trial(NamedTuple):
    """Findings of a trial: the members, and the number of classes; they hold for a draft."""

    draft: Draft
    made_s: float
    members: dict[str, Any]
    classes: int


class ModelDescriber:
    """Describer of versions; `models_dir` is where their directories are, if that is here. A trial
    is made again after `trial_age_s`, or, where an answer contradicts it, `trial_rest_s`. Lives in
    one event loop."""

    def __init__(
        self,
        models_dir: str = "",
        trial_age_s: float = TRIAL_AGE_S,
        trial_rest_s: float = TRIAL_REST_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models_dir = models_dir
        self._trial_age_s, self._trial_rest_s = trial_age_s, trial_rest_s
        self._now = now
        self._trials: dict[tuple[str, int], _Trial] = {}
        self._told: set[tuple[str, int]] = set()

    async def describe(self, model: str, version: int, call: Call) -> Description:
        """Returns the description of a version; where no picture can be sent to it, that has a
        reason. Raises what `call` raises, and `ModelFault` where it answers nonsense."""
        said: Description | None = None
        fault: ModelFault | None = None
        try:
            said, fault = await _said(model, version, call)
            if said and not said.labels and said.members is None:
                return replace(said, reason=said.reason or NUMBERS)
            if said and (said.profile is FASHION_MNIST or said.reason):
                return said
            return await self._found(model, version, call, said)
        except ProfileError as error:
            if fault:
                raise fault from error
            reason = str(error)
        except VitrineError:
            raise
        except Exception as error:  # one model is no reason to lose sight of the others
            self._tell_broken(model, version)
            reason = str(ProfileError(f"it cannot be tried: {type(error).__name__}: {error}"))
        return replace(said or Description((), {}), profile=None, reason=reason)

    def forget_trial(self, model: str, version: int) -> bool:
        """Has a version tried again, as its answers contradict its trial; returns whether it will
        be: one that was tried a moment ago is not."""
        known = self._trials.get((model, version))
        if known is None or self._now() - known.made_s < self._trial_rest_s:
            return False
        del self._trials[model, version]
        return True

    def _tell_broken(self, model: str, version: int) -> None:
        """Logs the exception once: a version is asked again and again."""
        if (model, version) not in self._told and len(self._told) < _MOST_TRIALS:
            self._told.add((model, version))
            log.exception("Version %d of %s cannot be tried", version, model)

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
        is_whole = said is not None and said.profile is not None
        files = {} if is_whole else await self._files(model, version, call)
        draft = drafted(known, [*layers, *profile_files.layers(files)])
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
        and files as before is not tried again for a while."""
        if draft.is_whole:
            return {}, draft.classes or len(draft.labels or ())
        known = self._trials.get((model, version))
        if known and known.draft == draft and self._now() - known.made_s < self._trial_age_s:
            return known.members, known.classes
        found = await _try(model, version, call, draft)
        self._trials.pop((model, version), None)
        if len(self._trials) >= _MOST_TRIALS:
            del self._trials[next(iter(self._trials))]  # the oldest
        self._trials[model, version] = _Trial(draft, self._now(), *found)
        return found


async def _said(
    model: str, version: int, call: Call
) -> tuple[Description | None, ModelFault | None]:
    """Returns what the signature `describe` says, None where a version has none, or one of that
    name for something else; with the fault, if its answer cannot be read. Raises `ModelFault` where
    a description has no sense."""
    by_keys, without = messages.describe_requests(model, version)
    try:
        try:
            response = await call(messages.PREDICT, by_keys)
        except InvalidRequest as error:
            if not messages.wants_no_keys(error):
                return None, None
            response = await call(messages.PREDICT, without)
    except InvalidRequest:
        return None, None
    try:
        return messages.read_description(response), None
    except (ValueError, ServerError) as error:
        fault = ModelFault(
            f"Version {version} of {model} answers its signature `describe` with {error}; "
            "publish it again with labels and card"
        )
        if messages.is_description(response):
            raise fault from error
        return None, fault


def _layer(said: Description) -> ProfileLayer:
    labels = {LABELS_MEMBER: said.labels} if said.labels else {}
    return ProfileLayer(DESCRIBE, {**(said.members or {}), **labels})


async def _try(model: str, version: int, call: Call, draft: Draft) -> tuple[dict[str, Any], int]:
    profile = draft.preliminary()

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

    refused: VitrineError | None = None
    for side in trial.sides(draft):
        asked = trial.calls(draft, model_input(trial.levels(profile, side), profile))
        try:
            alone = await answer(asked.alone)
        except (InvalidRequest, ModelFault) as error:
            refused = refused or error
            continue
        try:
            copies = await answer_several(asked.copies)
            other, again = await answer(asked.other), await answer(asked.again)
        except (InvalidRequest, ModelFault) as error:
            refused = error
            break
        return trial.judged(asked, trial.TrialCalls(alone, copies, other, again))
    said = " ".join(str(refused).split())[:_MOST_LETTERS]
    raise ProfileError(
        "it refuses a picture that was made for it; tell `kind`, `batchable` and `labels`, and it "
        f"gets none: {said}"
    ) from refused
