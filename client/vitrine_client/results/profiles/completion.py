"""Profile completion: what a model says of itself, what files say, what its signatures tell, and
for what is left an assumption, which is called one."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vitrine_client.results import signatures
from vitrine_client.results.profiles.profile import (
    DTYPES,
    FASHION_MNIST,
    FREE_SIDES,
    LABELS_MEMBER,
    MOST_LETTERS,
    SCALINGS,
    ModelProfile,
    ProfileError,
    Shape,
    read_shape,
)

PROFILE_FILE, LABELS_FILE = "profile.json", "labels.txt"
OF_SIGNATURE, TRIAL, ASSUMED = "signature", "trial", "assumed"
"""Sources of a member, the first that has it wins."""

_OTHER_PURPOSES = ("describe", "explain", "classify", "regress", "serve_bytes")
_OUTPUT_KINDS = {"probabilities": "probabilities", "logits": "logits", "scores": "scores"}
_FLOATS = ("DT_FLOAT", "DT_HALF", "DT_DOUBLE", "DT_BFLOAT16")
_BINARY = 2
_MOST_ROWS, _MOST_NUMBERS = 4096, 2**24
"""Of a call, where a signature has a fixed number of rows: a trial makes them all."""
_ONE_NUMBER = "`kind`: {} one number for each picture: tell binary, with two labels"
_OR_LOGITS = "and it answers others, such as logits: tell that, or leave `kind` out"
_NO_LOGITS = {
    "probabilities": f"`kind`: probabilities sum to 1, {_OR_LOGITS}",
    "scores": f"`kind`: scores are in 0..1, {_OR_LOGITS}",
    "binary": "`kind`: binary is one number in 0..1, and it answers others: end it with a sigmoid, "
    "and export it again",
}
_MEMBER = re.compile(r"`(\w+)`: ")
_SMALL = 28  # of Fashion-MNIST, and of MNIST, which is like it

Json = dict[str, Any]
Signatures = Mapping[str, Json]
"""Signatures by name, in the JSON of TensorFlow Serving's REST API."""


class ProfileLayer(NamedTuple):
    """Members of a profile that one source has."""

    source: str
    members: Mapping[str, Any]


class Draft(NamedTuple):
    """Draft of a model profile, without what only answers tell.

    `members` are all but `kind` and `batchable`, where nothing says them; `labels` are None where
    nothing names the classes. Calls have `rows` rows, None for any number; `classes` are answered,
    None where the signature does not tell how many.
    """

    members: Mapping[str, Any]
    sources: Mapping[str, str]
    labels: tuple[str, ...] | None
    rows: int | None
    classes: int | None

    @property
    def is_whole(self) -> bool:
        """Whether no answer is needed to complete it."""
        return {"kind", "batchable"} <= self.members.keys() and bool(self.labels or self.classes)

    def preliminary(self) -> ModelProfile:
        """Returns the profile by which a trial makes its pictures."""
        return ModelProfile(**{"kind": "scores", "batchable": False, **self.members})

    def completed(self, members: Mapping[str, Any], classes: int) -> "Completed":
        """Returns the profile with the members that a trial has found, and its labels, one for
        each of the `classes` that are answered. Raises `ProfileError` where there are more or
        fewer, and where the answers are not of the kind that somebody says."""
        found = {**members, **self.members}
        sources = {**dict.fromkeys(members, TRIAL), **self.sources}
        if _contradict(found["kind"], members.get("kind", "")):
            if sources["kind"] != OF_SIGNATURE:
                raise _named(ProfileError(_NO_LOGITS[found["kind"]]), sources)
            found["kind"], sources["kind"] = members["kind"], TRIAL  # a name is only a name
        count = _BINARY if found["kind"] == "binary" else classes
        if count == 1:
            raise ProfileError(_ONE_NUMBER.format("it answers"))
        labels = self.labels
        if labels is None:
            labels, sources[LABELS_MEMBER] = tuple(map(str, range(count))), ASSUMED
        if len(labels) != count:
            wrong = ProfileError(f"`{LABELS_MEMBER}`: there are {len(labels)}, and {count} classes")
            raise _named(wrong, sources)
        return Completed(ModelProfile(**found, sources=sources), labels)


class Completed(NamedTuple):
    """Profile, and the label of each class."""

    profile: ModelProfile
    labels: tuple[str, ...]


