"""The gateway: pictures in over HTTP, predictions out, by asking model servers over gRPC.

`application` is the ASGI application, `api` has the adapters of each protocol, `inference` the data
plane that they share, `upstream` the model servers, `console` all that knows Flask, `settings` all
that reads the environment; `telemetry` observes. Nothing here imports TensorFlow.
"""

from vitrine_serving.gateway.application import Gateway
from vitrine_serving.gateway.server.shared_state import SharedState
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.drift import Watch
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers


def create_app(
    settings: Settings | None = None,
    servers: ModelServers | None = None,
    shared: SharedState | None = None,
) -> Gateway:
    """Returns the ASGI application.

    `settings` come from the environment; all else is what they say, unless given. `shared` is made
    before a fork, so that processes count together.
    """
    settings = settings or Settings()
    shared = shared or SharedState(settings)
    watch = Watch(shared.windows) if shared.windows else None
    metrics = Metrics(settings, watch, shared.series, shared.slots.current)

    def make_servers() -> ModelServers:
        if servers:
            return servers
        made = ModelServers(
            settings.model_server,
            credentials=shared.tls.model_servers(),
            server_name=settings.model_server_name,
            max_attempts=settings.max_attempts,
            retry_budget=settings.retry_budget,
            breaker_failures=settings.breaker_failures,
            breaker_open_s=settings.breaker_open_s,
            # With less time than that, a call that is late says nothing of the server.
            fair_timeout_s=min(1.0, settings.request_timeout_s / 2),
        )
        metrics.follow_servers(made)
        return made

    return Gateway(settings, make_servers, shared.guard, metrics, watch)
