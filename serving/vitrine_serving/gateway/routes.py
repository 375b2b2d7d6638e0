"""HTTP in, HTTP out: the addresses, their bodies and their answers."""

from typing import Any

import flask
import orjson

from vitrine_client.errors import InvalidImage, InvalidRequest, UnsupportedMediaType, VitrineError
from vitrine_client.predictions import Prediction, VersionStatus
from vitrine_serving.gateway.predictor import Predictor, Target

_MODEL = "/v1/models/<model:model>"
_VERSION = f"{_MODEL}/versions/<int:version>"
_LABEL = f"{_MODEL}/labels/<label>"


def make_blueprint(predictor: Predictor) -> flask.Blueprint:
    """Returns the routes of the gateway."""
    routes = flask.Blueprint("gateway", __name__)

    @routes.post(f"{_MODEL}:predict")
    @routes.post(f"{_VERSION}:predict")
    @routes.post(f"{_LABEL}:predict")
    def predict(model: str, version: int | None = None, label: str | None = None) -> flask.Response:
        target = Target(model, version, label)
        results = predictor.predict(_pictures(flask.request), target)
        answered = next(result for result in results if isinstance(result, Prediction))
        spec = {
            "name": answered.model,
            "version": str(answered.version),
            "signature_name": "serving_default",
        }
        entries = [_entry(index, result) for index, result in enumerate(results)]
        return json_response({"predictions": entries, "model_spec": spec})

    @routes.get("/v1/models")
    def models() -> flask.Response:
        listed = [
            {"name": name} | _statuses(statuses) for name, statuses in predictor.models().items()
        ]
        return json_response({"models": listed})

    @routes.get(_MODEL)
    @routes.get(_VERSION)
    @routes.get(_LABEL)
    def status(model: str, version: int | None = None, label: str | None = None) -> flask.Response:
        return json_response(_statuses(predictor.status(Target(model, version, label))))

    @routes.get("/healthz")
    def live() -> flask.Response:
        return json_response({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> flask.Response:
        try:
            models = predictor.ready()
        except VitrineError as error:
            return json_response({"ready": False, "reason": str(error)}, 503)
        return json_response(
            {"ready": all(models.values()), "models": models}, 200 if all(models.values()) else 503
        )

    @routes.get("/")
    def page() -> str:
        return flask.render_template("index.html")

    return routes


def json_response(content: Any, status: int = 200) -> flask.Response:
    """Returns `content` as JSON."""
    body = orjson.dumps(content)
    return flask.Response(body, status, mimetype="application/json")


def _pictures(request: flask.Request) -> list[bytes]:
    """Returns the bytes of each picture in a request, raw or multipart."""
    kind = request.mimetype
    if kind == "multipart/form-data":
        pictures = [part.read() for part in request.files.getlist("image")]
        if not pictures:
            raise InvalidRequest(
                "The form has no file named `image`; send one with `-F image=@shoe.png`"
            )
        return pictures
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [request.get_data(cache=False)]
    raise UnsupportedMediaType(
        f"Content type {kind or '(none)'} is not supported; send a picture with "
        "`-H 'Content-Type: image/png' --data-binary @shoe.png`, "
        "or several with `-F image=@shoe.png -F image=@bag.jpg`"
    )


def _entry(index: int, result: Prediction | InvalidImage) -> dict[str, Any]:
    if isinstance(result, InvalidImage):
        return {"error": f"image {index}: {result}"}
    return {
        "label": result.label,
        "class_id": result.class_id,
        "probability": result.probability,
        "probabilities": result.probabilities,
    }


def _statuses(statuses: list[VersionStatus]) -> dict[str, Any]:
    """TensorFlow Serving's JSON for the states of versions."""
    return {
        "model_version_status": [
            {
                "version": str(status.version),
                "state": status.state,
                "status": {
                    "error_code": status.error_code,
                    "error_message": status.error_message,
                },
            }
            for status in statuses
        ]
    }
