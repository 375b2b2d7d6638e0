"""Endpoints of models: handlers that choose an adapter."""

from vitrine_serving.gateway.api.pictures import PictureEndpoints, is_json
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.models.reference import ModelRef


class Endpoints:
    """Endpoints of models. Each handler raises `VitrineError`."""

    def __init__(self, pictures: PictureEndpoints, json_api: JsonApi) -> None:
        self._pictures = pictures
        self._json_api = json_api

    async def predict(self, request: Request, model: ModelRef) -> Answer:
        """Prediction, of pictures or of TensorFlow Serving's JSON."""
        if not is_json(request):
            return await self._pictures.predict(request, model)
        return await self._json_api.answer(request, model, "predict")

    async def classify(self, request: Request, model: ModelRef) -> Answer:
        """Classification of TensorFlow Serving's examples."""
        return await self._json_api.answer(request, model, "classify")

    async def regress(self, request: Request, model: ModelRef) -> Answer:
        """Regression of TensorFlow Serving's examples."""
        return await self._json_api.answer(request, model, "regress")

    async def status(self, request: Request, model: ModelRef) -> Answer:
        """States of versions."""
        return Answer(200, await self._json_api.status(model, timeout_s=request.left_s()))

    async def metadata(self, request: Request, model: ModelRef) -> Answer:
        """Signatures of a version."""
        return Answer(200, await self._json_api.metadata(model, timeout_s=request.left_s()))
