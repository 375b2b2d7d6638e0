"""Frameworks beside the gateway: what each needs, how it is set, and with what it is slower."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.gateway.bodies import form_of_one, npy
from benchmarks.gateway.peers import triton
from benchmarks.gateway.peers.peer import DECODER, SERVERS, THREADS, TUNED, Peer, WireFormat

_MODEL = ("tensorflow==2.20.0", "orjson==3.13.0", "pillow==13.0.0", "pyspng==0.1.4")
_FORMS = "python-multipart==0.0.34"
_SERVER = ("uvicorn==0.54.0", "httptools==0.9.0")
_UVICORN = (*_SERVER, "uvloop==0.23.0")


def _fastapi(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "uvicorn"), "fastapi_app:app", f"--port={port}", "--loop=uvloop"),
        *("--http=httptools", "--no-access-log", "--log-level=warning"),
    ]


def _fastapi_2(bin_: Path, port: int) -> list[str]:
    return [*_fastapi(bin_, port), "--workers=2"]


def _script(name: str) -> Callable[[Path, int], list[str]]:
    return lambda bin_, _: [str(bin_ / "python"), str(SERVERS / name)]


def _bentoml(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "bentoml"), "serve", "bentoml_app:Mlp", "--host=127.0.0.1"),
        *(f"--port={port}", f"--working-dir={SERVERS}"),
    ]


def _flask(bin_: Path, port: int) -> list[str]:
    return [
        *(str(bin_ / "gunicorn"), "flask_app:app", f"--bind=127.0.0.1:{port}"),
        *("--workers=2", "--log-level=warning"),
    ]


_FASTAPI = (*_MODEL, *_UVICORN, _FORMS, "fastapi==0.165.0")
_FASTAPI_WIRE = WireFormat(array=npy)
_TWO = Peer("fastapi-2", "FastAPI, two processes", "fastapi", _FASTAPI, _fastapi_2, _FASTAPI_WIRE)
_TRITON = Peer(
    "triton",
    f"Triton {triton.SERVER}",
    "triton",
    (*_MODEL, triton.WHEEL),
    _script("triton_app.py"),
    triton.WIRE,
    {**TUNED, "PEER_INSTANCES": "1"},
)
_FRAMEWORKS = (
    Peer(
        "litserve",
        "LitServe",
        "litserve",
        (*_MODEL, *_UVICORN, _FORMS, "litserve==0.2.19"),
        _script("litserve_app.py"),
    ),
    Peer(
        "mlserver",
        "MLServer",
        "mlserver",
        # With a newer uvloop it does not start.
        (*_MODEL, _FORMS, "uvloop==0.21.0", "mlserver==1.7.1"),
        _script("mlserver_app.py"),
    ),
    Peer(
        "bentoml",
        "BentoML",
        "bentoml",
        (*_MODEL, "bentoml==1.4.40"),
        _bentoml,
        WireFormat(single=form_of_one),
        {**TUNED, "BENTOML_DO_NOT_TRACK": "True"},
    ),
    Peer(
        "ray",
        "Ray Serve",
        "ray",
        (*_MODEL, _FORMS, "ray[serve]==2.60.0"),
        _script("ray_app.py"),
        variables={**TUNED, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
    ),
    _TRITON,
)

PEERS = (
    Peer("fastapi", "FastAPI, one process", "fastapi", _FASTAPI, _fastapi, _FASTAPI_WIRE),
    _TWO,
    _TWO.without("pillow", "Pillow", DECODER),
    _TWO.without("threads", "TensorFlow's own threads", THREADS),
    *_FRAMEWORKS,
    replace(
        _TRITON,
        name="triton-2",
        title=f"{_TRITON.title}, two instances",
        variables={**TUNED, "PEER_INSTANCES": "2"},
    ),
    *(one.without("pillow", "Pillow", DECODER) for one in _FRAMEWORKS if one.name != "bentoml"),
    *(one.with_our_call() for one in (_TWO, _TRITON)),
    Peer(
        "flask",
        "Flask, untuned",
        "flask",
        (*_MODEL, "flask==3.1.3", "gunicorn==27.0.1"),
        _flask,
        variables={},
    ),
)
"""All of them, each tuned; those without a setting are of its family."""
