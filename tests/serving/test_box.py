"""`?box=x,y,width,height`: where the item of a picture is, said by somebody who sees it."""

import json

import numpy as np
import pytest

from tests.serving.asked_gateway import PNG, PREDICT, form, npy, picture, png
from vitrine_client.errors import InvalidRequest
from vitrine_serving.gateway.http import queries

EXPLAIN = "/v1/models/mlp:explain"
INSTANCES = "/v1/instances"
PATHS = (PREDICT, EXPLAIN, INSTANCES)


def two_items() -> bytes:
    """Black on white, 200x100: a high bar on the left, and a wide one on the right."""
    pixels = np.full((100, 200), 255, np.uint8)
    pixels[10:90, 30:50] = 0
    pixels[40:60, 110:190] = 0
    return png(pixels)


@pytest.mark.parametrize(
    ("query", "box"),
    [
        ("", None),
        ("top_k=3", None),
        ("box=1,2,30,40", (1, 2, 30, 40)),
        ("box=1%2C2%2C30%2C40", (1, 2, 30, 40)),
        ("box=1.5,2e1,%2030,+40", (1.5, 20, 30, 40)),
        ("box=1,2,3,4&box=5,6,7,8", (5, 6, 7, 8)),
    ],
)
def test_a_box_is_four_numbers(query, box):
    """Of several the last counts, as with other parameters."""
    assert queries.box(query) == box


@pytest.mark.parametrize(
    "text",
    [
        *("", "1,2,3", "1,2,3,4,5", "1,2,3,", "1 2 3 4", "a,b,c,d", "1,2,3,4px", "1_0,2,3,4"),
        *("nan,2,3,4", "1,2,inf,4", "1,2,3,-Infinity", "1,2,3,1e999", "\u0661,2,3,4", "[1,2,3,4]"),
    ],
)
def test_what_is_no_box(text):
    """It is told what to send; a text without end does not come back whole."""
    with pytest.raises(InvalidRequest, match="is no box; send x,y,width,height, four numbers"):
        queries.box(f"box={text}")
    with pytest.raises(InvalidRequest) as caught:
        queries.box(f"box={text}{'x' * 5000}")
    assert len(str(caught.value)) < 400


def test_the_box_is_taken(http):
    """What lies in it is shown to the model, its place is told, and it is in whole pixels."""
    content = two_items()
    shown = []
    for box, used in (("20,5,40,90", [20, 5, 40, 90]), ("100.4,29.6,95,40", [100, 30, 95, 40])):
        answers = [
            http.post(f"{path}?box={box}", content=content, headers=PNG).json() for path in PATHS
        ]
        predicted, explained, instances = answers
        assert predicted["predictions"][0]["box"] == used
        assert explained["explanations"][0]["box"] == used
        assert instances["boxes"] == [used]
        shown.append(np.float32(instances["instances"][0]))
    (high, wide) = ((each > 0.5).any(axis=1).sum() for each in shown)
    assert high > 2 * wide, "the one is high, the other is not"


def test_an_empty_box_of_a_picture(http, servers):
    """Where there is nothing to see in the box, no class is made up."""
    answer = http.post(f"{PREDICT}?box=60,5,40,20", content=two_items(), headers=PNG)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"][0]["empty"] is True
    assert servers.asked == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "box",
    [
        "190,5,20,20",
        "5,90,20,20",
        "-1,0,10,10",
        "0,0,201,10",
        "0,0,0,10",
        "0,0,10,-5",
        "1e300,0,9,9",
    ],
)
def test_outside_or_without_size(http, servers, path, box):
    """What only the picture can tell is refused, too, in words that name the parameter."""
    answer = http.post(f"{path}?box={box}", content=two_items(), headers=PNG)
    assert answer.status_code == 400, answer.text
    assert "box" in answer.json()["detail"]
    assert (servers.asked, servers.called) == ([], [])


@pytest.mark.parametrize("path", PATHS)
def test_not_where_it_makes_no_sense(http, servers, path):
    """Several pictures and arrays have no box; one picture in a form has."""
    path = f"{path}?box=2,2,24,24"
    several = http.post(path, files=form(picture(1), picture(2)))
    assert several.status_code == 400
    assert several.json()["detail"] == (
        "`box` is for one picture, and here are 2; send each in a request of its own"
    )
    rows = npy(np.zeros((1, 28, 28), np.uint8))
    array = http.post(path, content=rows, headers={"Content-Type": "application/x-npy"})
    assert array.status_code == 400
    assert "leave it out for an array" in array.json()["detail"]
    assert (servers.asked, servers.called) == ([], [])
    assert http.post(path, files=form(picture(4))).status_code == 200


def test_json_has_no_box(http):
    """It is refused, not passed over."""
    rows = json.dumps({"instances": np.zeros((1, 28, 28)).tolist()})
    for headers in ({"Content-Type": "application/json"}, {}):
        answer = http.post(f"{PREDICT}?box=1,2,3,4", content=rows, headers=headers)
        assert answer.status_code == 400
        assert "leave it out for JSON" in answer.json()["detail"]
