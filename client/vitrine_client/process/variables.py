"""Environment variables of Vitrine: the known ones, and mistyped names.

All of them, as a shell that has those of a gateway set also runs the client, and neither is to take
the other's for a mistake.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches

import click

from vitrine_client.process.addresses import is_service_link

PREFIX = "VITRINE_"

KNOWN = frozenset(
    PREFIX + name
    for name in """
    ACCESS_LOG ANSWER_TIMEOUT_S API_KEY BODY_TIMEOUT_S BREAKER_FAILURES BREAKER_OPEN_S CA
    CACHE_DIR CERT CERT_KEY CONNECTIONS CONNECTION_MAX_AGE_S CORS_ORIGINS DATA_DIR DECODE_TIMEOUT_S
    DECODING_PROCESSES DRAIN_S DRIFT DRIFT_WINDOW FEEDBACK_LOG FEEDBACK_LOG_FILES
    FEEDBACK_LOG_MAX_BYTES GRPC_PORT HEADER_TIMEOUT_S HOST INTER_OP_THREADS
    INTRA_OP_THREADS KEEPALIVE_S KEYS_FILE LOCAL_SOCKET LOCAL_SOCKET_GROUP LOG_FORMAT
    MAX_ATTEMPTS MAX_BATCH_SIZE MAX_BODY_BYTES MAX_BODY_BYTES_IN_FLIGHT MAX_IMAGES
    MAX_JSON_BYTES MAX_JSON_VALUES MAX_PIXELS MAX_QUEUED_IMAGES MODELS MODELS_DIR
    MODEL_SERVER MODEL_SERVER_CA MODEL_SERVER_CERT MODEL_SERVER_KEY MODEL_SERVER_NAME PEERS PORT
    PREDICTION_LOG PREDICTION_LOG_FILES PREDICTION_LOG_IMAGES PREDICTION_LOG_MAX_BYTES
    PREDICTION_LOG_SAMPLE RATE_BURST RATE_LIMIT REQUEST_TIMEOUT_S REST_PORT RETRY_BUDGET
    TLS_CERT TLS_CLIENT_CA TLS_KEY TRACES_URL TRUSTED_PROXIES URL V2_GRPC_PORT VERSION_LABELS
    WORKERS
    """.split()  # noqa: SIM905 - a line each would be two screens
)
"""Each name that some command, client or server reads."""

# Kubernetes and Docker tell a container of services whose names begin with ours:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(r"\w+_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))\w*", re.ASCII)


def unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables with our prefix that nothing reads, each with the known name nearest to
    it, empty where none is near."""
    return {
        name: next(iter(get_close_matches(name, sorted(KNOWN), 1, 0.8)), "")
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX)
        and name not in KNOWN
        and not is_of_a_service(name)
        and not is_service_link(value)
    }


def is_of_a_service(name: str) -> bool:
    """Says whether Kubernetes or Docker names variables of a service so."""
    return bool(_SERVICE_LINK.fullmatch(name))


def without_unknown(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment for a child that need not warn again."""
    left_out = unknown(environ)
    return {name: value for name, value in environ.items() if name not in left_out}


def warn_of_unknown(environ: Mapping[str, str] = os.environ) -> None:
    """Says on standard error which variables change nothing, and which may have been meant."""
    for name, nearest in unknown(environ).items():
        hint = f"did you mean {nearest}?" if nearest else "docs/operations.md lists them"
        click.echo(f"Warning: {name} is none of Vitrine's variables; {hint}", err=True)
