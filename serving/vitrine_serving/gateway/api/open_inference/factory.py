"""Factory of the Open Inference Protocol's service, for HTTP and gRPC alike."""

from collections.abc import Callable

from vitrine_serving.gateway.api.models import ModelList
from vitrine_serving.gateway.api.open_inference.inference import Inference
from vitrine_serving.gateway.api.open_inference.labels import Labels
from vitrine_serving.gateway.api.open_inference.pictures import PictureInputs
from vitrine_serving.gateway.api.open_inference.service import V2Service
from vitrine_serving.gateway.api.open_inference.shared_rows import SharedRows
from vitrine_serving.gateway.inference.background_descriptions import BackgroundDescriptions
from vitrine_serving.gateway.inference.dataplane import DataPlane, Offload
from vitrine_serving.gateway.inference.decoding.decoder import Decoder
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.picture_profiles import PictureProfiles
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers


def make_open_inference(
    settings: Settings,
    servers: ModelServers,
    plane: DataPlane,
    decoding: DecodingQueue,
    offload: Offload,
    metrics: Metrics,
    *,
    is_draining: Callable[[], bool],
) -> V2Service:
    """Returns the service of the Open Inference Protocol, for HTTP and gRPC alike."""
    limits = settings.pictures
    versions = Versions(plane, settings.batching, settings.shedding)
    inference = Inference(
        plane,
        SharedRows(BackgroundDescriptions(servers), limits.max_images),
        PictureInputs(
            plane,
            Decoder(limits.max_pixels, decoding),
            PictureProfiles(servers, versions),
            limits.max_images,
        ),
        Labels(servers),
        offload,
        limits.max_pixels,
    )
    return V2Service(
        inference,
        servers,
        ModelList(servers, settings.listed),
        metrics.inference,
        offload,
        max_batch_size=settings.batching.max_batch_size,
        is_draining=is_draining,
    )
