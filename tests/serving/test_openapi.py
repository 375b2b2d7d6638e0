"""The OpenAPI document, and the page that is made of it."""

import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser

import flask
import jsonschema
import openapi_spec_validator
import pytest

from harness.paths import ROOT
from vitrine_client.images import FORMATS
from vitrine_serving.gateway import console
from vitrine_serving.gateway.api.openapi.document import document
from vitrine_serving.gateway.console import docs_page
from vitrine_serving.gateway.http.routes import ROUTES, find

DOCUMENT = document(["mlp", "softmax"])


def operations() -> Iterator[tuple[str, str, dict]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


OPERATIONS = {operation["operationId"]: operation for _, _, operation in operations()}
RESPONSES = DOCUMENT["components"]["responses"]


def resolved(response: dict) -> dict:
    return RESPONSES[response["$ref"].split("/")[-1]] if "$ref" in response else response


def contents() -> Iterator[tuple[str, dict]]:
    """Every body and answer that has a schema, with each of its examples."""
    for name, operation in OPERATIONS.items():
        bodies = [("body", operation.get("requestBody", {}))]
        bodies += [(status, resolved(each)) for status, each in operation["responses"].items()]
        for what, body in bodies:
            for content in body.get("content", {}).values():
                examples = content.get("examples", {})
                if "example" in content:
                    examples = {"": {"value": content["example"]}}
                for kind, example in examples.items():
                    yield f"{name} {what} {kind}".strip(), content | {"example": example["value"]}


CONTENTS = dict(contents())


def test_it_is_openapi():
    """It is valid OpenAPI 3.1, also after a way over the wire."""
    sent = json.loads(json.dumps(DOCUMENT))
    assert sent == DOCUMENT
    assert sent["openapi"].startswith("3.1")
    openapi_spec_validator.validate(sent)


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_examples_are_valid(content):
    """Each example is what its schema says."""
    schema = content["schema"] | {"components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(content["example"])


def test_schemas_refuse():
    """The schemas say something: what is no answer does not pass."""
    schema = {"$ref": "#/components/schemas/Predictions", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    good = CONTENTS["predict 200 pictures"]["example"]
    for bad in ({}, good | {"predictions": [{}]}, good | {"model_spec": {"name": "mlp"}}):
        assert not validator.is_valid(bad)


def test_an_entry_is_of_one_kind():
    """A picture that shows nothing has no label, and what has one is not empty."""
    schema = {"$ref": "#/components/schemas/Predictions", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    good = CONTENTS["predict 200 pictures"]["example"]
    bag, empty = good["predictions"]
    assert list(empty) == ["empty", "warnings"]
    for bad in (bag | empty, empty | {"empty": False}, bag | {"box": [0, 0, 28]}, {"empty": True}):
        assert not validator.is_valid(good | {"predictions": [bad]})


def test_formats_are_those_that_are_read():
    """By name, in the document and on the page about it."""
    told = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    for name in ("predict", "explain", "instances"):
        assert f"Pictures are {told}." in OPERATIONS[name]["description"]
    page = (ROOT / "docs" / "api.md").read_text()
    assert f"a picture: {told}, [up to" in page.replace("WebP", "WEBP")


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operations_are_told(operation):
    """Each has a summary, a group, a command to copy, and an answer; its errors are problems, but
    for those of another protocol."""
    assert operation["summary"]
    assert operation["x-codeSamples"]
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    for status, response in operation["responses"].items():
        media_types = resolved(response)["content"]
        if "V2Error" in response.get("$ref", ""):
            assert operation["operationId"].startswith("v2")
            assert list(media_types) == ["application/json"]
        elif status in ("200", "201") or operation["operationId"] == "ready":
            assert "application/problem+json" not in media_types
        else:
            assert list(media_types) == ["application/problem+json"]
            assert media_types["application/problem+json"]["example"]["status"] == int(status)


def test_each_operation_has_its_name():
    """Names are anchors, so no two are the same."""
    assert len(OPERATIONS) == len(list(operations()))


@pytest.mark.parametrize("verb", ["predict", "explain", "classify", "regress", "feedback"])
def test_addresses_are_those_of_the_gateway(verb):
    """What is posted goes where the gateway's grammar of addresses says."""
    posted = {path for path, method, _ in operations() if method == "post"}
    assert len(posted) == 22
    for path in posted:
        if path.endswith(verb):
            route, target = find(path.format(model="mlp", version=1, label="stable"))
            assert (target.model, route.endpoint) == ("mlp", verb)
            assert (target.version == 1) == ("{version}" in path)
            assert (target.label == "stable") == ("{label}" in path)


def test_operations_are_those_of_the_route_table():
    """Path, method, name, body and rights of each, and none more or less."""
    told = {
        (name, path, method, "requestBody" in operation, operation.get("security") == [])
        for path, method, operation in operations()
        for name in [operation["operationId"]]
    }
    assert told == {
        (
            *(route.operation, route.pattern, route.methods[0].lower()),
            *(route.max_body_bytes > 0, route.public),
        )
        for route in ROUTES
        if route.operation
    }


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.operation], ids=lambda route: route.operation
)
def test_statuses_are_those_of_the_route_table(route):
    """Refusals by the guard, of bodies and of models that are not there, where there are such."""
    told = set(OPERATIONS[route.operation]["responses"])
    assert ({"401", "429"} <= told) == (not route.public)
    assert ({"408", "413", "415"} <= told) == (route.max_body_bytes > 0)
    assert not route.public or told <= {"200", "503"}
    assert ("404" in told) == ("{model}" in route.pattern)


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if "{" in path])
def test_parameters_of_addresses_are_told(path):
    """Every placeholder has its parameter, and the other way round."""
    shared = DOCUMENT["paths"][path]["parameters"]
    found = [DOCUMENT["components"]["parameters"][each["$ref"].split("/")[-1]] for each in shared]
    told = {each["name"] for each in found if each["in"] == "path"}
    assert told == set(re.findall(r"{(\w+)}", path))


