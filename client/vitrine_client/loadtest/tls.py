"""TLS of a load: whom it trusts. The one place that makes its context."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Tls:
    """Settings of TLS, which processes can be sent; `insecure` takes any certificate."""

    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """Returns a context that trusts whom OpenSSL does: its `SSL_CERT_FILE` and
        `SSL_CERT_DIR`, or else the system's."""
        made = ssl.create_default_context()
        if self.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        return made


USUAL = Tls()
"""Unless it is told."""
