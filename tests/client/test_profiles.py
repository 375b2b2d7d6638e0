"""Model profiles: members of their own, and those that signatures tell or that are assumed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from vitrine_client.results.profiles import trial
from vitrine_client.results.profiles.completion import PROFILE_FILE, ProfileLayer, drafted
from vitrine_client.results.profiles.profile import FASHION_MNIST, ProfileError, read_members

LONG = "x" * 201


def tensor(dtype: str, *sizes: int) -> dict[str, Any]:
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": str(size)} for size in sizes]}}


def signature(
    inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "inputs": inputs or {"keras_tensor": tensor("DT_FLOAT", -1, 28, 28)},
        "outputs": outputs or {"output_0": tensor("DT_FLOAT", -1, 10)},
    }


def serving(
    inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"serving_default": signature(inputs, outputs)}


ANY_RANK = {"dtype": "DT_FLOAT", "tensor_shape": {"unknown_rank": True}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "a profile is a JSON object"),
        ({"scailing": "0..1"}, "`scailing` is no member; there are signature, input, shape"),
        ({LONG * 9: 1}, "is no member"),
        ({"shape": [28]}, r"`shape`: write \[height, width\]"),
        ({"shape": 28}, "`shape`: 28 is no list"),
        ({"shape": [0, 28]}, "`shape`: height and width are 1 to 4096"),
        ({"shape": [10**9, 28]}, "`shape`: height and width are 1 to 4096"),
        ({"shape": [28.5, 28]}, "`shape`: 28.5 is no whole number"),
        ({"shape": [28, 28, 2]}, "`shape`: the channels come last, and are 1, 3 or 4"),
        ({"shape": [3, 224, 224]}, "`shape`: the channels come last"),
        ({"dtype": "complex64"}, "`dtype`: 'complex64' is none of 'float32'"),
        ({"scaling": {"mean": 1}}, "`scaling`: .* is none of"),
        ({"mean": "0.5"}, "`mean`: '0.5' is no list"),
        ({"std": [10**400]}, "`std`: int too large"),
        ({"std": [1, 0]}, "`std`: a deviation is 0.000001 or more"),
        ({"std": [1e-7]}, "`std`: a deviation is 0.000001 or more"),
        ({"mean": [1e7]}, "`mean`: write at most 4 numbers, none above 1,000,000"),
        ({"mean": [-1e300]}, "`mean`: write at most 4 numbers"),
        ({"mean": [0.5] * 5}, "`mean`: write at most 4 numbers"),
        ({"fit": "squash"}, "`fit`: 'squash' is none of"),
        ({"kind": "probability"}, "`kind`: 'probability' is none of"),
        ({"batchable": 1}, "`batchable`: write true or false"),
        ({"labels": [1]}, "`labels`: 1 is no text"),
        ({"labels": ["a", LONG]}, "`labels`: that of class 1 has 201 letters, and 200 are the"),
        ({"labels": ["a"] * 100_001}, "`labels`: there are 100,001, and 100,000 are the most"),
        ({"input": LONG}, "`input`: a name has 1 to 200 letters"),
        ({"input": ""}, "`input`: a name has 1 to 200 letters"),
        ({"input": "\ud800"}, "`input`: half a surrogate pair is no text"),
        ({"labels": ["a", "b\udfff"]}, "`labels`: half a surrogate pair is no text"),
    ],
)
def test_a_member_that_makes_no_sense(content, reason):
    """It is named, with the reason."""
    with pytest.raises(ProfileError, match=reason):
        read_members(content)


HOSTILE = "\x1b[2J\x9b31m\u202e\u2028\ud800<b>\n"
SHOWN = r"\u001b[2J\u009b31m\u202e\u2028\ud800<b>\u000a"


def test_reasons_are_one_line_of_bounded_length():
    """Whatever names a model, or who writes its profile, has thought of."""
    with pytest.raises(ProfileError) as refused:
        read_members({HOSTILE: 1})
    assert f"`{SHOWN}` is no member" in str(refused.value)
    named = HOSTILE.replace("\ud800", "")  # signatures are UTF-8
    with pytest.raises(ProfileError) as refused:
        drafted(serving({named: tensor("DT_FLOAT", -1, 7)}), [])
    assert SHOWN.replace(r"\ud800", "") in str(refused.value)
    long = "x" * 1_000_000
    for signatures in (
        serving({long: tensor("DT_FLOAT", -1, 7)}),
        serving({long: tensor("DT_FLOAT", -1, 28, 28)}),
        serving(outputs={long: tensor("DT_FLOAT", -1, 10)}),
        {long: signature()},
        {long: signature(), "other": signature()},
    ):
        with pytest.raises(ProfileError) as refused:
            drafted(signatures, [])
        assert len(str(refused.value)) <= 1001


def test_members_that_are_left_out():
    """Null says nothing, and sources are not the owner's to tell."""
    assert read_members({"sources": {"fit": "x"}, "fit": None, "batchable": False}) == {
        "batchable": False
    }


