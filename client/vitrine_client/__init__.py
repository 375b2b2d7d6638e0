"""Send pictures to a Vitrine gateway, or to any TensorFlow Serving, and get predictions.

`Client` speaks HTTP to a gateway, and so does `vitrine_client.aio.AsyncClient`, which needs the
extra `vitrine-client[async]`. `vitrine_client.model_server.ModelServerClient` speaks gRPC to a
model server and needs `vitrine-client[grpc]`. `vitrine_client.errors` has what they raise.
"""

from vitrine_client.client import Client
from vitrine_client.errors import EmptyPicture, InvalidImage, VitrineError
from vitrine_client.predictions import Prediction, VersionStatus

__all__ = ["Client", "EmptyPicture", "InvalidImage", "Prediction", "VersionStatus", "VitrineError"]
