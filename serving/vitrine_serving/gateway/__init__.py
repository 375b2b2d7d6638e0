"""The gateway: pictures in over HTTP, predictions out, by asking model servers over gRPC.

`asgi` is the front, `endpoints` knows which request is answered by what, `pages` is all that knows
Flask, `predictor` all that knows what a picture means, `settings` all that reads the environment.
`metrics`, `drift`, `logs`, `prediction_log` and `tracing` look on. Nothing here imports TensorFlow.
"""

from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.application import Gateway
from vitrine_serving.gateway.inference.predictor import ModelServers as AnyModelServers
from vitrine_serving.gateway.server.tls import Tls
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_serving.gateway.telemetry.metrics import Files, Metrics
from vitrine_serving.gateway.telemetry.observers import harmless
from vitrine_serving.gateway.upstream.model_servers import ModelServers


def create_app(
    settings: Settings | None = None,
    servers: AnyModelServers | None = None,
    guard: Guard | None = None,
    tls: Tls | None = None,
    windows: Windows | None = None,
    files: Files | None = None,
) -> Gateway:
    """Returns the ASGI application.

    `settings` come from the environment; all else is what they say, unless given. Make guard,
    windows (of drift) and files (of metrics) before a fork, so that processes count together.
    """
    settings = settings or Settings()
    watch = Watch(windows or Windows(settings.drift_window)) if settings.drift else None
    metrics = Metrics(settings, watch, files)

    def make_servers() -> AnyModelServers:
        if servers:
            return servers
        made = ModelServers(
            settings.model_server,
            credentials=(tls or Tls(settings)).model_servers(),
            server_name=settings.model_server_name,
            max_attempts=settings.max_attempts,
            retry_budget=settings.retry_budget,
            breaker_failures=settings.breaker_failures,
            breaker_open_s=settings.breaker_open_s,
            # With less time than that, a call that is late says nothing of the server.
            fair_timeout_s=min(1.0, settings.request_timeout_s / 2),
            answered=harmless(watch.note) if watch else None,
            measured=harmless(metrics.note_call),
        )
        metrics.follow_servers(made)
        return made

    return Gateway(settings, make_servers, guard or Guard(settings), metrics, watch)