def _contradict(kind: str, seen: str) -> bool:
    """Says whether numbers that a trial has seen cannot be of a kind: logits may look like shares
    by chance, and nothing else like logits."""
    return seen == "logits" != kind


class _Tensor(NamedTuple):
    name: str
    dtype: str
    sizes: list[int] | None

    def __str__(self) -> str:
        sizes = None if self.sizes is None else [str(s) if s >= 0 else "n" for s in self.sizes]
        shape = "of any shape" if sizes is None else f"[{', '.join(sizes)}]"
        return f"`{self.name}` {DTYPES.get(self.dtype, self.dtype[3:].lower())} {shape}"


def drafted(model_signatures: Signatures, layers: Sequence[ProfileLayer]) -> Draft:
    """Returns the profile of a model with these signatures, by the first of the layers that has a
    member. Raises `ProfileError`, which says what the model takes, where no picture can be sent to
    it, and where a layer does not fit the signatures."""
    given, sources = _merged(layers)
    try:
        return _drafted(model_signatures, given, sources)
    except ProfileError as error:
        raise _named(error, sources) from error


def _drafted(
    model_signatures: Signatures, given: Mapping[str, Any], sources: dict[str, str]
) -> Draft:
    found = _Found(given, sources)
    name = found.take("signature", lambda: _signature(model_signatures))
    if len(name) > MOST_LETTERS:
        raise ProfileError(f"`signature`: its name has {len(name):,} letters")
    if name not in model_signatures:
        known = ", ".join(sorted(model_signatures)[:8])
        raise ProfileError(f"`signature`: it has no `{name}`; it has {known}: tell one of these")
    inputs = _tensors(model_signatures[name], "inputs")
    outputs = _tensors(model_signatures[name], "outputs")
    taken = _chosen(inputs, found, "input", lambda: _picture_input(inputs))
    _fill_input(found, taken)
    answered = _chosen(outputs, found, "output", lambda: _class_output(outputs))
    classes = _fill_output(found, answered)
    rows = taken.sizes[0] if taken.sizes and taken.sizes[0] > 0 else None
    _check_rows(rows or 1, found.members["shape"], taken)
    return Draft(found.members, sources, given.get(LABELS_MEMBER), rows, classes)


class _Found:
    """Profile members found so far; what no layer has comes from the signature, or is assumed."""

    def __init__(self, given: Mapping[str, Any], sources: dict[str, str]) -> None:
        self.members = {name: value for name, value in given.items() if name != LABELS_MEMBER}
        self._sources = sources

    def take(self, name: str, tell: Callable[[], Any]) -> Any:
        """Returns a member, by what `tell` returns where no layer has it."""
        if name not in self.members:
            self.put(name, tell(), OF_SIGNATURE)
        return self.members[name]

    def put(self, name: str, value: Any, source: str = ASSUMED) -> None:
        """Sets a member that no layer has."""
        if name not in self.members:
            self.members[name], self._sources[name] = value, source

    def source(self, name: str) -> str:
        """Returns where a member is from."""
        return self._sources[name]


def _named(error: ProfileError, sources: Mapping[str, str]) -> ProfileError:
    """Returns an error with the file before the member that it names, where it is from one."""
    member = _MEMBER.match(str(error))
    source = sources.get(member[1], "") if member else ""
    return ProfileError(f"{source}: {error}") if source in (PROFILE_FILE, LABELS_FILE) else error


def _merged(layers: Sequence[ProfileLayer]) -> tuple[dict[str, Any], dict[str, str]]:
    members: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for layer in reversed(layers):
        members |= layer.members
        sources |= dict.fromkeys(layer.members, layer.source)
    return members, sources


def _tensors(signature: Json, way: str) -> list[_Tensor]:
    return [
        _Tensor(name, signatures.dtype(tensor), signatures.sizes(tensor))
        for found, name, tensor in signatures.tensors(signature)
        if found == way
    ]


def _signature(known: Signatures) -> str:
    """Returns the default signature, or the only other one that could take pictures."""
    if "serving_default" in known:
        return "serving_default"
    others = [name for name in known if name not in _OTHER_PURPOSES and not name.startswith("__")]
    if len(others) != 1:
        listed = ", ".join(sorted(others)[:8]) or "none"
        raise ProfileError(f"`signature`: it has no serving_default, and of others {listed}")
    return others[0]