def test_our_own():
    """A signature with our names and no more tells all but whether rows may share a call."""
    outputs = {"probabilities": tensor("DT_FLOAT", -1, 10), "logits": tensor("DT_FLOAT", -1, 10)}
    draft = drafted(serving({"images": tensor("DT_FLOAT", -1, 28, 28)}, outputs), [])
    found = draft.completed({"batchable": True}, 10).profile
    assert found.takes_the_same(FASHION_MNIST)
    assert found.assumptions == [
        "fit item assumed: write profile.json to change it",
        "scaling 0..1 assumed: write profile.json to change it",
        "resize bilinear assumed: write profile.json to change it",
        "polarity as is assumed: write profile.json to change it",
        "labels 0, 1, 2… assumed: write labels.txt to name the classes",
    ]


@pytest.mark.parametrize(
    ("sizes", "dtype", "shape", "scaling", "fit"),
    [
        ((-1, 28, 28, 1), "DT_FLOAT", (28, 28, 1), "0..1", "item"),
        ((-1, 28, 28), "DT_UINT8", (28, 28), "0..255", "item"),
        ((-1, 28, 28, 3), "DT_FLOAT", (28, 28, 3), "0..1", "stretch"),
        ((32, 32, 32, 3), "DT_HALF", (32, 32, 3), "0..1", "stretch"),
        ((-1, -1, -1, 3), "DT_FLOAT", (None, None, 3), "0..1", "stretch"),
        ((-1, -1, -1, -1), "DT_INT32", (None, None, None), "0..255", "stretch"),
    ],
)
def test_inputs_by_their_signature(sizes, dtype, shape, scaling, fit):
    """Their name does not matter."""
    draft = drafted(serving({"keras_tensor_7": tensor(dtype, *sizes)}), [])
    assert draft.members["input"] == "keras_tensor_7"
    assert (draft.members["shape"], draft.members["scaling"]) == (shape, scaling)
    assert draft.members["fit"] == fit
    assert draft.rows == (32 if sizes[0] == 32 else None)


