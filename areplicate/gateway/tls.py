"""TLS: a certificate and its key, which may be renewed while the gateway runs."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec


class Certificate(msgspec.Struct, frozen=True):
    """The files of `--ssl-certfile` and `--ssl-keyfile`."""

    certfile: Path
    keyfile: Path | None = None

    def context(self) -> ssl.SSLContext:
        """The TLS context for new connections, from the files as they are now.

        Raises:
            ValueError: they cannot be read, or do not belong together; the message says which.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self.certfile, self.keyfile, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            files = f"{self.certfile} and {self.keyfile}" if self.keyfile else f"{self.certfile}"
            why = error.strerror or error.args[0]
            raise ValueError(
                f"The certificate in {files} cannot be used: {why}. Give PEM files, and the certificate's own key."
            ) from None
        return context


def _no_password() -> str:
    raise ssl.SSLError("the key has a password, which cannot be asked for: give a key without one")