def _chosen(tensors: list[_Tensor], found: _Found, member: str, tell: Callable[[], str]) -> _Tensor:
    name = found.take(member, tell)
    if len(name) > MOST_LETTERS:
        raise ProfileError(f"`{member}`: its name has {len(name):,} letters")
    for tensor in tensors:
        if tensor.name == name:
            return tensor
    listed = ", ".join(map(str, tensors[:8])) or "none"
    raise ProfileError(f"`{member}`: the signature has no `{name}`; tell one that it has: {listed}")


def _picture_input(inputs: list[_Tensor]) -> str:
    if len(inputs) == 1 and (_is_picture(inputs[0]) or _is_file(inputs[0])):
        return inputs[0].name
    listed = ", ".join(map(str, inputs[:8])) or "nothing"
    raise ProfileError(
        f"it takes {listed}, and not one input of pictures, [n, height, width] with 1, 3 or 4 "
        "channels or without that axis"
    )


def _is_picture(tensor: _Tensor) -> bool:
    if tensor.dtype not in DTYPES or tensor.dtype == "DT_STRING" or tensor.sizes is None:
        return False
    sides = tensor.sizes[1:3]
    small = any(size in (1, 2, 3, 4) for size in sides)  # channels first, or no picture at all
    return len(sides) == 2 and not small and tensor.sizes[3:] in ([], [1], [3], [4], [-1])


def _is_file(tensor: _Tensor) -> bool:
    """By its name: TensorFlow Serving has the suffix for inputs that are encoded bytes."""
    has_rows = tensor.sizes is None or len(tensor.sizes) == 1
    return tensor.dtype == "DT_STRING" and tensor.name.endswith("_bytes") and has_rows


def _fill_input(found: _Found, taken: _Tensor) -> None:
    dtype = DTYPES.get(taken.dtype)
    if dtype is None:
        raise ProfileError(f"`input`: {taken} has a dtype that no picture is made for")
    if found.take("dtype", lambda: dtype) != dtype:
        raise ProfileError(f"`dtype`: {taken} is no {found.members['dtype']}")
    _fill_levels(found)
    if dtype == "string":
        _fill_file(found)
        return
    shape = found.take("shape", lambda: _shape_of(taken))
    _check_shape(shape, taken)
    small = shape[:2] == (_SMALL, _SMALL) and shape[2:] in ((), (1,))
    whole = not dtype.startswith("float")
    found.put("fit", "item" if small else "stretch")
    if found.members["fit"] == "item" and not small:
        raise ProfileError("`fit`: `item` is for pictures of 28x28 pixels with one channel")
    found.put("scaling", "0..255" if whole else "0..1", OF_SIGNATURE if whole else ASSUMED)
    _check_scaling(found, shape, whole=whole)
    found.put("resize", FASHION_MNIST.resize)
    found.put("polarity", FASHION_MNIST.polarity)


def _check_rows(rows: int, shape: Shape, taken: _Tensor) -> None:
    if rows > _MOST_ROWS:
        raise ProfileError(f"`input`: {taken} has more than {_MOST_ROWS:,} rows in each call")
    numbers = math.prod(size or FREE_SIDES[0] for size in shape[:2]) * math.prod(
        size or 3 for size in shape[2:]
    )
    if rows > 1 and rows * numbers > _MOST_NUMBERS:
        raise ProfileError(f"`input`: {taken} has more than {_MOST_NUMBERS:,} numbers in each call")


def _fill_file(found: _Found) -> None:
    if found.members.get("fit") == "item":
        raise ProfileError("`fit`: `item` is for pixels, and encoded pictures are sent as they are")
    if found.members.get("scaling", "0..255") != "0..255":
        raise ProfileError("`scaling`: encoded pictures have levels of 0..255, and no others")
    found.put("shape", (None, None, 3), OF_SIGNATURE)
    for member, value in (("fit", "stretch"), ("scaling", "0..255"), ("polarity", "as is")):
        found.put(member, value, OF_SIGNATURE)
    found.put("resize", FASHION_MNIST.resize, OF_SIGNATURE)


def _shape_of(taken: _Tensor) -> Shape:
    if taken.sizes is None or len(taken.sizes) not in (3, 4):
        raise ProfileError(f"`shape`: write that of a picture, as {taken} does not tell it")
    try:
        return read_shape([size if size > 0 else None for size in taken.sizes[1:]])
    except ValueError as error:
        raise ProfileError(f"`shape` of {taken}: {error}") from error