def test_models_are_examples():
    """The gateway's models are what commands ask; without any there is one to show."""
    assert "/v1/models/mlp:predict" in OPERATIONS["predict"]["x-codeSamples"][0]["source"]
    assert "/v1/models/x:predict" in json.dumps(document(["x"]))
    openapi_spec_validator.validate(document([]))


class Page(HTMLParser):
    """What a page has: its ids, where its links lead, its elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self.ids += [found["id"]] if found.get("id") else []
        self.links += [value for name in ("href", "src") if (value := found.get(name))]


def rendered(told: dict) -> str:
    app = flask.Flask(console.__name__)
    with app.test_request_context("/docs"):
        return flask.render_template("docs.html", **docs_page.content(told, "http://localhost"))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(rendered(DOCUMENT))


def test_the_page_has_everything(page):
    """Each operation, schema and error has its place, once, and each link within leads to one."""
    wanted = {*OPERATIONS, *DOCUMENT["components"]["schemas"], *RESPONSES}
    assert wanted <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    inside = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert inside <= set(page.ids)
    twins = {name for name in OPERATIONS if name.endswith(("Version", "Label"))}
    assert wanted - twins <= inside


def test_the_page_keeps_to_its_policy(page):
    """Nothing inline, nothing from elsewhere."""
    assert {tag for tag, _ in page.elements}.isdisjoint({"style", "iframe"})
    assert [each for tag, each in page.elements if tag == "script"] == [
        {"type": "module", "src": "./static/docs.js"}
    ]
    for _, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    outside = {link for link in page.links if not link.startswith("#")}
    static = {"theme.css", "docs.css", "docs.js", "icon.svg"}
    assert outside == {"./", "docs", "openapi.json", "metrics", *(f"./static/{n}" for n in static)}


def test_the_page_shows_commands():
    """Commands are shown with the address that the page was asked at."""
    text = html.unescape(rendered(DOCUMENT))
    for name, operation in OPERATIONS.items():
        for sample in operation["x-codeSamples"]:
            if not name.endswith(("Version", "Label")):
                here = sample["source"].replace("http://127.0.0.1:8080", "http://localhost")
                assert f">{here}</code>" in text


@pytest.mark.parametrize(
    ("headers", "tls", "shown"),
    [
        ({"Host": "models.example:9000"}, False, "http://models.example:9000"),
        ({"Host": "models.example"}, True, "https://models.example"),
        ({"Host": "[::1]:9000"}, False, "http://[::1]:9000"),
        ({"Host": "a'; echo b"}, False, "http://127.0.0.1:8080"),
        ({"Host": "<b>"}, False, "http://127.0.0.1:8080"),
        ({}, False, "http://127.0.0.1:8080"),
        (
            {
                "Host": "a.example",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Prefix": "/ml/vitrine/",
            },
            False,
            "https://a.example/ml/vitrine",
        ),
        (
            {"Host": "a.example", "X-Forwarded-Host": "b.example", "X-Forwarded-Proto": "ftp"},
            False,
            "http://a.example",
        ),
        ({"Host": "a.example", "X-Forwarded-Prefix": "/$(reboot)"}, False, "http://a.example"),
        ({"Host": "a.example", "X-Forwarded-Prefix": "//b.example"}, False, "http://a.example"),
    ],
)
def test_commands_name_the_host_that_was_asked(headers, tls, shown):
    """Of what is no host or no plain path, nothing gets into a command that somebody copies."""
    assert docs_page.address(headers, tls=tls) == shown


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_a_gateway_names_the_host_that_was_asked(http, path):
    """In all commands, of the page and of the document."""
    said = http.request("GET", path, headers={"Host": "models.example:9000"}).text
    assert said.count("http://models.example:9000/v1/models/softmax:predict") > 2
    assert "127.0.0.1" not in said


def test_names_are_escaped():
    """A model's name is text on the page, whatever it is."""
    assert "<b>x" not in rendered(document(["<b>x</b>"]))
