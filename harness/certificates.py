"""Certificates for tests of TLS, as PEM files."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """PEM files of a certificate and of its key."""

    cert: Path
    key: Path


def make_ca(folder: Path, name: str = "ca") -> Certificate:
    """Makes an authority that signs certificates."""
    ca = trustme.CA()
    return _written(folder, name, ca.cert_pem, ca.private_key_pem)


def make_certificate(folder: Path, name: str, ca: Certificate, *identities: str) -> Certificate:
    """Makes a certificate for host names and IP addresses, signed by `ca`; this machine's if none
    are given."""
    names = identities or ("localhost", "127.0.0.1")
    leaf = trustme.CA.from_pem(ca.cert.read_bytes(), ca.key.read_bytes()).issue_cert(*names)
    return _written(folder, name, leaf.cert_chain_pems[0], leaf.private_key_pem)


def _written(folder: Path, name: str, cert: trustme.Blob, key: trustme.Blob) -> Certificate:
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
    cert.write_to_path(str(made.cert))
    key.write_to_path(str(made.key))
    return made