@pytest.mark.parametrize(
    ("signatures", "reason"),
    [
        (serving({"x": tensor("DT_FLOAT", -1, 784)}), r"it takes `x` float32 \[n, 784\], and not"),
        (serving({"x": tensor("DT_FLOAT", -1, 3, 32, 32)}), "not one input of pictures"),
        (serving({"x": tensor("DT_STRING", -1)}), "not one input of pictures"),
        (serving({"x": tensor("DT_COMPLEX64", -1, 28, 28)}), "it takes `x` complex64"),
        (serving({"x": ANY_RANK}), "it takes `x` float32 of any shape"),
        (
            serving({"a": tensor("DT_FLOAT", -1, 28, 28), "b": tensor("DT_FLOAT", -1, 3)}),
            r"it takes `a` float32 \[n, 28, 28\], `b` float32 \[n, 3\]",
        ),
        (
            serving(outputs={"y": tensor("DT_FLOAT", -1, 1)}),
            r"`kind`: `y` float32 \[n, 1\] is one number for each picture: tell binary",
        ),
        (serving(outputs={"y": tensor("DT_INT64", -1, 10)}), "not one output of classes"),
        (
            serving(outputs={n: tensor("DT_FLOAT", -1, 10) for n in ("head", "tail")}),
            r"it answers `head` float32 \[n, 10\], `tail`",
        ),
        ({"describe": signature()}, "no serving_default, and of others none"),
        ({"a": signature(), "b": signature()}, "no serving_default, and of others a, b"),
        ({}, "no serving_default"),
    ],
)
def test_what_no_picture_can_be_sent_to(signatures, reason):
    """It is said what it takes."""
    with pytest.raises(ProfileError, match=reason):
        drafted(signatures, [])


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"signature": "predict"}, "`signature`: it has no `predict`; it has serving_default"),
        ({"input": "images"}, r"`input`: .* has no `images`; tell one that it has: `keras_t"),
        ({"output": "scores"}, r"`output`: the signature has no `scores`"),
        ({"shape": (32, 32)}, r"`shape`: \[32, 32\] is not that of `keras_tensor`"),
        ({"shape": (28, 28, 1)}, r"`shape`: \[28, 28, 1\] is not that of"),
        ({"dtype": "uint8"}, "`dtype`: `keras_tensor` float32 .* is no uint8"),
        (
            {"scaling": "mean/std", "mean": (0.5,), "std": (0.5, 0.5)},
            "`std`: mean/std wants one, or",
        ),
        ({"scaling": "mean/std", "mean": (0.5,), "std": (0.0,)}, "`std`: it is above 0"),
        ({"kind": "binary"}, "`kind`: binary is one number for each picture"),
        ({"mean": (0.5,)}, "`mean`: `mean` and `std` are told together"),
        ({"std": (0.5,), "mean": ()}, "`std`: `mean` and `std` are told together"),
        ({"mean": (0.5,), "std": (0.5,), "scaling": "0..1"}, "`mean`: it is for the scaling mean"),
        (
            {"std": (0.5,), "scaling": "0..255"},
            "`std`: it is for the scaling mean/std, and that",
        ),
        ({"mean": (0.5, 0.5), "std": (0.5,)}, "`mean`: mean/std wants one, or one for each"),
    ],
)
def test_what_does_not_fit_the_signature(members, reason):
    """The member is named."""
    with pytest.raises(ProfileError, match=reason):
        drafted(serving(), [ProfileLayer(PROFILE_FILE, members)])


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"std": (0.5,)}, "`std`: `mean` and `std` are told together"),
        ({"scaling": "-1..1", "mean": (0.5,)}, "`mean`: it is for .* and that is -1..1: tell"),
        ({"scaling": "mean/std"}, "`scaling`: mean/std wants `mean` and `std`, and has no `mean`"),
        ({"scaling": "mean/std", "mean": (0.5,)}, "`scaling`: .*, and has no `std`"),
    ],
)
def test_levels_and_their_scaling_go_together(members, reason):
    """Else pictures would be scaled otherwise than who wrote them thinks."""
    with pytest.raises(ProfileError, match=rf"^profile\.json: {reason}"):
        drafted(serving(), [ProfileLayer(PROFILE_FILE, members)])


