"""The gateway: pictures in over HTTP, predictions out, by asking a model server over gRPC.

`routes` is all that knows Flask, `predictor` all that knows what a request means, `settings` all
that reads the environment. Nothing here imports TensorFlow.
"""

import flask

from vitrine_client.model_server import ModelServerClient
from vitrine_serving.gateway import errors, routes
from vitrine_serving.gateway.converters import ModelName
from vitrine_serving.gateway.predictor import Backend, Predictor
from vitrine_serving.gateway.settings import Settings


def create_app(settings: Settings | None = None, backend: Backend | None = None) -> flask.Flask:
    """Returns the WSGI application.

    `settings` come from the environment and `backend` is the model server that they name, unless
    given. Call it after a fork: the backend's connection does not survive one.
    """
    settings = settings or Settings()
    backend = backend or ModelServerClient(
        settings.model_server, timeout_s=settings.request_timeout_s
    )
    app = flask.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config["MAX_FORM_PARTS"] = settings.max_images + 1
    app.url_map.converters["model"] = ModelName
    app.register_blueprint(routes.make_blueprint(Predictor(backend, settings)))
    errors.register(app)
    return app
