"""Rows of bodies that are no request, or hardly one."""

from tests.contract.open_inference.answers import predicted, refused
from tests.contract.open_inference.calls import body, images, written
from tests.contract.open_inference.cases.requests import FAULT
from tests.contract.open_inference.row import Row

JSON = written({"inputs": [images()]}) or b""
LAST = "of members of one name the last one counts, as in most readers of JSON"
EMPTY = "an empty body is no request; Triton answers it with no rows"

ROWS = [
    Row("B-empty", body(b""), refused(400), EMPTY),
    Row("B-badjson", body(b'{"inputs": nope}'), refused(400, "JSON"), FAULT),
    Row("B-array", body([]), refused(400, "object"), FAULT),
    Row("B-string", body("x"), refused(400, "object"), FAULT),
    Row("B-null", body(b"null"), refused(400), FAULT),
    Row("B-trail", body(JSON + b" x"), refused(400, "JSON"), FAULT),
    Row("B-dupkey", body(b'{"id":"a","id":"b",' + JSON[1:]), predicted(id="b"), LAST),
    Row("B-bom", body(b"\xef\xbb\xbf" + JSON), predicted()),
    Row("B-comma", body(JSON[:-1] + b",}"), refused(400, "JSON"), FAULT),
    Row("B-utf16", body(JSON.decode().encode("utf-16")), refused(400), FAULT),
    Row("B-v1", body({"instances": [[0.5]]}), refused(400, "inputs"), FAULT),
]
