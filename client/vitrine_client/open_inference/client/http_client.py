"""HTTP client of an Open Inference server: Vitrine's gateway, Triton, KServe, MLServer."""

from collections.abc import Sequence
from typing import Any

from vitrine_client.client import Client
from vitrine_client.errors import VitrineError
from vitrine_client.http import protocol
from vitrine_client.http.protocol import Call, Conversation
from vitrine_client.http.streaming import Stop
from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.client import calls
from vitrine_client.open_inference.client.metadata import ModelMetadata
from vitrine_client.open_inference.messages import V2Request, V2Response
from vitrine_client.results.profiles.report import ProfileReport


class V2HttpClient(Client):
    """Client of the server at `base_url`, with the arguments and the errors of `Client`."""

    _is_gateway = False

    def extensions(self) -> Sequence[str]:
        """Returns the extensions that the server says it has, none where it says nothing."""
        try:
            told, _ = self._hold(_one(calls.get("/v2")))
        except VitrineError:
            return ()
        listed = told.get("extensions") if isinstance(told, dict) else None
        return [str(each) for each in listed] if isinstance(listed, list) else ()

    def model_metadata(self, model: str, version: int | None = None) -> ModelMetadata:
        """Returns the inputs and outputs of a model. Raises `NotFound` where it is not there."""
        told, _ = self._hold(_one(calls.get(calls.model_path(model, version))))
        with protocol.sensible(calls.IS_IT_V2):
            return ModelMetadata.from_json(told)

    def profile_report(self, model: str, version: int | None = None) -> ProfileReport | None:
        """Returns what a gateway of Vitrine's says of a model's pictures, None of other servers."""
        try:
            return self._hold(protocol.profile(model, version, None))
        except VitrineError:
            return None

    def infer(
        self,
        request: V2Request,
        model: str,
        version: int | None = None,
        *,
        is_binary: bool = True,
        stop: Stop | None = None,
    ) -> V2Response:
        """Asks for an inference; tensors travel as binary data, or as JSON."""
        call = calls.infer(calls.model_path(model, version), request, is_binary=is_binary)
        content, binary = self._hold(_one(call), stop)
        return http_bodies.read_response(content, binary)


def _one(call: Call) -> Conversation[Any]:
    answer = yield call
    return answer