def _check_shape(shape: Shape, taken: _Tensor) -> None:
    if taken.sizes is None:
        return
    own = taken.sizes[1:]
    fits = len(own) == len(shape) and all(
        there < 0 or there == size for size, there in zip(shape, own, strict=True)
    )
    if not fits:
        raise ProfileError(f"`shape`: {list(shape)} is not that of {taken}")


def _fill_levels(found: _Found) -> None:
    """Takes the scaling from `mean` and `std`, which are for one alone; empty ones say nothing."""
    told = [member for member in ("mean", "std") if found.members.get(member)]
    if not told:
        return
    if len(told) == 1 and "scaling" not in found.members:
        raise ProfileError(f"`{told[0]}`: `mean` and `std` are told together")
    found.put("scaling", SCALINGS[-1], found.source(told[0]))


def _check_scaling(found: _Found, shape: Shape, *, whole: bool) -> None:
    scaling = found.members["scaling"]
    if whole and scaling != "0..255":
        raise ProfileError(f"`scaling`: whole numbers are 0..255, not {scaling}")
    if scaling != SCALINGS[-1]:
        _check_unused(found, scaling)
        return
    channels = shape[2] if len(shape) == 3 else 1
    for member in ("mean", "std"):
        count = len(found.members.get(member, ()))
        if not count:
            raise ProfileError(
                f"`scaling`: {scaling} wants `mean` and `std`, and has no `{member}`"
            )
        if count not in (1, channels or 3):
            raise ProfileError(f"`{member}`: {scaling} wants one, or one for each channel")
    if not all(level > 0 for level in found.members["std"]):
        raise ProfileError("`std`: it is above 0")


def _check_unused(found: _Found, scaling: str) -> None:
    """Raises `ProfileError` for levels of a source that has no scaling, or one without them: who
    tells them means them. Another source may have them for a scaling of its own."""
    source = found.source("scaling")
    for member in ("mean", "std"):
        if not found.members.get(member):
            continue
        if source in (ASSUMED, OF_SIGNATURE, found.source(member)):
            raise ProfileError(
                f"`{member}`: it is for the scaling {SCALINGS[-1]}, and that is {scaling}: tell "
                f'`"scaling": "{SCALINGS[-1]}"` beside it'
            )


def _class_output(outputs: list[_Tensor]) -> str:
    fitting = [tensor for tensor in outputs if _is_classes(tensor)]
    names = [tensor.name for tensor in fitting]
    for name in _OUTPUT_KINDS:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    if len(outputs) == 1 and _is_one_number(outputs[0]):
        return outputs[0].name  # of two classes, if the profile says so
    listed = ", ".join(map(str, outputs[:8])) or "nothing"
    raise ProfileError(f"it answers {listed}, and not one output of classes, [n, classes]")


def _is_classes(tensor: _Tensor) -> bool:
    shaped = tensor.sizes is None or (len(tensor.sizes) == 2 and tensor.sizes[1] != 1)
    return tensor.dtype in _FLOATS and shaped


def _is_one_number(tensor: _Tensor) -> bool:
    return tensor.dtype in _FLOATS and tensor.sizes is not None and tensor.sizes[1:] == [1]


def _fill_output(found: _Found, answered: _Tensor) -> int | None:
    """Fills in the kind, where its name tells it; returns the number of classes, if it is said."""
    if answered.dtype not in _FLOATS:
        raise ProfileError(f"`output`: {answered} is no list of floats for each picture")
    if answered.name in _OUTPUT_KINDS and found.source("output") == OF_SIGNATURE:
        found.put("kind", _OUTPUT_KINDS[answered.name], OF_SIGNATURE)
    sizes = answered.sizes
    if sizes is not None and len(sizes) != 2:
        raise ProfileError(f"`output`: {answered} is no row of numbers for each picture")
    classes = None if sizes is None or sizes[1] < 0 else sizes[1]
    binary = found.members.get("kind") == "binary"
    if classes is not None and (classes == 1) != binary:
        raise ProfileError(
            _ONE_NUMBER.format(f"{answered} is")
            if classes == 1
            else f"`kind`: binary is one number for each picture, and {answered} has more: tell "
            "another `kind`, or leave it out"
        )
    return classes
