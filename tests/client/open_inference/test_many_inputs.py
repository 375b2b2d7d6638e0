"""Requests of very many inputs: what they take grows with their number, and not with its square."""

from vitrine_client.open_inference import http_bodies

COUNT = 2000


class Name(str):
    """Name that counts how often any was compared with another."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Name.compared += 1
        return str.__eq__(self, other)


def test_names_are_not_compared_with_each_other():
    inputs = [
        {"name": Name(f"input {n}"), "datatype": "FP32", "shape": [0], "data": []}
        for n in range(COUNT)
    ]
    request = http_bodies.read_request({"inputs": inputs}, b"")
    assert [each.name for each in request.inputs] == [each["name"] for each in inputs]
    assert Name.compared < 10 * COUNT