def test_a_scaling_before_levels_of_another_source():
    """It wins, and they are not needed."""
    layers = [ProfileLayer("options", {"scaling": "0..255"})]
    layers.append(
        ProfileLayer(PROFILE_FILE, {"scaling": "mean/std", "mean": (0.5,), "std": (0.5,)})
    )
    assert drafted(serving(), layers).members["scaling"] == "0..255"


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((200_000, 28, 28), "has more than 4,096 rows in each call"),
        ((4096, 224, 224, 3), "has more than 16,777,216 numbers in each call"),
        ((2048, -1, -1, 3), "has more than 16,777,216 numbers in each call"),
    ],
)
def test_more_rows_than_a_trial_makes(sizes, told):
    """A signature is not told how much memory a gateway has."""
    with pytest.raises(ProfileError, match=f"`input`: `x` float32 .* {told}"):
        drafted(serving({"x": tensor("DT_FLOAT", *sizes)}), [])
    assert drafted(serving({"x": tensor("DT_FLOAT", 32, 299, 299, 3)}), []).rows == 32


def test_levels_tell_their_scaling():
    """Nobody writes them for another one; those of a profile that was saved may be empty."""
    draft = drafted(serving(), [ProfileLayer(PROFILE_FILE, {"mean": (0.5,), "std": (0.25,)})])
    assert (draft.members["scaling"], draft.sources["scaling"]) == ("mean/std", PROFILE_FILE)
    saved = {"mean": (), "std": (), "scaling": "0..255"}
    assert drafted(serving(), [ProfileLayer(PROFILE_FILE, saved)]).members["scaling"] == "0..255"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"fit": "item"}, "`fit`: `item` is for pixels"),
        ({"scaling": "-1..1"}, "`scaling`: encoded pictures have levels of 0..255"),
        ({"scaling": "mean/std", "mean": (0.5,), "std": (0.5,)}, "`scaling`: encoded pictures"),
        ({"mean": (0.5,), "std": (0.5,)}, "`scaling`: encoded pictures"),
    ],
)
def test_what_means_nothing_to_a_model_that_decodes_pictures(members, reason):
    """It would be ignored, and answers look right."""
    with pytest.raises(ProfileError, match=f"profile.json: {reason}"):
        drafted(
            serving({"image_bytes": tensor("DT_STRING", -1)}), [ProfileLayer(PROFILE_FILE, members)]
        )


@pytest.mark.parametrize("kind", ["probabilities", "scores", "binary"])
def test_a_kind_that_the_answers_contradict(kind):
    """Where somebody has told it; a name of an output is only a name."""
    outputs = {"probabilities": tensor("DT_FLOAT", -1, 1 if kind == "binary" else 10)}
    draft = drafted(serving(outputs=outputs), [ProfileLayer(PROFILE_FILE, {"kind": kind})])
    with pytest.raises(ProfileError, match=f"profile.json: `kind`: {kind} .* answers others"):
        draft.completed({"kind": "logits", "batchable": True}, 10)
    assert draft.completed({"kind": "scores", "batchable": True}, 10).profile.kind == kind


def test_a_name_that_the_answers_contradict():
    """They are seen, and it is not told by anybody."""
    draft = drafted(serving(outputs={"scores": tensor("DT_FLOAT", -1, 10)}), [])
    profile = draft.completed({"kind": "logits", "batchable": True}, 10).profile
    assert (profile.kind, profile.sources["kind"]) == ("logits", "trial")


def trial_of(*answers: np.ndarray) -> tuple[dict[str, Any], int]:
    draft = drafted(serving(), [])
    asked = trial.calls(draft, np.zeros((2, 28, 28), np.float32))
    return trial.judged(asked, trial.TrialCalls(*answers))


def test_answers_of_a_trial_that_differ_in_width():
    """A model may have as many classes as there are pictures."""
    one, several = np.ones((1, 1)), np.ones((32, 32))
    with pytest.raises(ProfileError, match="it answers rows of 1 numbers, and others of 32"):
        trial_of(one, several, one, one)
    with pytest.raises(ProfileError, match="it answers rows of 1 numbers, and others of 2"):
        trial_of(one, several[:0], one, np.ones((1, 2)))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (np.array([[b"a", b"b"]], object), "it answers texts or complex numbers"),
        (np.array([["a", "b"]]), "it answers texts or complex numbers"),
        (np.array(0.5), r"it answers shape \[\] to 1 pictures"),
    ],
)
def test_answers_of_a_trial_that_are_no_rows(answer, told):
    """Whatever a signature promises."""
    with pytest.raises(ProfileError, match=told):
        trial_of(answer, answer, answer, answer)


