"""gunicorn's own lines, like all others of its processes."""

from typing import Any

from gunicorn import glogging

from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import logs


def gunicorn_logger(settings: Settings) -> type[Any]:
    """Returns the class for gunicorn's `logger_class`. Its first use, in the master, also
    configures what the workers inherit.

    Not `logconfig_dict`, which turns on gunicorn's access log and turns off `--log-level`.
    """

    class Logger(glogging.Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            for handler in self.error_log.handlers:
                handler.setFormatter(logs.formatter(settings))
            logs.configure(settings)

    return Logger
