"""Credentials of the gRPC side: TLS by `--ssl_config_file`, or ALTS, as server.cc has them."""

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.protos import options_pb2, text_protos


def ssl_credentials(path: Path) -> grpc.ServerCredentials:
    """Returns the credentials of a file of `SSLConfig`, which has the PEM texts in it: a key, its
    certificate, and with `client_verify` the CAs that clients' certificates are to be of. Raises
    `ServingError` for one that cannot be used, as gRPC would say of it no more than that it cannot
    listen."""
    config = text_protos.read(path, options_pb2.SSLConfig(), is_secret=True)
    key, cert, ca = (
        text.encode() for text in (config.server_key, config.server_cert, config.custom_ca)
    )
    if config.client_verify and not ca:
        raise ServingError.invalid(f"{path}: client_verify needs a custom_ca")
    try:
        _check(key, cert, ca)
    except (ssl.SSLError, ValueError) as error:
        raise ServingError.invalid(
            f"{path}: no TLS with this: {error}", _hint(key, cert, ca)
        ) from error
    return grpc.ssl_server_credentials(
        [(key, cert)], ca or None, require_client_auth=config.client_verify
    )


def _hint(*texts: bytes) -> str:
    """Returns what to do where paths are given in place of PEM texts, as many would."""
    if all(b"-----BEGIN" in text for text in texts if text):
        return ""
    return "server_key, server_cert and custom_ca hold the PEM texts themselves, no paths of files"


def alts_credentials() -> grpc.ServerCredentials:
    """Returns the credentials of ALTS, with which nothing can listen outside Google's cloud."""
    return grpc.alts_server_credentials()


def _check(key: bytes, cert: bytes, ca: bytes) -> None:
    """Raises `ssl.SSLError` or `ValueError`, with the name of the field, for PEM texts that are
    none, or do not belong together."""
    for name, text in (("server_key", key), ("server_cert", cert)):
        if not text:
            raise ValueError(f"there is no {name}")
    if ca:
        _check_certificate("custom_ca", ca)
    if hasattr(os, "memfd_create"):  # Linux: a key is written to no disk
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with ExitStack() as stack:
            shown, own = (stack.enter_context(_in_memory(text)) for text in (cert, key))
            try:
                context.load_cert_chain(shown, own, _no_password)
            except ssl.SSLError as error:
                _check_certificate("server_cert", cert)
                told = "is no key, or that of another server_cert"
                raise ValueError(f"server_key {told}: {error}") from error


def _check_certificate(name: str, text: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cadata=text.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"{name} is no certificate: {error}") from error


@contextmanager
def _in_memory(text: bytes) -> Iterator[str]:
    """Has a text in a file that no directory has, and returns a path to it."""
    descriptor = os.memfd_create("pem")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - it has no path yet
        file.write(text)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _no_password() -> str:
    raise ValueError("the key has a password, which nobody can give")