def test_a_member_that_does_not_fit_is_told_with_its_file():
    """There may be two, and one of them only says what nothing else does."""
    layers = [
        ProfileLayer(PROFILE_FILE, {"shape": (32, 32)}),
        ProfileLayer("labels.txt", {"labels": ("a", "b")}),
    ]
    with pytest.raises(ProfileError, match=r"^profile\.json: `shape`: \[32, 32\] is not"):
        drafted(serving(), layers)
    draft = drafted(serving(), layers[1:])
    with pytest.raises(ProfileError, match=r"^labels\.txt: `labels`: there are 2, and 10 classes"):
        draft.completed({"kind": "logits", "batchable": True}, 10)


def test_a_binary_classifier_needs_to_say_no_more():
    """Its only output is meant, and its kind is the file's."""
    layers = [ProfileLayer(PROFILE_FILE, {"kind": "binary", "labels": ("cat", "dog")})]
    draft = drafted(serving(outputs={"dog": tensor("DT_FLOAT", -1, 1)}), layers)
    profile, labels = draft.completed({"batchable": True, "kind": "scores"}, 1)
    assert (profile.output, profile.kind, labels) == ("dog", "binary", ("cat", "dog"))


def test_a_binary_classifier_whose_number_is_no_share():
    """As of Keras' tutorials that end without a sigmoid: 1.7 and -0.7 are no probabilities."""
    layers = [ProfileLayer(PROFILE_FILE, {"kind": "binary"})]
    draft = drafted(serving(outputs={"dog": tensor("DT_FLOAT", -1, 1)}), layers)
    with pytest.raises(ProfileError, match=r"^profile\.json: `kind`: binary is one number in 0"):
        draft.completed({"batchable": True, "kind": "logits"}, 1)


def test_the_first_layer_wins():
    """Member by member, and each says where it is from."""
    layers = [
        ProfileLayer("describe", {"labels": ("a", "b")}),
        ProfileLayer(PROFILE_FILE, {"kind": "binary"}),
    ]
    layers.append(ProfileLayer("labels.txt", {"labels": ("c", "d")}))
    draft = drafted(
        serving(outputs={"y": tensor("DT_FLOAT", -1, 1)}),
        [*layers, ProfileLayer(PROFILE_FILE, {"output": "y"})],
    )
    profile, labels = draft.completed({"batchable": False, "kind": "scores"}, 1)
    assert labels == ("a", "b")
    assert profile.kind == "binary"
    assert profile.sources["kind"] == profile.sources["output"] == PROFILE_FILE
    assert (profile.sources["labels"], profile.sources["batchable"]) == ("describe", "trial")


def test_labels_that_do_not_fit_the_answers():
    """Classes are numbered where nobody names them."""
    draft = drafted(serving(), [])
    assert draft.completed({"kind": "logits", "batchable": True}, 3).labels == ("0", "1", "2")
    named = drafted(serving(), [ProfileLayer("labels.txt", {"labels": ("a", "b")})])
    with pytest.raises(ProfileError, match="`labels`: there are 2, and 10 classes"):
        named.completed({"kind": "logits", "batchable": True}, 10)
    with pytest.raises(ProfileError, match="it answers one number for each picture"):
        draft.completed({"kind": "scores", "batchable": True}, 1)


def test_a_model_that_decodes_pictures():
    """By the suffix that TensorFlow Serving has for encoded bytes."""
    draft = drafted(serving({"image_bytes": tensor("DT_STRING", -1)}), [])
    assert draft.members["dtype"] == "string"
    assert not draft.completed({"kind": "logits", "batchable": True}, 3).profile.has_fixed_size
